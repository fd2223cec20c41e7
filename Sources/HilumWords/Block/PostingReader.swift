/// A part of the list of a term and an assertion, as it lies in a block. The bytes belong to the block.
struct PostingList {
    /// Documents in it.
    let count: Int
    /// The document that the first difference is counted from.
    let base: UInt32
    let postings: UnsafeRawBufferPointer
    /// Empty for the lengths of documents.
    let positions: UnsafeRawBufferPointer
}

/// What a coded list begins and ends with.
struct PostingSpan {
    let first: UInt32
    let last: UInt32
    /// The code and the bytes of the first number.
    let firstCode: Int
    let firstByteCount: Int
}

extension PostingList {
    /// The first and the last document. Complexity: O(count), about a nanosecond a posting.
    func span() throws(WordsError) -> PostingSpan {
        var reader = VarintReader(postings)
        let head = try reader.next()
        let firstByteCount = reader.offset
        let first = Int(base) + head >> 3
        var last = first
        try Self.skipCounts(head & 7, &reader)
        for _ in 1..<count {
            let head = try reader.next()
            guard head > 7 else { throw WordsError.damaged("documents are out of order") }
            last += head >> 3
            if head & 7 > 2 { try Self.skipCounts(head & 7, &reader) }
        }
        guard reader.isAtEnd else { throw WordsError.damaged("a list is longer than it says") }
        guard last <= Int(UInt32.max) else { throw WordsError.damaged("a document number is too large") }
        return PostingSpan(
            first: UInt32(first), last: UInt32(last), firstCode: head & 7, firstByteCount: firstByteCount)
    }

    private static func skipCounts(_ code: Int, _ reader: inout VarintReader) throws(WordsError) {
        switch code {
        case 0..<PostingCode.several: break
        case PostingCode.several..<PostingCode.mixed: try reader.skip(1)
        case PostingCode.mixed: try reader.skip(WordSection.count)
        default: throw WordsError.damaged("a posting has an unknown code")
        }
    }
}

/// Reads the postings of a list in order and checks each.
///
/// Thread rule: a value type; one owner at a time. The bytes must outlive it.
struct PostingReader {
    private var reader: VarintReader
    private var remaining: Int
    private var isFirst = true
    private var document: Int

    init(_ list: PostingList) {
        reader = VarintReader(list.postings)
        remaining = list.count
        document = Int(list.base)
    }

    /// The next document and the code of its occurrences; nil at the end of the list, where all bytes must have been read.
    @inline(__always)
    private mutating func nextHead() throws(WordsError) -> Int? {
        guard remaining > 0 else {
            guard reader.isAtEnd else { throw WordsError.damaged("a list is longer than it says") }
            return nil
        }
        remaining -= 1
        let head = try reader.next()
        let delta = head >> 3
        guard delta > 0 || isFirst else { throw WordsError.damaged("documents are out of order") }
        isFirst = false
        document += delta
        guard document <= Int(UInt32.max) else { throw WordsError.damaged("a document number is too large") }
        return head & 7
    }

    /// The next posting; nil at the end of the list.
    @inline(__always)
    mutating func next() throws(WordsError) -> Posting? {
        guard let code = try nextHead() else { return nil }
        return try posting(code)
    }

    /// The next document with the sum of its occurrences, each weighted by its section; nil at the end of the list.
    ///
    /// - Parameter weights: one a section.
    @inline(__always)
    mutating func next(
        weights: (impression: Float, findings: Float, other: Float)
    ) throws(WordsError) -> (document: UInt32, frequency: Float)? {
        guard let code = try nextHead() else { return nil }
        let number = UInt32(truncatingIfNeeded: document)
        // Nearly all postings are one occurrence.
        if code == 1 { return (number, weights.findings) }
        if code == 0 { return (number, weights.impression) }
        let posting = try posting(code)
        let frequency =
            Float(posting.impressionCount) * weights.impression + Float(posting.findingsCount) * weights.findings
            + Float(posting.otherCount) * weights.other
        return (number, frequency)
    }

    private mutating func posting(_ code: Int) throws(WordsError) -> Posting {
        var posting = Posting(
            document: UInt32(truncatingIfNeeded: document), impressionCount: 0, findingsCount: 0, otherCount: 0)
        switch code {
        case 0: posting.impressionCount = 1
        case 1: posting.findingsCount = 1
        case 2: posting.otherCount = 1
        case 3: posting.impressionCount = try count() + 2
        case 4: posting.findingsCount = try count() + 2
        case 5: posting.otherCount = try count() + 2
        case PostingCode.mixed:
            posting.impressionCount = try count()
            posting.findingsCount = try count()
            posting.otherCount = try count()
            guard posting.count > 0 else { throw WordsError.damaged("a document without an occurrence") }
        default: throw WordsError.damaged("a posting has an unknown code")
        }
        return posting
    }

    private mutating func count() throws(WordsError) -> Int {
        let count = try reader.next()
        guard count <= PostingCode.countLimit else { throw WordsError.damaged("a count is too large") }
        return count
    }
}
