import HilumCore
import Testing

@testable import HilumWords

@Suite("Segments, blocks and the head")
struct SegmentTests {
    private static func segment(_ number: UInt32, level: UInt8, byteCount: Int = 1000) -> WordSegment {
        WordSegment(
            number: number, level: level, documentCount: 64, byteCount: byteCount,
            documents: (number * 64)...(number * 64 + 63))
    }

    @Test("Eight segments of a level become one of the next")
    func mergesEight() {
        let policy = MergePolicy()
        var segments = (0..<7 as Range<UInt32>).map { Self.segment($0, level: 0) }
        #expect(policy.next(in: segments) == nil)
        segments.append(Self.segment(7, level: 0))
        segments.append(Self.segment(8, level: 0))
        #expect(policy.next(in: segments) == MergePolicy.Merge(segments: Array(segments.prefix(8)), level: 1))
        segments = (0..<8 as Range<UInt32>).map { Self.segment($0, level: 2) } + [Self.segment(8, level: 1)]
        #expect(policy.next(in: segments) == MergePolicy.Merge(segments: Array(segments.prefix(8)), level: 3))
    }

    @Test("Segments that would make a segment above the limit stay as they are")
    func keepsLargeSegments() {
        let policy = MergePolicy(byteLimit: 8000)
        let large = (0..<20 as Range<UInt32>).map { Self.segment($0, level: 3, byteCount: 1001) }
        #expect(policy.next(in: large) == nil)
        #expect(policy.next(in: large.map { Self.segment($0.number, level: 3) })?.segments.count == 8)
    }

    @Test("A segment that is mostly dead is written anew")
    func rewritesDeadSegments() {
        let segments = [Self.segment(0, level: 2), Self.segment(1, level: 1)]
        #expect(MergePolicy().next(in: segments, liveCount: { _ in 32 }) == nil)
        let merge = MergePolicy().next(in: segments, liveCount: { $0.number == 1 ? 31 : 64 })
        #expect(merge == MergePolicy.Merge(segments: [segments[1]], level: 1))
    }

    @Test("A thousand commits leave few segments, and each document is written once a level")
    func staysSmall() {
        let policy = MergePolicy()
        var head = WordHead()
        var written = 0
        for commit in 0..<1000 as Range<UInt32> {
            head.add(Self.segment(head.takeNumber(), level: 0))
            while let merge = policy.next(in: head.segments) {
                let documents = merge.segments.reduce(0) { $0 + $1.documentCount }
                written += documents
                head.replace(
                    merge.segments.map(\.number),
                    with: WordSegment(
                        number: head.takeNumber(), level: merge.level, documentCount: documents, byteCount: 1,
                        documents: merge.segments[0].documents))
            }
            #expect(head.segments.count <= 28)
            #expect(head.segments.reduce(0) { $0 + $1.documentCount } == Int(commit + 1) * 64)
        }
        #expect(written <= 3 * 1000 * 64)
    }

    @Test("A head reads back what it wrote, and refuses every cut and trailing bytes")
    func codesHeads() throws {
        var head = WordHead()
        for level in [3, 1, 0] as [UInt8] {
            head.add(Self.segment(head.takeNumber(), level: level, byteCount: 1 << 33))
        }
        _ = head.takeNumber()
        #expect(try head.bytes.withUnsafeBytes { try WordHead($0) } == head)
        for count in 0..<head.bytes.count {
            #expect(throws: WordsError.self) {
                try head.bytes[..<count].withUnsafeBytes { try WordHead($0) }
            }
        }
        #expect(throws: WordsError.self) { try (head.bytes + [0]).withUnsafeBytes { try WordHead($0) } }
    }

    @Test("Blocks stay below their limit, unless a single posting does not fit")
    func keepsBlocksSmall() throws {
        var maker = ModelMaker(seed: 3, termCount: 500)
        var index = ModelIndex(byteLimit: 1000)
        index.commit((0..<300).map { ($0, maker.report()) })
        try index.apply(MergePolicy.Merge(segments: index.head.segments, level: 1))
        #expect(index.store.count > 10)
        for key in index.store.allKeys { #expect(index.store[key]?.count ?? 0 <= 1000) }
        let size = index.store.byteCount
        #expect(index.head.segments.map(\.byteCount) == [size])

        var report = ModelReport(words: [])
        for position in 0..<5000 {
            report.words.append(
                ModelReport.Word(term: [97], assertion: .present, section: .findings, position: position))
        }
        index.commit([(1000, report)])
        let found = try WordSearcher().search(
            WordQuery(clauses: [WordQuery.Clause(.term([97]))]), index.head, store: index.store, lengths: index.lengths,
            limit: 1000)
        #expect(found.hits.contains { $0.document == 1000 })
    }

    @Test("The same documents give the same blocks")
    func isDeterministic() throws {
        func blocks() throws -> [WordBlock] {
            var maker = ModelMaker(seed: 11, termCount: 300)
            var index = ModelIndex()
            for commit in 0..<5 as Range<UInt32> {
                index.commit((0..<40).map { (commit * 40 + $0, maker.report()) })
            }
            try index.mergeAll()
            return index.store.allKeys.compactMap { key in index.store[key].map { WordBlock(key: key, value: $0) } }
        }
        #expect(try blocks() == blocks())
    }

    @Test("Merging gives the blocks that writing the documents at once gives")
    func mergesToTheSameBlocks() throws {
        var maker = ModelMaker(seed: 12, termCount: 300)
        let reports = (0..<200 as Range<UInt32>).map { ($0, maker.report()) }
        var (one, many) = (ModelIndex(), ModelIndex())
        one.commit(reports)
        for start in stride(from: 0, to: 200, by: 25) { many.commit(Array(reports[start..<(start + 25)])) }
        try many.apply(MergePolicy.Merge(segments: many.head.segments, level: 1))
        // The keys differ in the number of the segment.
        #expect(many.store.allKeys.map { many.store[$0] } == one.store.allKeys.map { one.store[$0] })
    }

    @Test("A merge of dead documents only leaves nothing")
    func dropsDeadSegments() throws {
        var maker = ModelMaker(seed: 13)
        var index = ModelIndex()
        index.commit((0..<20).map { ($0, maker.report()) })
        for number in 0..<20 as Range<UInt32> { index.remove(number) }
        try index.mergeAll()
        #expect(index.head.segments.isEmpty)
        #expect(index.store.count == 0)
    }

    @Test("The index of reports with few words of many takes less than 60 percent of their text")
    func staysBelowTheTexts() throws {
        var generator = SeededGenerator(seed: 4)
        let vocabulary = (0..<5000).map { rank in
            String(
                decoding: (0..<(3 + rank % 7)).map { _ in UInt8(97 + generator.integer(below: 26)) }, as: UTF8.self)
        }
        var textByteCount = 0
        var index = ModelIndex()
        index.policy = MergePolicy()
        var scanner = WordScanner()
        for commit in 0..<64 as Range<UInt32> {
            var added: [(UInt32, ModelReport)] = []
            for place in 0..<64 as Range<UInt32> {
                let words = (0..<50).map { _ in
                    vocabulary[Int(generator.uniform() * generator.uniform() * generator.uniform() * 5000)]
                }
                let text = words.joined(separator: " ")
                textByteCount += text.utf8.count
                scanner.scan(text)
                let report = ModelReport(
                    words: scanner.words.map {
                        ModelReport.Word(
                            term: scanner.term(of: $0), assertion: $0.position < 20 ? .absent : .present,
                            section: $0.position < 40 ? .findings : .impression, position: Int($0.position))
                    })
                added.append((commit * 64 + place, report))
            }
            index.commit(added)
            try index.mergeAll()
        }
        #expect(Double(index.store.byteCount) < 0.6 * Double(textByteCount))
    }
}
