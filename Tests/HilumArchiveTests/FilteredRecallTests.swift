import HilumCore
import HilumIndex
import Testing

@testable import HilumArchive

/// A sparse graph, so that a walk misses some of what a large archive's walk would miss.
@Suite struct FilteredRecallTests {
    private static let count = 8_000
    private static let dimension = 24
    private static let k = 10

    /// Unit vectors in clusters of very different size, as templates of reports make them.
    private static func vectors(_ count: Int, seed: UInt64) -> [[Float]] {
        var centres = SeededGenerator(seed: 70)
        let middle = (0..<60).map { _ in (0..<dimension).map { _ in Float(centres.normal()) } }
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            let share = generator.uniform()
            let centre = middle[Int(share * share * 60)]
            let vector = centre.map { $0 + 0.6 * Float(generator.normal()) }
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { $0 / length }
        }
    }

    private static func recall(
        _ index: HNSWIndex, _ questions: [[Float]], _ matching: ItemSet?, breadth: Int
    ) throws -> Double {
        var (found, wanted) = (0, 0)
        for question in questions {
            try question.withUnsafeBufferPointer { question in
                let exact = try index.exactSearch(question, k: k, filter: matching).hits
                let hits = try index.search(question, k: k, ef: breadth, filter: matching).hits
                #expect(hits.count == exact.count)
                let bound = try #require(exact.last).distance
                wanted += exact.count
                found += hits.count { $0.distance <= bound }
            }
        }
        return Double(found) / Double(wanted)
    }

    @Test("A search under a filter finds as much as one without, whatever share of the cases matches")
    func shares() throws {
        let stored = Self.vectors(Self.count, seed: 71)
        let index = try HNSWIndex(
            dimension: Self.dimension, metric: .cosine, parameters: HNSWParameters(m: 4, efConstruction: 24, seed: 3))
        try stored.flatMap(\.self).withUnsafeBufferPointer {
            try index.insertBatch($0, items: (0..<UInt32(Self.count)).map { $0 }, threads: 1)
        }
        let questions = Self.vectors(200, seed: 72)
        let ef = Archive.standardEf(k: Self.k)
        let plain = try Self.recall(index, questions, nil, breadth: ef)
        // 64 candidates find 0.96, and the share of them that matches no more.
        #expect(plain >= 0.98)
        var generator = SeededGenerator(seed: 73)
        for share in [0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01, 0.002] {
            let matching = ItemSet((0..<UInt32(Self.count)).filter { _ in generator.chance(share) })
            let breadth = Archive.breadth(ef, k: Self.k, matching: matching.count, of: index.count)
            let found = try Self.recall(index, questions, matching, breadth: breadth)
            #expect(found >= plain, "\(share)")
        }
    }
}
