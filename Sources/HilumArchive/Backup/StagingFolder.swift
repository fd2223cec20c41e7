import Foundation
import HilumCore

/// A folder that is filled beside its place, `NAME.SUFFIX`, and gets its name when it is whole.
///
/// A file in it marks it as ours: what an interrupted run left goes at the next attempt, and nobody else's folder does.
/// Thread rule: one owner.
final class StagingFolder {
    private static let marker = ".hilum-unfinished"

    let path: String
    private let lock: HeldWriterLock

    /// Makes the folder, with rights for its owner and group alone.
    ///
    /// - Parameter suffix: what is being made, such as `snapshot`.
    /// - Throws: `.exists` where somebody else's folder stands there, `.busy` while another process fills it, `.io`.
    init(beside target: String, suffix: String) throws(ArchiveError) {
        let path = "\(Self.withoutSlash(target)).\(suffix)-unfinished"
        var status = stat()
        if lstat(path, &status) == 0 {
            guard access("\(path)/\(Self.marker)", F_OK) == 0 else {
                throw ArchiveError(.exists, "\(path): this is in the way; move it, or choose another name")
            }
            // Whoever fills it holds the lock.
            let former = try HeldWriterLock(archive: path)
            try Self.remove(path)
            withExtendedLifetime(former) {}
        }
        self.path = path
        try withArchiveErrors {
            guard mkdir(path, 0o750) == 0 else {
                throw FileError(.system(errno: errno), path: path, call: "mkdir")
            }
            try FileIO.writeAtomically("\(path)/\(Self.marker)", Data())
        }
        lock = try HeldWriterLock(archive: path)
    }

    /// Removes it with all that is in it.
    func abandon() {
        try? Self.remove(path)
    }

    /// Makes everything in it durable and takes the mark and the lock files away.
    func complete() throws(ArchiveError) {
        for name in [Self.marker, "lock.mdb", "writer.lock"] { unlink("\(path)/\(name)") }
        try withArchiveErrors { try Self.syncFolders(path) }
    }

    private static func remove(_ path: String) throws(ArchiveError) {
        do { try FileManager.default.removeItem(atPath: path) } catch {
            throw ArchiveError(.io, "\(path): cannot be removed; remove it by hand")
        }
    }

    private static func syncFolders(_ path: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            let child = "\(path)/\(name)"
            var status = stat()
            if lstat(child, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { try syncFolders(child) }
        }
        try FileIO.syncFolder(path)
    }

    /// A path as it came, but for slashes at its end.
    static func withoutSlash(_ path: String) -> String {
        var path = path
        while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
        return path
    }
}
