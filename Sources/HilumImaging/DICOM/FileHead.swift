import Foundation
import HilumCore

/// The first bytes of a file.
package enum FileHead {
    /// At most `byteCount` bytes of the file at `path`; nil if it cannot be read.
    package static func read(_ path: String, byteCount: Int) -> [UInt8]? { try? bytes(of: path, byteCount: byteCount) }

    /// At most `byteCount` bytes of the file at `path`.
    ///
    /// - Throws: why it cannot be read, which may pass.
    package static func bytes(of path: String, byteCount: Int) throws(FileError) -> [UInt8] {
        let descriptor = FencedFolders.open(path)
        guard descriptor >= 0 else {
            let number = errno
            throw FileError(number == ENOENT ? .notFound : .system(errno: number), path: path, call: "open")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        defer { try? file.close() }
        do { return [UInt8](try file.read(upToCount: byteCount) ?? Data()) } catch {
            throw FileError(.system(errno: EIO), path: path, call: "read")
        }
    }
}
