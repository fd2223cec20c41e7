import HilumWords

/// Statistics of a question's words over all archives of which this one is a part.
///
/// Scores of words by these are the same in every part, so that hits of several archives can be merged. Sums of `WordCounts.corpus` over
/// the parts are what a search in one archive of all cases goes by.
public struct WordCorpus: Sendable, Equatable {
    /// Reports.
    public var documents: Int
    /// Words of all reports.
    public var length: Int
    /// In how many reports each part of the question matches.
    public var matches: [Int]

    /// Statistics.
    public init(documents: Int, length: Int, matches: [Int]) {
        self.documents = documents
        self.length = length
        self.matches = matches
    }

    /// - Throws: `.badRequest` for statistics of another question.
    func statistics(of question: WordQuestion) throws(ArchiveError) -> WordStatistics {
        guard matches.count == question.query.scoredClauseCount else {
            throw ArchiveError(
                .badRequest,
                "corpus= has \(matches.count) counts, and the words of the question have "
                    + "\(question.query.scoredClauseCount) parts; ask WORDS of each archive with the same text, and add up"
            )
        }
        return WordStatistics(documentCount: documents, totalLength: length, matchCounts: matches)
    }
}

/// What the words of a question come to in one archive.
public struct WordCounts: Sendable, Equatable {
    /// Those of this archive.
    public var corpus: WordCorpus
    /// Words that no report here contains and the lexicon does not know, as they were written.
    public var unknown: [String]
    /// Whether a part of the question is known here.
    public var isKnown: Bool
    /// Whether the question names a finding, so that vectors weigh less.
    public var demandsFindings: Bool
}
