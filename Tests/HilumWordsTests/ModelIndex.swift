import HilumCore

@testable import HilumWords

/// A report as the tests know it: words with their assertion and section, at their positions.
struct ModelReport {
    struct Word {
        var term: [UInt8]
        var assertion: WordAssertion
        var section: WordSection
        var position: Int
    }

    var words: [Word]
    var length: Int { words.count }
}

/// An index in memory beside the reports it was made of: what a question must find is computed from the reports alone.
struct ModelIndex {
    var store = MemoryWordStore()
    var head = WordHead()
    var lengths = LengthTable()
    /// The live reports.
    var reports: [UInt32: ModelReport] = [:]
    var policy = MergePolicy(fanIn: 3)
    var byteLimit: Int?
    private var writer: SegmentWriter

    init(byteLimit: Int? = nil) {
        self.byteLimit = byteLimit
        writer = SegmentWriter(byteLimit: byteLimit)
    }

    /// Commits one segment.
    mutating func commit(_ added: [(UInt32, ModelReport)]) {
        for (number, report) in added {
            writer.begin(document: number, length: report.length)
            for word in report.words {
                word.term.withUnsafeBytes {
                    writer.add(
                        term: $0, assertion: word.assertion, section: word.section, position: word.position)
                }
            }
            lengths.insert(number, length: report.length)
            reports[number] = report
        }
        guard let (segment, blocks) = writer.finish(number: head.takeNumber()) else { return }
        for block in blocks { store.insert(block) }
        head.add(segment)
    }

    mutating func remove(_ number: UInt32) {
        reports[number] = nil
        lengths.remove(number)
    }

    /// Merges what the policy says, until it says nothing.
    mutating func mergeAll() throws {
        while let merge = policy.next(in: head.segments, liveCount: { lengths.liveCount(in: $0) }) {
            try apply(merge)
        }
    }

    mutating func apply(_ merge: MergePolicy.Merge) throws {
        let lengths = lengths
        let number = head.takeNumber()
        var blocks: [WordBlock] = []
        let merged = try SegmentMerger(byteLimit: byteLimit, isLive: { lengths[$0] != nil })
            .merge(merge, number: number, store: store, into: { blocks.append($0) })
        for block in blocks { store.insert(block) }
        for segment in merge.segments { store.removeSegment(segment.number) }
        head.replace(merge.segments.map(\.number), with: merged)
    }

    // MARK: The oracle

    /// What `WordSearcher.search` must give, from the definition of BM25.
    func expected(
        _ query: WordQuery, limit: Int, scoring: BM25, isAllowed: (UInt32) -> Bool = { _ in true }
    ) -> [WordHit] {
        var scores: [UInt32: Float] = [:]
        let total = reports.values.reduce(0) { $0 + $1.length }
        let mean = max(1, Float(Double(total) / Double(max(1, reports.count))))
        for clause in query.clauses where !clause.isExcluded && clause.weight > 0 {
            let matches = matches(of: clause, scoring)
            let idf = scoring.idf(count: matches.count, total: reports.count)
            let factor = clause.weight * idf * (scoring.k1 + 1)
            for (document, frequency) in matches {
                let norm = scoring.norm(length: reports[document]?.length ?? 0, meanLength: mean)
                scores[document, default: 0] += factor * frequency / (frequency + norm)
            }
        }
        for clause in query.clauses where clause.isExcluded {
            for document in matches(of: clause, scoring).keys { scores[document] = nil }
        }
        let hits = scores.filter { isAllowed($0.key) }.map { WordHit(document: $0.key, score: $0.value) }
        return Array(hits.sorted { $0.isBefore($1) }.prefix(limit))
    }

    func matches(of clause: WordQuery.Clause, _ scoring: BM25) -> [UInt32: Float] {
        var matches: [UInt32: Float] = [:]
        for (document, report) in reports {
            var frequency: Float = 0
            for word in report.words {
                var weight = clause.assertions[word.assertion]
                switch clause.kind {
                case .term(let term): if word.term != term { continue }
                case .prefix(let prefix): if !word.term.starts(with: prefix) { continue }
                case .phrase(let phrase):
                    if word.term != phrase[0].term { continue }
                    for other in phrase.dropFirst() {
                        let weights = report.words.filter {
                            $0.term == other.term && $0.position == word.position + other.offset
                        }.map { clause.assertions[$0.assertion] }
                        weight = min(weight, weights.max() ?? 0)
                    }
                }
                let section =
                    word.section == .impression
                    ? scoring.impressionWeight : word.section == .other ? scoring.otherWeight : 1
                frequency += weight * section
            }
            if frequency > 0 { matches[document] = frequency }
        }
        return matches
    }
}

/// Reports and questions of a small vocabulary with a few common words and many rare ones.
struct ModelMaker {
    var generator: SeededGenerator
    let terms: [[UInt8]]

    init(seed: UInt64, termCount: Int = 60) {
        var generator = SeededGenerator(seed: seed)
        let letters = Array("abcd".utf8) + [0xC3]
        var made: Set<[UInt8]> = []
        while made.count < termCount {
            made.insert((0...generator.integer(below: 6)).map { _ in generator.pick(letters) })
        }
        self.generator = generator
        terms = made.sorted { $0.lexicographicallyPrecedes($1) }
    }

    mutating func term() -> [UInt8] {
        // The lower the number, the more frequent.
        let skew = generator.uniform() * generator.uniform() * generator.uniform()
        return terms[Int(skew * Double(terms.count))]
    }

    mutating func report(wordCount: Int? = nil) -> ModelReport {
        var report = ModelReport(words: [])
        var position = 0
        for _ in 0..<(wordCount ?? generator.integer(below: 25)) {
            report.words.append(
                ModelReport.Word(
                    term: term(), assertion: generator.pick(WordAssertion.allCases),
                    section: generator.pick(WordSection.allCases), position: position))
            position += generator.chance(0.05) ? 200 : 1
        }
        return report
    }

    mutating func clause() -> WordQuery.Clause {
        let kind: WordQuery.Kind
        switch generator.integer(below: 10) {
        case 0..<4: kind = .term(generator.chance(0.05) ? Array("zz".utf8) : term())
        case 4..<6: kind = .prefix(Array(term().prefix(1 + generator.integer(below: 3))))
        default:
            var offset = 0
            let words = (0..<(2 + generator.integer(below: 2))).map { place in
                if place > 0 { offset += generator.chance(0.2) ? 2 : 1 }
                return WordQuery.PhraseWord(term: term(), offset: offset, range: 0..<0)
            }
            kind = .phrase(words)
        }
        let assertions: [AssertionWeights] = [
            .any, .affirmed, .denied, .suspected, AssertionWeights(absent: 1, other: 2),
        ]
        return WordQuery.Clause(
            kind, assertions: generator.pick(assertions), isExcluded: generator.chance(0.15),
            weight: generator.chance(0.1) ? 0.5 : 1)
    }

    mutating func query() -> WordQuery {
        WordQuery(clauses: (0...generator.integer(below: 4)).map { _ in clause() })
    }
}
