import Foundation
import HilumCore

/// A weight file read piece by piece, so that a file which lies about itself costs no memory.
final class WeightFile: Sendable {
    let path: String
    let byteCount: Int
    private let descriptor: Int32

    init(_ path: String) throws(FileError) {
        let opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard opened >= 0 else {
            throw FileError(errno == ENOENT ? .notFound : .system(errno: errno), path: path, call: "open")
        }
        var status = stat()
        guard fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(opened)
            throw FileError(.notRegular, path: path, call: "open")
        }
        descriptor = opened
        self.path = path
        byteCount = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// The bytes of a range that lies within `byteCount`.
    func read(_ range: Range<Int>) throws -> [UInt8] {
        var failure: (any Error)?
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, initialized in
            while initialized < range.count, let base = buffer.baseAddress {
                // Safety: the buffer holds `range.count` bytes and `initialized` is below that.
                let got = pread(
                    descriptor, base + initialized, range.count - initialized, off_t(range.lowerBound + initialized))
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failure = FileError(.system(errno: errno), path: path, call: "pread") }
                if got == 0 { failure = MCRError(.badWeights(reason: "it became shorter while it was read")) }
                if got <= 0 { return }
                initialized += got
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
