/// A block, checked as far as its header goes. The bytes belong to the store or to the owner of a copy.
///
/// Thread rule: an immutable value; the bytes must outlive it.
struct BlockReader {
    let base: UInt32
    let restartCount: Int
    let restarts: UnsafeRawBufferPointer
    let directory: UnsafeRawBufferPointer
    let postings: UnsafeRawBufferPointer
    let positions: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) throws(WordsError) {
        guard bytes.count >= BlockBuilder.headerByteCount, bytes[0] == BlockBuilder.format else {
            throw WordsError.damaged("its format is unknown")
        }
        // Safety: the header is there; the loads assume no alignment.
        func number(at offset: Int) -> Int {
            Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        restartCount = number(at: 1)
        base = UInt32(number(at: 5))
        let restartsEnd = BlockBuilder.headerByteCount + restartCount * BlockBuilder.restartByteCount
        let directoryEnd = restartsEnd + number(at: 9)
        let postingsEnd = directoryEnd + number(at: 13)
        guard postingsEnd <= bytes.count, restartCount > 0 else { throw WordsError.damaged("cut off") }
        restarts = UnsafeRawBufferPointer(rebasing: bytes[BlockBuilder.headerByteCount..<restartsEnd])
        directory = UnsafeRawBufferPointer(rebasing: bytes[restartsEnd..<directoryEnd])
        postings = UnsafeRawBufferPointer(rebasing: bytes[directoryEnd..<postingsEnd])
        positions = UnsafeRawBufferPointer(rebasing: bytes[postingsEnd...])
    }

    /// A cursor before the first term.
    func terms() -> TermCursor { TermCursor(self) }

    /// A cursor at the first term that is not below `term`; nil when all are below.
    ///
    /// - Complexity: O(log n) restarts, then at most 16 terms.
    func terms(from term: UnsafeRawBufferPointer) throws(WordsError) -> TermCursor? {
        var low = 0
        var high = restartCount
        // The last restart whose term is not above the wanted one.
        while high - low > 1 {
            let middle = (low + high) / 2
            var cursor = TermCursor(self)
            try cursor.jump(toRestart: middle)
            guard try cursor.next() else { throw WordsError.damaged("a restart leads nowhere") }
            if cursor.isAbove(term) { high = middle } else { low = middle }
        }
        var cursor = TermCursor(self)
        try cursor.jump(toRestart: low)
        while try cursor.next() { if !cursor.isBelow(term) { return cursor } }
        return nil
    }

    /// A cursor at `term`; nil when the block does not hold it.
    func find(_ term: UnsafeRawBufferPointer) throws(WordsError) -> TermCursor? {
        guard let cursor = try terms(from: term), cursor.isAt(term) else { return nil }
        return cursor
    }
}

/// Goes through the directory of a block.
///
/// Thread rule: a value type; the bytes of the block must outlive it.
struct TermCursor {
    private struct Extent {
        var count = 0
        var postings = 0..<0
        var positions = 0..<0
    }

    private let block: BlockReader
    private var reader: VarintReader
    private var postingsOffset = 0
    private var positionsOffset = 0
    private var extents = [Extent](repeating: Extent(), count: WordAssertion.count)
    private var isAtRestart = true
    /// The term under the cursor.
    private(set) var term: [UInt8] = []

    init(_ block: BlockReader) {
        self.block = block
        reader = VarintReader(block.directory)
        term.reserveCapacity(WordScanner.termByteLimit)
    }

    /// Stands before the first term of a restart.
    mutating func jump(toRestart index: Int) throws(WordsError) {
        // Safety: the block checked that `restartCount` restarts are there; the loads assume no alignment.
        func number(_ place: Int) -> Int {
            let offset = index * BlockBuilder.restartByteCount + 4 * place
            return Int(UInt32(littleEndian: block.restarts.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        guard number(0) < block.directory.count else { throw WordsError.damaged("a restart leads nowhere") }
        reader = VarintReader(block.directory, from: number(0))
        postingsOffset = number(1)
        positionsOffset = number(2)
        term.removeAll(keepingCapacity: true)
        isAtRestart = true
    }

    /// Goes to the next term; false at the end of the block.
    mutating func next() throws(WordsError) -> Bool {
        guard !reader.isAtEnd else { return false }
        let shared = try reader.next()
        guard shared <= term.count, !isAtRestart || shared == 0 else { throw WordsError.damaged("a term is malformed") }
        let rest = try reader.lend(try reader.next())
        guard shared + rest.count <= WordScanner.termByteLimit else { throw WordsError.damaged("a term is too long") }
        let isAscending =
            isAtRestart
            || term.withUnsafeBytes { ByteOrder.isLess(UnsafeRawBufferPointer(rebasing: $0[shared...]), rest) }
        guard isAscending else { throw WordsError.damaged("terms are out of order") }
        isAtRestart = false
        term.removeSubrange(shared...)
        term.append(contentsOf: rest)
        let mask = try reader.byte()
        guard mask > 0 && mask < 1 << UInt8(WordAssertion.count) else { throw WordsError.damaged("a term has no list") }
        for index in extents.indices {
            guard mask & (1 << UInt8(index)) != 0 else {
                extents[index].count = 0
                continue
            }
            extents[index].count = try reader.next()
            extents[index].postings = try Self.range(from: &postingsOffset, try reader.next(), in: block.postings)
            extents[index].positions = try Self.range(from: &positionsOffset, try reader.next(), in: block.positions)
            guard extents[index].count > 0 && extents[index].count <= extents[index].postings.count else {
                throw WordsError.damaged("a list is shorter than it says")
            }
        }
        return true
    }

    private static func range(
        from offset: inout Int, _ count: Int, in bytes: UnsafeRawBufferPointer
    ) throws(WordsError) -> Range<Int> {
        guard offset <= bytes.count, count <= bytes.count - offset else { throw WordsError.damaged("cut off") }
        defer { offset += count }
        return offset..<(offset + count)
    }

    /// The list of the term under the cursor for an assertion; nil when the block has none.
    func list(_ assertion: Int) -> PostingList? {
        let extent = extents[assertion]
        guard extent.count > 0 else { return nil }
        return PostingList(
            count: extent.count, base: block.base,
            postings: UnsafeRawBufferPointer(rebasing: block.postings[extent.postings]),
            positions: UnsafeRawBufferPointer(rebasing: block.positions[extent.positions]))
    }

    func isAt(_ other: UnsafeRawBufferPointer) -> Bool { term.withUnsafeBytes { ByteOrder.areEqual($0, other) } }
    func isBelow(_ other: UnsafeRawBufferPointer) -> Bool { term.withUnsafeBytes { ByteOrder.isLess($0, other) } }
    func isAbove(_ other: UnsafeRawBufferPointer) -> Bool { term.withUnsafeBytes { ByteOrder.isLess(other, $0) } }
    func starts(with prefix: UnsafeRawBufferPointer) -> Bool {
        term.withUnsafeBytes { ByteOrder.starts($0, with: prefix) }
    }
}
