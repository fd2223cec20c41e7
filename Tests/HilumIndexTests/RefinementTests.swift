import HilumCore
import Testing

@testable import HilumIndex

/// Lists that are chosen anew once many nodes have come or gone.
@Suite struct RefinementTests {
    private static let base = VectorSet(.clusters, count: 4_000, dimension: 32, seed: 93)
    private static let queries = VectorSet(.clusters, count: 200, dimension: 32, seed: 93)

    private func makeIndex(_ precision: CodePrecision, threads: Int = 2) throws -> HNSWIndex {
        let index = try HNSWIndex(
            dimension: 32, metric: .squaredEuclidean, parameters: .init(m: 6, efConstruction: 40), precision: precision,
            quantizer: precision == .i8 ? Self.base.quantizer : nil)
        try index.insertAll(Self.base, threads: threads)
        return index
    }

    private func refineAgain(_ index: HNSWIndex, threads: Int = 2) {
        index.writer.changesSinceSweep = 1
        index.writer.changesSinceRefining = index.nodeCount
        index.mendUnfound(threads: threads)
    }

    @Test("A build refines its lists, and keeps fewer candidates until then")
    func build() throws {
        let index = try makeIndex(.i8)
        #expect(index.writer.changesSinceRefining == 0 && index.validate() == [])
        #expect(index.writer.pool(adding: 10) == 40 && index.writer.pool(adding: 4_000) == 25)
        // As if it had been built by single insertions.
        let small = try HNSWIndex(dimension: 32, metric: .squaredEuclidean, parameters: .init(efConstruction: 40))
        #expect(small.writer.pool(adding: 1_000) == 40 && small.writer.pool(adding: 1_024) == 25)
    }

    @Test("Refined lists find more", arguments: [CodePrecision.f32, .i8])
    func findsMore(precision: CodePrecision) throws {
        let index = try HNSWIndex(
            dimension: 32, metric: .squaredEuclidean, parameters: .init(m: 6, efConstruction: 40), precision: precision,
            quantizer: precision == .i8 ? Self.base.quantizer : nil)
        // 1,000 are too few to be refined, and the rest too few to be due.
        for first in stride(from: 0, to: 1_990, by: 199) {
            index.writer.changesSinceRefining = 0
            let part = Array(Self.base.values[(first * 32)..<((first + 199) * 32)])
            try part.withUnsafeBufferPointer {
                try index.insertBatch($0, items: Array(UInt32(first)..<UInt32(first + 199)))
            }
        }
        let before = try index.recall(Self.queries, ef: 10)
        refineAgain(index)
        let after = try index.recall(Self.queries, ef: 10)
        #expect(after > before + 0.002, "\(before) before, \(after) after")
        #expect(index.validate() == [] && index.writer.changesSinceRefining == 0)
        #expect(try index.missed({ Self.base.row(Int($0)) }, among: 0..<1_990) == [])
    }

    @Test("Any number of threads refines to the same lists, also after deletions")
    func determinism() throws {
        func links(threads: Int) throws -> [UInt8] {
            let index = try makeIndex(.i8, threads: threads)
            for item in stride(from: UInt32(0), to: 4_000, by: 3) { index.remove(item: item) }
            refineAgain(index, threads: threads)
            #expect(index.validate() == [])
            #expect(try index.missed({ Self.base.row(Int($0)) }, among: 0..<4_000) == [])
            return index.serializeLinks()
        }
        #expect(try links(threads: 1) == links(threads: 3))
    }

    @Test("What the tree needs stays, however many children a node has")
    func keepsTheTree() throws {
        let base = VectorSet.templated(count: 3_000, dimension: 16, seed: 94)
        let index = try HNSWIndex(
            dimension: 16, metric: .cosine, parameters: .init(m: 2, efConstruction: 20), precision: .i8,
            quantizer: base.quantizer)
        try index.insertAll(base)
        for _ in 0..<3 {
            refineAgain(index)
            #expect(index.validate() == [])
        }
        #expect(try index.missed({ base.row(Int($0)) }, among: 0..<3_000) == [])
    }
}
