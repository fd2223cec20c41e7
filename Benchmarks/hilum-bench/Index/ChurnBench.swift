import Foundation
import HilumCore
import HilumIndex
import Synchronization

/// Measures what deletions and insertions do to an index: each round deletes half of it and inserts it again. Then searches run
/// beside a writer.
struct ChurnBench {
    static let usage = """
        usage: hilum-bench churn (--base B.fvecs --query Q.fvecs | --templated N [--dimension 128]) [--metric cos] [--rounds 5]
                 [--operations N] [--threads 2] [--precision i8] [--seed 1]
        Lines: fresh and one a round (recall@10 at ef 64 against an exact scan, violations of soundness, bytes, and missed: vectors
        that their own search at ef 64 does not find), then the rate of searches alone and beside a writer.
        --templated   N made vectors instead of files: crowds like those of templated reports beside small clusters far from them
        --operations  that many single changes after the rounds, 41 in 100 of them deletions; missed before and after mendUnfound

        """

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments,
            values: [
                "base", "query", "metric", "rounds", "threads", "precision", "seed", "templated", "dimension",
                "operations",
            ], flags: [])
    }

    func run() throws {
        let metric: Metric = options.text("metric") == "l2" ? .squaredEuclidean : .cosine
        guard let precision = CodePrecision(rawValue: options.text("precision") ?? "i8") else {
            throw BenchError("unknown precision; use f32, bf16 or i8")
        }
        let threads = try options.count("threads", 2)
        let (base, queries) = try vectors(metric)
        let index = try HNSWIndex(
            dimension: base.dimension, metric: metric, precision: precision,
            quantizer: base.values.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: base.dimension) })
        let items = (0..<UInt32(base.count)).map { $0 }
        let start = monotonicSeconds()
        try base.values.withUnsafeBufferPointer { try index.insertBatch($0, items: items, threads: threads) }
        say(AnnBench.line(["event": .text("build"), "build_s": .number(monotonicSeconds() - start)]))
        // The tenth nearest distance of each query. It is the same after each round, because the vectors are.
        let bounds = try (0..<queries.count).map { row in
            try queries.withRow(row) { try index.exactSearch($0, k: AnnBench.k).hits.last?.distance ?? 0 }
        }
        try report("fresh", 0, index, base, queries, bounds)
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
            try report("round", round, index, base, queries, bounds)
        }
        try operate(index, base, threads)
        try searchBesideAWriter(index, base, queries)
    }

    /// Prints a line at once, also into a file: a run takes minutes, and a file would get nothing before its end.
    private func say(_ line: String) {
        print(line)
        fflush(nil)
    }

    private func path(_ name: String) throws -> String {
        guard let value = options.text(name) else { throw BenchError("--\(name) is needed") }
        return value
    }

    private func vectors(_ metric: Metric) throws -> (base: FloatVectors, queries: FloatVectors) {
        guard options.text("templated") != nil else {
            return try (
                FloatVectors(path: path("base"), unit: metric == .cosine),
                FloatVectors(path: path("query"), unit: metric == .cosine)
            )
        }
        let count = try options.count("templated", 0)
        let all = TemplatedVectors.make(
            count: count + 500, dimension: try options.count("dimension", 128),
            seed: UInt64(try options.count("seed", 1)))
        return (all.rows(0..<count), all.rows(count..<(count + 500)))
    }

    /// Changes one by one, and what they leave unfound.
    private func operate(_ index: HNSWIndex, _ base: FloatVectors, _ threads: Int) throws {
        let count = try options.count("operations", 0)
        guard count > 0 else { return }
        var generator = SeededGenerator(seed: 41)
        let start = monotonicSeconds()
        for _ in 0..<count {
            let item = UInt32(generator.integer(below: base.count))
            if generator.chance(0.41) {
                index.remove(item: item)
            } else {
                let row = generator.chance(0.8) ? Int(item) : generator.integer(below: base.count)
                try base.withRow(row) { try index.insert($0, item: item) }
            }
        }
        let changed = monotonicSeconds()
        let before = try missedCount(index, base.count)
        let mending = monotonicSeconds()
        let mended = index.mendUnfound(threads: threads)
        let took = monotonicSeconds() - mending
        say(
            AnnBench.line([
                "event": .text("operations"), "count": .integer(count), "items": .integer(index.count),
                "per_s": .number(Double(count) / (changed - start)), "missed_before": .integer(before),
                "mended": .integer(mended), "mend_s": .number(took),
                "missed": .integer(try missedCount(index, base.count)),
                "violations": .integer(index.validate().count),
            ]))
    }

    /// Items whose vector a search at ef 64 does not find, nor one as near.
    private func missedCount(_ index: HNSWIndex, _ itemCount: Int) throws -> Int {
        var missed = 0
        for item in 0..<UInt32(itemCount) {
            guard let vector = index.vector(of: item) else { continue }
            let hits = try vector.withUnsafeBufferPointer { try index.search($0, k: AnnBench.k, ef: 64).hits }
            if (hits.first?.distance ?? 1) >= 1e-4 { missed += 1 }
        }
        return missed
    }

    private func report(
        _ event: String, _ round: Int, _ index: HNSWIndex, _ base: FloatVectors, _ queries: FloatVectors,
        _ bounds: [Float]
    ) throws {
        var found = 0
        for row in 0..<queries.count {
            try queries.withRow(row) { query in
                let hits = try index.search(query, k: AnnBench.k, ef: 64).hits
                found += hits.count { $0.distance <= bounds[row] + 1e-6 }
            }
        }
        say(
            AnnBench.line([
                "event": .text(event), "round": .integer(round), "violations": .integer(index.validate().count),
                "recall10": .number(Double(found) / Double(queries.count * AnnBench.k)),
                "missed": .integer(try missedCount(index, base.count)),
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
        say(
            AnnBench.line([
                "event": .text("beside"), "alone_qps": .number(alone), "beside_qps": .number(beside),
                "changes_per_s": .number(made),
            ]))
    }
}
