import HilumWords
import Testing

/// What the length of a document does to its score.
@Suite struct LengthTests {
    @Test(
        "A clause that does not depend on length gives short and long documents the same score",
        arguments: [true, false])
    func length(dependsOnLength: Bool) throws {
        var writer = SegmentWriter()
        let term = Array("effusion".utf8)
        for (document, length) in [(UInt32(1), 400), (2, 4)] {
            writer.begin(document: document, length: length)
            term.withUnsafeBytes { writer.add(term: $0, assertion: .present, section: .findings, position: 0) }
        }
        var head = WordHead()
        var store = MemoryWordStore()
        let finished = writer.finish(number: head.takeNumber())
        let (segment, blocks) = try #require(finished)
        for block in blocks { store.insert(block) }
        head.add(segment)
        var clause = WordQuery.Clause(.term(term))
        clause.dependsOnLength = dependsOnLength
        let hits = try WordSearcher().search(
            WordQuery(clauses: [clause]), head, store: store, lengths: LengthTable(head, store: store), limit: 10
        ).hits
        // Equal scores: the smaller number first.
        #expect(hits.map(\.document) == (dependsOnLength ? [2, 1] : [1, 2]))
        #expect((hits[0].score == hits[1].score) == !dependsOnLength)
    }
}
