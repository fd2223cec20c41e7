/// Makes one segment of several and drops the documents that are no longer live.
///
/// ```
/// segment ─ SegmentCursor ─┐
/// segment ─ SegmentCursor ─┼─ the smallest list ─→ its postings by document ─→ BlockBuilder ─→ sink, block by block
/// segment ─ SegmentCursor ─┘
/// ```
///
/// The list of lengths comes first and names every document, so that `isLive` is asked once a document. Coded positions are copied as they
/// are. Memory: two blocks a segment.
/// Thread rule: one thread a merge.
public struct SegmentMerger {
    private let isLive: (UInt32) -> Bool
    private let byteLimit: Int

    /// A merger.
    ///
    /// - Parameters:
    ///   - byteLimit: the size of a block.
    ///   - isLive: whether a document is kept.
    public init(byteLimit: Int? = nil, isLive: @escaping (UInt32) -> Bool = { _ in true }) {
        self.byteLimit = byteLimit ?? BlockBuilder.defaultByteLimit
        self.isLive = isLive
    }

    /// Merges segments.
    ///
    /// - Parameters:
    ///   - merge: what `MergePolicy` chose.
    ///   - number: of the segment that comes of it, from `WordHead.takeNumber`.
    ///   - sink: gets the blocks in the order of their keys. It may write to the store: what is read was copied.
    /// - Returns: the new segment; nil when no document is left.
    /// - Throws: `.damagedBlock`; what the store and `sink` throw.
    public func merge(
        _ merge: MergePolicy.Merge, number: UInt32, store: borrowing some WordStore & ~Copyable,
        into sink: (WordBlock) throws -> Void
    ) throws -> WordSegment? {
        var run = MergeRun(merge.segments, number: number, byteLimit: byteLimit)
        try run.start(store)
        try run.mergeLengths(store, isLive: isLive)
        while try run.mergeNextList(store) { try run.drain(into: sink) }
        run.builder.finish()
        try run.drain(into: sink)
        guard let documents = run.documents else { return nil }
        return WordSegment(
            number: number, level: merge.level, documentCount: run.documentCount, byteCount: run.byteCount,
            documents: documents)
    }
}

/// One merge.
private struct MergeRun {
    var builder: BlockBuilder
    /// From the smallest to the largest document that was kept.
    private(set) var documents: ClosedRange<UInt32>?
    private(set) var documentCount = 0
    private(set) var byteCount = 0

    private var cursors: [SegmentCursor]
    private let base: UInt32
    /// A bit a document from `base` on; empty while all are live.
    private var dead: [UInt64] = []
    private var term: [UInt8] = []
    private var assertion = -1

    init(_ segments: [WordSegment], number: UInt32, byteLimit: Int) {
        base = segments.map(\.documents.lowerBound).min() ?? 0
        builder = BlockBuilder(segment: number, base: base, byteLimit: byteLimit)
        cursors = segments.map { SegmentCursor($0) }
    }

    mutating func start(_ store: borrowing some WordStore & ~Copyable) throws {
        for cursor in cursors { try cursor.nextList(store) }
    }

    mutating func drain(into sink: (WordBlock) throws -> Void) throws {
        for block in builder.takeFinished() {
            byteCount += block.key.count + block.value.count
            try sink(block)
        }
    }

    /// Merges the lengths and notes which documents are dead.
    mutating func mergeLengths(_ store: borrowing some WordStore & ~Copyable, isLive: (UInt32) -> Bool) throws {
        for cursor in cursors where cursor.isAtEnd || !cursor.term.isEmpty {
            throw WordsError.damaged("a segment has no lengths")
        }
        let last = cursors.map(\.lastDocument).max() ?? 0
        builder.beginList(UnsafeRawBufferPointer(start: nil, count: 0), assertion: 0)
        try mergePostings(of: cursors, store) { run, cursor, posting in
            if isLive(posting.document) {
                run.builder.append(posting, positions: cursor.positions)
                run.documentCount += 1
                run.documents = (run.documents?.lowerBound ?? posting.document)...posting.document
            } else {
                if run.dead.isEmpty { run.dead = Array(repeating: 0, count: Int(last - run.base) / 64 + 1) }
                let place = Int(posting.document - run.base)
                run.dead[place / 64] |= 1 << UInt64(place % 64)
            }
        }
        assertion = 0
    }

    /// Merges the smallest list that is left; false when there is none.
    mutating func mergeNextList(_ store: borrowing some WordStore & ~Copyable) throws -> Bool {
        cursors.removeAll { $0.isAtEnd }
        guard var first = cursors.first else { return false }
        for cursor in cursors.dropFirst() where cursor.isBefore(first) { first = cursor }
        let same = cursors.filter { $0.isLevel(with: first) }
        let isAscending =
            term == first.term
            ? first.assertion > assertion
            : term.withUnsafeBytes { term in first.term.withUnsafeBytes { ByteOrder.isLess(term, $0) } }
        guard isAscending else { throw WordsError.damaged("terms are out of order") }
        term.removeAll(keepingCapacity: true)
        term.append(contentsOf: first.term)
        assertion = first.assertion
        term.withUnsafeBytes { builder.beginList($0, assertion: UInt8(first.assertion)) }
        if dead.isEmpty {
            try mergePostings(of: same, store) { run, cursor, posting in
                run.builder.append(posting, positions: cursor.positions)
            }
        } else {
            try mergePostings(of: same, store) { run, cursor, posting in
                let place = Int(posting.document - run.base)
                if run.dead[place / 64] & (1 << UInt64(place % 64)) == 0 {
                    run.builder.append(posting, positions: cursor.positions)
                }
            }
        }
        return true
    }

    /// Hands the postings of lists of one term and assertion to `body` in the order of documents, and leaves each cursor at its next list.
    private mutating func mergePostings(
        of cursors: [SegmentCursor], _ store: borrowing some WordStore & ~Copyable,
        _ body: (_ run: inout MergeRun, _ cursor: SegmentCursor, _ posting: Posting) throws -> Void
    ) throws {
        var left = cursors
        let (term, assertion) = (cursors.first?.term ?? [], cursors.first?.assertion ?? 0)
        var before = -1
        while !left.isEmpty {
            // Segments rarely overlap: the smallest cursor is read up to where the next begins, which is mostly its end.
            var smallest = 0
            var bound = UInt32.max
            for (index, cursor) in left.enumerated() {
                let document = cursor.posting?.document ?? 0
                if index == 0 { continue }
                let least = left[smallest].posting?.document ?? 0
                if document < least { (smallest, bound) = (index, least) } else { bound = min(bound, document) }
            }
            let cursor = left[smallest]
            while let posting = cursor.posting, posting.document <= bound {
                guard Int(posting.document) > before else { throw WordsError.damaged("documents are out of order") }
                before = Int(posting.document)
                try body(&self, cursor, posting)
                try cursor.nextPosting()
            }
            if cursor.posting == nil {
                try cursor.nextList(store)
                let goesOn = !cursor.isAtEnd && cursor.assertion == assertion && cursor.term == term
                if !goesOn { left.remove(at: smallest) }
            }
        }
    }
}
