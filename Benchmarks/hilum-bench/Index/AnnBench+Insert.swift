import Foundation
import HilumCore
import HilumIndex
import Synchronization

/// Durable insertions, and searches beside them.
extension AnnBench {
    private static let batch = 100

    func insert() throws {
        let queries = try vectors("query")
        let store = try writableStore(queries)
        let half = queries.count / 2
        guard half > 1 else { throw BenchError("too few vectors to insert") }
        let opened = monotonicSeconds()
        try queries.withRow(0) { try store.insert($0) }
        let first = monotonicSeconds() - opened
        var floors = try store.storeLastAgain(times: half)
        let singles = try (1..<half).map { row in
            try Self.seconds { try queries.withRow(row) { try store.insert($0) } }
        }
        let hundreds = try queries.values.withUnsafeBufferPointer { all in
            try stride(from: half, to: queries.count, by: Self.batch).map { first in
                let end = min(first + Self.batch, queries.count)
                let rows = UnsafeBufferPointer(rebasing: all[(first * queries.dimension)..<(end * queries.dimension)])
                return try Self.seconds { try store.insert(rows) }
            }
        }
        floors += try store.storeLastAgain(times: half)
        store.close()
        print(
            Self.line([
                "event": .text("insert"), "n": .integer(queries.count), "durable": .flag(true),
                "first_ms": .number(first * 1000), "per_s": .number(Self.rate(singles)),
                "p50_us": .number(Self.median(singles) * 1e6),
                "batch\(Self.batch)_per_s": .number(Double(queries.count - half) / hundreds.reduce(0, +)),
                "floor_per_s": .number(Self.rate(floors)), "floor_p50_us": .number(Self.median(floors) * 1e6),
            ]))
    }

    func searchBesideInsertions() throws {
        let queries = try vectors("query")
        guard queries.count > 1 else { throw BenchError("too few vectors to insert") }
        let store = try writableStore(queries)
        guard let seconds = Double(options["seconds"] ?? "2.0") else { throw BenchError("--seconds needs a number") }
        let ef = (options["ef"] ?? "64").split(separator: ",").first.flatMap { Int($0) } ?? 64
        try queries.withRow(0) { try store.insert($0) }
        let index = store.index
        let alone = try Self.searchRate(index, queries, ef, seconds: seconds)
        let isDone = Atomic(false)
        let inserted = Atomic(0)
        let failure = Mutex<String?>(nil)
        let done = DispatchSemaphore(value: 0)
        let isUnit = try metric() == .cosine
        // Safety: the store belongs to this thread until it is closed, which waits for `done`.
        nonisolated(unsafe) let writing = store
        Thread.detachNewThread {
            var generator = SeededGenerator(seed: 9)
            do {
                while !isDone.load(ordering: .relaxed) {
                    let vector = Self.between(queries, &generator, isUnit: isUnit)
                    try vector.withUnsafeBufferPointer { try writing.insert($0) }
                    inserted.add(1, ordering: .relaxed)
                }
            } catch { failure.withLock { $0 = "\(error)" } }
            done.signal()
        }
        let start = monotonicSeconds()
        let beside = try Self.searchRate(index, queries, ef, seconds: seconds)
        let made = Double(inserted.load(ordering: .relaxed)) / (monotonicSeconds() - start)
        isDone.store(true, ordering: .relaxed)
        done.wait()
        store.close()
        if let text = failure.withLock({ $0 }) { throw BenchError(text) }
        print(
            Self.line([
                "event": .text("beside"), "ef": .integer(ef), "alone_qps": .number(alone),
                "beside_qps": .number(beside), "insertions_per_s": .number(made),
            ]))
    }

    private func writableStore(_ queries: FloatVectors) throws -> BenchStore {
        let store = try BenchStore(
            required("index"), dimension: queries.dimension, metric: metric(), precision: precision(), mode: .readWrite)
        store.looksAhead = options["ahead"] != "no"
        return store
    }

    /// A vector in the middle of two others, so that it is new and lies where such vectors lie.
    private static func between(
        _ queries: FloatVectors, _ generator: inout SeededGenerator, isUnit: Bool
    ) -> [Float] {
        let one = generator.integer(below: queries.count)
        let other = (one + 1 + generator.integer(below: queries.count - 1)) % queries.count
        let share = Float(generator.uniform())
        var middle = queries.withRow(one) { one in
            queries.withRow(other) { other in zip(one, other).map { $0 + share * ($1 - $0) } }
        }
        if isUnit {
            let length = middle.reduce(0) { $0 + $1 * $1 }.squareRoot()
            middle = middle.map { $0 / length }
        }
        return middle
    }

    private static func searchRate(
        _ index: HNSWIndex, _ queries: FloatVectors, _ ef: Int, seconds: Double
    ) throws -> Double {
        let start = monotonicSeconds()
        var count = 0
        while monotonicSeconds() - start < seconds {
            try queries.forEach { _ = try index.search($0, k: Self.k, ef: ef) }
            count += queries.count
        }
        return Double(count) / (monotonicSeconds() - start)
    }

    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = monotonicSeconds()
        try body()
        return monotonicSeconds() - start
    }

    private static func rate(_ seconds: [Double]) -> Double { Double(seconds.count) / seconds.reduce(0, +) }

    private static func median(_ seconds: [Double]) -> Double { seconds.sorted()[seconds.count / 2] }
}
