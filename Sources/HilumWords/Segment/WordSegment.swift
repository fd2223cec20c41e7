/// An immutable sorted run of blocks: the words of some documents.
public struct WordSegment: Sendable, Equatable {
    /// Its number, which its blocks' keys begin with; never used again.
    public let number: UInt32
    /// 0 for the documents of one commit, one more for each merge.
    public let level: UInt8
    /// Documents that it was made of. Some may be deleted by now.
    public let documentCount: Int
    /// Bytes of its blocks.
    public let byteCount: Int
    /// From the smallest to the largest document.
    public let documents: ClosedRange<UInt32>

    /// A segment.
    public init(number: UInt32, level: UInt8, documentCount: Int, byteCount: Int, documents: ClosedRange<UInt32>) {
        self.number = number
        self.level = level
        self.documentCount = documentCount
        self.byteCount = byteCount
        self.documents = documents
    }
}
