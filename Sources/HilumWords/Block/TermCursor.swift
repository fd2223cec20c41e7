/// Goes through the directory of a block.
///
/// Thread rule: one owner at a time. The bytes of the block and the room for a term must outlive it.
struct TermCursor {
    private struct Extent {
        var count = 0
        var postings = 0..<0
        var positions = 0..<0
    }

    private let block: BlockReader
    /// Safety: belongs to the caller of `init`; has `WordScanner.termByteLimit` bytes.
    private let room: UnsafeMutableRawBufferPointer
    private var termByteCount = 0
    private var reader: VarintReader
    private var postingsOffset = 0
    private var positionsOffset = 0
    private var extents = InlineArray<4, Extent>(repeating: Extent())
    private var isAtRestart = true

    init(_ block: BlockReader, _ room: UnsafeMutableRawBufferPointer) {
        precondition(room.count >= WordScanner.termByteLimit, "a term needs its room")
        self.block = block
        self.room = room
        reader = VarintReader(block.directory)
    }

    /// The term under the cursor; holds until the cursor goes on.
    var term: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: room[..<termByteCount]) }

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
        termByteCount = 0
        isAtRestart = true
    }

    /// Goes to the next term; false at the end of the block.
    mutating func next() throws(WordsError) -> Bool {
        guard !reader.isAtEnd else { return false }
        let shared = try reader.next()
        guard shared <= termByteCount, !isAtRestart || shared == 0 else {
            throw WordsError.damaged("a term is malformed")
        }
        let rest = try reader.lend(try reader.next())
        guard shared + rest.count <= WordScanner.termByteLimit else { throw WordsError.damaged("a term is too long") }
        let isAscending =
            isAtRestart || ByteOrder.isLess(UnsafeRawBufferPointer(rebasing: room[shared..<termByteCount]), rest)
        guard isAscending else { throw WordsError.damaged("terms are out of order") }
        isAtRestart = false
        // Safety: the room has as many bytes as a term may have.
        for (place, byte) in rest.enumerated() { room[shared + place] = byte }
        termByteCount = shared + rest.count
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
}
