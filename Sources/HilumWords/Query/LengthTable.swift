/// The length of every live document, in memory: what BM25 needs, and which documents there are.
///
/// A copy is a snapshot, for questions beside a writer; the writer's next change then copies two bytes a document.
/// Thread rule: a value type; one owner at a time.
public struct LengthTable: Sendable, Equatable {
    /// Longer documents count as this long.
    public static let limit = 65_534

    /// By document: the length plus one; 0 for a document that is not live.
    private(set) var entries: [UInt16] = []
    /// The live documents.
    public private(set) var documentCount = 0
    /// The sum of their lengths.
    public private(set) var totalLength = 0
    /// The largest entry that ever was.
    private(set) var largestEntry = 0

    /// A table without documents.
    public init() {}

    /// Reads the lengths of all documents of an index.
    ///
    /// - Parameter isLive: whether a document still exists.
    /// - Throws: `.damagedBlock`; what the store throws.
    /// - Complexity: O(documents).
    public init(
        _ head: WordHead, store: borrowing some WordStore & ~Copyable, isLive: (UInt32) -> Bool = { _ in true }
    ) throws {
        for segment in head.segments {
            try TermReader(segment).forEachList(UnsafeRawBufferPointer(start: nil, count: 0), from: 0, store) {
                _, list in
                var postings = PostingReader(list)
                while let posting = try postings.next() {
                    guard segment.documents.contains(posting.document) else {
                        throw WordsError.damaged("a document is not of its segment")
                    }
                    if isLive(posting.document) { insert(posting.document, length: posting.count - 1) }
                }
            }
        }
    }

    /// The length of a document; nil when it is not live.
    public subscript(document: UInt32) -> Int? {
        let place = Int(document)
        return place < entries.count && entries[place] > 0 ? Int(entries[place]) - 1 : nil
    }

    /// Adds a document, or gives it another length.
    public mutating func insert(_ document: UInt32, length: Int) {
        precondition(length >= 0, "a length is at least 0")
        let place = Int(document)
        if place >= entries.count {
            entries.append(contentsOf: repeatElement(0, count: place + 1 - entries.count))
        }
        remove(document)
        let kept = min(length, Self.limit)
        entries[place] = UInt16(kept + 1)
        documentCount += 1
        totalLength += kept
        largestEntry = max(largestEntry, kept + 1)
    }

    /// Removes a document; nothing happens when it is not there.
    public mutating func remove(_ document: UInt32) {
        guard let length = self[document] else { return }
        entries[Int(document)] = 0
        documentCount -= 1
        totalLength -= length
    }

    /// The live documents of a segment.
    ///
    /// - Complexity: O(numbers between its first and last document).
    public func liveCount(in segment: WordSegment) -> Int {
        segment.documents.reduce(0) { $0 + (self[$1] == nil ? 0 : 1) }
    }
}
