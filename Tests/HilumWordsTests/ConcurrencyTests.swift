import Dispatch
import HilumCore
import Testing

@testable import HilumWords

@Suite("Questions at once")
struct ConcurrencyTests {
    @Test("Threads that share a searcher get the hits that one alone gets")
    func sharesASearcher() throws {
        var maker = ModelMaker(seed: 21)
        var index = ModelIndex(byteLimit: 400)
        for commit in 0..<6 as Range<UInt32> {
            index.commit((0..<40).map { (commit * 40 + $0, maker.report()) })
        }
        let queries = (0..<80).map { _ in maker.query() }
        let searcher = WordSearcher()
        let (head, store, lengths) = (index.head, index.store, index.lengths)
        let alone = try queries.map {
            try searcher.search($0, head, store: store, lengths: lengths, limit: 10)
        }
        DispatchQueue.concurrentPerform(iterations: 400) { turn in
            let place = turn % queries.count
            let found = try? searcher.search(queries[place], head, store: store, lengths: lengths, limit: 10)
            #expect(found == alone[place])
        }
    }
}
