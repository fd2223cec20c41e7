import Foundation
import HilumCore

/// Images that came as bytes, kept as `ARCHIVE/images/<aa>/<SHA-256>` so that equal ones are one file.
///
/// A file is on disk, with its name, before the transaction that refers to it commits, and goes again when that fails. One that is left
/// over by a run that was killed is harmless: it is used when the same image comes again, and `check` counts it.
enum ImageStore {
    static func path(of digest: [UInt8], in archive: String) -> String {
        let name = hexadecimal(digest)
        return "\(archive)/images/\(name.prefix(2))/\(name)"
    }

    /// Keeps `bytes` unless they are kept already; a file of other bytes under their name is replaced.
    ///
    /// Images are for the archive's owner and group alone, also where an older release or somebody else made the folders.
    /// - Returns: whether the file is new.
    static func keep(_ bytes: [UInt8], digest: [UInt8], in archive: String) throws(ArchiveError) -> Bool {
        let path = path(of: digest, in: archive)
        return try withArchiveErrors {
            let isThere = access(path, F_OK) == 0
            if isThere, let kept = try? FileIO.digest(path), kept.sha256 == hexadecimal(digest) {
                restrict(path, to: 0o640)
                return false
            }
            let root = archive + "/images"
            let folder = FilePath.folder(of: path)
            for (made, above) in [(root, archive), (folder, root)] {
                if mkdir(made, 0o750) == 0 {
                    try FileIO.syncFolder(above)
                } else if errno == EEXIST {
                    restrict(made, to: 0o750)
                } else {
                    throw FileError(.system(errno: errno), path: made, call: "mkdir")
                }
            }
            try FileIO.writeAtomically(path, bytes, rights: 0o640)
            return !isThere
        }
    }

    /// Takes rights away; where this user may not, they stay.
    private static func restrict(_ path: String, to rights: mode_t) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & 0o777 & ~rights != 0 else { return }
        _ = chmod(path, status.st_mode & 0o777 & rights)
    }

    /// The digests of the files that are kept, in no order.
    static func digests(in archive: String) -> Set<String> {
        let root = archive + "/images"
        var found: Set<String> = []
        for prefix in (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [] {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(prefix)")) ?? []
            where name.utf8.count == 64 && name.hasPrefix(prefix) { found.insert(name) }
        }
        return found
    }

    static func exists(_ digest: [UInt8], in archive: String) -> Bool {
        access(path(of: digest, in: archive), R_OK) == 0
    }

    static func remove(_ digest: [UInt8], in archive: String) {
        unlink(path(of: digest, in: archive))
    }

    /// The bytes of an image, which must still be those that were stored.
    static func read(_ image: CaseEntry.StoredImage, in archive: String) throws(ArchiveError) -> [UInt8] {
        guard image.hasPicture else {
            throw ArchiveError(.notFound, "there is no picture: only the vector of this image was imported")
        }
        let path = image.isKept ? path(of: image.digest, in: archive) : image.path
        let bytes = try withArchiveErrors { try FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount) }
        guard digest(bytes) == image.digest else {
            throw ArchiveError(
                image.isKept ? .damaged : .stale, "\(path): the image is not the one that was stored; index it again")
        }
        return bytes
    }

    static func digest(_ bytes: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }
}
