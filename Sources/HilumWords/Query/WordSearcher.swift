/// An inverted index over the words of reports, with what each report says about them. This is its reading side.
///
/// ```
/// report ─ WordScanner ─→ words ─ assertion and section, from outside ─→ SegmentWriter ─→ blocks ─┐
///                                                      8 segments ─ SegmentMerger ─→ blocks ─────┼─→ store, in a transaction
///                                                                                     WordHead ──┘        │
///                                                                                                    WordStore
///                                                                                                         │
/// question ─ WordQueryParser ─→ WordQuery ─→ WordSearcher: for each clause its lists ─→ BM25 ─→ the best k ─→ WordResult
///                                                 └─ LengthTable: lengths, and which documents are live
/// ```
///
/// | Folder | What it holds |
/// | --- | --- |
/// | `Text` | from bytes to folded words |
/// | `Block` | the bytes of a block, drawn in `BlockBuilder`; its key; the store that it lies in |
/// | `Segment` | writing and merging segments; which to merge; the head that names them |
/// | `Query` | questions, their grammar, scores, the lengths of documents, highlights |
///
/// A term has one posting list an assertion (present, uncertain, absent, other), so that what is denied has statistics of its own. A document
/// is a number that only grows. A deleted one is merely taken out of the `LengthTable`; merges drop its postings. Numbers of documents, their
/// mean length and the frequency of a clause are those of live documents, so that scores depend on neither the segments nor the history.
///
/// A clause adds up weighted occurrences in an array by document, which takes lists in any order: of several assertions, segments, or terms of
/// a prefix. No list is skipped in part; 227,000 reports take about a millisecond a common word.
///
/// Thread rule: any number of threads, each with its own store.
public final class WordSearcher: Sendable {
    let pool = ScratchPool()
    /// The parameters of the score.
    public let scoring: BM25

    /// A searcher; it keeps nothing but scratch.
    public init(scoring: BM25 = BM25()) { self.scoring = scoring }

    /// Answers a question.
    ///
    /// - Parameters:
    ///   - head, store, lengths: of one snapshot. Documents that the table does not know are no hits.
    ///   - limit: how many hits at most.
    ///   - isAllowed: whether a document may be a hit; nil for all. Statistics are those of all documents nevertheless.
    ///   - statistics: what scores go by, where these documents are a part of more; nil for their own.
    ///   - beforeClause: called before the postings of each clause are read; what it throws ends the search.
    /// - Returns: the hits, and what of the question is unknown. The same index gives the same hits, however it is cut into segments.
    /// - Throws: `.damagedBlock`; what the store throws.
    /// - Complexity: O(postings of the clauses).
    public func search(
        _ query: WordQuery, _ head: WordHead, store: borrowing some WordStore & ~Copyable, lengths: LengthTable,
        limit: Int, isAllowed: ((UInt32) -> Bool)? = nil, statistics: WordStatistics? = nil,
        beforeClause: () throws -> Void = {}
    ) throws -> WordResult {
        precondition(statistics.map { $0.matchCounts.count == query.scoredClauseCount } ?? true, "a count a clause")
        return try pool.withScratch(lengths.entries.count) { scratch in
            var unknown: [String] = []
            let matcher = ClauseMatcher(head, lengths, scoring, scratch)
            // Exclusions first: minus infinity stays what it is, whatever is added.
            for clause in query.clauses where clause.isExcluded {
                try beforeClause()
                try matcher.match(clause, query.text, store, &unknown)
                scratch.addScores { _, _ in -.infinity }
            }
            let all = statistics ?? WordStatistics(lengths)
            let norms = norms(lengths, all)
            var place = 0
            for clause in query.clauses where !clause.isExcluded {
                try beforeClause()
                try matcher.match(clause, query.text, store, &unknown)
                let count = statistics?.matchCounts[place] ?? scratch.matchedCount
                place += 1
                if clause.weight > 0 {
                    score(clause, count, all, scratch, lengths, norms)
                } else {
                    scratch.clearMatches()
                }
            }
            let hits = best(scratch, limit, isAllowed)
            scratch.clearScores()
            return WordResult(hits: hits, unknown: unknown)
        }
    }

    /// What the score of a question needs to know of these documents, for a search in parts, and what of it is unknown here.
    ///
    /// - Throws: `.damagedBlock`; what the store throws.
    public func statistics(
        of query: WordQuery, _ head: WordHead, store: borrowing some WordStore & ~Copyable, lengths: LengthTable
    ) throws -> (statistics: WordStatistics, unknown: [String]) {
        try pool.withScratch(lengths.entries.count) { scratch in
            var all = WordStatistics(lengths)
            var unknown: [String] = []
            let matcher = ClauseMatcher(head, lengths, scoring, scratch)
            // In the order of a search.
            for clause in query.clauses.filter(\.isExcluded) + query.clauses.filter({ !$0.isExcluded }) {
                try matcher.match(clause, query.text, store, &unknown)
                if !clause.isExcluded { all.matchCounts.append(scratch.matchedCount) }
                scratch.clearMatches()
            }
            return (all, unknown)
        }
    }

    /// The live documents in which a clause matches, ascending; for filters and counts.
    ///
    /// - Throws: `.damagedBlock`; what the store throws.
    public func documents(
        matching clause: WordQuery.Clause, _ head: WordHead, store: borrowing some WordStore & ~Copyable,
        lengths: LengthTable
    ) throws -> [UInt32] {
        try pool.withScratch(lengths.entries.count) { scratch in
            var unknown: [String] = []
            try ClauseMatcher(head, lengths, scoring, scratch).match(clause, "", store, &unknown)
            defer { scratch.clearMatches() }
            return scratch.matched[..<scratch.matchedCount].sorted()
        }
    }

    /// By length plus one.
    private func norms(_ lengths: LengthTable, _ all: WordStatistics) -> [Float] {
        let mean = max(1, Float(Double(all.totalLength) / Double(max(1, all.documentCount))))
        return (0...lengths.largestEntry).map { scoring.norm(length: max(0, $0 - 1), meanLength: mean) }
    }

    private func score(
        _ clause: WordQuery.Clause, _ count: Int, _ all: WordStatistics, _ scratch: SearchScratch,
        _ lengths: LengthTable, _ norms: [Float]
    ) {
        let idf = scoring.idf(count: count, total: all.documentCount)
        let factor = clause.weight * idf * (scoring.k1 + 1)
        let fixedNorm = clause.dependsOnLength ? nil : scoring.k1
        lengths.entries.withUnsafeBufferPointer { entries in
            norms.withUnsafeBufferPointer { norms in
                scratch.addScores { document, frequency in
                    // Safety: only documents of the table match, and no entry is above the largest.
                    let norm = fixedNorm ?? norms[Int(entries[Int(document)])]
                    // A score of 0 would stand for none.
                    return max(factor * frequency / (frequency + norm), .leastNormalMagnitude)
                }
            }
        }
    }

    private func best(_ scratch: SearchScratch, _ limit: Int, _ isAllowed: ((UInt32) -> Bool)?) -> [WordHit] {
        var top = TopHits(limit: max(0, limit))
        let (scores, scored) = (scratch.scores, scratch.scored)
        for place in 0..<scratch.scoredCount {
            let document = scored[place]
            let hit = WordHit(document: document, score: scores[Int(document)])
            guard hit.score > 0, top.takes(hit), isAllowed?(document) ?? true else { continue }
            top.add(hit)
        }
        return top.sorted()
    }
}
