import Foundation
import HilumCore
import HilumIndex
import Synchronization

/// Measures what deletions and insertions do to an index: each round deletes half of it and inserts it again. Then searches run
/// beside a writer.
struct ChurnBench {
    static let usage = """
        usage: hilum-bench churn --base B.fvecs --query Q.fvecs [--metric cos] [--rounds 5] [--threads 2] [--precision i8] [--seed 1]
        Lines: fresh and one a round (recall@10 at ef 64 against an exact scan, violations of soundness, bytes), then the rate of
        searches alone and beside a writer.

        """

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments, values: ["base", "query", "metric", "rounds", "threads", "precision", "seed"], flags: [])
    }

    func run() throws {
        let metric: Metric = options.text("metric") == "l2" ? .squaredEuclidean : .cosine
        guard let precision = Precision(rawValue: options.text("precision") ?? "i8") else {
            throw BenchError("unknown precision; use f32, bf16 or i8")
        }
        let threads = try options.count("threads", 2)
        let base = try FloatVectors(path: path("base"), unit: metric == .cosine)
        let queries = try FloatVectors(path: path("query"), unit: metric == .cosine)
        let index = try HNSWIndex(
            dimension: base.dimension, metric: metric, precision: precision,
            quantizer: base.values.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: base.dimension) })
        let items = (0..<UInt32(base.count)).map { $0 }
        try base.values.withUnsafeBufferPointer { try index.insertBatch($0, items: items, threads: threads) }
        // The tenth nearest distance of each query. It is the same after each round, because the vectors are.
        let bounds = try (0..<queries.count).map { row in
            try queries.withRow(row) { try index.exactSearch($0, k: AnnBench.k).hits.last?.distance ?? 0 }
        }
        try report("fresh", 0, index, queries, bounds)
        var generator = SeededGenerator(seed: UInt64(try options.count("seed", 1)))
        for round in 1...(try options.count("rounds", 5)) {
            var order = items
            for place in stride(from: order.count - 1, to: 0, by: -1) {
                order.swapAt(place, generator.integer(below: place + 1))
            }
            let half = Array(order.prefix(order.count / 2))
            for item in half { index.remove(item: item) }
            for start in stride(from: 0, to: half.count, by: 4096) {
                let part = half[start..<min(start + 4096, half.count)]
                var rows: [Float] = []
                rows.reserveCapacity(part.count * base.dimension)
                for item in part { base.withRow(Int(item)) { rows.append(contentsOf: $0) } }
                try rows.withUnsafeBufferPointer { try index.insertBatch($0, items: Array(part), threads: threads) }
            }
            try report("round", round, index, queries, bounds)
        }
        try searchBesideAWriter(index, base, queries)
    }

    private func path(_ name: String) throws -> String {
        guard let value = options.text(name) else { throw BenchError("--\(name) is needed") }
        return value
    }

    private func report(
        _ event: String, _ round: Int, _ index: HNSWIndex, _ queries: FloatVectors, _ bounds: [Float]
    ) throws {
        var found = 0
        for row in 0..<queries.count {
            try queries.withRow(row) { query in
                let hits = try index.search(query, k: AnnBench.k, ef: 64).hits
                found += hits.count { $0.distance <= bounds[row] + 1e-6 }
            }
        }
        print(
            AnnBench.line([
                "event": .text(event), "round": .integer(round), "violations": .integer(index.validate().count),
                "recall10": .number(Double(found) / Double(queries.count * AnnBench.k)),
                "graph_bytes": .integer(index.graphByteCount), "rss_kb": .integer(AnnBench.status("RssAnon")),
            ]))
    }

    private func searchBesideAWriter(_ index: HNSWIndex, _ base: FloatVectors, _ queries: FloatVectors) throws {
        func rate(seconds: Double) throws -> Double {
            let start = monotonicSeconds()
            var count = 0
            while monotonicSeconds() - start < seconds {
                for row in 0..<queries.count {
                    try queries.withRow(row) { _ = try index.search($0, k: AnnBench.k, ef: 64) }
                }
                count += queries.count
            }
            return Double(count) / (monotonicSeconds() - start)
        }
        let alone = try rate(seconds: 4)
        let isDone = Atomic(false)
        let changes = Atomic(0)
        let failure = Mutex<String?>(nil)
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            var generator = SeededGenerator(seed: 9)
            do {
                while !isDone.load(ordering: .relaxed) {
                    let item = UInt32(generator.integer(below: base.count))
                    index.remove(item: item)
                    try base.withRow(Int(item)) { try index.insert($0, item: item) }
                    changes.add(2, ordering: .relaxed)
                }
            } catch { failure.withLock { $0 = "\(error)" } }
            done.signal()
        }
        let start = monotonicSeconds()
        let beside = try rate(seconds: 4)
        let made = Double(changes.load(ordering: .relaxed)) / (monotonicSeconds() - start)
        isDone.store(true, ordering: .relaxed)
        done.wait()
        if let text = failure.withLock({ $0 }) { throw BenchError(text) }
        print(
            AnnBench.line([
                "event": .text("beside"), "alone_qps": .number(alone), "beside_qps": .number(beside),
                "changes_per_s": .number(made),
            ]))
    }
}
