import HilumCore
import Testing

@testable import HilumIndex

@Suite struct HNSWIndexTests {
    private static let count = 3_000
    private static let dimension = 24

    private func build(
        _ base: VectorSet, metric: Metric = .squaredEuclidean, precision: CodePrecision = .f32, seed: UInt64 = 1
    ) throws -> HNSWIndex {
        let parameters = HNSWParameters(m: 16, efConstruction: 120, seed: seed)
        let index = try HNSWIndex(
            dimension: base.dimension, metric: metric, parameters: parameters, precision: precision,
            quantizer: base.quantizer)
        try index.insertAll(base)
        return index
    }

    @Test(
        "Recall@10 is at least 0.95 after build, insertion, deletion, re-insertion and restoring",
        arguments: Shape.allCases, [UInt64(1), 2])
    func recallThroughALife(shape: Shape, seed: UInt64) throws {
        let all = VectorSet(shape, count: Self.count + 600, dimension: Self.dimension, seed: seed)
        var base = all
        base.values = Array(all.values[..<(Self.count * Self.dimension)])
        var queries = all
        queries.values = Array(all.values[((Self.count + 500) * Self.dimension)...])
        let index = try build(base, seed: seed)
        #expect(index.validate() == [])
        #expect(index.count == Self.count)
        #expect(try index.recall(queries, ef: 80) >= 0.95, "after build")

        for row in Self.count..<(Self.count + 500) { try index.insert(all.row(row), UInt32(row)) }
        #expect(index.validate() == [])
        #expect(try index.recall(queries, ef: 80) >= 0.95, "after insertion")

        var generator = SeededGenerator(seed: seed)
        var order = (0..<UInt32(Self.count + 500)).map { $0 }
        generator.shuffle(&order)
        let gone = Array(order[..<1_050])
        for (turn, item) in gone.enumerated() {
            #expect(index.remove(item: item))
            if turn % 150 == 0 { #expect(index.validate() == []) }
        }
        #expect(index.validate() == [])
        #expect(index.count == Self.count + 500 - 1_050)
        #expect(try index.recall(queries, ef: 80) >= 0.95, "after deletion")
        #expect(gone.allSatisfy { !index.contains(item: $0) })

        for item in gone { try index.insert(all.row(Int(item)), item) }
        #expect(index.validate() == [])
        #expect(index.graph.slots.load(ordering: .relaxed) == Self.count + 500, "slots are used again")
        #expect(try index.recall(queries, ef: 80) >= 0.95, "after re-insertion")

        let restored = try HNSWIndex(
            restoring: index.serializeLinks(), dimension: Self.dimension, metric: .squaredEuclidean
        ) { item, buffer in
            _ = buffer.update(fromContentsOf: all.row(Int(item)))
            return true
        }
        #expect(restored.validate() == [])
        #expect(restored.restoration == RestoreSummary())
        #expect(try restored.recall(queries, ef: 80) >= 0.95, "after restoring")
        #expect(restored.serializeLinks() == index.serializeLinks())
    }

    @Test("Five rounds of deleting and re-inserting half leave the recall of a fresh build", arguments: Shape.allCases)
    func churn(shape: Shape) throws {
        let all = VectorSet(shape, count: 3_200, dimension: Self.dimension, seed: 77)
        var base = all
        base.values = Array(all.values[..<(3_000 * Self.dimension)])
        var queries = all
        queries.values = Array(all.values[(3_000 * Self.dimension)...])
        let index = try build(base)
        let fresh = try index.recall(queries, ef: 40)
        var generator = SeededGenerator(seed: 78)
        var order = (0..<UInt32(3_000)).map { $0 }
        for _ in 0..<5 {
            generator.shuffle(&order)
            for item in order[..<1_500] { index.remove(item: item) }
            generator.shuffle(&order)
            for item in order where !index.contains(item: item) { try index.insert(base.row(Int(item)), item) }
        }
        #expect(index.validate() == [])
        #expect(index.count == 3_000 && index.graph.slots.load(ordering: .relaxed) == 3_000)
        let churned = try index.recall(queries, ef: 40)
        #expect(churned >= fresh - 0.005, "fresh \(fresh), churned \(churned)")
    }

    @Test(
        "Codes of every precision and metric find the neighbours", arguments: CodePrecision.allCases, Metric.allCases)
    func precisions(precision: CodePrecision, metric: Metric) throws {
        let all = VectorSet(.clusters, count: 2_050, dimension: 40, seed: 5, unit: metric == .cosine)
        var base = all
        base.values = Array(all.values[..<(2_000 * 40)])
        var queries = all
        queries.values = Array(all.values[(2_000 * 40)...])
        let index = try build(base, metric: metric, precision: precision)
        #expect(index.validate() == [])
        #expect(try index.recall(queries, ef: 80) >= 0.95)
        for item in 0..<UInt32(600) { index.remove(item: item) }
        #expect(index.validate() == [])
        #expect(try index.recall(queries, ef: 80) >= 0.95)
        let stored = try #require(index.vector(of: 700))
        // 16 bits of fixed point over the range of the values.
        let tolerance: Float = precision == .i8 ? base.quantizer.step : 0
        for (got, wanted) in zip(stored, all.row(700)) { #expect(abs(got - wanted) <= tolerance) }
    }

    @Test("Exact search gives the plain answer, in order of distance and item")
    func exactIsExact() throws {
        let base = VectorSet(.uniform, count: 500, dimension: 9, seed: 3)
        let index = try build(base)
        let query = VectorSet(.uniform, count: 1, dimension: 9, seed: 4).row(0)
        let plain = plainDistances(query, base).enumerated().sorted {
            ($0.element, $0.offset) < ($1.element, $1.offset)
        }
        let result = try index.findExactly(query, k: 500)
        #expect(result.hits.count == 500 && result.isExact && result.distanceCount == 500)
        for (hit, wanted) in zip(result.hits, plain) {
            #expect(abs(Double(hit.distance) - wanted.element) < 1e-5)
        }
        for (left, right) in zip(result.hits, result.hits.dropFirst()) {
            #expect((left.distance, left.item) < (right.distance, right.item))
        }
    }

    @Test("Copies share a node, and recall does not suffer from them", arguments: [UInt64(1), 2])
    func copies(seed: UInt64) throws {
        var base = VectorSet(.clusters, count: 2_400, dimension: 32, seed: seed)
        for row in 0..<720 {
            base.values.replaceSubrange((row * 32)..<(row * 32 + 32), with: base.row(1_000 + row % 4))
        }
        let index = try build(base)
        #expect(index.validate() == [])
        #expect(index.count == 2_400 && index.nodeCount == 1_680)
        let queries = VectorSet(.clusters, count: 2_500, dimension: 32, seed: seed)
        var tail = queries
        tail.values = Array(queries.values[(2_400 * 32)...])
        #expect(try index.recall(tail, ef: 64) >= 0.95)
        var copied = base
        copied.values = (1_000..<1_004).flatMap { base.row($0) }
        #expect(try index.recall(copied, ef: 64) >= 0.95)
        // 181 items lie at distance 0; the first in order are the smallest.
        let hits = try index.find(base.row(1_000), k: 5, ef: 10).hits
        #expect(hits.map(\.item) == [0, 4, 8, 12, 16] && hits.allSatisfy { $0.distance == 0 })

        #expect(index.remove(item: 0))
        #expect(index.nodeCount == 1_680, "others still bear the vector")
        #expect(try index.find(base.row(1_000), k: 2, ef: 10).hits.map(\.item) == [4, 8])
        for item in stride(from: UInt32(4), to: 720, by: 4) { index.remove(item: item) }
        #expect(index.nodeCount == 1_680)
        #expect(index.remove(item: 1_000))
        #expect(index.nodeCount == 1_679, "the last copy takes the node along")
        try index.insert(base.row(1_000), 4)
        try index.insert(base.row(1_000), 0)
        #expect(try index.find(base.row(1_000), k: 2, ef: 10).hits.map(\.item) == [0, 4])
        #expect(index.validate() == [])
    }

    @Test func anItemCanBeGivenAnotherVector() throws {
        let base = VectorSet(.uniform, count: 300, dimension: 8, seed: 6)
        let index = try build(base)
        let other = VectorSet(.uniform, count: 1, dimension: 8, seed: 7).row(0)
        try index.insert(other, 5)
        #expect(index.validate() == [])
        #expect(index.count == 300 && index.nodeCount == 300)
        #expect(index.vector(of: 5) == other)
        #expect(try index.find(other, k: 1, ef: 10).hits.first?.item == 5)
        // To the vector of another item, and the same again.
        try index.insert(base.row(9), 5)
        try index.insert(base.row(9), 5)
        #expect(index.validate() == [])
        #expect(index.count == 300 && index.nodeCount == 299)
        #expect(try index.find(base.row(9), k: 2, ef: 10).hits.map(\.item) == [5, 9])
        // Twice in one batch: the last one counts.
        var twice = base
        twice.values = base.row(1) + other
        try index.insertAll(twice, items: [77, 77])
        #expect(index.vector(of: 77) == other)
        #expect(index.validate() == [])
    }

    @Test(
        "The entry point and the root can be deleted, again and again, down to nothing", arguments: [UInt64(1), 2, 3])
    func deleteTheEntryPoint(seed: UInt64) throws {
        let base = VectorSet(.clusters, count: 260, dimension: 12, seed: seed)
        let index = try HNSWIndex(dimension: 12, metric: .squaredEuclidean, parameters: .init(m: 4, seed: seed))
        try index.insertAll(base)
        #expect(index.validate() == [])
        var turn = 0
        while let entry = index.graph.entry {
            let node = turn % 3 == 2 ? index.writer.root : entry.node
            let item = try #require((0..<UInt32(260)).first { index.graph.items.locate($0)?.node == node })
            #expect(index.remove(item: item))
            #expect(index.validate() == [])
            turn += 1
        }
        #expect(turn == 260 && index.count == 0 && index.nodeCount == 0)
        #expect(try index.find(base.row(0), k: 3, ef: 10).hits.isEmpty)
        #expect(try index.findExactly(base.row(0), k: 3).hits.isEmpty)
        try index.insertAll(base)
        #expect(index.validate() == [])
        #expect(index.count == 260 && index.graph.slots.load(ordering: .relaxed) == 260)
        #expect(try index.recall(base, ef: 60) >= 0.95)
    }

    @Test("A graph of the least m stays whole through random changes", arguments: [UInt64(1), 2, 3, 4])
    func randomChanges(seed: UInt64) throws {
        let base = VectorSet(seed % 2 == 0 ? .clusters : .uniform, count: 400, dimension: 6, seed: seed)
        let index = try HNSWIndex(
            dimension: 6, metric: .squaredEuclidean, parameters: .init(m: 2, efConstruction: 20, seed: seed))
        var generator = SeededGenerator(seed: seed)
        var model: [UInt32: Int] = [:]
        for _ in 0..<900 {
            let item = UInt32(generator.integer(below: 200))
            if generator.chance(0.45) {
                #expect(index.remove(item: item) == (model.removeValue(forKey: item) != nil))
            } else {
                // Few distinct vectors, so that copies come up.
                let row = generator.integer(below: 150)
                try index.insert(base.row(row), item)
                model[item] = row
            }
            let violations = index.validate()
            #expect(violations == [])
            if !violations.isEmpty { return }
        }
        #expect(index.count == model.count && index.nodeCount == Set(model.values).count)
        for (item, row) in model { #expect(index.vector(of: item) == base.row(row)) }
        let all = try index.find(base.row(0), k: 1_000, ef: 1_000).hits
        #expect(Set(all.map(\.item)) == Set(model.keys))
    }

    @Test func moreThanThereIsAndNothingAtAll() throws {
        let base = VectorSet(.uniform, count: 20, dimension: 5, seed: 9)
        let index = try build(base)
        #expect(try index.find(base.row(0), k: 100, ef: 1).hits.count == 20)
        #expect(try index.find(base.row(0), k: 0, ef: 10).hits.isEmpty)
        #expect(try index.findExactly(base.row(0), k: 0).hits.isEmpty)
        #expect(try index.find(base.row(0), k: 5, ef: 5, filter: ItemSet()).hits.isEmpty)
        #expect(!index.remove(item: 20))
        #expect(index.vector(of: 20) == nil)
        try index.insert(base.row(0), UInt32.max - 1)
        #expect(try index.find(base.row(0), k: 2, ef: 5).hits.map(\.item) == [0, UInt32.max - 1])
    }

    @Test("Vectors that cannot be compared are refused, and nothing of the batch is stored")
    func badVectors() throws {
        let index = try HNSWIndex(dimension: 3, metric: .cosine)
        func code(_ vector: [Float]) -> IndexError.Code? {
            do {
                try index.insert(vector, 1)
                return nil
            } catch let error as IndexError { return error.code } catch { return nil }
        }
        #expect(code([1, 0]) == .wrongDimension(expected: 3, got: 2))
        #expect(code([]) == .wrongDimension(expected: 3, got: 0))
        #expect(code([1, .nan, 0]) == .notFinite)
        #expect(code([1, -.infinity, 0]) == .notFinite)
        #expect(code([3e38, 3e38, 0]) == .notFinite)
        #expect(code([0, 0, 0]) == .zeroLength)
        #expect(code([1, 1, 0]) == .notUnitLength(length: Float(2).squareRoot()))
        #expect(throws: IndexError(.notFinite)) {
            try index.find([.nan, 0, 0], k: 1, ef: 1)
        }
        #expect(throws: IndexError(.zeroLength)) { try index.findExactly([0, 0, 0], k: 1) }
        #expect(throws: IndexError(.noQuantizer)) {
            try HNSWIndex(dimension: 3, metric: .cosine, precision: .i8)
        }
        var rows = VectorSet(.uniform, count: 0, dimension: 3, seed: 1)
        rows.values = [1, 0, 0, 0, .nan, 0]
        #expect(throws: IndexError(.notFinite)) { try index.insertAll(rows, items: [1, 2]) }
        #expect(index.count == 0 && index.validate() == [])
        try index.insert([0, 1, 0], 3)
        // A query of any length is compared by its direction.
        let hit = try #require(try index.find([0, 25, 0], k: 1, ef: 1).hits.first)
        #expect(hit.item == 3 && abs(hit.distance) < 1e-6)
    }

    @Test(
        "The same seed gives the same graph on one thread and on two; another seed gives another",
        arguments: Shape.allCases)
    func determinism(shape: Shape) throws {
        let base = VectorSet(shape, count: 2_500, dimension: 16, seed: 11)
        func links(seed: UInt64, threads: Int) throws -> [UInt8] {
            let index = try HNSWIndex(
                dimension: 16, metric: .squaredEuclidean, parameters: .init(efConstruction: 60, seed: seed))
            try index.insertAll(base, threads: threads)
            return index.serializeLinks()
        }
        let first = try links(seed: 1, threads: 1)
        #expect(try links(seed: 1, threads: 2) == first)
        #expect(try links(seed: 1, threads: 3) == first)
        #expect(try links(seed: 2, threads: 2) != first)
    }

    @Test("A search says what it cost, and the walk is far cheaper than the scan")
    func costs() throws {
        let base = VectorSet(.clusters, count: 4_000, dimension: 16, seed: 12)
        let index = try build(base)
        let result = try index.find(base.row(17), k: 10, ef: 20)
        #expect(result.hits.first?.item == 17)
        #expect(result.visited >= 20 && result.visited < 200)
        #expect(result.distanceCount > 20 && result.distanceCount < 1_500 && !result.isExact)
    }
}
