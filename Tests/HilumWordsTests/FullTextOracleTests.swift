import HilumCore
import Testing

@testable import HilumWords

/// The same questions to this index and to SQLite's FTS5, over made texts of small letters, where both cut and fold words alike.
@Suite("What FTS5 finds too")
struct FullTextOracleTests {
    private static let absence: Comment = "python3 with an sqlite3 that knows FTS5 is not here"

    /// Words without an s, which this index would take for a plural; a few common, many rare.
    private static func words(_ generator: inout SeededGenerator) -> [String] {
        let letters = Array("abdeiklmnortu")
        var words: Set<String> = []
        while words.count < 300 {
            words.insert("q" + String((0..<(1 + generator.integer(below: 4))).map { _ in generator.pick(letters) }))
        }
        return words.sorted()
    }

    private static func pick(_ words: [String], _ generator: inout SeededGenerator) -> String {
        words[Int(generator.uniform() * generator.uniform() * generator.uniform() * Double(words.count))]
    }

    private static func report(_ text: String) -> ModelReport {
        var scanner = WordScanner()
        scanner.scan(text)
        return ModelReport(
            words: scanner.words.map {
                ModelReport.Word(
                    term: scanner.term(of: $0), assertion: .present, section: .findings, position: Int($0.position))
            })
    }

    @Test(
        "Terms, terms together, phrases, prefixes and exclusions match the same texts",
        .enabled(if: FullTextOracle.isThere, absence), arguments: 1...4 as ClosedRange<UInt64>)
    func matchesTheSame(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let words = Self.words(&generator)
        let texts = (0..<400).map { _ in
            (0..<(1 + generator.integer(below: 30))).map { _ in
                Self.pick(words, &generator) + (generator.chance(0.1) ? ",\n" : " ")
            }.joined()
        }
        var index = ModelIndex(byteLimit: 500)
        for start in stride(from: 0, to: texts.count, by: 40) {
            index.commit((start..<(start + 40)).map { (UInt32($0), Self.report(texts[$0])) })
        }
        let gone = Set((0..<texts.count).filter { _ in generator.chance(0.2) })
        for number in gone.sorted() { index.remove(UInt32(number)) }
        try index.mergeAll()

        let searcher = WordSearcher()
        func documents(_ kind: WordQuery.Kind) throws -> Set<Int> {
            let found = try searcher.documents(
                matching: .init(kind, assertions: .any), index.head, store: index.store, lengths: index.lengths)
            return Set(found.map(Int.init))
        }
        func search(_ text: String) throws -> Set<Int> {
            let found = try searcher.search(
                WordQueryParser.parse(text), index.head, store: index.store, lengths: index.lengths,
                limit: texts.count)
            return Set(found.hits.map { Int($0.document) })
        }
        func bytes(_ word: String) -> [UInt8] { Array(word.utf8) }

        var asked: [(query: String, found: Set<Int>)] = []
        for round in 0..<500 {
            let one = Self.pick(words, &generator)
            let two = Self.pick(words, &generator)
            let three = Self.pick(words, &generator)
            switch round % 5 {
            case 0: asked.append((one, try documents(.term(bytes(one)))))
            case 1:
                let both = try documents(.term(bytes(one))).intersection(documents(.term(bytes(two))))
                asked.append(("\(one) AND \(two)", both))
            case 2:
                // Words that stand beside each other somewhere, mostly.
                let text = generator.pick(texts).split { " ,\n".contains($0) }.map(String.init)
                let start = generator.integer(below: text.count)
                let phrase = generator.chance(0.2) ? [one, two] : Array(text[start..<min(text.count, start + 3)])
                let places = phrase.enumerated().map { place, word in
                    WordQuery.PhraseWord(term: bytes(word), offset: place, range: 0..<0)
                }
                let kind: WordQuery.Kind = phrase.count == 1 ? .term(bytes(phrase[0])) : .phrase(places)
                asked.append(("\"\(phrase.joined(separator: " "))\"", try documents(kind)))
                if phrase.count > 1 {
                    asked.append(
                        (
                            "\"\(phrase.joined(separator: " "))\"",
                            try search("\"\(phrase.joined(separator: " "))\"")
                        ))
                }
            case 3:
                let prefix = String(one.prefix(1 + generator.integer(below: 3)))
                asked.append(("\(prefix)*", try documents(.prefix(bytes(prefix)))))
            default:
                guard three != one, three != two else { continue }
                asked.append(("(\(one) OR \(two)) NOT \(three)", try search("\(one) \(two) -\(three)")))
            }
        }
        // What is gone stays in the oracle as an empty text, so that the numbers are the same.
        let oracle = FullTextOracle(texts.indices.map { gone.contains($0) ? "" : texts[$0] })
        let expected = try oracle.matches(asked.map(\.query))
        #expect(expected.count == asked.count && expected.contains { $0.count > 20 })
        for (question, wanted) in zip(asked, expected) {
            #expect(question.found == Set(wanted), "\(question.query)")
        }
    }
}
