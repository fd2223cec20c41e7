import HilumCore
import HilumIndex
import HilumWords
import LMDB

/// The table of words in the store: segments of an inverted index over reports, each a run of blocks, and the head that names them.
///
/// ```
/// words   key of a block → block                                   (HilumWords draws both)
/// meta    `words`: first unread case (4) · end of them (4) · WordHead
/// ```
/// A commit writes one segment for its reports, in its own transaction, and merges segments when eight of a level are there. Nothing is
/// written for a case that goes: `LengthTable` knows which are there, and a merge drops the others. A segment of which less than half is
/// there is written anew by itself, so that the words of deleted reports do not stay. Reports that were stored by a release
/// without words are the unread ones; `Archive.readOldReports` reads them.
///
/// Thread rule: that of the transaction.
struct WordTable {
    /// What the store knows of the segments.
    struct Head: Equatable {
        var words = WordHead()
        /// Cases whose reports were not read yet.
        var unread: Range<UInt32> = 0..<0

        init(unread: Range<UInt32>) { self.unread = unread }

        init(decoding bytes: UnsafeRawBufferPointer) throws {
            var reader = ByteReader(bytes)
            let first: UInt32 = try reader.integer()
            let end: UInt32 = try reader.integer()
            guard first <= end else { throw ByteReader.Malformed("a range ends before it begins") }
            unread = first..<end
            words = try WordHead(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(8)))
        }

        func encoded() -> [UInt8] {
            var writer = ByteWriter()
            writer.integer(unread.lowerBound)
            writer.integer(unread.upperBound)
            writer.raw(words.bytes)
            return writer.bytes
        }
    }

    private static let name = "words"
    /// A merge holds up the commit that it belongs to; this much takes about a second.
    private static let policy = MergePolicy(byteLimit: 128 << 20)
    let store: Store

    /// Writes the head of a new archive, in which no report is unread.
    func start(_ transaction: borrowing WriteTransaction) throws {
        try store.put(transaction, .meta, Self.name, Head(unread: 1..<1).encoded())
    }

    /// The head as the transaction sees it.
    ///
    /// - Parameter nextNumber: of the next case; where no head was ever written, all cases before it are unread.
    func head(_ transaction: borrowing some (Transaction & ~Copyable), nextNumber: UInt32) throws -> Head {
        let stored = try store.get(transaction, .meta, Self.name) { bytes in
            do { return try Head(decoding: bytes) } catch let error as ByteReader.Malformed {
                throw WordsError(.damagedHead(reason: error.reason))
            }
        }
        if let stored { return stored }
        guard try transaction.count(store.table(.words)) == 0 else {
            throw WordsError(.damagedHead(reason: "it is missing"))
        }
        return Head(unread: 1..<max(1, nextNumber))
    }

    /// Compares the blocks in the table with what the head says of them, by their keys and sizes.
    ///
    /// - Returns: how many blocks belong to no segment.
    /// - Throws: `WordsError` when a segment lacks a block or a part of one.
    /// - Complexity: O(blocks); their bytes are not read.
    @discardableResult
    func checkBlocks(_ transaction: borrowing some (Transaction & ~Copyable), _ head: WordHead) throws -> Int {
        var byteCounts: [UInt32: Int] = [:]
        for segment in head.segments { byteCounts[segment.number] = 0 }
        var strayCount = 0
        try transaction.forEach(store.table(.words)) { key, value in
            guard let number = BlockKey.segment(of: key), let count = byteCounts[number] else {
                strayCount += 1
                return true
            }
            byteCounts[number] = count + key.count + value.count - Seal.byteCount
            return true
        }
        for segment in head.segments where byteCounts[segment.number] != segment.byteCount {
            throw WordsError(.damagedHead(reason: "a segment lacks a block, or has one too many"))
        }
        return strayCount
    }

    /// Lends the blocks as the transaction sees them, each with its checksum checked.
    func withBlocks<Result>(
        _ transaction: borrowing some (Transaction & ~Copyable), _ body: (ClosureWordStore) throws -> Result
    ) throws -> Result {
        try ClosureWordStore.lend(
            { key, use in try store.forEach(transaction, .words, fromKey: key, use) }, body)
    }

    /// Writes the words of reports and what merges come of it.
    ///
    /// - Parameters:
    ///   - reports: by ascending number.
    ///   - live: the reports that are there when the transaction ends.
    func add(
        _ transaction: borrowing WriteTransaction, _ reports: [(number: UInt32, words: ReportWords)],
        to head: inout Head, live: ItemSet
    ) throws {
        var writer = SegmentWriter()
        for report in reports { report.words.write(to: &writer, as: report.number) }
        if let (segment, blocks) = writer.finish(number: head.words.takeNumber()) {
            for block in blocks { try store.put(transaction, .words, block.key, block.value) }
            head.words.add(segment)
        }
        try merge(transaction, &head, live: live)
        try store.put(transaction, .meta, Self.name, head.encoded())
    }

    /// Merges what is due, without new reports.
    ///
    /// - Parameter live: the reports that are there when the transaction ends.
    func tidy(_ transaction: borrowing WriteTransaction, _ head: inout Head, live: ItemSet) throws {
        guard try merge(transaction, &head, live: live) else { return }
        try store.put(transaction, .meta, Self.name, head.encoded())
    }

    /// Writes every segment anew that has, or may have, a report that is not there any more.
    ///
    /// - Parameter live: the reports that are there.
    /// - Returns: whether there was any.
    /// - Complexity: O(bytes of these segments).
    @discardableResult
    func purge(_ transaction: borrowing WriteTransaction, _ head: inout Head, live: ItemSet) throws -> Bool {
        let segments = head.words.segments
        let suspects = segments.filter { segment in
            // Where segments lie in each other, nobody knows whose the reports of a range are.
            live.count(in: segment.documents) != segment.documentCount
                || segments.contains { $0.number != segment.number && $0.documents.overlaps(segment.documents) }
        }
        guard !suspects.isEmpty else { return false }
        try checkBlocks(transaction, head.words)
        for segment in suspects {
            try replace(transaction, &head, by: .init(segments: [segment], level: segment.level), live: live)
        }
        try store.put(transaction, .meta, Self.name, head.encoded())
        return true
    }

    /// Writes every segment anew that may hold the words of `report`, which is gone.
    ///
    /// - Parameter live: the reports that are there when the transaction ends.
    func erase(
        _ transaction: borrowing WriteTransaction, _ report: UInt32, from head: inout Head, live: ItemSet
    ) throws {
        let touched = head.words.segments.filter { $0.documents.contains(report) }
        guard !touched.isEmpty else { return }
        try checkBlocks(transaction, head.words)
        for segment in touched {
            try replace(transaction, &head, by: .init(segments: [segment], level: segment.level), live: live)
        }
        try store.put(transaction, .meta, Self.name, head.encoded())
    }

    /// - Returns: whether there was anything to merge.
    @discardableResult
    private func merge(_ transaction: borrowing WriteTransaction, _ head: inout Head, live: ItemSet) throws -> Bool {
        var isChanged = false
        // Where segments lie in each other, more reports count as theirs than are, and a merge comes later.
        while let merge = Self.policy.next(in: head.words.segments, liveCount: { live.count(in: $0.documents) }) {
            // A merge of what is damaged would hide it.
            if !isChanged { try checkBlocks(transaction, head.words) }
            isChanged = true
            try replace(transaction, &head, by: merge, live: live)
        }
        return isChanged
    }

    private func replace(
        _ transaction: borrowing WriteTransaction, _ head: inout Head, by merge: MergePolicy.Merge, live: ItemSet
    ) throws {
        let number = head.words.takeNumber()
        let merger = SegmentMerger { live.contains($0) }
        // What is merged was copied, so blocks may be written between two reads.
        let merged = try withBlocks(transaction) { blocks in
            try merger.merge(merge, number: number, store: blocks) {
                try store.put(transaction, .words, $0.key, $0.value)
            }
        }
        for segment in merge.segments { try remove(transaction, segment) }
        head.words.replace(merge.segments.map(\.number), with: merged)
    }

    private func remove(_ transaction: borrowing WriteTransaction, _ segment: WordSegment) throws {
        var keys: [[UInt8]] = []
        try BlockKey.start(of: segment.number).withUnsafeBytes { start in
            try store.forEach(transaction, .words, fromKey: start) { key, _ in
                guard BlockKey.belongs(key, to: segment.number) else { return false }
                keys.append([UInt8](key))
                return true
            }
        }
        for key in keys { try transaction.delete(store.table(.words), key) }
    }
}
