/// Makes the segment of some documents: notes every occurrence, then sorts the terms and writes the lists.
///
/// ```
/// begin(document) ─ add(term, assertion, section, position) … ─→ occurrences ─ finish ─→ counting sort by term ─→ BlockBuilder
///                        └─→ TermTable: the number of the term
/// ```
///
/// After `finish` it is empty and keeps its memory for the next segment.
/// Thread rule: a value type; one owner at a time.
public struct SegmentWriter: Sendable {
    /// Positions of a document are below this; what comes later is not indexed.
    public static let positionLimit = 1 << 24

    private let byteLimit: Int
    private var terms = TermTable()
    private var documents: [UInt32] = []
    private var lengths: [UInt32] = []
    /// Of each occurrence: the term's number and the assertion.
    private var lists: [UInt32] = []
    /// Of each occurrence: the document's place among `documents`, then section and position.
    private var places: [UInt64] = []

    /// A writer without documents.
    ///
    /// - Parameter byteLimit: the size of a block.
    public init(byteLimit: Int? = nil) { self.byteLimit = byteLimit ?? BlockBuilder.defaultByteLimit }

    /// The number of documents so far.
    public var documentCount: Int { documents.count }

    /// Begins a document; what is added next belongs to it.
    ///
    /// - Parameters:
    ///   - document: above all before it.
    ///   - length: its words, as `BM25` takes them; more than `LengthTable.limit` count as that.
    public mutating func begin(document: UInt32, length: Int) {
        precondition(documents.last.map { $0 < document } ?? true, "the documents of a segment ascend")
        documents.append(document)
        lengths.append(UInt32(min(length, LengthTable.limit)))
    }

    /// Adds an occurrence to the document that was begun last.
    ///
    /// - Parameters:
    ///   - term: 1 to 200 bytes without a zero byte; more are not indexed.
    ///   - position: the place of the word in the report. The name of a finding takes that of its first word.
    public mutating func add(
        term: UnsafeRawBufferPointer, assertion: WordAssertion, section: WordSection, position: Int
    ) {
        precondition(!documents.isEmpty, "a document must be begun")
        guard position >= 0, position < Self.positionLimit, !term.isEmpty, term.count <= WordScanner.termByteLimit
        else {
            return
        }
        lists.append(terms.intern(term) << 2 | UInt32(assertion.rawValue))
        places.append(
            UInt64(documents.count - 1) << 32 | UInt64(section.rawValue) << 24 | UInt64(position))
    }

    /// Adds the words that a scanner found; `kind` says what the report says about each.
    public mutating func add(
        _ words: WordScanner, _ kind: (ScannedWord) -> (assertion: WordAssertion, section: WordSection)
    ) {
        words.withTerms { terms in
            for word in words.words {
                let (assertion, section) = kind(word)
                add(
                    term: UnsafeRawBufferPointer(rebasing: terms[word.term]), assertion: assertion, section: section,
                    position: Int(word.position))
            }
        }
    }

    /// Writes the segment.
    ///
    /// - Parameter number: from `WordHead.takeNumber`.
    /// - Returns: the segment and its blocks in the order of their keys; nil when there are no documents.
    public mutating func finish(number: UInt32) -> (segment: WordSegment, blocks: [WordBlock])? {
        guard let first = documents.first, let last = documents.last else { return nil }
        var builder = BlockBuilder(segment: number, base: first, byteLimit: byteLimit)
        builder.beginList(UnsafeRawBufferPointer(start: nil, count: 0), assertion: 0)
        for (document, length) in zip(documents, lengths) {
            builder.append(
                Posting(document: document, impressionCount: 0, findingsCount: Int(length) + 1, otherCount: 0),
                positions: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        writeLists(&builder)
        builder.finish()
        let blocks = builder.takeFinished()
        let segment = WordSegment(
            number: number, level: 0, documentCount: documents.count,
            byteCount: blocks.reduce(0) { $0 + $1.key.count + $1.value.count }, documents: first...last)
        terms.removeAll()
        documents.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        lists.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        return (segment, blocks)
    }

    private func writeLists(_ builder: inout BlockBuilder) {
        // A counting sort keeps the order of documents, so that a list needs no sorting of its own.
        var starts = [Int](repeating: 0, count: terms.count * WordAssertion.count + 1)
        for list in lists { starts[Int(list) + 1] += 1 }
        for index in 1..<starts.count { starts[index] += starts[index - 1] }
        var next = starts
        var sorted = [UInt64](repeating: 0, count: places.count)
        for index in lists.indices {
            let list = Int(lists[index])
            sorted[next[list]] = places[index]
            next[list] += 1
        }
        var positions: [UInt8] = []
        for number in terms.sorted() {
            for assertion in 0..<WordAssertion.count {
                let list = Int(number) * WordAssertion.count + assertion
                guard starts[list + 1] > starts[list] else { continue }
                terms.withBytes(of: Int(number)) { builder.beginList($0, assertion: UInt8(assertion)) }
                writeList(&sorted, starts[list]..<starts[list + 1], &positions, &builder)
            }
        }
    }

    private func writeList(
        _ sorted: inout [UInt64], _ range: Range<Int>, _ positions: inout [UInt8], _ builder: inout BlockBuilder
    ) {
        var start = range.lowerBound
        while start < range.upperBound {
            let document = sorted[start] >> 32
            var end = start + 1
            var isSorted = true
            while end < range.upperBound && sorted[end] >> 32 == document {
                if sorted[end] < sorted[end - 1] { isSorted = false }
                end += 1
            }
            // Words come in the order of the report; the names of findings may not, nor need the sections.
            if !isSorted { sorted[start..<end].sort() }
            positions.removeAll(keepingCapacity: true)
            var posting = Posting(
                document: documents[Int(document)], impressionCount: 0, findingsCount: 0, otherCount: 0)
            var sectionBefore = UInt64.max
            var before = 0
            for place in sorted[start..<end] {
                let section = place >> 24 & 3
                let position = Int(place & UInt64(Self.positionLimit - 1))
                positions.appendVarint(section == sectionBefore ? position - before : position)
                sectionBefore = section
                before = position
                switch section {
                case 0: posting.impressionCount += 1
                case 1: posting.findingsCount += 1
                default: posting.otherCount += 1
                }
            }
            positions.withUnsafeBytes { builder.append(posting, positions: $0) }
            start = end
        }
    }
}
