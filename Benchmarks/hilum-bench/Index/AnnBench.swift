import Foundation
import HilumCore
import HilumIndex
import Synchronization

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// One phase of the nearest-neighbour benchmark: reads vectors from fvecs files and prints one JSON line per result.
struct AnnBench {
    static let usage = """
        usage: hilum-bench ann --phase build|search|open|insert|beside --base B.fvecs --query Q.fvecs --metric l2|cos --index PATH
                 [--gt G.ivecs] [--m 16] [--ef-construction 200] [--threads 1] [--seed 1] [--precision f32|bf16|i8]
                 [--ef 10,20,40] [--seconds 1.0] [--results DIR] [--filter MASK] [--lean yes]
        build   builds from the base and saves to PATH, an LMDB environment; search, open and insert load PATH
        search  --filter: a byte for each base vector, 0 or 1, and only those of 1 may be hits; --lean: codes and links alone are
                held, and hits are ordered by the vectors in the store's pages; --threads: so many ask at once, each its share
        open    open_ms: until the first answer; whole_ms: until everything that searches read is in memory
        insert  adds the query vectors to PATH, half of them one a commit, half 100 a commit; acknowledged when on disk; first_ms: the
                first, which waits for the check of all pages and for what changes need in memory, and is in no rate; floor_per_s:
                commits of one vector that link nothing, before and after; --ahead no: looks for places after a commit, not beside
        beside  the rate of searches at the first --ef (64) alone for --seconds and then beside a writer that adds vectors one a commit

        """

    static let k = 10
    let options: [String: String]

    init(_ arguments: [String]) throws {
        let known: Set = [
            "phase", "base", "query", "gt", "metric", "m", "ef-construction", "threads", "seed", "index", "precision",
            "ef", "seconds", "results", "filter", "lean", "ahead",
        ]
        var options: [String: String] = [:]
        var index = 0
        while index < arguments.count {
            let name = String(arguments[index].drop { $0 == "-" })
            guard arguments[index].hasPrefix("--"), known.contains(name) else {
                throw BenchError("unknown option \(arguments[index])")
            }
            guard index + 1 < arguments.count else { throw BenchError("\(arguments[index]) needs a value") }
            options[name] = arguments[index + 1]
            index += 2
        }
        self.options = options
    }

    func run() throws {
        switch try required("phase") {
        case "build": try build()
        case "search": try search()
        case "open": try open()
        case "insert": try insert()
        case "beside": try searchBesideInsertions()
        case let other: throw BenchError("unknown phase \(other); use build, search, open, insert or beside")
        }
    }

    // MARK: Options

    func required(_ name: String) throws -> String {
        guard let value = options[name] else { throw BenchError("--\(name) is needed") }
        return value
    }

    private func number(_ name: String, _ standard: Int) throws -> Int {
        guard let text = options[name] else { return standard }
        guard let value = Int(text), value > 0 else { throw BenchError("--\(name) needs a positive number") }
        return value
    }

    func metric() throws -> Metric {
        switch options["metric"] ?? "l2" {
        case "l2": .squaredEuclidean
        case "cos": .cosine
        case let other: throw BenchError("unknown metric \(other); use l2 or cos")
        }
    }

    func precision() throws -> CodePrecision {
        let text = options["precision"] ?? "i8"
        guard let precision = CodePrecision(rawValue: text) else {
            throw BenchError("unknown precision \(text); use f32, bf16 or i8")
        }
        return precision
    }

    func vectors(_ option: String) throws -> FloatVectors {
        let path = try required(option)
        return try FloatVectors(path: path, unit: metric() == .cosine)
    }

    // MARK: Phases

    private func build() throws {
        let base = try vectors("base")
        let index = try HNSWIndex(
            dimension: base.dimension, metric: metric(),
            parameters: HNSWParameters(
                m: number("m", 16), efConstruction: number("ef-construction", 200), seed: UInt64(number("seed", 1))),
            precision: precision(),
            quantizer: base.values.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: base.dimension) })
        let threads = try number("threads", 1)
        let baseResident = Self.status("VmRSS")
        let start = monotonicSeconds()
        try base.values.withUnsafeBufferPointer {
            try index.insertBatch($0, items: (0..<UInt32(base.count)).map { $0 }, threads: threads)
        }
        let built = monotonicSeconds()
        let path = try required("index")
        try BenchStore.save(index, base, to: path)
        let saved = monotonicSeconds()
        print(
            Self.line([
                "event": .text("build"), "threads": .integer(threads), "build_s": .number(built - start),
                "save_s": .number(saved - built), "index_bytes": .integer(BenchStore.byteCount(path)),
                "peak_rss_kb": .integer(Self.status("VmHWM")), "base_rss_kb": .integer(baseResident),
                "kernels": .text(index.kernelName),
            ]))
    }

    private func search() throws {
        let queries = try vectors("query")
        let residentBefore = Self.status("VmRSS")
        let isLean = options["lean"] == "yes"
        let store = try BenchStore(
            required("index"), dimension: queries.dimension, metric: metric(), precision: precision(), isLean: isLean)
        let index = store.index
        guard !isLean || options["filter"] == nil else { throw BenchError("--lean and --filter exclude each other") }
        let filter = try options["filter"].map { try Self.mask($0) }
        let threads = try number("threads", 1)
        guard threads == 1 || !isLean else { throw BenchError("--lean asks on one thread") }
        // Safety: the lean store is asked on one thread; the index may be on any.
        nonisolated(unsafe) let shared = store
        let find: Find = { query, ef in
            try isLean
                ? shared.search(query, k: Self.k, ef: ef) : index.search(query, k: Self.k, ef: ef, filter: filter)
        }
        let efs = (options["ef"] ?? "10,20,40,80,160").split(separator: ",").compactMap { Int($0) }
        guard let seconds = Double(options["seconds"] ?? "1.0") else { throw BenchError("--seconds needs a number") }
        for ef in efs {
            _ = try pass(queries, ef, threads, find)
            var best = Double.infinity
            var total = 0.0
            var last = Pass()
            while total < seconds {
                let start = monotonicSeconds()
                last = try pass(queries, ef, threads, find)
                let took = monotonicSeconds() - start
                best = min(best, took)
                total += took
            }
            let latencies = try singleLatencies(queries, ef, find)
            if let folder = options["results"] { try write(last.ids, to: "\(folder)/ef\(ef).ivecs") }
            print(
                Self.line([
                    "event": .text("search"), "ef": .integer(ef), "threads": .integer(threads),
                    "qps": .number(Double(queries.count) / best),
                    "p50_us": .number(latencies[latencies.count / 2] * 1e6),
                    "p99_us": .number(latencies[latencies.count * 99 / 100] * 1e6),
                    "peak_rss_kb": .integer(Self.status("VmHWM")), "anon_rss_kb": .integer(Self.status("RssAnon")),
                    "import_rss_kb": .integer(residentBefore),
                    "ndis": .number(Double(last.distanceCount) / Double(queries.count)),
                ]))
        }
    }

    private struct Pass {
        var ids: [Int32] = []
        var distanceCount = 0
    }

    private typealias Find = @Sendable (UnsafeBufferPointer<Float>, Int) throws -> SearchResult

    /// The items whose byte in the filter file is 1.
    private static func mask(_ path: String) throws -> ItemSet {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        return ItemSet(bytes.indices.filter { bytes[$0] == 1 }.map { UInt32($0) })
    }

    /// Asks all queries, on `threads` threads at once.
    private func pass(_ queries: FloatVectors, _ ef: Int, _ threads: Int, _ find: @escaping Find) throws -> Pass {
        guard threads > 1 else { return try pass(queries, 0..<queries.count, ef, find) }
        let shares = (0..<threads).map { (queries.count * $0 / threads)..<(queries.count * ($0 + 1) / threads) }
        let parts = Mutex([Result<Pass, any Error>?](repeating: nil, count: threads))
        parallelFor(threads, threads: threads) { share in
            let part = Result { try self.pass(queries, shares[share], ef, find) }
            parts.withLock { $0[share] = part }
        }
        return try parts.withLock { $0 }.reduce(into: Pass()) { sum, part in
            guard let part = try part?.get() else { return }
            sum.ids += part.ids
            sum.distanceCount += part.distanceCount
        }
    }

    private func pass(_ queries: FloatVectors, _ rows: Range<Int>, _ ef: Int, _ find: Find) throws -> Pass {
        var result = Pass()
        result.ids.reserveCapacity(rows.count * Self.k)
        for row in rows {
            let found = try queries.withRow(row) { try find($0, ef) }
            result.distanceCount += found.distanceCount
            for hit in found.hits { result.ids.append(Int32(hit.item)) }
            for _ in found.hits.count..<Self.k { result.ids.append(-1) }
        }
        return result
    }

    private func singleLatencies(_ queries: FloatVectors, _ ef: Int, _ find: Find) throws -> [Double] {
        var latencies: [Double] = []
        latencies.reserveCapacity(queries.count)
        try queries.forEach { query in
            let start = monotonicSeconds()
            _ = try find(query, ef)
            latencies.append(monotonicSeconds() - start)
        }
        return latencies.sorted()
    }

    private func write(_ ids: [Int32], to path: String) throws {
        var rows: [Int32] = []
        rows.reserveCapacity(ids.count / Self.k * (Self.k + 1))
        for first in stride(from: 0, to: ids.count, by: Self.k) {
            rows.append(Int32(Self.k))
            rows += ids[first..<(first + Self.k)]
        }
        try rows.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: path))
    }

    private func open() throws {
        let queries = try vectors("query")
        let start = monotonicSeconds()
        let store = try BenchStore(
            required("index"), dimension: queries.dimension, metric: metric(), precision: precision())
        let index = store.index
        let first = try queries.withRow(0) { try index.search($0, k: Self.k, ef: 100).hits.first }
        let took = monotonicSeconds() - start
        try index.fetchResiduals()
        let whole = monotonicSeconds() - start
        print(
            Self.line([
                "event": .text("open"), "open_ms": .number(took * 1000), "top1": .integer(Int(first?.item ?? 0)),
                "whole_ms": .number(whole * 1000),
            ]))
    }

    // MARK: Output

    enum Value {
        case text(String), integer(Int), number(Double), flag(Bool)

        /// Numbers have three decimals.
        var json: JSON {
            switch self {
            case .text(let text): .string(text)
            case .integer(let value): .integer(value)
            case .number(let value): .number(value, decimals: 3)
            case .flag(let value): .bool(value)
            }
        }
    }

    /// A JSON object on one line, "event" first.
    static func line(_ fields: [String: Value]) -> String {
        let names = fields.keys.sorted { ($0 != "event", $0) < ($1 != "event", $1) }
        return JSON.object(names.map { ($0, fields[$0]?.json ?? .null) }).text
    }

    /// A value of /proc/self/status in KiB; 0 if it is missing.
    static func status(_ key: String) -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
        for line in text.split(separator: "\n") where line.hasPrefix("\(key):") {
            return line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0
        }
        return 0
    }
}

private func < (left: (Bool, String), right: (Bool, String)) -> Bool {
    left.0 != right.0 ? !left.0 : left.1 < right.1
}
