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
    private let documentRange: ClosedRange<UInt32>
    /// A bit a document; empty while all are live.
    private var dead: [UInt64] = []
    /// The list that is merged.
    private var term: [UInt8] = []
    private var prefix: UInt64 = 0
    private var assertion = -1
    /// The cursors that have it.
    private var level: [Int] = []

    init(_ segments: [WordSegment], number: UInt32, byteLimit: Int) {
        let first = segments.map(\.documents.lowerBound).min() ?? 0
        documentRange = first...(segments.map(\.documents.upperBound).max() ?? first)
        builder = BlockBuilder(segment: number, base: first, byteLimit: byteLimit)
        cursors = segments.map { SegmentCursor($0) }
    }

    mutating func start(_ store: borrowing some WordStore & ~Copyable) throws {
        for index in cursors.indices { try cursors[index].nextList(store) }
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
        level = Array(cursors.indices)
        builder.beginList(UnsafeRawBufferPointer(start: nil, count: 0), assertion: 0)
        assertion = 0
        try mergeLevel(store) { run, index in
            guard let posting = run.cursors[index].posting else { return }
            if isLive(posting.document) {
                run.builder.append(posting, positions: UnsafeRawBufferPointer(start: nil, count: 0))
                run.documentCount += 1
                run.documents = (run.documents?.lowerBound ?? posting.document)...posting.document
            } else {
                let place = Int(posting.document - run.documentRange.lowerBound)
                if run.dead.isEmpty { run.dead = Array(repeating: 0, count: run.documentRange.count / 64 + 1) }
                run.dead[place / 64] |= 1 << UInt64(place % 64)
            }
        }
    }

    /// Merges the smallest list that is left; false when there is none.
    mutating func mergeNextList(_ store: borrowing some WordStore & ~Copyable) throws -> Bool {
        var first = -1
        for index in cursors.indices where !cursors[index].isAtEnd {
            if first < 0 || cursors[index].isBefore(cursors[first]) { first = index }
        }
        guard first >= 0 else { return false }
        let isAscending = term.withUnsafeBytes { term in
            ByteOrder.areEqual(term, cursors[first].term)
                ? cursors[first].assertion > assertion : ByteOrder.isLess(term, cursors[first].term)
        }
        guard isAscending else { throw WordsError.damaged("terms are out of order") }
        term.removeAll(keepingCapacity: true)
        term.append(contentsOf: cursors[first].term)
        prefix = cursors[first].prefix
        assertion = cursors[first].assertion
        level.removeAll(keepingCapacity: true)
        term.withUnsafeBytes { term in
            builder.beginList(term, assertion: UInt8(assertion))
            for index in cursors.indices where cursors[index].isAt(term, prefix, assertion) { level.append(index) }
        }
        if dead.isEmpty {
            try mergeLevel(store, copiesWholeLists: true) { run, index in run.appendPosting(of: index) }
        } else {
            try mergeLevel(store) { run, index in
                guard let posting = run.cursors[index].posting else { return }
                let place = Int(posting.document - run.documentRange.lowerBound)
                if run.dead[place / 64] & (1 << UInt64(place % 64)) == 0 { run.appendPosting(of: index) }
            }
        }
        return true
    }

    private mutating func appendPosting(of index: Int) {
        if let posting = cursors[index].posting { builder.append(posting, positions: cursors[index].positions) }
    }

    /// Hands the postings of the cursors of `level` to `body` in the order of documents, and leaves each cursor at its next list.
    ///
    /// Segments rarely overlap: a cursor is read up to where the next begins, which is mostly its end, and then its list can be copied as
    /// it is.
    private mutating func mergeLevel(
        _ store: borrowing some WordStore & ~Copyable, copiesWholeLists: Bool = false,
        _ body: (_ run: inout MergeRun, _ index: Int) throws -> Void
    ) throws {
        var before = -1
        while !level.isEmpty {
            var place = 0
            var bound = UInt32.max
            for other in 1..<max(1, level.count) {
                let least = cursors[level[place]].document ?? 0
                let document = cursors[level[other]].document ?? 0
                if document < least { (place, bound) = (other, least) } else { bound = min(bound, document) }
            }
            let index = level[place]
            guard let document = cursors[index].document, Int(document) > before else {
                throw WordsError.damaged("documents are out of order")
            }
            if copiesWholeLists, cursors[index].isListUntouched, cursors[index].span.last <= bound,
                let list = cursors[index].list, builder.append(cursors[index].span, of: list)
            {
                before = Int(cursors[index].span.last)
            } else {
                if cursors[index].isListUntouched { try cursors[index].nextPosting() }
                while let posting = cursors[index].posting, posting.document <= bound {
                    guard Int(posting.document) > before, documentRange.contains(posting.document) else {
                        throw WordsError.damaged("documents are out of order")
                    }
                    before = Int(posting.document)
                    try body(&self, index)
                    try cursors[index].nextPosting()
                }
                if cursors[index].posting != nil { continue }
            }
            try cursors[index].nextList(store)
            let goesOn = term.withUnsafeBytes { cursors[index].isAt($0, prefix, assertion) }
            if !goesOn { level.remove(at: place) }
        }
    }
}
