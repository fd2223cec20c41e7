/// What a score needs to know of all documents. An index that holds a part of them is told those of the whole.
///
/// Thread rule: a value type; one owner at a time.
public struct WordStatistics: Sendable, Equatable {
    /// Documents.
    public var documentCount: Int
    /// The sum of their lengths.
    public var totalLength: Int
    /// In how many documents each clause matches that is no exclusion, in the order of the question.
    public var matchCounts: [Int]

    /// Statistics.
    public init(documentCount: Int, totalLength: Int, matchCounts: [Int]) {
        self.documentCount = documentCount
        self.totalLength = totalLength
        self.matchCounts = matchCounts
    }

    /// Those of a table, without clauses.
    init(_ lengths: LengthTable) {
        self.init(documentCount: lengths.documentCount, totalLength: lengths.totalLength, matchCounts: [])
    }
}
