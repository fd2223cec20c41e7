import HilumCore
import Testing

@testable import HilumWords

@Suite("What a question finds")
struct OracleTests {
    @Test(
        "Every question finds what the definition says, after adds, deletions and merges at random",
        arguments: 0..<12 as Range<UInt64>)
    func findsWhatTheDefinitionSays(seed: UInt64) throws {
        var maker = ModelMaker(seed: seed, termCount: seed % 2 == 0 ? 60 : 800)
        // Blocks of a few hundred bytes, so that lists go on from block to block.
        var index = ModelIndex(byteLimit: seed % 3 == 0 ? nil : 300)
        let searcher = WordSearcher(
            scoring: seed % 4 == 1 ? BM25(k1: 2, b: 0.75, impressionWeight: 4, otherWeight: 0.5) : BM25())
        var next: UInt32 = 0
        for round in 0..<30 {
            var added: [(UInt32, ModelReport)] = []
            for _ in 0...maker.generator.integer(below: 20) {
                added.append((next, maker.report()))
                next += maker.generator.chance(0.1) ? 40 : 1
            }
            index.commit(added)
            for number in index.reports.keys.sorted() where maker.generator.chance(0.06) { index.remove(number) }
            if round % 3 == 2 { try index.mergeAll() }
            for _ in 0..<12 {
                let query = maker.query()
                let limit = 1 + maker.generator.integer(below: 12)
                let found = try searcher.search(
                    query, index.head, store: index.store, lengths: index.lengths, limit: limit)
                #expect(found.hits == index.expected(query, limit: limit, scoring: searcher.scoring))
            }
        }
        #expect(index.head.segments.contains { $0.level > 1 })
        #expect(index.lengths.documentCount == index.reports.count)
    }

    @Test("Segments whose documents lie between each other's are merged in order", arguments: 0..<4 as Range<UInt64>)
    func mergesInterleavedSegments(seed: UInt64) throws {
        var maker = ModelMaker(seed: seed)
        var index = ModelIndex(byteLimit: 500)
        var numbers = Array(0..<120 as Range<UInt32>)
        maker.generator.shuffle(&numbers)
        for start in stride(from: 0, to: numbers.count, by: 30) {
            index.commit(numbers[start..<(start + 30)].sorted().map { ($0, maker.report()) })
        }
        index.remove(7)
        try index.apply(MergePolicy.Merge(segments: index.head.segments, level: 1))
        #expect(index.head.segments.count == 1)
        #expect(index.head.segments[0].documentCount == 119)
        let searcher = WordSearcher()
        for _ in 0..<200 {
            let query = maker.query()
            let found = try searcher.search(
                query, index.head, store: index.store, lengths: index.lengths, limit: 10)
            #expect(found.hits == index.expected(query, limit: 10, scoring: searcher.scoring))
        }
    }

    @Test("Only allowed documents are hits, and the scores are those of all documents")
    func filters() throws {
        var maker = ModelMaker(seed: 5)
        var index = ModelIndex()
        index.commit((0..<200).map { ($0, maker.report()) })
        let searcher = WordSearcher()
        for _ in 0..<100 {
            let query = maker.query()
            let found = try searcher.search(
                query, index.head, store: index.store, lengths: index.lengths, limit: 10, isAllowed: { $0 % 7 == 3 })
            let expected = index.expected(query, limit: 10, scoring: searcher.scoring, isAllowed: { $0 % 7 == 3 })
            #expect(found.hits == expected)
        }
    }

    @Test("The documents of a clause are those that match, ascending")
    func listsDocuments() throws {
        var maker = ModelMaker(seed: 6)
        var index = ModelIndex(byteLimit: 400)
        for commit in 0..<8 as Range<UInt32> {
            index.commit((0..<20).map { (commit * 20 + $0, maker.report()) })
        }
        index.remove(3)
        let searcher = WordSearcher()
        for _ in 0..<100 {
            let clause = maker.clause()
            let found = try searcher.documents(
                matching: clause, index.head, store: index.store, lengths: index.lengths)
            #expect(found == index.matches(of: clause, searcher.scoring).keys.sorted())
        }
    }

    @Test("The lengths read from the segments are those that the writer noted")
    func readsLengths() throws {
        var maker = ModelMaker(seed: 8)
        var index = ModelIndex(byteLimit: 400)
        for commit in 0..<9 as Range<UInt32> {
            index.commit((0..<50).map { (commit * 50 + $0, maker.report()) })
        }
        for number in stride(from: 0, to: 450, by: 7) as StrideTo<UInt32> { index.remove(number) }
        try index.mergeAll()
        let live = Set(index.reports.keys)
        let read = try LengthTable(index.head, store: index.store, isLive: { live.contains($0) })
        #expect(read.documentCount == index.lengths.documentCount)
        #expect(read.totalLength == index.lengths.totalLength)
        for number in 0..<500 as Range<UInt32> { #expect(read[number] == index.lengths[number]) }
    }

    @Test("The same documents in other segments give the same hits and scores")
    func segmentsDoNotMatter() throws {
        var maker = ModelMaker(seed: 9)
        let reports = (0..<300 as Range<UInt32>).map { ($0, maker.report()) }
        var (one, many) = (ModelIndex(), ModelIndex(byteLimit: 256))
        one.commit(reports)
        for start in stride(from: 0, to: 300, by: 11) { many.commit(Array(reports[start..<min(300, start + 11)])) }
        let searcher = WordSearcher()
        for round in 0..<200 {
            if round == 100 { try many.mergeAll() }
            let query = maker.query()
            let expected = try searcher.search(
                query, one.head, store: one.store, lengths: one.lengths, limit: 20)
            let found = try searcher.search(
                query, many.head, store: many.store, lengths: many.lengths, limit: 20)
            #expect(found == expected)
        }
    }

    @Test("A part of a question that no report holds is named as it is spelled")
    func namesUnknownWords() throws {
        var index = ModelIndex()
        var writer = WordScanner()
        writer.scan("No effusions. 右胸水")
        let report = ModelReport(
            words: writer.words.map {
                ModelReport.Word(
                    term: writer.term(of: $0), assertion: .present, section: .findings, position: Int($0.position))
            })
        index.commit([(4, report)])
        func unknown(_ question: String) throws -> [String] {
            try WordSearcher().search(
                WordQueryParser.parse(question), index.head, store: index.store, lengths: index.lengths, limit: 5
            ).unknown
        }
        #expect(try unknown("effusion") == [])
        #expect(try unknown("EFFUSION Xyzzy frobnicates Xyzzy") == ["Xyzzy", "frobnicates"])
        #expect(try unknown("no effusion") == [], "known, though nobody denies it")
        #expect(try unknown("\"effusion Plugh\" eff* quu*") == ["Plugh", "quu"])
        #expect(try unknown("胸水 肺 胸") == ["肺"])
    }

    @Test("An index without documents answers")
    func answersWithoutDocuments() throws {
        let query = try WordQueryParser.parse("one \"two three\" fo* -five")
        let found = try WordSearcher().search(
            query, WordHead(), store: MemoryWordStore(), lengths: LengthTable(), limit: 10)
        #expect(found.hits.isEmpty)
        #expect(found.unknown == ["five", "one", "two", "three", "fo"])
    }
}
