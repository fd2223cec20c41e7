import Foundation
import HilumCore

/// Images that came as bytes, kept as `ARCHIVE/images/<aa>/<SHA-256>` so that equal ones are one file.
///
/// A file is on disk, with its name, before the transaction that refers to it commits. One that is left over by a run that
/// was killed is harmless: it is used when the same image comes again.
enum ImageStore {
    static func path(of digest: [UInt8], in archive: String) -> String {
        let name = hexadecimal(digest)
        return "\(archive)/images/\(name.prefix(2))/\(name)"
    }

    /// Keeps `bytes` unless they are kept already.
    static func keep(_ bytes: [UInt8], digest: [UInt8], in archive: String) throws(ArchiveError) {
        let path = path(of: digest, in: archive)
        var status = stat()
        if stat(path, &status) == 0 && Int(status.st_size) == bytes.count { return }
        try withArchiveErrors {
            let folder = FilePath.folder(of: path)
            try FileIO.makeFolder(folder)
            try FileIO.writeAtomically(path, bytes)
            try FileIO.syncFolder(archive + "/images")
        }
    }

    static func exists(_ digest: [UInt8], in archive: String) -> Bool {
        access(path(of: digest, in: archive), R_OK) == 0
    }

    static func remove(_ digest: [UInt8], in archive: String) {
        unlink(path(of: digest, in: archive))
    }

    /// The bytes of an image, which must still be those that were stored.
    static func read(_ image: CaseEntry.StoredImage, in archive: String) throws(ArchiveError) -> [UInt8] {
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
