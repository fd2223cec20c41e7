import CLMDB
import Foundation

/// Copies of values, read from the file in large pieces instead of through the map.
///
/// A page that is touched through the map is fetched alone, or with neighbours that nobody may want, and entered into the map; plain
/// reads of the same bytes come several times faster, for the system takes large pages for them and reads on by itself.
///
/// Thread rule: one thread at a time.
public final class PageFetcher {
    private let descriptor: Int32
    private var map = 0..<0
    private var mapOffset = 0
    /// The addresses of what lies in `copy`.
    private var range = 0..<0
    private var copy = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// - Parameter transaction: of the environment whose values are to be fetched, which must stay open.
    public init(_ transaction: borrowing ReadTransaction) {
        var file: mdb_filehandle_t = -1
        _ = mdb_env_get_fd(mdb_txn_env(transaction.handle.raw), &file)
        descriptor = file
    }

    deinit { copy.deallocate() }

    /// Copies the bytes from the first to the last of some values that were lent by a read transaction, and what lies between, in place
    /// of what was copied before. Where it is not known how the file is mapped, or a read fails, nothing is.
    public func fetch(_ values: [UnsafeRawBufferPointer]) {
        range = 0..<0
        let starts = values.compactMap { $0.baseAddress.map { Int(bitPattern: $0) } }
        guard let start = starts.min(), let end = zip(starts, values).map({ $0 + $1.count }).max() else { return }
        if !map.contains(start) { findMap(of: start) }
        guard map.contains(start) else { return }
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
    }

    /// The copy of a value, valid until the next `fetch`; nil when it is not among what was copied.
    public func copy(of value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let start = value.baseAddress.map { Int(bitPattern: $0) } ?? 0
        guard !value.isEmpty, range.contains(start), start + value.count <= range.upperBound else { return nil }
        let first = start - range.lowerBound
        return UnsafeRawBufferPointer(rebasing: copy[first..<(first + value.count)])
    }

    /// Finds the line of the system's list of mappings that holds an address: `first-last access offset …`, in hexadecimal.
    private func findMap(of address: Int) {
        guard let text = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            let ends = words.first?.split(separator: "-") ?? []
            guard words.count > 2, ends.count == 2, let first = Int(ends[0], radix: 16),
                let last = Int(ends[1], radix: 16),
                let offset = Int(words[2], radix: 16), (first..<max(first, last)).contains(address)
            else { continue }
            map = first..<last
            mapOffset = offset
            return
        }
    }
}
