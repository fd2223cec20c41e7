import Synchronization

/// Where each item is: its node and its place in that node's posting list. One word an item, in chunks that never move.
///
/// Thread rule: `locate` from any thread, the rest by the one writer.
final class ItemTable: @unchecked Sendable {
    // Sendable: the entries are atomics; the table of chunks is written by the writer before it publishes the chunk's address.
    private static let chunkShift = 12
    private static let chunkItemCount = 1 << chunkShift
    private static let chunkCount = 1 << (32 - chunkShift)
    /// `Atomic<UInt>` addresses of chunks; 0 while there is none.
    private let directory: UnsafeMutablePointer<Atomic<UInt>>
    private let directoryByteCount: Int
    /// Chunks from here on do not exist. Writer only.
    private var chunkEnd = 0
    private let departures = Atomic<Int>(0)

    /// Grows each time an item has left a node. What is known of where items are holds while this does not change, but for items that come.
    var departureCount: Int { departures.load(ordering: .acquiring) }

    init() {
        // Zeroed pages of the system are only resident once written, so the empty directory of 8 MiB costs nothing.
        directoryByteCount = Self.chunkCount * MemoryLayout<UInt>.stride
        directory = zeroedPages(directoryByteCount).assumingMemoryBound(to: Atomic<UInt>.self)
    }

    deinit {
        for chunk in 0..<chunkEnd {
            UnsafeMutableRawPointer(bitPattern: directory[chunk].load(ordering: .relaxed))?.deallocate()
        }
        returnPages(directory, directoryByteCount)
    }

    private func chunk(_ item: UInt32) -> UnsafeMutablePointer<Atomic<UInt64>>? {
        // Safety: the directory covers every 32-bit item; a chunk is zeroed before its address is published with release.
        let address = directory[Int(item >> UInt32(Self.chunkShift))].load(ordering: .acquiring)
        return UnsafeMutableRawPointer(bitPattern: address)?.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// The node and the place of an item.
    @inline(__always) func locate(_ item: UInt32) -> (node: UInt32, place: Int)? {
        guard let chunk = chunk(item) else { return nil }
        let word = chunk[Int(item) & (Self.chunkItemCount - 1)].load(ordering: .acquiring)
        guard word != 0 else { return nil }
        return (UInt32(truncatingIfNeeded: word >> 32) &- 1, Int(UInt32(truncatingIfNeeded: word)))
    }

    func set(_ item: UInt32, node: UInt32, place: Int) {
        var target = chunk(item)
        if target == nil {
            let byteCount = Self.chunkItemCount * 8
            let fresh = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
            fresh.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
            directory[Int(item >> UInt32(Self.chunkShift))].store(UInt(bitPattern: fresh), ordering: .releasing)
            chunkEnd = max(chunkEnd, Int(item >> UInt32(Self.chunkShift)) + 1)
            target = fresh.assumingMemoryBound(to: Atomic<UInt64>.self)
        }
        let word = UInt64(node &+ 1) << 32 | UInt64(UInt32(place))
        guard let target else { return }
        let before = target[Int(item) & (Self.chunkItemCount - 1)].exchange(word, ordering: .acquiringAndReleasing)
        if before != 0, before >> 32 != word >> 32 { departures.add(1, ordering: .acquiringAndReleasing) }
    }

    func clear(_ item: UInt32) {
        chunk(item)?[Int(item) & (Self.chunkItemCount - 1)].store(0, ordering: .releasing)
        departures.add(1, ordering: .acquiringAndReleasing)
    }

    /// Calls `body` with each of the 64 items from `first` on whose bit is set, and its node; nil where it is not there. Any thread.
    ///
    /// - Parameter first: a multiple of 64.
    @inline(__always)
    func locateEach<Failure: Error>(
        of bits: UInt64, from first: UInt32, _ body: (_ item: UInt32, _ node: UInt32?) throws(Failure) -> Void
    ) throws(Failure) {
        var rest = bits
        // A chunk holds all of them, as its size is a multiple of 64.
        let chunk = rest == 0 ? nil : chunk(first)
        while rest != 0 {
            let item = first + UInt32(rest.trailingZeroBitCount)
            rest &= rest - 1
            let word = chunk?[Int(item) & (Self.chunkItemCount - 1)].load(ordering: .acquiring) ?? 0
            try body(item, word == 0 ? nil : UInt32(truncatingIfNeeded: word >> 32) &- 1)
        }
    }

    /// Calls `body` for each item in ascending order. Writer only.
    func forEach(_ body: (_ item: UInt32, _ node: UInt32, _ place: Int) -> Void) {
        for number in 0..<chunkEnd where directory[number].load(ordering: .acquiring) != 0 {
            let first = UInt32(number) << UInt32(Self.chunkShift)
            for offset in 0..<UInt32(Self.chunkItemCount) {
                if let (node, place) = locate(first + offset) { body(first + offset, node, place) }
            }
        }
    }
}
