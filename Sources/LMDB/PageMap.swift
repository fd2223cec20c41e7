import Foundation

/// The file of an environment as memory, for reading; apart from LMDB's own map.
///
/// The map is longer than the file, so it need not move when the file grows. Nothing beyond the end of the file may be touched:
/// `TreeReader` compares every page number with the file's size first.
///
/// Thread rule: reading from any thread; `cover` while nobody reads (the environment's gate sees to that).
final class PageMap: @unchecked Sendable {
    // Sendable: `base` and `byteCount` change only in `cover`, under the closed gate.

    let descriptor: Int32
    /// The same file for reading single pages, whose neighbours the system leaves where they are; nil where nobody does.
    let randomDescriptor: Int32?
    private let path: String
    private let readsAround: Bool
    private(set) var base: UnsafeRawPointer
    /// How much of the file's address space is mapped.
    private(set) var byteCount: Int

    private static let leastByteCount = 4 << 30

    /// - Parameters:
    ///   - readsAround: whether the system may read neighbours of a page that is touched.
    ///   - copiesPages: whether single pages are read with `randomDescriptor`.
    init(folder: String, readsAround: Bool, copiesPages: Bool = false) throws {
        path = folder
        self.readsAround = readsAround
        descriptor = open(folder + "/data.mdb", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LMDBError(status: errno, call: "open", path: folder) }
        // Through the link of the descriptor, so that both are one file.
        let second = copiesPages ? open("/proc/self/fd/\(descriptor)", O_RDONLY | O_CLOEXEC) : -1
        if second >= 0 { _ = posix_fadvise(second, 0, 0, Int32(POSIX_FADV_RANDOM)) }
        randomDescriptor = second >= 0 ? second : nil
        do {
            let size = try Self.fileByteCount(descriptor, folder)
            (base, byteCount) = try Self.map(descriptor, max(Self.leastByteCount, 4 * size), size, readsAround, folder)
        } catch {
            Foundation.close(descriptor)
            if let randomDescriptor { Foundation.close(randomDescriptor) }
            throw error
        }
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
        close(descriptor)
        if let randomDescriptor { close(randomDescriptor) }
    }

    /// The file's size now.
    func fileByteCount() throws -> Int { try Self.fileByteCount(descriptor, path) }

    /// Maps at least `byteCount` bytes; every pointer into the old map is void afterwards.
    func cover(_ wanted: Int) throws {
        guard wanted > byteCount else { return }
        let mapped = try Self.map(descriptor, 4 * wanted, wanted, readsAround, path)
        munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
        (base, byteCount) = mapped
    }

    /// Releases the pages that were read through the map; they are read again when they are touched.
    func release() {
        // Safety: nothing is ever written through the map, so nothing is lost.
        _ = madvise(UnsafeMutableRawPointer(mutating: base), byteCount, MADV_DONTNEED)
    }

    private static func fileByteCount(_ descriptor: Int32, _ path: String) throws -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LMDBError(status: errno, call: "fstat", path: path) }
        return Int(status.st_size)
    }

    /// Maps `wanted` bytes, or only `least` where a limit on address space forbids that.
    private static func map(
        _ descriptor: Int32, _ wanted: Int, _ least: Int, _ readsAround: Bool, _ path: String
    ) throws -> (UnsafeRawPointer, Int) {
        for byteCount in [wanted, max(least, 1)] {
            let address = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0)
            guard let address, address != MAP_FAILED else { continue }
            if !readsAround { _ = madvise(address, byteCount, MADV_RANDOM) }
            return (UnsafeRawPointer(address), byteCount)
        }
        throw LMDBError(status: errno, call: "mmap", path: path)
    }
}
