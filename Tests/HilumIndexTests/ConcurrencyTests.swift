import Foundation
import HilumCore
import Testing

@testable import HilumIndex

/// A thread that the thread sanitizer can follow, which the queues of Dispatch are not.
private final class BesideThread: @unchecked Sendable {
    // Sendable: `thread` is only touched by the creator, `body` only by the new thread.
    private let body: @Sendable () -> Void
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
        let box = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { box in
                guard let box else { return nil }
                Unmanaged<BesideThread>.fromOpaque(box).takeRetainedValue().body()
                return nil
            }, box)
        precondition(status == 0, "no thread")
    }

    func join() { pthread_join(thread, nil) }
}

/// `swift test --sanitize=thread --filter readersBesideAWriter` finds no race; builds on several threads go through Dispatch, whose
/// hand-over the sanitizer does not see on Linux.
@Suite struct ConcurrencyTests {
    @Test(
        "Searches beside a writer only ever see whole vectors and items of their own", arguments: [UInt64(1), 2],
        [CodePrecision.f32, .i8])
    func readersBesideAWriter(seed: UInt64, precision: CodePrecision) throws {
        let dimension = 16
        let stable = 400
        let all = VectorSet(.clusters, count: 1_800, dimension: dimension, seed: seed)
        var first = all
        first.values = Array(all.values[..<(900 * dimension)])
        let index = try HNSWIndex(
            dimension: dimension, metric: .squaredEuclidean, parameters: .init(m: 8, efConstruction: 40, seed: seed),
            precision: precision, quantizer: all.quantizer)
        try index.insertAll(first, threads: 1)
        let rows = (0..<1_800).map { all.row($0) }
        let isDone = AtomicFlag()
        let wrong = AtomicCounter()
        let searches = AtomicCounter()
        let readers = (0..<2).map { reader in
            BesideThread {
                var generator = SeededGenerator(seed: seed, keys: UInt64(reader))
                let filter = ItemSet((0..<UInt32(900)).filter { $0 % 2 == 0 })
                while !isDone.isRaised {
                    let row = generator.integer(below: stable)
                    let query = rows[row]
                    let isFiltered = generator.chance(0.3)
                    guard
                        let result = try? index.find(query, k: 10, ef: 100, filter: isFiltered ? filter : nil),
                        let exact = try? index.findExactly(query, k: 3)
                    else {
                        wrong.increment()
                        continue
                    }
                    searches.increment()
                    for hit in result.hits + exact.hits {
                        // An item's vector is one of two; the distance must be that of one of them.
                        let item = Int(hit.item)
                        let fits = [item, item + 900].contains {
                            Self.isDistance(hit.distance, query, rows[$0], precision)
                        }
                        if !fits { wrong.increment() }
                    }
                    if isFiltered && result.hits.contains(where: { $0.item % 2 == 1 }) { wrong.increment() }
                    // What the writer leaves alone is always found.
                    let least = exact.hits.first?.distance ?? .infinity
                    if precision == .i8 ? least > 5e-3 : least != 0 { wrong.increment() }
                    if Set(result.hits.map(\.item)).count != result.hits.count { wrong.increment() }
                }
            }
        }
        var generator = SeededGenerator(seed: seed)
        var turn = 0
        while turn < 3_000 || (searches.current < 1_000 && turn < 100_000) {
            turn += 1
            let item = UInt32(stable + generator.integer(below: 500))
            // Hardly a record is ever free, so each is used again as soon as it may be.
            if turn % 3 == 0 {
                index.remove(item: item)
                try index.insert(rows[Int(item)], item)
            } else {
                try index.insert(rows[Int(item) + (turn % 3 == 1 ? 900 : 0)], item)
            }
        }
        isDone.raise()
        for reader in readers { reader.join() }
        #expect(wrong.current == 0)
        #expect(searches.current >= 1_000)
        #expect(index.validate() == [])
        // Without reuse every turn takes a slot of its own. How many are held back depends on how long a reader is kept from
        // running, so the bound is wide.
        #expect(index.graph.slots.load(ordering: .relaxed) < 900 + turn * 3 / 4, "slots are used again beside readers")
    }

    /// Whether `distance` is that of two vectors, as near as the precision can tell.
    private static func isDistance(
        _ distance: Float, _ left: [Float], _ right: [Float], _ precision: CodePrecision = .f32
    ) -> Bool {
        var sum: Float = 0
        for (a, b) in zip(left, right) { sum += (a - b) * (a - b) }
        return abs(distance - sum) <= (precision == .i8 ? 0.02 * sum + 5e-3 : 1e-4 * (1 + sum))
    }

    @Test func batchesBesideReadersAreTheSameAsAlone() throws {
        let base = VectorSet(.uniform, count: 2_000, dimension: 12, seed: 9)
        let alone = try HNSWIndex(dimension: 12, metric: .squaredEuclidean, parameters: .init(efConstruction: 40))
        try alone.insertAll(base)
        let index = try HNSWIndex(dimension: 12, metric: .squaredEuclidean, parameters: .init(efConstruction: 40))
        let isDone = AtomicFlag()
        let wrong = AtomicCounter()
        let reader = BesideThread {
            var row = 0
            while !isDone.isRaised {
                row = (row + 1) % base.count
                let hits = (try? index.find(base.row(row), k: 5, ef: 20).hits) ?? []
                for hit in hits where !Self.isDistance(hit.distance, base.row(row), base.row(Int(hit.item))) {
                    wrong.increment()
                }
            }
        }
        try index.insertAll(base)
        isDone.raise()
        reader.join()
        #expect(wrong.current == 0)
        #expect(index.serializeLinks() == alone.serializeLinks())
    }
}
