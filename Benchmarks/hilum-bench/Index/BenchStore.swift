import Foundation
import HilumArchive
import HilumCore
import HilumIndex
import LMDB

/// A store of vectors alone for the benchmark: an archive's own store, graph and checkpoint, without cases.
///
/// A vector is acknowledged when its transaction is on disk; what the checkpoint lacks is linked when the store opens.
final class BenchStore {
    private static let generation: UInt32 = 1
    private static let kind = VectorKind.image

    private let store: Store
    private let graph: StoredGraph
    /// Vectors on disk; the number of the next.
    private(set) var count: Int
    /// Whether the places of new vectors are looked for while the disk writes them, as an archive does.
    var looksAhead = true

    var index: HNSWIndex { graph.index }

    // MARK: Making

    /// Writes vectors and checkpoint; all of it is on disk when this returns.
    static func save(_ index: HNSWIndex, _ base: FloatVectors, to path: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        let store = try Store(path: path, mode: .create, mapSizeInBytes: max(64 << 20, base.values.count * 8))
        defer { store.environment.close() }
        let rowsInTransaction = max(1, (16 << 20) / (4 * base.dimension))
        for first in stride(from: 0, to: base.count, by: rowsInTransaction) {
            try store.environment.write { transaction in
                for row in first..<min(first + rowsInTransaction, base.count) {
                    try store.putVector(
                        transaction, kind, VectorKey(generation: generation, item: UInt32(row)),
                        base.values[(row * base.dimension)..<((row + 1) * base.dimension)])
                }
            }
        }
        let graph = StoredGraph(index, kind, in: store, generation: generation, fittedCount: base.count)
        try Checkpoint(store: store, generation: generation).write([kind: graph], watermark: UInt32(base.count))
    }

    // MARK: Opening

    /// - Parameters:
    ///   - precision: of the vectors in memory where the store has no codes.
    ///   - mode: `.readWrite` for `insert`.
    ///   - isLean: holds codes and links alone; `search` then orders hits by the vectors in the store.
    init(
        _ path: String, dimension: Int, metric: Metric, precision: CodePrecision, mode: Environment.Mode = .readOnly,
        isLean: Bool = false
    ) throws {
        store = try Store(path: path, mode: mode, mapSizeInBytes: 64 << 20)
        let shape = StoredGraph.Shape(
            dimension: dimension, metric: metric, precision: precision == .i8 ? .f32 : precision, isLean: isLean)
        let (opened, linked, fresh) = try store.environment.read { [store] transaction in
            let checkpoint = Checkpoint(store: store, generation: Self.generation)
            guard let head = try checkpoint.head(transaction),
                let graph = try StoredGraph.open(
                    store, transaction, head, Self.kind, generation: Self.generation, shape,
                    isThere: { $0 < head.watermark })
            else { throw BenchError("\(path): no checkpoint is stored; build the index again") }
            var fresh: [Float] = []
            try store.forEachVector(
                transaction, Self.kind, generation: Self.generation, from: head.watermark, dimension: dimension
            ) { _, vector in
                fresh += vector
                return true
            }
            return (graph, Int(head.watermark), fresh)
        }
        graph = opened
        count = linked + fresh.count / dimension
        // As an archive does, so that the first change need not wait for it.
        if mode == .readWrite { store.environment.startVerification() }
        // Linking may read residuals, in a transaction of its own.
        try fresh.withUnsafeBufferPointer {
            try opened.index.insertBatch($0, items: (UInt32(linked)..<UInt32(count)).map { $0 })
        }
    }

    /// Bytes of codes and of links as they lie in the store.
    var codeAndLinkByteCounts: (codes: Int, links: Int) { graph.codeAndLinkByteCounts }

    /// Calls `body` with every vector in the order of the items.
    func forEachVector(_ body: ([Float]) -> Void) throws {
        try store.environment.read { transaction in
            try store.forEachVector(
                transaction, Self.kind, generation: Self.generation, dimension: index.dimension
            ) { _, vector in
                body(vector)
                return true
            }
        }
    }

    // MARK: Searching

    /// The `k` nearest vectors of a store that is not opened: its codes are compared as they are read.
    static func ask(
        _ path: String, _ query: [Float], metric: Metric, k: Int
    ) throws -> [(item: UInt32, distance: Float)] {
        let store = try Store(path: path, mode: .readOnly, mapSizeInBytes: 64 << 20)
        defer { store.environment.close() }
        return try store.environment.read { transaction in
            guard let head = try Checkpoint(store: store, generation: generation).head(transaction),
                let readers = try StoredGraph.scanReaders(store, transaction, head, kind, generation: generation)
            else { throw BenchError("\(path): no checkpoint with codes is stored; build the index again") }
            let scan = try StoredGraph.scan(
                store, transaction, head, kind, readers, metric: metric,
                StoredGraph.Question(query, count: 2 * k + 16, itemLimit: k, existing: ItemSet(0..<head.watermark)))
            var hits: [(item: UInt32, distance: Float)] = []
            for node in scan.nodes {
                let key = VectorKey(generation: generation, item: node.items[0])
                guard let vector = try store.vector(transaction, kind, key, dimension: query.count) else {
                    throw BenchError("a vector is missing")
                }
                let distance = distance(vector, query[...], metric)
                hits += node.items.map { ($0, distance) }
            }
            hits.sort { ($0.distance, $0.item) < ($1.distance, $1.item) }
            return Array(hits.prefix(k))
        }
    }

    private static func distance(
        _ vector: [Float], _ query: some Collection<Float>, _ metric: Metric
    ) -> Float {
        let isCosine = metric == .cosine
        var sum: Float = 0
        for (value, wanted) in zip(vector, query) {
            sum += isCosine ? value * wanted : (value - wanted) * (value - wanted)
        }
        return isCosine ? 1 - sum : sum
    }

    /// The `k` nearest by the vectors in the store, of those that codes say are near.
    func search(_ query: UnsafeBufferPointer<Float>, k: Int, ef: Int) throws -> SearchResult {
        let wanted = 2 * k + 16
        var result = try index.search(query, k: wanted, ef: max(ef, wanted))
        try store.environment.read { transaction in
            for place in result.hits.indices {
                let key = VectorKey(generation: Self.generation, item: result.hits[place].item)
                guard let vector = try store.vector(transaction, Self.kind, key, dimension: query.count) else {
                    throw BenchError("a vector is missing")
                }
                result.hits[place].distance = Self.distance(vector, query, index.metric)
            }
        }
        result.hits.sort { ($0.distance, $0.item) < ($1.distance, $1.item) }
        result.hits.removeLast(max(0, result.hits.count - k))
        return result
    }

    // MARK: Inserting

    /// Stores vectors in one transaction and links them, which begins while the disk writes, as in an archive; they are on disk when this
    /// returns.
    ///
    /// - Parameter rows: `[n, dimension]`.
    func insert(_ rows: UnsafeBufferPointer<Float>, threads: Int = 1) throws {
        let dimension = index.dimension
        let items = (UInt32(count)..<UInt32(count + rows.count / dimension)).map { $0 }
        var prepared: PreparedInsertion?
        defer { if let prepared { index.cancel(prepared) } }
        try store.environment.write { transaction in
            if let again = prepared { index.cancel(again) }
            prepared = nil
            for (row, item) in items.enumerated() {
                try store.putVector(
                    transaction, Self.kind, VectorKey(generation: Self.generation, item: item),
                    rows[(row * dimension)..<((row + 1) * dimension)])
            }
            if looksAhead { prepared = try index.prepareInsertion(rows, items: items) }
        }
        if let insertion = prepared {
            prepared = nil
            try index.finish(insertion, threads: threads)
        } else {
            try index.insertBatch(rows, items: items, threads: threads)
        }
        count += items.count
    }

    /// Stores the last vector again, which changes nothing and links nothing; how many seconds each commit took.
    func storeLastAgain(times: Int) throws -> [Double] {
        let key = VectorKey(generation: Self.generation, item: UInt32(count - 1))
        let vector = try store.environment.read {
            try store.vector($0, Self.kind, key, dimension: index.dimension)
        }
        guard let vector else { throw BenchError("the last vector is missing") }
        return try (0..<times).map { _ in
            let start = monotonicSeconds()
            try store.environment.write { try store.putVector($0, Self.kind, key, vector, rule: .replacing) }
            return monotonicSeconds() - start
        }
    }

    func close() { store.environment.close() }

    /// Bytes on disk of a folder or file.
    static func byteCount(_ path: String) -> Int {
        var total = 0
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        for name in names.isEmpty ? [""] : names {
            var status = stat()
            if stat(name.isEmpty ? path : "\(path)/\(name)", &status) == 0 { total += Int(status.st_blocks) * 512 }
        }
        return total
    }
}
