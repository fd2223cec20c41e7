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

    /// The code of the next document's occurrences, nil at the end of the list, where all bytes must have been read.
    @inline(__always)
    private mutating func nextCode() throws(WordsError) -> Int? {
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
        guard let code = try nextCode() else { return nil }
        let number = UInt32(truncatingIfNeeded: document)
        var (section, count) = (code, 1)
        if code >= PostingCode.several {
            if code >= PostingCode.mixed {
                let (counts, behind) = try Self.mixedCounts(code, reader)
                reader = behind
                return Posting(
                    document: number, impressionCount: counts.0, findingsCount: counts.1, otherCount: counts.2)
            }
            section = code - PostingCode.several
            count = try Self.checked(reader.next()) + 2
        }
        return Posting(
            document: number, impressionCount: section == 0 ? count : 0, findingsCount: section == 1 ? count : 0,
            otherCount: section == 2 ? count : 0)
    }

    /// The next document with the sum of its occurrences, each weighted by its section; nil at the end of the list.
    ///
    /// - Parameter weights: one a section, and any behind.
    @inline(__always)
    mutating func next(weights: SIMD4<Float>) throws(WordsError) -> (document: UInt32, frequency: Float)? {
        guard let code = try nextCode() else { return nil }
        let number = UInt32(truncatingIfNeeded: document)
        // Most postings are one occurrence.
        if code < PostingCode.several { return (number, weights[code]) }
        if code < PostingCode.mixed {
            let count = try Self.checked(reader.next()) + 2
            return (number, Float(count) * weights[code - PostingCode.several])
        }
        let (counts, behind) = try Self.mixedCounts(code, reader)
        reader = behind
        return (number, Float(counts.0) * weights[0] + Float(counts.1) * weights[1] + Float(counts.2) * weights[2])
    }

    /// The counts of a posting in more than one section, by value, so that the reader can stay in registers.
    private static func mixedCounts(
        _ code: Int, _ start: VarintReader
    ) throws(WordsError) -> (counts: (Int, Int, Int), behind: VarintReader) {
        guard code == PostingCode.mixed else { throw WordsError.damaged("a posting has an unknown code") }
        var reader = start
        let counts = (try checked(reader.next()), try checked(reader.next()), try checked(reader.next()))
        guard counts.0 + counts.1 + counts.2 > 0 else { throw WordsError.damaged("a document without an occurrence") }
        return (counts, reader)
    }

    @inline(__always)
    private static func checked(_ count: Int) throws(WordsError) -> Int {
        guard count <= PostingCode.countLimit else { throw WordsError.damaged("a count is too large") }
        return count
    }
}
