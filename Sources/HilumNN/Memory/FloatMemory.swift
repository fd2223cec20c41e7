import Foundation

/// Memory for parameters, packed weights and activations.
enum FloatMemory {
    /// From here on memory comes in huge pages: the first steps of a training touch hundreds of megabytes for the first time,
    /// and a fault for each small page takes a good part of them.
    private static let largeByteCount = 1 << 22
    private static let hugePageByteCount = 1 << 21

    /// `count` words of 32 bits, uninitialised, aligned to 64 bytes at least; freed by `deallocate()`.
    static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        let byteCount = max(count, 1) * 4
        guard byteCount >= largeByteCount else {
            return UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
        }
        let base = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: hugePageByteCount)
        // Safety: the range was allocated just now. It is advice: where it is refused, the pages are small ones.
        _ = madvise(base, byteCount, MADV_HUGEPAGE)
        return base
    }
}
