extension ClauseMatcher {
    /// Leaves the documents that hold `words` at their distances in the scratch.
    ///
    /// Each word may have any assertion that the clause takes; the occurrence counts as its least weighted word, in the section of its first.
    /// A document that lacks a word has no phrase: lists without positions find the few documents whose positions are then read.
    func matchPhrase(
        _ words: [WordQuery.PhraseWord], _ assertions: AssertionWeights, _ store: borrowing some WordStore & ~Copyable
    ) throws {
        guard !words.isEmpty, words.count < Int(UInt8.max) else { return }
        for segment in head.segments {
            try matchPhrase(words, assertions, TermReader(segment), store)
        }
    }

    private func matchPhrase(
        _ words: [WordQuery.PhraseWord], _ assertions: AssertionWeights, _ reader: TermReader,
        _ store: borrowing some WordStore & ~Copyable
    ) throws {
        guard let first = assertions.first else { return }
        var candidates: [UInt32] = []
        defer { for document in candidates { scratch.wordCounts[Int(document)] = 0 } }
        for (place, word) in words.enumerated() {
            var count = 0
            try word.term.withUnsafeBytes { term in
                _ = try reader.forEachList(term, from: first, store) { assertion, list in
                    guard assertions[assertion] > 0 else { return }
                    count += try countWord(list, place, &candidates)
                }
            }
            if count == 0 { return }
        }
        var places: [UInt64] = []
        for (index, word) in words.enumerated() {
            let found = try positions(of: word, in: reader, assertions, first, words.count, store)
            places = index == 0 ? found : Self.common(places, found, assertions)
            if places.isEmpty { return }
        }
        for place in places {
            let weights = (scoring.impressionWeight, Float(1), scoring.otherWeight)
            let section = PhrasePlace.section(place)
            let weight = section == 0 ? weights.0 : section == 1 ? weights.1 : weights.2
            scratch.match(PhrasePlace.document(place), weight * assertions[PhrasePlace.assertion(place)])
        }
    }

    /// Counts a word for the documents that have all words before it; the number of those.
    private func countWord(_ list: PostingList, _ place: Int, _ candidates: inout [UInt32]) throws(WordsError) -> Int {
        var count = 0
        var postings = PostingReader(list)
        let entries = lengths.entries.span
        let wordCounts = scratch.wordCounts
        while let (document, _) = try postings.next(weights: (1, 1, 1)) {
            let index = Int(document)
            guard index < entries.count, entries[index] != 0 else { continue }
            // Safety: the scratch has an entry a document of the table.
            guard wordCounts[index] == UInt8(place) else { continue }
            wordCounts[index] = UInt8(place + 1)
            if place == 0 { candidates.append(document) }
            count += 1
        }
        return count
    }

    /// Where a word stands in the documents that have all words, shifted to where the phrase begins; ascending.
    private func positions(
        of word: WordQuery.PhraseWord, in reader: TermReader, _ assertions: AssertionWeights, _ first: Int,
        _ wordCount: Int, _ store: borrowing some WordStore & ~Copyable
    ) throws -> [UInt64] {
        var places: [UInt64] = []
        var isSorted = true
        var last: UInt64 = 0
        let wordCounts = scratch.wordCounts
        try word.term.withUnsafeBytes { term in
            _ = try reader.forEachList(term, from: first, store) { assertion, list in
                guard assertions[assertion] > 0 else { return }
                var postings = PostingReader(list)
                var positions = VarintReader(list.positions)
                while let posting = try postings.next() {
                    let index = Int(posting.document)
                    guard index < wordCounts.count, wordCounts[index] == UInt8(wordCount) else {
                        try positions.skip(posting.count)
                        continue
                    }
                    for section in 0..<WordSection.count {
                        var position = 0
                        for _ in 0..<posting.count(in: section) {
                            position += try positions.next()
                            guard position < SegmentWriter.positionLimit else {
                                throw WordsError.damaged("a position is too large")
                            }
                            guard position >= word.offset else { continue }
                            let place = PhrasePlace.make(
                                posting.document, position - word.offset, section: section, assertion: assertion)
                            if last > place { isSorted = false }
                            last = place
                            places.append(place)
                        }
                    }
                }
            }
        }
        if !isSorted { places.sort() }
        return places
    }

    /// The places of `left` that `right` has too, with the less weighted assertion of both.
    private static func common(_ left: [UInt64], _ right: [UInt64], _ assertions: AssertionWeights) -> [UInt64] {
        var common: [UInt64] = []
        var (i, j) = (0, 0)
        while i < left.count && j < right.count {
            let (one, other) = (left[i] >> PhrasePlace.payloadBitCount, right[j] >> PhrasePlace.payloadBitCount)
            if one < other {
                i += 1
            } else if other < one {
                j += 1
            } else {
                let isLess = assertions[PhrasePlace.assertion(right[j])] < assertions[PhrasePlace.assertion(left[i])]
                common.append(
                    isLess ? PhrasePlace.replacing(left[i], assertion: PhrasePlace.assertion(right[j])) : left[i])
                i += 1
                j += 1
            }
        }
        return common
    }
}

/// Where a phrase may begin: document, position, section and assertion in one number, in this order of significance.
private enum PhrasePlace {
    static let payloadBitCount: UInt64 = 4

    static func make(_ document: UInt32, _ position: Int, section: Int, assertion: Int) -> UInt64 {
        UInt64(document) << 32 | UInt64(position) << payloadBitCount | UInt64(section) << 2 | UInt64(assertion)
    }

    static func document(_ place: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: place >> 32) }
    static func section(_ place: UInt64) -> Int { Int(place >> 2 & 3) }
    static func assertion(_ place: UInt64) -> Int { Int(place & 3) }
    static func replacing(_ place: UInt64, assertion: Int) -> UInt64 { place & ~3 | UInt64(assertion) }
}
