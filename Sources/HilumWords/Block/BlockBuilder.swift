/// Puts posting lists into blocks, for `SegmentWriter` and `SegmentMerger`.
///
/// A block, integers little-endian, *n* is a number of 7 bits a byte:
///
/// ```
/// header     format 1 · restarts 4 · base 4 · directory bytes 4 · postings bytes 4         17 bytes
/// restarts   for every 16th term: directory offset 4 · postings offset 4 · positions offset 4
/// directory  for every term:
///              shared n · rest n · rest bytes       the first `shared` bytes are those of the term before, none at a restart
///              assertions 1                         a bit each
///              for each assertion of it: documents n · postings bytes n · positions bytes n
/// postings   for every list: (document − the one before) << 3 | code, counts               `PostingCode`
/// positions  for every list, for every document, for every section: first n, differences n
/// ```
///
/// The first difference of a list is counted from `base`, the first document of the segment. Positions stand apart, so that a
/// question without a phrase touches none of them. The list of the empty term comes first: its counts are the lengths of
/// the documents plus one, and it has no positions. A list that does not fit goes on in the next block under the same term.
///
/// Thread rule: a value type; one owner at a time.
struct BlockBuilder {
    static let format: UInt8 = 1
    static let headerByteCount = 17
    static let restartByteCount = 12
    static let restartInterval = 16
    /// With the checksum of the store and LMDB's page header this fills 16 pages.
    static let defaultByteLimit = 16 * 4096 - 64

    /// What a list adds to a directory.
    private struct Extent {
        var count = 0
        var postingsByteCount = 0
        var positionsByteCount = 0
    }

    /// Blocks that are complete; the owner takes them out.
    private(set) var finished: [WordBlock] = []
    private let segment: UInt32
    private let base: UInt32
    private let byteLimit: Int

    private var directory: [UInt8] = []
    private var restarts: [UInt8] = []
    private var postings: [UInt8] = []
    private var positions: [UInt8] = []
    private var termCount = 0

    private var term: [UInt8] = []
    /// The term that was written to a directory last.
    private var termBefore: [UInt8] = []
    private var extents = InlineArray<4, Extent>(repeating: Extent())
    private var assertion: UInt8 = 0
    /// Of the posting that was appended last.
    private var lastAssertion: UInt8 = 0
    private var document: UInt32 = 0
    private var termPostingsStart = 0
    private var termPositionsStart = 0

    /// - Parameters:
    ///   - base: no document is smaller.
    ///   - byteLimit: a block is larger only if a single posting is.
    init(segment: UInt32, base: UInt32, byteLimit: Int = BlockBuilder.defaultByteLimit) {
        self.segment = segment
        self.base = base
        self.byteLimit = byteLimit
    }

    /// Begins the list of `term` and `assertion`, which comes after all lists before.
    mutating func beginList(_ next: UnsafeRawBufferPointer, assertion: UInt8) {
        if !term.withUnsafeBytes({ ByteOrder.areEqual($0, next) }) {
            flushTerm()
            term.removeAll(keepingCapacity: true)
            term.append(contentsOf: next)
        }
        self.assertion = assertion
    }

    /// Appends a posting with its coded positions to the list that was begun last.
    mutating func append(_ posting: Posting, positions bytes: UnsafeRawBufferPointer) {
        // What the posting and, where it is the first of its term, the directory may need.
        let needed = 24 + bytes.count + term.count + 64
        let used =
            Self.headerByteCount + restarts.count + directory.count + postings.count + positions.count
        if used + needed > byteLimit && !postings.isEmpty { closeBlock() }
        let index = Int(assertion)
        let start = postings.count
        let before = extents[index].count == 0 ? base : document
        precondition(
            extents[index].count == 0 ? posting.document >= base : posting.document > document,
            "the documents of a list ascend")
        PostingCode.append(posting, delta: Int(posting.document) - Int(before), to: &postings)
        positions.append(contentsOf: bytes)
        extents[index].count += 1
        extents[index].postingsByteCount += postings.count - start
        extents[index].positionsByteCount += bytes.count
        document = posting.document
        lastAssertion = assertion
    }

    /// Appends the whole of a coded list to the list that was begun last; false where it does not fit into the block.
    ///
    /// - Parameters:
    ///   - span: what the list begins and ends with, from `PostingList.span`.
    ///   - list: its bytes are copied but for the first number, which depends on what was before.
    mutating func append(_ span: PostingSpan, of list: PostingList) -> Bool {
        let used = Self.headerByteCount + restarts.count + directory.count + postings.count + positions.count
        let needed = 24 + list.postings.count + list.positions.count + term.count + 64
        guard used + needed <= byteLimit else { return false }
        let index = Int(assertion)
        let isFirst = extents[index].count == 0
        precondition(isFirst ? span.first >= base : span.first > document, "the documents of a list ascend")
        let start = postings.count
        postings.appendVarint((Int(span.first) - Int(isFirst ? base : document)) << 3 | span.firstCode)
        postings.append(contentsOf: UnsafeRawBufferPointer(rebasing: list.postings[span.firstByteCount...]))
        positions.append(contentsOf: list.positions)
        extents[index].count += list.count
        extents[index].postingsByteCount += postings.count - start
        extents[index].positionsByteCount += list.positions.count
        document = span.last
        lastAssertion = assertion
        return true
    }

    /// Takes the complete blocks out.
    mutating func takeFinished() -> [WordBlock] {
        defer { finished.removeAll(keepingCapacity: true) }
        return finished
    }

    /// Completes the last block.
    mutating func finish() { closeBlock() }

    /// Writes what is known about the term into the directory.
    private mutating func flushTerm() {
        var mask: UInt8 = 0
        for index in extents.indices where extents[index].count > 0 { mask |= 1 << UInt8(index) }
        guard mask != 0 else { return }
        var shared = 0
        if termCount % Self.restartInterval == 0 {
            for value in [directory.count, termPostingsStart, termPositionsStart] {
                withUnsafeBytes(of: UInt32(value).littleEndian) { restarts.append(contentsOf: $0) }
            }
        } else {
            shared = term.withUnsafeBytes { term in termBefore.withUnsafeBytes { ByteOrder.commonCount(term, $0) } }
        }
        directory.appendVarint(shared)
        directory.appendVarint(term.count - shared)
        directory.append(contentsOf: term[shared...])
        directory.append(mask)
        for index in extents.indices where extents[index].count > 0 {
            directory.appendVarint(extents[index].count)
            directory.appendVarint(extents[index].postingsByteCount)
            directory.appendVarint(extents[index].positionsByteCount)
            extents[index] = Extent()
        }
        termCount += 1
        swap(&term, &termBefore)
        term.removeAll(keepingCapacity: true)
        term.append(contentsOf: termBefore)
        termPostingsStart = postings.count
        termPositionsStart = positions.count
    }

    private mutating func closeBlock() {
        guard !postings.isEmpty else { return }
        flushTerm()
        var value: [UInt8] = []
        value.reserveCapacity(
            Self.headerByteCount + restarts.count + directory.count + postings.count + positions.count)
        value.append(Self.format)
        let restartCount = UInt32(restarts.count / Self.restartByteCount)
        for number in [restartCount, base, UInt32(directory.count), UInt32(postings.count)] {
            withUnsafeBytes(of: number.littleEndian) { value.append(contentsOf: $0) }
        }
        value += restarts
        value += directory
        value += postings
        value += positions
        // The term that was begun last may have no posting yet; the one before it is the last that was written.
        let key = BlockKey(segment: segment, term: termBefore, assertion: lastAssertion, document: document)
        finished.append(WordBlock(key: key.bytes, value: value))
        restarts.removeAll(keepingCapacity: true)
        directory.removeAll(keepingCapacity: true)
        postings.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        termCount = 0
        termPostingsStart = 0
        termPositionsStart = 0
    }
}
