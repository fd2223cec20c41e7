/// Goes through the lists of a segment in the order of term and assertion, and through their postings; owns a copy of the block
/// that it reads, so that the store may change meanwhile.
///
/// Thread rule: one owner at a time; copies share their memory and must not be used.
struct SegmentCursor {
    /// The memory of a cursor.
    private final class Room {
        // Safety: deallocated with the room alone, which lives as long as the cursor that points into it.
        var block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        let term = UnsafeMutableRawBufferPointer.allocate(byteCount: WordScanner.termByteLimit, alignment: 16)

        deinit {
            block.deallocate()
            term.deallocate()
        }
    }

    private let segment: WordSegment
    private let room = Room()
    /// Where the next block begins.
    private var key: [UInt8]
    private var terms: TermCursor?
    private var postings: PostingReader?
    private var positionReader = VarintReader(UnsafeRawBufferPointer(start: nil, count: 0))

    /// The list under the cursor: term, the term's first bytes, and assertion.
    private(set) var term = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var prefix: UInt64 = 0
    private(set) var assertion = WordAssertion.count
    /// The coded list; nil behind the last one.
    private(set) var list: PostingList?
    /// The first and the last document of the list.
    private(set) var span = PostingSpan(first: 0, last: 0, firstCode: 0, firstByteCount: 0)
    /// The posting under the cursor, once `nextPosting` was called; nil behind the last one of the list.
    private(set) var posting: Posting?
    /// The coded positions of `posting`.
    private(set) var positions = UnsafeRawBufferPointer(start: nil, count: 0)

    init(_ segment: WordSegment) {
        self.segment = segment
        key = BlockKey.start(of: segment.number)
    }

    var isAtEnd: Bool { list == nil }

    /// The next document of the list; nil when none is left.
    var document: UInt32? { postings == nil ? (list == nil ? nil : span.first) : posting?.document }

    /// Whether no posting of the list was read yet.
    var isListUntouched: Bool { postings == nil }

    /// Goes to the next list, from whatever block it lies in.
    ///
    /// A list that goes on in the next block comes as two lists of the same term and assertion.
    mutating func nextList(_ store: borrowing some WordStore & ~Copyable) throws {
        postings = nil
        posting = nil
        while true {
            while assertion + 1 < WordAssertion.count {
                assertion += 1
                if let next = terms?.list(assertion) {
                    list = next
                    span = try next.span()
                    guard segment.documents.contains(span.first), segment.documents.contains(span.last) else {
                        throw WordsError.damaged("a document is not of its segment")
                    }
                    return
                }
            }
            if try terms?.next() == true, let term = terms?.term {
                self.term = term
                prefix = ByteOrder.prefix(term)
                assertion = -1
                continue
            }
            guard let block = try loadBlock(store) else {
                list = nil
                terms = nil
                return
            }
            terms = try BlockReader(block).terms(in: room.term)
        }
    }

    /// Goes to the next posting of the list.
    mutating func nextPosting() throws(WordsError) {
        guard let list else { return }
        if postings == nil {
            postings = PostingReader(list)
            positionReader = VarintReader(list.positions)
        }
        posting = try postings?.next()
        guard let posting, !term.isEmpty else { return }
        let start = positionReader.offset
        try positionReader.skip(posting.count)
        positions = UnsafeRawBufferPointer(rebasing: list.positions[start..<positionReader.offset])
    }

    /// Whether the list comes before that of `other`.
    func isBefore(_ other: SegmentCursor) -> Bool {
        if prefix != other.prefix { return prefix < other.prefix }
        if ByteOrder.areEqual(term, other.term) { return assertion < other.assertion }
        return ByteOrder.isLess(term, other.term)
    }

    /// Whether the list is one of `term` and `assertion`.
    func isAt(_ term: UnsafeRawBufferPointer, _ prefix: UInt64, _ assertion: Int) -> Bool {
        list != nil && self.prefix == prefix && self.assertion == assertion && ByteOrder.areEqual(self.term, term)
    }

    /// Copies the block behind the one that was read; nil when the segment ends.
    private mutating func loadBlock(_ store: borrowing some WordStore & ~Copyable) throws -> UnsafeRawBufferPointer? {
        var loaded: UnsafeRawBufferPointer?
        let wanted = key
        try wanted.withUnsafeBytes { wanted in
            try store.forEachBlock(from: wanted) { key, value in
                guard BlockKey.belongs(key, to: segment.number) else { return false }
                if room.block.count < value.count {
                    room.block.deallocate()
                    room.block = .allocate(byteCount: value.count, alignment: 16)
                }
                // Safety: the copy has room for the value; nothing points into the block before any more.
                room.block.copyMemory(from: value)
                loaded = UnsafeRawBufferPointer(rebasing: room.block[..<value.count])
                // No key lies between one and the same with a zero byte behind it.
                self.key = Array(key) + [0]
                return false
            }
        }
        return loaded
    }
}
