import HilumCore
import HilumWords
import LMDB

/// The table of words in the store: segments of an inverted index over reports, each a run of blocks, and the head that names them.
///
/// ```
/// words   key of a block → block                                   (HilumWords draws both)
/// meta    `words`: first unread case (4) · end of them (4) · WordHead
/// ```
/// A commit writes one segment for its reports, in its own transaction, and merges segments when eight of a level are there. Nothing is
/// written for a case that goes: `LengthTable` knows which are there, and a merge drops the others. Reports that were stored by a release
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
        try store.get(transaction, .meta, Self.name) { try Head(decoding: $0) } ?? Head(unread: 1..<max(1, nextNumber))
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
    ///   - isLive: whether a document of an older segment is still there.
    func add(
        _ transaction: borrowing WriteTransaction, _ reports: [(number: UInt32, words: ReportWords)],
        to head: inout Head,
        isLive: @escaping (UInt32) -> Bool
    ) throws {
        var writer = SegmentWriter()
        for report in reports { report.words.write(to: &writer, as: report.number) }
        if let (segment, blocks) = writer.finish(number: head.words.takeNumber()) {
            for block in blocks { try store.put(transaction, .words, block.key, block.value) }
            head.words.add(segment)
        }
        let merger = SegmentMerger(isLive: isLive)
        while let merge = Self.policy.next(in: head.words.segments) {
            let number = head.words.takeNumber()
            // What is merged was copied, so blocks may be written between two reads.
            let merged = try withBlocks(transaction) { blocks in
                try merger.merge(merge, number: number, store: blocks) {
                    try store.put(transaction, .words, $0.key, $0.value)
                }
            }
            for segment in merge.segments { try remove(transaction, segment) }
            head.words.replace(merge.segments.map(\.number), with: merged)
        }
        try store.put(transaction, .meta, Self.name, head.encoded())
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
