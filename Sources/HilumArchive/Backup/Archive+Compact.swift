import Foundation
import HilumCore
import LMDB

extension Archive {
    /// Writes the store anew without free pages, so that the file shrinks and the bytes of what was deleted are gone from it.
    ///
    /// The archive must be open nowhere. The new store is checked before it takes the old one's place, in one step.
    /// - Returns: bytes of `data.mdb` before and after.
    /// - Throws: `.notFound`, `.busy` for an archive that is open, `.damaged`, `.io`. Then the archive is as it was.
    public static func compact(_ path: String) throws -> (before: Int, after: Int) {
        let path = StagingFolder.withoutSlash(path)
        return try withArchiveErrors {
            guard access("\(path)/data.mdb", F_OK) == 0 else {
                throw ArchiveError(.notFound, "\(path): there is no archive here; make one with `hilum init`")
            }
            try refuseSnapshot(path, shownAs: path)
            let lock = try HeldWriterLock(archive: path)
            defer { withExtendedLifetime(lock) {} }
            if let finding = try verifyPages(path).findings.first {
                throw ArchiveError(
                    .damaged, "\(path): the archive is damaged (\(finding)); run `hilum check`, and restore a snapshot")
            }
            try purge(path)
            let folder = "\(path)/compact.unfinished"
            try? FileManager.default.removeItem(atPath: folder)
            guard mkdir(folder, 0o750) == 0 else {
                throw FileError(.system(errno: errno), path: folder, call: "mkdir")
            }
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let file = "\(folder)/data.mdb"
            try copyStore(of: path, to: file)
            if let finding = try verifyPages(folder).findings.first {
                throw ArchiveError(
                    .io, "\(file): the copy is damaged (\(finding)); the archive is as it was; check the disk")
            }
            let before = try byteCount("\(path)/data.mdb")
            let after = try byteCount(file)
            do {
                try Environment.replaceData(of: path, by: file, tableCount: Store.Name.allCases.count)
            } catch let error as LMDBError where error.code == .alreadyOpen {
                throw ArchiveError(
                    .busy(holder: 0), "\(path): another process has the archive open; close it, and compact again")
            }
            try FileIO.syncFolder(path)
            return (before, after)
        }
    }

    private static func copyStore(of path: String, to file: String) throws {
        var status = stat()
        guard stat("\(path)/data.mdb", &status) == 0 else {
            throw FileError(.system(errno: errno), path: path, call: "stat")
        }
        let store = try Store(path: path, mode: .readOnly, mapSizeInBytes: 1 << 20)
        defer { store.environment.close() }
        _ = try formatVersion(store)
        let descriptor = Foundation.open(
            file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, status.st_mode & 0o777)
        guard descriptor >= 0 else { throw FileError(.system(errno: errno), path: file, call: "open") }
        defer { Foundation.close(descriptor) }
        try store.environment.copy(compactedTo: descriptor)
        // As root makes the file, it stays that of its owner.
        if fchown(descriptor, status.st_uid, status.st_gid) != 0 && geteuid() == 0 {
            throw FileError(.system(errno: errno), path: file, call: "fchown")
        }
        guard fsync(descriptor) == 0 else { throw FileError(.system(errno: errno), path: file, call: "fsync") }
    }

    private static func byteCount(_ file: String) throws -> Int {
        var status = stat()
        guard stat(file, &status) == 0 else { throw FileError(.system(errno: errno), path: file, call: "stat") }
        return Int(status.st_size)
    }
}
