/// Finds the documents of a clause and how often it occurs in each, weighted by section and assertion.
///
/// Thread rule: one thread; it works in the scratch of its question.
struct ClauseMatcher {
    let head: WordHead
    let lengths: LengthTable
    let scoring: BM25
    let scratch: SearchScratch

    init(_ head: WordHead, _ lengths: LengthTable, _ scoring: BM25, _ scratch: SearchScratch) {
        self.head = head
        self.lengths = lengths
        self.scoring = scoring
        self.scratch = scratch
    }

    /// Leaves the matches of `clause` in the scratch, and adds to `unknown` what no live document holds.
    ///
    /// - Parameter text: the question, in which the clause has its range.
    func match(
        _ clause: WordQuery.Clause, _ text: String, _ store: borrowing some WordStore & ~Copyable,
        _ unknown: inout [String]
    ) throws {
        guard let first = clause.assertions.first else { return }
        switch clause.kind {
        case .term(let term):
            if try !matchTerm(term, clause.assertions, from: first, store) { note(clause.range, of: text, &unknown) }
        case .prefix(let prefix):
            if try !matchPrefix(prefix, clause.assertions, store) { note(clause.range, of: text, &unknown) }
        case .phrase(let words):
            for word in words where try !isKnown(word.term, store) { note(word.range, of: text, &unknown) }
            try matchPhrase(words, clause.assertions, store)
        }
    }

    private func note(_ range: Range<Int>, of text: String, _ unknown: inout [String]) {
        let bytes = Array(text.utf8)
        let spelling = String(decoding: bytes[range.clamped(to: 0..<bytes.count)], as: UTF8.self)
        if !spelling.isEmpty && !unknown.contains(spelling) { unknown.append(spelling) }
    }

    /// - Returns: whether a live document holds the term, whatever is said of it.
    private func matchTerm(
        _ term: [UInt8], _ assertions: AssertionWeights, from first: Int,
        _ store: borrowing some WordStore & ~Copyable
    ) throws -> Bool {
        for segment in head.segments {
            _ = try term.withUnsafeBytes { term in
                try TermReader(segment).forEachList(term, from: first, store) { assertion, list in
                    try add(list, assertions[assertion])
                }
            }
        }
        return try scratch.matchedCount > 0 || isKnown(term, store)
    }

    private func matchPrefix(
        _ prefix: [UInt8], _ assertions: AssertionWeights, _ store: borrowing some WordStore & ~Copyable
    ) throws -> Bool {
        guard !prefix.isEmpty else { return false }
        var isKnown = false
        for segment in head.segments {
            _ = try prefix.withUnsafeBytes { prefix in
                try TermReader(segment).forEachList(prefix: prefix, store) { assertion, list in
                    try add(list, assertions[assertion])
                    if scratch.matchedCount == 0, !isKnown { isKnown = try hasLive(list) }
                }
            }
        }
        return isKnown || scratch.matchedCount > 0
    }

    /// Whether a live document holds the term.
    func isKnown(_ term: [UInt8], _ store: borrowing some WordStore & ~Copyable) throws -> Bool {
        var isKnown = false
        for segment in head.segments where !isKnown {
            _ = try term.withUnsafeBytes { term in
                try TermReader(segment).forEachList(term, from: 0, store) { _, list in
                    if !isKnown { isKnown = try hasLive(list) }
                }
            }
        }
        return isKnown
    }

    private func hasLive(_ list: PostingList) throws(WordsError) -> Bool {
        var postings = PostingReader(list)
        while let posting = try postings.next() { if lengths[posting.document] != nil { return true } }
        return false
    }

    /// Adds the live documents of a list.
    private func add(_ list: PostingList, _ weight: Float) throws(WordsError) {
        guard weight > 0 else { return }
        let weights = weight * SIMD4(scoring.impressionWeight, 1, scoring.otherWeight, 0)
        let entries = lengths.entries.span
        let (frequencies, matched) = (scratch.frequencies, scratch.matched)
        var matchedCount = scratch.matchedCount
        // The count stands in a register meanwhile; what was written is known to the scratch again if the list ends in an error.
        defer { scratch.matchedCount = matchedCount }
        var postings = PostingReader(list)
        while let (document, frequency) = try postings.next(weights: weights) {
            let place = Int(document)
            guard place < entries.count && entries[place] != 0 else { continue }
            // Safety: the scratch has room for the documents of the table, and each enters `matched` once.
            let before = frequencies[place]
            if before == 0 {
                matched[matchedCount] = document
                matchedCount += 1
            }
            frequencies[place] = before + frequency
        }
    }
}
