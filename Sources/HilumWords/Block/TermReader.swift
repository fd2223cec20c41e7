/// Finds the lists of terms in the blocks of a segment.
///
/// Thread rule: an immutable value.
struct TermReader {
    private let segment: UInt32

    init(_ segment: WordSegment) { self.segment = segment.number }

    /// Lends the parts of the lists of `term` in order, from an assertion on.
    ///
    /// - Returns: whether a block from there on holds the term.
    @discardableResult
    func forEachList(
        _ term: UnsafeRawBufferPointer, from assertion: Int, _ store: borrowing some WordStore & ~Copyable,
        _ body: (_ assertion: Int, _ list: PostingList) throws -> Void
    ) throws -> Bool {
        var isThere = false
        let start = BlockKey(segment: segment, term: Array(term), assertion: UInt8(assertion)).bytes
        try start.withUnsafeBytes { start in
            try store.forEachBlock(from: start) { key, value in
                guard BlockKey.belongs(key, to: segment) else { return false }
                return try withUnsafeTemporaryAllocation(byteCount: WordScanner.termByteLimit, alignment: 1) { room in
                    guard let cursor = try BlockReader(value).find(term, in: room) else { return false }
                    isThere = true
                    for assertion in assertion..<WordAssertion.count {
                        if let list = cursor.list(assertion) { try body(assertion, list) }
                    }
                    return BlockKey.ends(key, with: term)
                }
            }
        }
        return isThere
    }

    /// The documents that the first block with `term` has for the assertions that `isTaken` says yes to, and many more where the next block may
    /// go on: enough to tell rare from common without reading a long list. 0 where the segment has none.
    func firstCounts(
        _ term: UnsafeRawBufferPointer, from assertion: Int, _ store: borrowing some WordStore & ~Copyable,
        _ isTaken: (_ assertion: Int) -> Bool
    ) throws -> Int {
        var count = 0
        let start = BlockKey(segment: segment, term: Array(term), assertion: UInt8(assertion)).bytes
        try start.withUnsafeBytes { start in
            try store.forEachBlock(from: start) { key, value in
                guard BlockKey.belongs(key, to: segment) else { return false }
                try withUnsafeTemporaryAllocation(byteCount: WordScanner.termByteLimit, alignment: 1) { room in
                    guard let cursor = try BlockReader(value).find(term, in: room) else { return }
                    for assertion in assertion..<WordAssertion.count where isTaken(assertion) {
                        count += cursor.list(assertion)?.count ?? 0
                    }
                    if BlockKey.ends(key, with: term) { count += value.count }
                }
                return false
            }
        }
        return count
    }

    /// Lends the parts of the lists of all terms that begin with `prefix`, which is not empty, in order.
    ///
    /// - Returns: whether there is one.
    @discardableResult
    func forEachList(
        prefix: UnsafeRawBufferPointer, _ store: borrowing some WordStore & ~Copyable,
        _ body: (_ assertion: Int, _ list: PostingList) throws -> Void
    ) throws -> Bool {
        var isThere = false
        let start = BlockKey(segment: segment, term: Array(prefix)).bytes
        try start.withUnsafeBytes { start in
            try store.forEachBlock(from: start) { key, value in
                guard BlockKey.belongs(key, to: segment) else { return false }
                return try withUnsafeTemporaryAllocation(byteCount: WordScanner.termByteLimit, alignment: 1) { room in
                    guard var cursor = try BlockReader(value).terms(from: prefix, in: room) else { return false }
                    repeat {
                        guard ByteOrder.starts(cursor.term, with: prefix) else { return false }
                        isThere = true
                        for assertion in 0..<WordAssertion.count {
                            if let list = cursor.list(assertion) { try body(assertion, list) }
                        }
                    } while try cursor.next()
                    return true
                }
            }
        }
        return isThere
    }
}
