import Foundation

/// The first bytes of a file.
package enum FileHead {
    /// At most `byteCount` bytes of the file at `path`; nil if it cannot be read.
    package static func read(_ path: String, byteCount: Int) -> [UInt8]? {
        guard let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? file.close() }
        return (try? file.read(upToCount: byteCount)).map { [UInt8]($0) }
    }
}
