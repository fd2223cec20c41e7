import HilumCore
import Testing

@testable import HilumIndex

/// Every vector is found by its own search with the default `ef`.
@Suite struct FindabilityTests {
    private static let templated = VectorSet.templated(count: 8_000, dimension: 64, seed: 71)

    private func makeIndex(
        _ base: VectorSet, _ precision: CodePrecision, metric: Metric = .cosine, batch: Int = Int.max, threads: Int = 2
    ) throws -> HNSWIndex {
        let index = try HNSWIndex(
            dimension: base.dimension, metric: metric, parameters: .init(efConstruction: 100), precision: precision,
            quantizer: base.quantizer)
        for start in stride(from: 0, to: base.count, by: min(batch, base.count)) {
            let rows = start..<min(start + min(batch, base.count), base.count)
            var part = base
            part.values = Array(base.values[(rows.lowerBound * base.dimension)..<(rows.upperBound * base.dimension)])
            try index.insertAll(part, items: rows.map { UInt32($0) }, threads: threads)
        }
        return index
    }

    private func missed(_ index: HNSWIndex, _ base: VectorSet) throws -> [UInt32] {
        try index.missed({ base.row(Int($0)) }, among: 0..<UInt32(base.count))
    }

    @Test(
        "After a build every vector is found, of crowds and of clusters far from them",
        arguments: [CodePrecision.f32, .i8])
    func build(precision: CodePrecision) throws {
        let index = try makeIndex(Self.templated, precision)
        #expect(try missed(index, Self.templated) == [])
        #expect(index.validate() == [] && index.changesSinceMending == 0 && index.mendUnfound() == 0)
        #expect(try index.missed({ index.vector(of: $0) ?? [] }, among: 0..<UInt32(8_000)) == [], "as they are stored")
        // Batch by batch the graph is looked through now and then, and at the end when asked to.
        let batches = try makeIndex(Self.templated, precision, batch: 700)
        batches.mendUnfound()
        #expect(try missed(batches, Self.templated) == [] && batches.validate() == [])
    }

    @Test("Where all vectors are about equally far every one is found", arguments: [CodePrecision.f32, .i8])
    func uniform(precision: CodePrecision) throws {
        let base = VectorSet(.uniform, count: 6_000, dimension: 96, seed: 72)
        let index = try makeIndex(base, precision, metric: .squaredEuclidean)
        #expect(try missed(index, base) == [] && index.validate() == [])
    }

    @Test("After thousands of changes, four in ten of them deletions, every vector is found and comes back so")
    func churn() throws {
        for (precision, seed) in [(CodePrecision.f32, UInt64(1)), (.i8, 2)] {
            let index = try makeIndex(Self.templated, precision)
            var generator = SeededGenerator(seed: seed)
            var rows = Dictionary(uniqueKeysWithValues: (0..<UInt32(8_000)).map { ($0, Int($0)) })
            for _ in 0..<6_000 {
                let item = UInt32(generator.integer(below: 8_000))
                if generator.chance(0.41) {
                    index.remove(item: item)
                    rows[item] = nil
                } else {
                    // Most get their own vector again or keep it, some that of another.
                    let row = generator.chance(0.8) ? Int(item) : generator.integer(below: 8_000)
                    try index.insert(Self.templated.row(row), item)
                    rows[item] = row
                }
            }
            func vector(_ item: UInt32) -> [Float] { rows[item].map { Self.templated.row($0) } ?? [] }
            func missed(_ index: HNSWIndex) throws -> [UInt32] {
                // Copies of one vector are hits of one distance, and only the first ten of them come.
                try index.missed(vector, among: 0..<UInt32(8_000))
            }
            index.mendUnfound()
            #expect(try missed(index) == [] && index.validate() == [])
            let restored = try HNSWIndex(
                restoring: index.serializeLinks(), dimension: 64, metric: .cosine, precision: precision,
                quantizer: Self.templated.quantizer
            ) { item, buffer in buffer.update(fromContentsOf: vector(item)) == 64 }
            #expect(try missed(restored) == [] && restored.restoration == RestoreSummary())
            if precision == .i8 { try restoreFromCodes(index, missed) }
        }
    }

    private func restoreFromCodes(_ index: HNSWIndex, _ missed: (HNSWIndex) throws -> [UInt32]) throws {
        let links = index.serializeLinks()
        let quantizer = try #require(index.quantizer)
        func restored(_ isThere: (UInt32) -> Bool) throws -> HNSWIndex {
            let residuals = try (0..<index.residualPieceCount).map { try index.withResidualPiece($0) { [UInt8]($0) } }
            return try HNSWIndex(
                restoring: links.count,
                links: { piece, use in try (piece == 0 ? links : []).withUnsafeBytes { try use($0) } }, dimension: 64,
                metric: .cosine,
                quantizer: quantizer,
                codes: { piece, use in try index.withCodePiece(piece) { try use($0) } },
                residuals: { piece, use in
                    try residuals[piece].withUnsafeBytes { try use($0) }
                    return true
                }, isThere: isThere)
        }
        #expect(try missed(restored { _ in true }) == [])
        // Where a third is gone the repair has to keep the rest within reach.
        let fewer = try restored { $0 % 3 != 0 }
        fewer.mendUnfound()
        #expect(try missed(fewer) == [] && fewer.validate() == [])
    }

    @Test("An index of few vectors stays found through changes without being asked to", arguments: [UInt64(1), 2, 3])
    func small(seed: UInt64) throws {
        let base = VectorSet.templated(count: 340, dimension: 32, seed: seed)
        let index = try makeIndex(base, seed == 2 ? .f32 : .i8)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<6_000 {
            let item = UInt32(generator.integer(below: 340))
            if generator.chance(0.41) { index.remove(item: item) } else { try index.insert(base.row(Int(item)), item) }
        }
        #expect(try missed(index, base) == [] && index.validate() == [])
    }

    @Test("Looking for vectors gives the same graph on one thread and on three")
    func determinism() throws {
        var base = Self.templated
        base.values = Array(base.values[..<(3_000 * 64)])
        func links(threads: Int) throws -> [UInt8] {
            let index = try makeIndex(base, .i8, batch: 1_700, threads: threads)
            for item in stride(from: UInt32(0), to: 900, by: 2) { index.remove(item: item) }
            index.mendUnfound(threads: threads)
            return index.serializeLinks()
        }
        #expect(try links(threads: 1) == links(threads: 3))
    }

    @Test(
        "What a sweep leaves needs no second one, though its later rounds look for few nodes",
        arguments: [CodePrecision.f32, .i8])
    func rounds(precision: CodePrecision) throws {
        let uniform = VectorSet(.uniform, count: 4_000, dimension: 64, seed: 73)
        for (base, metric) in [(uniform, Metric.squaredEuclidean), (Self.templated, .cosine)] {
            let index = try makeIndex(base, precision, metric: metric)
            #expect(mendedAgain(index) == 0)
            for item in stride(from: UInt32(0), to: UInt32(base.count), by: 3) { index.remove(item: item) }
            index.mendUnfound()
            #expect(mendedAgain(index) == 0 && index.validate() == [])
        }
    }

    /// Looks for every node whether or not any changed; how many were not found.
    private func mendedAgain(_ index: HNSWIndex) -> Int {
        index.writer.changesSinceSweep = 1
        return index.mendUnfound()
    }

    @Test("A node above all those that its own search reads is found, by a link that is not part of the tree")
    func underItself() throws {
        // Fifty vectors about 0 and a far cluster, which hangs on the first of its own.
        var base = VectorSet(.uniform, count: 400, dimension: 16, seed: 74)
        for row in 50..<400 {
            for column in 0..<16 {
                let value = base.values[row * 16 + column]
                base.values[row * 16 + column] = column == 0 ? 100 + value : value
            }
        }
        let index = try makeIndex(base, .f32, metric: .squaredEuclidean)
        let far = UInt32(50)..<400
        let tops = far.filter { index.graph.store.parent($0) < 50 }
        let top = try #require(tops.first { index.graph.store.level($0) == 0 })
        // The whole far cluster comes to lie under `top`, and none of it links there.
        for node in tops where node != top { _ = index.writer.hang(node, under: top) }
        for node in far where node != top {
            index.writer.setLinks(node, layer: 0, index.graph.store.links(node, layer: 0).array.filter { $0 != top })
        }
        try #require(index.validate() == [])
        #expect(mendedAgain(index) > 0)
        #expect(mendedAgain(index) == 0 && index.graph.store.parent(top) < 50)
        #expect(try missed(index, base) == [] && index.validate() == [])
    }
}
