extension ClauseMatcher {
    /// Leaves the documents that hold `words` at their distances in the scratch.
    ///
    /// Each word may have any assertion that the clause takes; the occurrence counts as its least weighted word, in the section of its first.
    /// The rarest word gives the places at which the phrase may stand; each other word strikes out those that it does not confirm,
    /// so that of a common word only the positions in few documents are decoded.
    func matchPhrase(
        _ words: [WordQuery.PhraseWord], _ assertions: AssertionWeights, _ store: borrowing some WordStore & ~Copyable
    ) throws {
        guard !words.isEmpty, let first = assertions.first else { return }
        let sectionWeights = [scoring.impressionWeight, 1, scoring.otherWeight]
        for segment in head.segments {
            let reader = TermReader(segment)
            var counts: [Int] = []
            for word in words { counts.append(try count(of: word, in: reader, assertions, first, store)) }
            if counts.contains(0) { continue }
            let order = words.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }
            var places = try places(of: words[order[0]], in: reader, assertions, first, store)
            for index in order.dropFirst() where !places.isEmpty {
                try confirm(&places, words[index], isFirst: index == 0, in: reader, assertions, first, store)
            }
            for place in places {
                let weight = sectionWeights[PhrasePlace.section(place)] * assertions[PhrasePlace.assertion(place)]
                scratch.match(PhrasePlace.document(place), weight)
            }
        }
    }

    /// About how many documents hold a word: those of the first block that does, and many more where the next block goes on with it.
    private func count(
        of word: WordQuery.PhraseWord, in reader: TermReader, _ assertions: AssertionWeights, _ first: Int,
        _ store: borrowing some WordStore & ~Copyable
    ) throws -> Int {
        try word.term.withUnsafeBytes { term in
            try reader.firstCounts(term, from: first, store) { assertions[$0] > 0 }
        }
    }

    /// Where a word stands, shifted to where the phrase begins; ascending.
    private func places(
        of word: WordQuery.PhraseWord, in reader: TermReader, _ assertions: AssertionWeights, _ first: Int,
        _ store: borrowing some WordStore & ~Copyable
    ) throws -> [UInt64] {
        var runs = PlaceRuns()
        try word.term.withUnsafeBytes { term in
            _ = try reader.forEachList(term, from: first, store) { assertion, list in
                guard assertions[assertion] > 0 else { return }
                // A position takes at least a byte.
                try runs.addRun(atMost: list.positions.count) { run throws(WordsError) in
                    try decode(list, assertion, offset: word.offset, into: run)
                }
            }
        }
        return runs.merged()
    }

    /// Writes the places of live documents in a list, ascending; how many.
    private func decode(
        _ list: PostingList, _ assertion: Int, offset: Int, into run: UnsafeMutableBufferPointer<UInt64>
    ) throws(WordsError) -> Int {
        var count = 0
        let entries = lengths.entries.span
        var postings = PostingReader(list)
        var positions = VarintReader(list.positions)
        while let posting = try postings.next() {
            let index = Int(posting.document)
            guard index < entries.count, entries[index] != 0 else {
                try positions.skip(posting.count)
                continue
            }
            let start = count
            for section in 0..<WordSection.count {
                var position = 0
                for _ in 0..<posting.count(in: section) {
                    position += try positions.next()
                    guard position < SegmentWriter.positionLimit else {
                        throw WordsError.damaged("a position is too large")
                    }
                    guard position >= offset else { continue }
                    let place = PhrasePlace.make(
                        posting.document, position - offset, section: section, assertion: assertion)
                    // Safety: each place took a byte of the positions, and the run has room for one a byte.
                    var hole = count
                    while hole > start && run[hole - 1] > place {
                        run[hole] = run[hole - 1]
                        hole -= 1
                    }
                    run[hole] = place
                    count += 1
                }
            }
        }
        return count
    }

    /// Keeps the places at which a word stands too, with the less weighted assertion of both.
    ///
    /// - Parameter isFirst: whether it is the first word of the phrase, whose section counts.
    private func confirm(
        _ places: inout [UInt64], _ word: WordQuery.PhraseWord, isFirst: Bool, in reader: TermReader,
        _ assertions: AssertionWeights, _ first: Int, _ store: borrowing some WordStore & ~Copyable
    ) throws {
        var confirmed = [UInt8](repeating: PhrasePlace.none, count: places.count)
        try word.term.withUnsafeBytes { term in
            _ = try reader.forEachList(term, from: first, store) { assertion, list in
                guard assertions[assertion] > 0 else { return }
                try Self.confirm(places.span, &confirmed, list, assertion, offset: word.offset) {
                    assertions[assertion] > assertions[$0]
                }
            }
        }
        var kept = 0
        for index in places.indices where confirmed[index] != PhrasePlace.none {
            places[kept] = PhrasePlace.joined(places[index], confirmed[index], takesSection: isFirst, assertions)
            kept += 1
        }
        places.removeSubrange(kept...)
    }

    /// Notes section and assertion for the places that a list confirms.
    private static func confirm(
        _ places: Span<UInt64>, _ confirmed: inout [UInt8], _ list: PostingList, _ assertion: Int, offset: Int,
        _ isBetter: (_ thanAssertion: Int) -> Bool
    ) throws(WordsError) {
        var start = 0
        var postings = PostingReader(list)
        var positions = VarintReader(list.positions)
        while let posting = try postings.next() {
            while start < places.count && PhrasePlace.document(places[start]) < posting.document { start += 1 }
            if start == places.count { return }
            guard PhrasePlace.document(places[start]) == posting.document else {
                try positions.skip(posting.count)
                continue
            }
            for section in 0..<WordSection.count {
                var position = 0
                var place = start
                for _ in 0..<posting.count(in: section) {
                    position += try positions.next()
                    guard position < SegmentWriter.positionLimit else {
                        throw WordsError.damaged("a position is too large")
                    }
                    guard position >= offset else { continue }
                    let wanted = PhrasePlace.make(posting.document, position - offset, section: 3, assertion: 3)
                    while place < places.count && places[place] <= wanted {
                        if PhrasePlace.areLevel(places[place], wanted),
                            confirmed[place] == PhrasePlace.none || isBetter(Int(confirmed[place] & 3))
                        {
                            confirmed[place] = UInt8(section << 2 | assertion)
                        }
                        place += 1
                    }
                }
            }
        }
    }
}
