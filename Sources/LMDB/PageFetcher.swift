import CLMDB
import Foundation

/// Copies of values, read from the file in large pieces instead of through the map; for values with checksums of their own.
///
/// A page that is touched through the map is fetched alone, or with neighbours that nobody may want, and entered into the map; plain
/// reads of the same bytes come several times faster, for the system takes large pages for them and reads on by itself.
///
/// Thread rule: one thread at a time.
public final class PageFetcher {
    /// What two values may lie apart at most to be read together.
    private static let longestRange = 64 << 20
    private let environment: Environment
    private let descriptor: Int32
    /// Where the map lay when it had moved so many times.
    private var moveCount = -1
    private var map = 0..<0
    private var mapOffset = 0
    private var fetchCount = 0
    /// The addresses of what lies in `copy`.
    private var range = 0..<0
    private var copy = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// - Throws: `.closed`. Not inside of a transaction.
    public init(_ environment: Environment) throws {
        self.environment = environment
        descriptor = try environment.fileDescriptor()
        findMap()
    }

    deinit { copy.deallocate() }

    /// Copies the bytes from the first to the last of some values that the present read transaction lent, and what lies between, in
    /// place of what was copied before. Where it is not known how the file is mapped, the values lie far apart, or a read fails,
    /// nothing is.
    public func fetch(_ values: [UnsafeRawBufferPointer]) {
        range = 0..<0
        let starts = values.compactMap { $0.baseAddress.map { Int(bitPattern: $0) } }
        guard let start = starts.min(), let end = zip(starts, values).map({ $0 + $1.count }).max() else { return }
        // No move can come between: the transaction that lent the values still lives.
        if moveCount != environment.moveCount || !map.contains(start) { findMap() }
        guard map.contains(start), end <= map.upperBound, end - start <= Self.longestRange else { return }
        if copy.count < end - start {
            copy.deallocate()
            copy = .allocate(byteCount: end - start, alignment: 64)
        }
        var done = 0
        while done < end - start {
            // Safety: the copy has the room.
            let count = pread(
                descriptor, copy.baseAddress.map { $0 + done }, end - start - done,
                off_t(start - map.lowerBound + mapOffset + done))
            guard count > 0 else { return }
            done += count
        }
        range = start..<end
        // A page of a tree that was touched on the way to a value may have brought 2 MiB of the system's cache into this process; they
        // come back by themselves. Safety: nothing is ever written through the map, so nothing is lost.
        fetchCount += 1
        if fetchCount % 4 == 0, let first = UnsafeMutableRawPointer(bitPattern: map.lowerBound) {
            _ = madvise(first, map.count, MADV_DONTNEED)
        }
    }

    /// The copy of a value, valid until the next `fetch` or the end of the transaction; nil when it is not among what was copied.
    public func copy(of value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let start = value.baseAddress.map { Int(bitPattern: $0) } ?? 0
        guard !value.isEmpty, range.contains(start), start + value.count <= range.upperBound else { return nil }
        let first = start - range.lowerBound
        return UnsafeRawBufferPointer(rebasing: copy[first..<(first + value.count)])
    }

    private func findMap() {
        moveCount = environment.moveCount
        let found = FileMapping(of: descriptor)
        map = found?.addresses ?? 0..<0
        mapOffset = found?.offset ?? 0
    }
}

/// Where a file named `data.mdb` lies in this process's memory.
struct FileMapping {
    let addresses: Range<Int>
    /// The place in the file of the first of them.
    let offset: Int

    /// Finds the file in the system's list of mappings: `first-last access offset device inode …`, all but the inode in hexadecimal.
    init?(of descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        for line in Self.list().split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "), maxSplits: 5).map {
                String(decoding: $0, as: UTF8.self)
            }
            guard words.count > 5, UInt64(words[4]) == UInt64(status.st_ino), words[5].hasSuffix("data.mdb") else {
                continue
            }
            let ends = words[0].split(separator: "-").compactMap { Int($0, radix: 16) }
            guard ends.count == 2, ends[0] < ends[1], let offset = Int(words[2], radix: 16) else { continue }
            addresses = ends[0]..<ends[1]
            self.offset = offset
            return
        }
        return nil
    }

    private static func list() -> [UInt8] {
        let file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(file, &piece, piece.count)
            guard count > 0 else { return text }
            text += piece[..<count]
        }
    }
}
