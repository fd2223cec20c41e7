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
    ///
    /// - Parameter room: for a term; it must outlive the cursor.
    func terms(in room: UnsafeMutableRawBufferPointer) -> TermCursor { TermCursor(self, room) }

    /// A cursor at the first term that is not below `term`; nil when all are below.
    ///
    /// - Complexity: O(log n) restarts, then at most 16 terms.
    func terms(
        from term: UnsafeRawBufferPointer, in room: UnsafeMutableRawBufferPointer
    ) throws(WordsError) -> TermCursor? {
        var cursor = TermCursor(self, room)
        var low = 0
        var high = restartCount
        // The last restart whose term is not above the wanted one.
        while high - low > 1 {
            let middle = (low + high) / 2
            try cursor.jump(toRestart: middle)
            guard try cursor.next() else { throw WordsError.damaged("a restart leads nowhere") }
            if ByteOrder.isLess(term, cursor.term) { high = middle } else { low = middle }
        }
        try cursor.jump(toRestart: low)
        while try cursor.next() { if !ByteOrder.isLess(cursor.term, term) { return cursor } }
        return nil
    }

    /// A cursor at `term`; nil when the block does not hold it.
    func find(
        _ term: UnsafeRawBufferPointer, in room: UnsafeMutableRawBufferPointer
    ) throws(WordsError) -> TermCursor? {
        guard let cursor = try terms(from: term, in: room), ByteOrder.areEqual(cursor.term, term) else { return nil }
        return cursor
    }
}
