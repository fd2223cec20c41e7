import Foundation

/// Copies of values, read from the file in large pieces instead of through the map; for values with checksums of their own.
///
/// A page that is touched through the map is fetched alone, or with neighbours that nobody may want, and entered into the map; plain
/// reads of the same bytes come several times faster, for the system takes large pages for them and reads on by itself.
///
/// Thread rule: one thread at a time.
public final class PageFetcher {
    /// The longest range of the file that is read as one.
    private static let longestRange = 64 << 20
    private let map: PageMap
    private var fetchCount = 0
    /// The addresses of what lies in `copy`.
    private var range = 0..<0
    private var copy = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// - Throws: `.closed`.
    public init(_ environment: Environment) throws { map = try environment.pageMap() }

    deinit { copy.deallocate() }

    /// Copies the bytes from the first to the last of some values that the present read transaction lent, and what lies between, in
    /// place of what was copied before. Where the values lie far apart, or a read fails, nothing is.
    public func fetch(_ values: [UnsafeRawBufferPointer]) {
        range = 0..<0
        let starts = values.compactMap { $0.baseAddress.map { Int(bitPattern: $0) } }
        guard let start = starts.min(), let end = zip(starts, values).map({ $0 + $1.count }).max() else { return }
        // The map cannot move meanwhile: the transaction that lent the values still lives.
        let first = Int(bitPattern: map.base)
        guard start >= first, end <= first + map.byteCount, end - start <= Self.longestRange else { return }
        if copy.count < end - start {
            copy.deallocate()
            copy = .allocate(byteCount: end - start, alignment: 64)
        }
        var done = 0
        while done < end - start {
            // Safety: the copy has the room.
            let count = pread(
                map.descriptor, copy.baseAddress.map { $0 + done }, end - start - done, off_t(start - first + done))
            guard count > 0 else { return }
            done += count
        }
        range = start..<end
        // A page of a tree that was touched on the way to a value may have brought 2 MiB of the system's cache into this process.
        fetchCount += 1
        if fetchCount % 4 == 0 { map.release() }
    }

    /// The copy of a value, valid until the next `fetch` or the end of the transaction; nil when it is not among what was copied.
    public func copy(of value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let start = value.baseAddress.map { Int(bitPattern: $0) } ?? 0
        guard !value.isEmpty, range.contains(start), start + value.count <= range.upperBound else { return nil }
        let first = start - range.lowerBound
        return UnsafeRawBufferPointer(rebasing: copy[first..<(first + value.count)])
    }
}
