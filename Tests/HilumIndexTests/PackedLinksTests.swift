import HilumCore
import Testing

@testable import HilumIndex

/// Links as they lie after opening, until the first change.
@Suite struct PackedLinksTests {
    private static let base = VectorSet.templated(count: 2_000, dimension: 24, seed: 71)

    /// With free slots, and with vectors that have several items.
    private func makeIndex() throws -> HNSWIndex {
        let index = try HNSWIndex(
            dimension: Self.base.dimension, metric: .squaredEuclidean,
            parameters: .init(m: 8, efConstruction: 60, seed: 7), precision: .i8, quantizer: Self.base.quantizer)
        try index.insertAll(Self.base)
        for item in 0..<60 { try index.insert(Self.base.row(item), UInt32(5_000 + item)) }
        for item in 100..<UInt32(160) { index.remove(item: item) }
        return index
    }

    private func hits(_ index: HNSWIndex, filter: ItemSet? = nil) throws -> [[UInt64]] {
        try (0..<200).map { row in
            let found = try index.find(Self.base.row(row * 9), k: 10, ef: 20 + row % 50, filter: filter)
            return found.hits.map { UInt64($0.item) << 32 | UInt64($0.distance.bitPattern) }
                + [UInt64(found.distanceCount), UInt64(found.visited)]
        }
    }

    @Test("An opened index keeps its links packed until the first change, and searches are the same to the last bit")
    func sameSearches() throws {
        let index = try makeIndex()
        #expect(index.graph.store.packed.byteCount == nil, "an index that was built has nothing packed")
        let checkpoint = try CodeCheckpoint(index)
        let opened = try checkpoint.restored()
        let few = ItemSet((0..<UInt32(2_000)).filter { $0 % 3 == 0 })
        let (found, filtered) = (try hits(index), try hits(index, filter: few))
        #expect(try hits(opened) == found)
        #expect(try hits(opened, filter: few) == filtered)
        let packed = try #require(opened.graph.store.packed.byteCount, "searches leave links packed")
        // A list of eight links takes 36 bytes and a place; the arena has room for sixteen.
        #expect(packed < opened.graph.slots.load(ordering: .relaxed) * 68)
        #expect(opened.graphByteCount < index.graphByteCount)
        let isAsBefore = opened.serializeLinks() == checkpoint.links
        #expect(isAsBefore)
        #expect(opened.graph.store.packed.byteCount == nil, "the writer has links that can change")
        #expect(try hits(opened) == found)
        #expect(try hits(opened, filter: few) == filtered)
        #expect(opened.graphByteCount == index.graphByteCount)
        #expect(opened.validate() == [])
        // One whose links move at the first change goes on like one whose links moved before.
        let other = try checkpoint.restored()
        for index in [other, opened] {
            for item in 200..<UInt32(260) { index.remove(item: item) }
            for item in 100..<160 { try index.insert(Self.base.row(item), UInt32(item)) }
        }
        #expect(try hits(opened) == hits(other))
        let areSame = opened.serializeLinks() == other.serializeLinks()
        #expect(areSame)
        #expect(opened.validate() == [])
    }

    @Test func lostItemsAreTakenOutOfListsThatCanChange() throws {
        let checkpoint = try CodeCheckpoint(makeIndex())
        let opened = try checkpoint.restored { $0 % 10 != 3 }
        #expect(opened.restoration.goneItemCount > 100)
        #expect(opened.graph.store.packed.byteCount == nil)
        #expect(opened.validate() == [])
    }

    @Test("Packed links are freed once the searches that began on them have ended")
    func freed() throws {
        let opened = try CodeCheckpoint(makeIndex()).restored()
        let reader = opened.graph.readers.enter()
        let list = opened.graph.store.links(0, layer: 0)
        let before = list.array
        #expect(!before.isEmpty)
        try opened.insert(Self.base.row(120), 120)
        #expect(opened.writer.memory.hasRetiredLinks)
        opened.remove(item: 121)
        opened.remove(item: 0)
        #expect(opened.writer.memory.hasRetiredLinks, "a search may still read them")
        #expect(list.array == before, "they are as they were")
        opened.graph.readers.leave(reader)
        opened.remove(item: 122)
        #expect(!opened.writer.memory.hasRetiredLinks)
    }

    /// `swift test --sanitize=thread --filter searchesWhileLinksMove` finds no race.
    @Test("Searches are right while links move to where they can change")
    func searchesWhileLinksMove() throws {
        let checkpoint = try CodeCheckpoint(makeIndex())
        // These belong to nobody that the writer touches.
        let stable = (300..<1_000).map { Self.base.row($0) }
        let wrong = AtomicCounter()
        let lost = AtomicCounter()
        let count = AtomicCounter()
        for round in 0..<12 {
            let opened = try checkpoint.restored()
            let isDone = AtomicFlag()
            let searches = AtomicCounter()
            let readers = (0..<2).map { number in
                BesideThread {
                    var row = 97 * number
                    while !isDone.isRaised {
                        row = (row + 1) % stable.count
                        let hits = (try? opened.find(stable[row], k: 10, ef: 64).hits) ?? []
                        if hits.count != 10 { wrong.increment() }
                        for hit in hits {
                            let vector = Self.base.row(Int(hit.item) % 5_000)
                            let sum = zip(stable[row], vector).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
                            if abs(hit.distance - sum) > 0.02 * sum + 5e-3 { wrong.increment() }
                        }
                        if (hits.first?.distance ?? .infinity) > 5e-3 { lost.increment() }
                        searches.increment()
                        count.increment()
                    }
                }
            }
            while searches.current < 20 * round {}
            for item in 1_200..<UInt32(1_240) {
                opened.remove(item: item)
                try opened.insert(Self.base.row(Int(item) - 1_100), item - 1_100)
            }
            isDone.raise()
            for reader in readers { reader.join() }
            #expect(opened.validate() == [])
        }
        #expect(wrong.current == 0)
        // One may be missed by a walk that meets a change.
        #expect(lost.current * 100 <= count.current, "\(lost.current) of \(count.current)")
    }
}
