import Foundation
import HilumCore

/// The first bytes of a file.
package enum FileHead {
    /// At most `byteCount` bytes of the file at `path`; nil if it cannot be read.
    package static func read(_ path: String, byteCount: Int) -> [UInt8]? {
        let descriptor = FencedFolders.open(path)
        guard descriptor >= 0 else { return nil }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        defer { try? file.close() }
        return (try? file.read(upToCount: byteCount)).map { [UInt8]($0) }
    }
}
