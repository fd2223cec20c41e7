/// Goes through the lists of a segment in the order of term and assertion, and through their postings; owns a copy of the block
/// that it reads, so that the store may change meanwhile.
///
/// Thread rule: one thread at a time.
final class SegmentCursor {
    private let segment: WordSegment
    private var block = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 1)
    /// The part of `block` that holds the block.
    private var readable = UnsafeRawBufferPointer(start: nil, count: 0)
    private var key: [UInt8]
    private var terms: TermCursor?
    private var postings: PostingReader?
    private var positionReader = VarintReader(UnsafeRawBufferPointer(start: nil, count: 0))
    private var positionBytes = UnsafeRawBufferPointer(start: nil, count: 0)

    /// The list under the cursor; nil behind the last one.
    private(set) var term: [UInt8] = []
    private(set) var assertion = WordAssertion.count
    private(set) var prefix: UInt64 = 0
    private(set) var isAtEnd = false
    /// The posting under the cursor; nil behind the last one of the list.
    private(set) var posting: Posting?
    /// The coded positions of `posting`. They hold until the cursor goes on.
    private(set) var positions = UnsafeRawBufferPointer(start: nil, count: 0)

    init(_ segment: WordSegment) {
        self.segment = segment
        key = BlockKey.start(of: segment.number)
    }

    deinit { block.deallocate() }

    /// No document of the segment is larger.
    var lastDocument: UInt32 { segment.documents.upperBound }

    /// Goes to the next list and its first posting, from whatever block it lies in.
    ///
    /// A list that goes on in the next block comes as two lists of the same term and assertion.
    func nextList(_ store: borrowing some WordStore & ~Copyable) throws {
        while true {
            while assertion + 1 < WordAssertion.count {
                assertion += 1
                if let list = terms?.list(assertion) { return try open(list) }
            }
            if try terms?.next() == true {
                term.removeAll(keepingCapacity: true)
                if let next = terms?.term { term.append(contentsOf: next) }
                prefix = term.withUnsafeBytes { ByteOrder.prefix($0) }
                assertion = -1
                continue
            }
            guard try loadBlock(store) else {
                isAtEnd = true
                posting = nil
                return
            }
            terms = try BlockReader(readable).terms()
        }
    }

    /// Goes to the next posting of the list.
    func nextPosting() throws(WordsError) {
        posting = try postings?.next()
        guard let posting else { return }
        guard segment.documents.contains(posting.document) else {
            throw WordsError.damaged("a document is not of its segment")
        }
        guard !term.isEmpty else { return }
        let start = positionReader.offset
        try positionReader.skip(posting.count)
        positions = UnsafeRawBufferPointer(rebasing: positionBytes[start..<positionReader.offset])
    }

    /// Whether the list comes before that of `other`.
    func isBefore(_ other: SegmentCursor) -> Bool {
        if prefix != other.prefix { return prefix < other.prefix }
        if term == other.term { return assertion < other.assertion }
        return term.withUnsafeBytes { term in other.term.withUnsafeBytes { ByteOrder.isLess(term, $0) } }
    }

    /// Whether the list has the same term and assertion as that of `other`.
    func isLevel(with other: SegmentCursor) -> Bool {
        prefix == other.prefix && assertion == other.assertion && term == other.term
    }

    private func open(_ list: PostingList) throws(WordsError) {
        postings = PostingReader(list)
        positionReader = VarintReader(list.positions)
        positionBytes = list.positions
        positions = UnsafeRawBufferPointer(start: nil, count: 0)
        try nextPosting()
    }

    /// Copies the block behind the one that was read; false when the segment ends.
    private func loadBlock(_ store: borrowing some WordStore & ~Copyable) throws -> Bool {
        var isThere = false
        let wanted = key
        try wanted.withUnsafeBytes { wanted in
            try store.forEachBlock(from: wanted) { key, value in
                guard BlockKey.belongs(key, to: segment.number) else { return false }
                isThere = true
                if block.count < value.count {
                    block.deallocate()
                    block = .allocate(byteCount: value.count, alignment: 16)
                }
                // Safety: the copy has room for the value; what is behind it belongs to an earlier block and is cut off below.
                block.copyMemory(from: value)
                readable = UnsafeRawBufferPointer(rebasing: block[..<value.count])
                // No key lies between one and the same with a zero byte behind it.
                self.key = Array(key) + [0]
                return false
            }
        }
        return isThere
    }
}
