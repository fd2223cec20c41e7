import Dispatch
import Foundation

/// Copies of values, read from the file in large pieces instead of through the map; for values with checksums of their own.
///
/// A page fault in the map fetches one page, or megabytes that nobody asked for, and the kernel must enter each page into the map. Plain
/// reads of the same bytes are several times as fast, because the system uses large pages for them and reads ahead.
///
/// Thread rule: one thread at a time.
public final class PageFetcher {
    /// Values that lie no farther apart are read together with what lies between.
    private static let longestGap = 32 << 10
    /// The longest range of the file that is read as one.
    private static let longestRange = 4 << 20
    /// So much is asked for at once: the system finds memory for all of it before the disk begins.
    private static let askedByteCount = 256 << 10
    private let map: PageMap
    /// Asks the system in the order of the calls, on another thread.
    private static let asking = DispatchQueue(label: "hilum.pages", qos: .userInitiated)
    private let asksInBackground: Bool
    private var fetchCount = 0
    /// The addresses of what was copied, and where it lies in `copy`.
    private var ranges: [(addresses: Range<Int>, place: Int)] = []
    private var copy = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// A fetcher for the values of `environment`.
    ///
    /// - Parameters:
    ///   - transaction: under way in `environment`, on this thread. The fetcher may outlive it.
    ///   - asksInBackground: whether `announce` asks on another thread. The system finds memory for all that is asked for before it
    ///     returns.
    public init(
        _ environment: Environment, in transaction: borrowing ReadTransaction, asksInBackground: Bool = false
    ) {
        map = environment.pageMap(in: transaction)
        self.asksInBackground = asksInBackground
    }

    /// Starts the thread that asks in the background, which takes as long as reading several pages. Any thread.
    public static func prepareToAsk() { asking.async {} }

    deinit { copy.deallocate() }

    /// Copies some values that the present read transaction lent, in place of what was copied before. A value that is longer than a
    /// few MiB or cannot be read is left out.
    public func fetch(_ values: [UnsafeRawBufferPointer]) {
        ranges = Self.ranges(values)
        let wanted = ranges.last.map { $0.place + $0.addresses.count } ?? 0
        if copy.count < wanted {
            copy.deallocate()
            copy = .allocate(byteCount: wanted, alignment: 64)
        }
        ranges.removeAll { !read($0.addresses, at: $0.place) }
        // A page of a tree that was touched on the way to a value may have brought 2 MiB of the system's cache into this process.
        fetchCount += 1
        if fetchCount % 32 == 0 { map.release() }
    }

    /// Asks the system to read some values that the present read transaction lent, and does not wait: a `fetch` a little later finds them
    /// in memory.
    public func announce(_ values: [UnsafeRawBufferPointer]) {
        let first = Int(bitPattern: map.base)
        let end = first + map.byteCount
        let wanted = Self.ranges(values).compactMap { addresses, _ in
            addresses.lowerBound >= first && addresses.upperBound <= end
                ? addresses.lowerBound - first..<addresses.upperBound - first : nil
        }
        guard !wanted.isEmpty else { return }
        // The map holds the file open until all was asked for.
        let map = map
        @Sendable func ask() {
            for range in wanted {
                // What comes of it does not matter: it is advice.
                for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.askedByteCount) {
                    _ = posix_fadvise(
                        map.descriptor, off_t(first), off_t(min(Self.askedByteCount, range.upperBound - first)),
                        Int32(POSIX_FADV_WILLNEED))
                }
            }
        }
        if asksInBackground { Self.asking.async { ask() } } else { ask() }
    }

    /// The addresses of values, neighbours joined, and a place for each range.
    private static func ranges(_ values: [UnsafeRawBufferPointer]) -> [(addresses: Range<Int>, place: Int)] {
        var ranges: [(addresses: Range<Int>, place: Int)] = []
        let starts = values.compactMap { value in
            value.baseAddress.map { Int(bitPattern: $0)..<(Int(bitPattern: $0) + value.count) }
        }
        for addresses in starts.sorted(by: { $0.lowerBound < $1.lowerBound }) where addresses.count <= longestRange {
            if let last = ranges.last, addresses.lowerBound - last.addresses.upperBound <= longestGap,
                addresses.upperBound - last.addresses.lowerBound <= longestRange
            {
                let end = max(last.addresses.upperBound, addresses.upperBound)
                ranges[ranges.count - 1].addresses = last.addresses.lowerBound..<end
            } else {
                ranges.append((addresses, ranges.last.map { $0.place + $0.addresses.count } ?? 0))
            }
        }
        return ranges
    }

    private func read(_ addresses: Range<Int>, at place: Int) -> Bool {
        // The map cannot move meanwhile: the transaction that lent the values still lives.
        let first = Int(bitPattern: map.base)
        guard addresses.lowerBound >= first, addresses.upperBound <= first + map.byteCount else { return false }
        var done = 0
        while done < addresses.count {
            // Safety: the copy has the room.
            let count = pread(
                map.descriptor, copy.baseAddress.map { $0 + place + done }, addresses.count - done,
                off_t(addresses.lowerBound - first + done))
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// The copy of a value, valid until the next `fetch` or the end of the transaction; nil when it is not among what was copied.
    public func copy(of value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let start = value.baseAddress.map { Int(bitPattern: $0) } ?? 0
        guard !value.isEmpty else { return nil }
        for (addresses, place) in ranges
        where addresses.contains(start) && start + value.count <= addresses.upperBound {
            let first = place + start - addresses.lowerBound
            return UnsafeRawBufferPointer(rebasing: copy[first..<(first + value.count)])
        }
        return nil
    }
}
