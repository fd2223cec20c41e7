import HilumCore
import Testing

@testable import HilumIndex

/// What a walk asks for ahead of time is what it reads next.
@Suite struct LookAheadTests {
    @Test func thePoolNamesTheNodesWhoseTurnComesNext() {
        var generator = SeededGenerator(seed: 3)
        let scratch = Scratch(dimension: 4)
        var pool = scratch.makePool(limit: 24)
        #expect(pool.nextTwo.first == nil && pool.nextTwo.second == nil)
        var readCount = 0
        for node in 0..<UInt32(400) {
            pool.insert(NodeCandidate(distance: Float(generator.uniform()), node: node))
            guard node % 5 == 0 else { continue }
            var copy = pool
            let waiting = (0..<pool.count).filter { pool.keys[$0] & 1 == 0 }.map { pool[$0].node }
            #expect(pool.nextTwo.first == waiting.first)
            #expect(pool.nextTwo.second == waiting.dropFirst().first)
            let next = copy.next()
            #expect(next?.node == waiting.first)
            // Both share their keys; only the cursors differ.
            pool = copy
            readCount += next == nil ? 0 : 1
        }
        #expect(readCount > 24, "too few had their turn for the test to say anything")
        while pool.next() != nil {}
        #expect(pool.nextTwo.first == nil && pool.nextTwo.second == nil)
    }

    @Test func theHeapNamesTheNearestTwo() {
        var generator = SeededGenerator(seed: 4)
        let scratch = Scratch(dimension: 4)
        var heap = CandidateHeap(reusing: scratch)
        var keys: [UInt64] = []
        for node in 0..<UInt32(200) {
            let candidate = NodeCandidate(distance: Float(generator.uniform()), node: node)
            heap.push(candidate.key)
            keys.append(candidate.key)
        }
        keys.sort()
        for (place, key) in keys.enumerated() {
            let second = place + 1 < keys.count ? NodeCandidate(key: keys[place + 1]).node : nil
            #expect(heap.nextTwo.first == NodeCandidate(key: key).node && heap.nextTwo.second == second)
            #expect(heap.popNearest()?.key == key)
        }
        #expect(heap.nextTwo.first == nil && heap.nextTwo.second == nil)
    }

    @Test func lookingAtMarksLeavesThem() throws {
        let base = VectorSet(.uniform, count: 12, dimension: 48, seed: 5)
        let index = try HNSWIndex(dimension: 48, metric: .squaredEuclidean, parameters: HNSWParameters(m: 8))
        try index.insertAll(base)
        let scratch = Scratch(dimension: 4)
        // 10 and 11 came after the search began.
        let marks = scratch.beginVisit(slotCount: 10)
        let list = index.graph.store.links(11, layer: 0)
        let links = list.array
        #expect(links.count > 4)
        func new() -> [UInt32] {
            (0..<marks.look(at: list, into: scratch.bridges)).map { scratch.bridges[$0] }
        }
        let known = links.filter { $0 < 10 }
        #expect(new() == known && new() == known)
        #expect(marks.visit(known[1]) && !marks.visit(known[1]) && !marks.visit(10))
        #expect(new() == known.filter { $0 != known[1] })
        for (index, link) in links.enumerated() { scratch.links[index] = link }
        let freshCount = marks.visit(scratch.links, links.count, into: scratch.nodes)
        #expect((0..<freshCount).map { scratch.nodes[$0] } == known.filter { $0 != known[1] })
        #expect(new() == [] && marks.visit(scratch.links, links.count, into: scratch.nodes) == 0)
    }

    /// Codes of every kind and length, some longer than what is asked for ahead, and layers above the first.
    @Test(arguments: [3, 100, 300, 1_500])
    func walksFindTheSameWhateverTheCodes(dimension: Int) throws {
        let set = VectorSet(.clusters, count: 600, dimension: dimension, seed: 8)
        for precision in [CodePrecision.f32, .bf16, .i8] {
            let index = try HNSWIndex(
                dimension: dimension, metric: .squaredEuclidean, parameters: HNSWParameters(m: 4, efConstruction: 40),
                precision: precision, quantizer: precision == .i8 ? set.quantizer : nil)
            try index.insertAll(set)
            #expect(index.validate().isEmpty)
            let even = ItemSet((0..<300).map { UInt32(2 * $0) })
            for row in stride(from: 0, to: 600, by: 40) {
                let hits = try index.find(set.row(row), k: 5, ef: 600).hits
                #expect(hits.map(\.item) == (try index.findExactly(set.row(row), k: 5).hits.map(\.item)))
                let among = try index.find(set.row(row), k: 5, ef: 300, filter: even).hits
                #expect(
                    among.map(\.item) == (try index.findExactly(set.row(row), k: 5, filter: even).hits.map(\.item)))
            }
        }
    }
}
