import Testing

@testable import HilumIndex

/// Vectors whose places are looked for before they may be found.
@Suite struct PreparedInsertionTests {
    private static let base = VectorSet(.clusters, count: 2_600, dimension: 24, seed: 91)

    private func makeIndex(_ precision: CodePrecision, count: Int = 2_000) throws -> HNSWIndex {
        let index = try HNSWIndex(
            dimension: 24, metric: .squaredEuclidean, parameters: .init(m: 6, efConstruction: 40), precision: precision,
            quantizer: precision == .i8 ? Self.base.quantizer : nil)
        try index.insertBatch(rows(0..<count), items: Array(0..<UInt32(count)))
        return index
    }

    private func rows(_ range: Range<Int>) -> [Float] {
        Array(Self.base.values[(range.lowerBound * 24)..<(range.upperBound * 24)])
    }

    private func prepare(_ index: HNSWIndex, _ vectors: [Float], _ items: [UInt32]) throws -> PreparedInsertion {
        try #require(try vectors.withUnsafeBufferPointer { try index.prepareInsertion($0, items: items) })
    }

    /// One by one, and more at once than one group holds; some known, some twice, some in place of others.
    @Test(arguments: [CodePrecision.f32, .i8])
    func comesToTheSame(precision: CodePrecision) throws {
        let (prepared, plain) = (try makeIndex(precision), try makeIndex(precision))
        func insert(_ vectors: [Float], _ items: [UInt32]) throws {
            try prepared.finish(prepare(prepared, vectors, items))
            try plain.insertBatch(vectors, items: items)
        }
        for row in 2_000..<2_100 { try insert(rows(row..<(row + 1)), [UInt32(row)]) }
        try insert(rows(2_100..<2_600), Array(2_100..<2_600))
        try insert(rows(7..<8) + rows(7..<8) + rows(8..<9), [3_000, 3_001, 3_002])
        try insert(rows(20..<40), Array(10..<30))
        #expect(prepared.serializeLinks() == plain.serializeLinks())
        #expect(prepared.count == plain.count && prepared.nodeCount == plain.nodeCount && prepared.validate() == [])
        #expect(prepared.changesSinceMending == plain.changesSinceMending)
    }

    @Test(arguments: [CodePrecision.f32, .i8])
    func isNotThereBefore(precision: CodePrecision) throws {
        let index = try makeIndex(precision)
        let row = Self.base.row(2_000)
        let insertion = try prepare(index, row, [2_000])
        #expect(index.count == 2_000 && index.nodeCount == 2_000 && !index.contains(item: 2_000))
        #expect(try !index.find(row, k: 2_000, ef: 2_000).hits.contains { $0.item == 2_000 })
        #expect(try !index.findExactly(row, k: 2_000).hits.contains { $0.item == 2_000 })
        try index.finish(insertion)
        #expect(try index.find(row, k: 1, ef: 10).hits.first?.item == 2_000)
        #expect(index.count == 2_001 && index.nodeCount == 2_001 && index.validate() == [])
    }

    @Test(arguments: [CodePrecision.f32, .i8])
    func canBeTakenBack(precision: CodePrecision) throws {
        let index = try makeIndex(precision)
        let hits = try index.find(Self.base.row(2_000), k: 20, ef: 60).hits.map(\.item)
        // A new vector, one that is there, and one that comes twice.
        let vectors = rows(2_000..<2_100) + rows(5..<6) + rows(2_000..<2_001)
        for _ in 0..<3 {
            index.cancel(try prepare(index, vectors, Array(2_000..<2_100) + [4_000, 4_001]))
            #expect(index.count == 2_000 && index.nodeCount == 2_000 && index.validate() == [])
            #expect(try index.find(Self.base.row(2_000), k: 20, ef: 60).hits.map(\.item) == hits)
        }
        try index.insertBatch(vectors, items: Array(2_000..<2_100) + [4_000, 4_001])
        #expect(index.count == 2_102 && index.nodeCount == 2_100 && index.validate() == [])
        #expect(try index.missed({ Self.base.row(Int($0)) }, among: 0..<2_100) == [])
        // What is taken back and never comes leaves nothing in a checkpoint either.
        index.cancel(try prepare(index, rows(2_200..<2_210), Array(2_200..<2_210)))
        let restored = try HNSWIndex(
            restoring: index.serializeLinks(), dimension: 24, metric: .squaredEuclidean, precision: precision,
            quantizer: index.quantizer
        ) { item, buffer in
            let row = item >= 4_000 ? (item == 4_000 ? 5 : 2_000) : Int(item)
            return buffer.update(fromContentsOf: Self.base.row(row)) == 24
        }
        #expect(restored.count == 2_102 && restored.restoration == RestoreSummary() && restored.validate() == [])
    }

    @Test func refusesWhatInsertionsRefuse() throws {
        let index = try makeIndex(.f32)
        var wrong = Self.base.row(3)
        wrong[4] = .nan
        #expect(throws: IndexError.self) {
            try wrong.withUnsafeBufferPointer { try index.prepareInsertion($0, items: [1]) }
        }
        #expect(throws: IndexError.self) {
            try wrong.withUnsafeBufferPointer { try index.prepareInsertion($0, items: [1, 2]) }
        }
        let empty = try HNSWIndex(dimension: 24, metric: .squaredEuclidean)
        let none = try Self.base.row(1).withUnsafeBufferPointer { try empty.prepareInsertion($0, items: [1]) }
        #expect(none == nil && index.count == 2_000)
    }
}

extension HNSWIndex {
    fileprivate func insertBatch(_ vectors: [Float], items: [UInt32]) throws {
        try vectors.withUnsafeBufferPointer { try insertBatch($0, items: items) }
    }
}
