import HilumCore
import Testing

@testable import HilumIndex

@Suite struct FilterTests {
    private func makeIndex(_ precision: CodePrecision) throws -> (HNSWIndex, base: VectorSet, queries: VectorSet) {
        let all = VectorSet(.clusters, count: 6_040, dimension: 16, seed: 31)
        var base = all
        base.values = Array(all.values[..<(6_000 * 16)])
        var queries = all
        queries.values = Array(all.values[(6_000 * 16)...])
        let index = try HNSWIndex(
            dimension: 16, metric: .squaredEuclidean, parameters: .init(efConstruction: 100), precision: precision,
            quantizer: base.quantizer)
        try index.insertAll(base)
        return (index, base, queries)
    }

    @Test(
        "Every selectivity gives k hits that match, with recall of at least 0.95", arguments: CodePrecision.allCases)
    func selectivities(precision: CodePrecision) throws {
        let (index, _, queries) = try makeIndex(precision)
        for share in [0.9, 0.5, 0.25, 0.1, 0.03, 0.01, 0.002, 0.001] {
            var generator = SeededGenerator(seed: UInt64(share * 10_000))
            let filter = ItemSet((0..<UInt32(6_000)).filter { _ in generator.chance(share) })
            #expect(try index.recall(queries, ef: 40, filter: filter) >= 0.95, "\(share)")
            for row in 0..<queries.count {
                let result = try index.find(queries.row(row), k: 10, ef: 40, filter: filter)
                #expect(result.hits.count == min(10, filter.count))
                #expect(result.hits.allSatisfy { filter.contains($0.item) })
                #expect(result.distanceCount <= 3 * max(filter.count, 100) + 200, "\(share): \(result.distanceCount)")
            }
        }
    }

    @Test("A filter that holds only what is far away still gives k hits", arguments: CodePrecision.allCases)
    func farAway(precision: CodePrecision) throws {
        let (index, base, queries) = try makeIndex(precision)
        for row in 0..<10 {
            let query = queries.row(row)
            let order = plainDistances(query, base).enumerated().sorted { $0.element > $1.element }
            for count in [5, 40, 1_500, 3_000] {
                let filter = ItemSet(order[..<count].map { UInt32($0.offset) })
                let hits = try index.find(query, k: 10, ef: 20, filter: filter).hits
                #expect(hits.count == min(10, count) && hits.allSatisfy { filter.contains($0.item) })
            }
        }
        #expect(try index.recall(queries, ef: 40, filter: ItemSet(0..<3_000)) >= 0.95)
    }

    @Test("What matches together and far from the question is found without comparing all of it")
    func gathered() throws {
        let (index, base, queries) = try makeIndex(.f32)
        for row in 0..<10 {
            let query = queries.row(row)
            // Far, and near: the question lies outside of what matches, or within.
            for isFar in [true, false] {
                let order = plainDistances(query, base).enumerated().sorted {
                    isFar ? $0.element > $1.element : $0.element < $1.element
                }
                for count in [800, 1_100, 2_400, 3_600] {
                    let filter = ItemSet(order[..<count].map { UInt32($0.offset) })
                    let exact = try index.findExactly(query, k: 10, filter: filter).hits
                    let result = try index.find(query, k: 10, ef: 40, filter: filter)
                    let bound = try #require(exact.last).distance
                    let found = result.hits.count { $0.distance <= bound }
                    #expect(found >= 9 && result.hits.count == 10, "\(isFar), \(count): \(found)")
                    #expect(result.hits.allSatisfy { filter.contains($0.item) })
                }
            }
        }
    }

    @Test("Among scattered matches only these are compared", arguments: [0.14, 0.19])
    func scattered(share: Double) throws {
        let (index, _, queries) = try makeIndex(.i8)
        var generator = SeededGenerator(seed: 77)
        let filter = ItemSet((0..<UInt32(6_000)).filter { _ in generator.chance(share) })
        var (found, wanted) = (0, 0)
        for row in 0..<queries.count {
            let exact = try index.findExactly(queries.row(row), k: 10, filter: filter).hits
            let result = try queries.row(row).withUnsafeBufferPointer {
                // So few are scanned otherwise.
                try index.graph.search($0, k: 10, ef: 40, filter: filter, costs: WalkCosts(members: 0, all: 0))
            }
            // The walk over all nodes compares five to seven for each that matches.
            #expect(result.distanceCount <= filter.count && result.visited > 0, "\(result.distanceCount)")
            let bound = try #require(exact.last).distance
            found += result.hits.count { $0.distance <= bound }
            wanted += exact.count
        }
        #expect(Double(found) >= 0.95 * Double(wanted))
    }

    /// The hits of a scan of codes, which finds all of them, against an exact search; and that the nodes of the filter were known, or not.
    private func expectAllFound(_ index: HNSWIndex, _ query: [Float], _ filter: ItemSet, _ note: Comment) throws {
        let exact = try index.findExactly(query, k: 10, filter: filter).hits
        let hits = try index.find(query, k: 10, ef: 40, filter: filter).hits
        #expect(hits.map(\.item) == exact.map(\.item), note)
    }

    @Test("What is remembered of a filter holds, whatever comes, moves and goes")
    func rememberedNodes() throws {
        let all = VectorSet(.clusters, count: 3_200, dimension: 16, seed: 35)
        let index = try HNSWIndex(
            dimension: 16, metric: .squaredEuclidean, precision: .i8, quantizer: all.quantizer)
        for item in 0..<UInt32(3_000) { try index.insert(all.row(Int(item)), item) }
        let query = all.row(3_000)
        // Two of three, and one that is not there yet.
        var filter = ItemSet((0..<UInt32(3_000)).filter { $0 % 3 > 0 })
        filter.insert(4_000)
        try expectAllFound(index, query, filter, "first")
        try index.insert(query, 4_000)
        try expectAllFound(index, query, filter, "a new item that was asked for before it came")
        #expect(try index.find(query, k: 1, ef: 40, filter: filter).hits.map(\.item) == [4_000])
        // A case is left out, as in a search by its id; then others are new.
        filter.remove(4_000)
        try expectAllFound(index, query, filter, "one less")
        filter.insert(4_001)
        try index.insert(query, 4_001)
        try expectAllFound(index, query, filter, "one more")
        // Its node still bears 4000, which does not match.
        #expect(index.remove(item: 4_001))
        try expectAllFound(index, query, filter, "a removed item whose node stays")
        try index.insert(query, 4_001)
        try expectAllFound(index, query, filter, "an item that has come back")
        // Item 1 goes where the question is; the node that it leaves is used again.
        try index.insert(query, 1)
        try expectAllFound(index, query, filter, "an item that has moved")
        try index.insert(all.row(3_001), 4_002)
        filter.insert(4_002)
        try expectAllFound(index, all.row(3_001), filter, "a node that is used again")
        filter.remove(1)
        try expectAllFound(index, query, filter, "an item less of a node with several")
        // Other filters push the first one out.
        for number in 0..<UInt32(40) {
            let other = ItemSet((0..<UInt32(3_000)).filter { ($0 + number) % 5 > 1 })
            try expectAllFound(index, query, other, "other")
        }
        try expectAllFound(index, query, filter, "again")
        #expect(index.validate() == [])
    }

    @Test("Few vectors that many items share are all found under a filter")
    func copiesUnderAFilter() throws {
        let all = VectorSet(.uniform, count: 6_030, dimension: 16, seed: 33)
        let index = try HNSWIndex(
            dimension: 16, metric: .squaredEuclidean, precision: .i8, quantizer: all.quantizer)
        var base = all
        base.values = Array(all.values[..<(6_000 * 16)])
        try index.insertAll(base)
        // Thirty vectors, forty items each, are what matches: a sixth of all items and hardly any node.
        for item in 0..<UInt32(1_200) { try index.insert(all.row(6_000 + Int(item % 30)), 10_000 + item) }
        let filter = ItemSet(10_000..<11_200)
        for row in 0..<40 {
            let exact = try index.findExactly(all.row(row), k: 10, filter: filter).hits
            let hits = try index.find(all.row(row), k: 10, ef: 40, filter: filter).hits
            #expect(hits.map(\.distance) == exact.map(\.distance))
        }
    }

    @Test(arguments: CodePrecision.allCases)
    func filtersOnCopiesAndOnItemsThatAreNotThere(precision: CodePrecision) throws {
        let base = VectorSet(.uniform, count: 3, dimension: 4, seed: 3)
        let index = try HNSWIndex(
            dimension: 4, metric: .squaredEuclidean, precision: precision, quantizer: base.quantizer)
        for item in 0..<UInt32(600) { try index.insert(base.row(Int(item % 3)), item) }
        #expect(index.nodeCount == 3)
        let filter = ItemSet([2, 5, 7, 9_000, 100_000])
        let hits = try index.find(base.row(2), k: 10, ef: 10, filter: filter).hits
        #expect(hits.map(\.item) == [2, 5, 7])
        #expect(try index.findExactly(base.row(2), k: 2, filter: filter).hits.map(\.item) == [2, 5])
        // Items in descending order, so that the list of the node is not ascending. Codes cut such a vector.
        for item in (1_000..<UInt32(1_010)).reversed() { try index.insert([9, 9, 9, 9], item) }
        #expect(try index.find([9, 9, 9, 9], k: 3, ef: 3).hits.map(\.item) == [1_000, 1_001, 1_002])
        #expect(index.validate() == [])
    }

    @Test func itemSetsAreSets() {
        var generator = SeededGenerator(seed: 1)
        let left = Set((0..<200).map { _ in UInt32(generator.integer(below: 500)) })
        let right = Set((0..<200).map { _ in UInt32(generator.integer(below: 900)) })
        let (a, b) = (ItemSet(left), ItemSet(right))
        #expect(a.items == left.sorted() && a.count == left.count)
        #expect(a.union(b).items == left.union(right).sorted())
        #expect(a.intersection(b).items == left.intersection(right).sorted())
        #expect(a.subtracting(b).items == left.subtracting(right).sorted())
        #expect(a.union(b).count == left.union(right).count)
        var c = a
        for item in left { #expect(c.remove(item) && !c.remove(item)) }
        #expect(c.isEmpty && c == ItemSet())
        #expect(!a.contains(100_000))
        for range in [0..<0, 0..<1, 0..<64, 63..<65, 5..<200, 64..<128, 127..<1_000] as [Range<UInt32>] {
            #expect(ItemSet(range) == ItemSet(Array(range)) && ItemSet(range).items == Array(range))
        }
    }

    @Test("A search whose time is over ends, and the next one is whole", arguments: CodePrecision.allCases)
    func deadlines(precision: CodePrecision) throws {
        let (index, _, queries) = try makeIndex(precision)
        let half = ItemSet((0..<UInt32(6_000)).filter { $0 % 2 == 0 })
        let query = queries.row(0)
        try query.withUnsafeBufferPointer { query in
            let searches: [(Double) throws -> SearchResult] = [
                { try index.search(query, k: 10, ef: 400, until: $0) },
                { try index.search(query, k: 10, ef: 400, filter: half, until: $0) },
                { try index.search(query, k: 10, ef: 4_000, filter: half, until: $0) },
                { try index.exactSearch(query, k: 10, until: $0) },
                { try index.exactSearch(query, k: 10, filter: half, until: $0) },
            ]
            for search in searches {
                let whole = try search(.infinity).hits.map(\.item)
                let error = #expect(throws: IndexError.self) { try search(monotonicSeconds()) }
                #expect(error?.code == .overdue)
                #expect(try search(monotonicSeconds() + 60).hits.map(\.item) == whole)
            }
        }
    }
}
