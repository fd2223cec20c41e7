import Foundation
import HilumCore
import HilumIndex
import LMDB

/// An index on disk for the benchmark, without the cases, ids and checks of an archive: the vectors, and a checkpoint of codes and
/// links.
///
/// | table | key | value, after a CRC-32C over table, key and value but in `meta` |
/// | --- | --- | --- |
/// | `meta` | `dimension`, `precision`, `linked`, `link bytes`, `quantizer` | numbers u64; the quantizer's bytes |
/// | `vectors` | number of the first | f32 rows of one commit, up to 256 KiB |
/// | `codes`, `residuals` | piece | rows of codes and of their second levels (8 bits only) |
/// | `links` | piece | up to 256 KiB of the links |
///
/// A vector is acknowledged when its transaction is on disk; what the checkpoint lacks is linked when the store opens.
final class BenchStore {
    private static let tables = ["meta", "vectors", "codes", "residuals", "links"]
    private static let pieceByteCount = 1 << 18

    private let environment: Environment
    private(set) var index: HNSWIndex
    /// Vectors on disk; the number of the next.
    private(set) var count: Int

    // MARK: Making

    /// Writes vectors and checkpoint; each commit is on disk when this returns.
    static func save(_ index: HNSWIndex, _ base: FloatVectors, to path: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        var options = Environment.Options(mode: .create)
        options.mapSizeInBytes = max(64 << 20, base.values.count * 8)
        let environment = try Environment(path: path, tables: tables, options: options)
        defer { environment.close() }
        let rowByteCount = 4 * base.dimension
        let group = max(1, pieceByteCount / rowByteCount)
        try base.values.withUnsafeBytes { raw in
            for first in stride(from: 0, to: base.count, by: 256 * group) {
                try environment.write { transaction in
                    for start in stride(from: first, to: min(first + 256 * group, base.count), by: group) {
                        let range = (start * rowByteCount)..<(min(start + group, base.count) * rowByteCount)
                        try put(transaction, environment.table("vectors"), UInt64(start), rebasing: raw[range])
                    }
                }
            }
        }
        try environment.write { transaction in
            if index.precision == .i8 {
                for piece in 0..<index.codePieceCount {
                    try index.withCodePiece(piece) {
                        try put(transaction, environment.table("codes"), UInt64(piece), rebasing: $0[...])
                    }
                }
                for piece in 0..<index.residualPieceCount {
                    try index.withResidualPiece(piece) {
                        try put(transaction, environment.table("residuals"), UInt64(piece), rebasing: $0[...])
                    }
                }
            }
            let links = index.serializeLinks()
            try links.withUnsafeBytes { raw in
                for (piece, start) in stride(from: 0, to: raw.count, by: pieceByteCount).enumerated() {
                    let range = start..<min(start + pieceByteCount, raw.count)
                    try put(transaction, environment.table("links"), UInt64(piece), rebasing: raw[range])
                }
            }
            let meta = environment.table("meta")
            try transaction.put(meta, "dimension", bytes(UInt64(index.dimension)))
            try transaction.put(meta, "linked", bytes(UInt64(base.count)))
            try transaction.put(meta, "link bytes", bytes(UInt64(links.count)))
            try transaction.put(meta, "precision", Array(index.precision.rawValue.utf8))
            if let quantizer = index.quantizer { try transaction.put(meta, "quantizer", quantizer.encoded) }
        }
    }

    private static func bytes(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    private static func put(
        _ transaction: borrowing WriteTransaction, _ table: Table, _ key: UInt64,
        rebasing slice: UnsafeRawBufferPointer.SubSequence
    ) throws {
        let payload = UnsafeRawBufferPointer(rebasing: slice)
        var value = [UInt8]()
        value.reserveCapacity(4 + payload.count)
        withUnsafeBytes(of: checksum(table, key, payload).littleEndian) { value.append(contentsOf: $0) }
        value.append(contentsOf: payload)
        try transaction.put(table, key, value, rule: .appending)
    }

    /// Over table and key too, so that values which changed places are noticed.
    private static func checksum(_ table: Table, _ key: UInt64, _ payload: UnsafeRawBufferPointer) -> UInt32 {
        var sum = Array(table.name.utf8).withUnsafeBytes { CRC32C.checksum($0) }
        sum = withUnsafeBytes(of: key.littleEndian) { CRC32C.checksum($0, continuing: sum) }
        return CRC32C.checksum(payload, continuing: sum)
    }

    // MARK: Opening

    /// - Parameters:
    ///   - mode: `.readWrite` for `insert`.
    ///   - isLean: holds codes and links alone; `search` then orders hits by the vectors in the store.
    init(
        _ path: String, metric: Metric, precision: Precision, mode: Environment.Mode = .readOnly, isLean: Bool = false
    ) throws {
        var options = Environment.Options(mode: mode)
        // Codes come by a fetcher; vectors, which take their place otherwise, through the map.
        options.readsAround = precision != .i8
        let environment = try Environment(path: path, tables: Self.tables, options: options)
        self.environment = environment
        let fetchers = try (PageFetcher(environment), PageFetcher(environment))
        let (index, linked, fresh) = try environment.read { transaction in
            let dimension = try Self.number(transaction, environment, "dimension")
            let linked = try Self.number(transaction, environment, "linked")
            let index = try Self.restored(
                transaction, environment, fetchers, dimension, linked, metric, precision, isLean)
            var fresh: [Float] = []
            // What was saved with the links ends with a group, and later ones begin there.
            try Self.forEachGroup(transaction, environment, from: linked) { _, rows in
                for offset in stride(from: 0, to: rows.count, by: 4) {
                    fresh.append(rows.loadUnaligned(fromByteOffset: offset, as: Float.self))
                }
            }
            return (index, linked, fresh)
        }
        // Linking may read residuals, in a transaction of its own.
        self.index = index
        count = linked + fresh.count / index.dimension
        try fresh.withUnsafeBufferPointer {
            try index.insertBatch($0, items: (UInt32(linked)..<UInt32(count)).map { $0 })
        }
    }

    private static func restored(
        _ transaction: borrowing ReadTransaction, _ environment: Environment, _ fetchers: (PageFetcher, PageFetcher),
        _ dimension: Int, _ linked: Int, _ metric: Metric, _ precision: Precision, _ isLean: Bool
    ) throws -> HNSWIndex {
        let fetcher = fetchers.0
        if precision == .i8, let stored = try transaction.get(environment.table("meta"), "quantizer") {
            // Safety: the index asks for one piece of the residuals at a time.
            nonisolated(unsafe) let residualFetcher = fetchers.1
            let residuals: HNSWIndex.ResidualReader = { piece, use in
                try residualPiece(piece, environment, residualFetcher, use)
                return true
            }
            return try HNSWIndex(
                restoring: number(transaction, environment, "link bytes"),
                links: { piece in
                    try value(transaction, environment.table("links"), UInt64(piece), fetcher) { [UInt8]($0) } ?? []
                }, dimension: dimension, metric: metric,
                quantizer: ScalarQuantizer(decoding: stored),
                codes: { piece, use in
                    let found: Void? = try value(transaction, environment.table("codes"), UInt64(piece), fetcher, use)
                    guard found != nil else { throw BenchError("a piece of the codes is missing") }
                },
                residuals: isLean ? nil : residuals, isThere: { $0 < linked })
        }
        var vectors = [Float](repeating: 0, count: linked * dimension)
        try forEachGroup(transaction, environment, from: 0) { first, rows in
            vectors.withUnsafeMutableBytes { target in
                let start = first * dimension * 4
                guard start < target.count else { return }
                let end = min(start + rows.count, target.count)
                UnsafeMutableRawBufferPointer(rebasing: target[start..<end])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: rows[..<(end - start)]))
            }
        }
        return try HNSWIndex(
            restoring: links(transaction, environment, fetcher), dimension: dimension, metric: metric,
            precision: precision,
            quantizer: vectors.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: dimension) }
        ) { item, buffer in
            guard item < linked else { return false }
            let start = Int(item) * dimension
            _ = buffer.update(fromContentsOf: vectors[start..<(start + dimension)])
            return true
        }
    }

    private static func residualPiece(
        _ piece: Int, _ environment: Environment, _ fetcher: PageFetcher,
        _ use: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try environment.read { transaction in
            let found: Void? = try value(
                transaction, environment.table("residuals"), UInt64(piece), fetcher, isInOrder: false, use)
            guard found != nil else { throw BenchError("a piece of the residuals is missing") }
        }
    }

    private static func links(
        _ transaction: borrowing ReadTransaction, _ environment: Environment, _ fetcher: PageFetcher
    ) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var piece: UInt64 = 0
        while try value(transaction, environment.table("links"), piece, fetcher, { bytes.append(contentsOf: $0) })
            != nil
        {
            piece += 1
        }
        return bytes
    }

    private static func number(
        _ transaction: borrowing ReadTransaction, _ environment: Environment, _ key: String
    ) throws -> Int {
        guard let bytes = try transaction.get(environment.table("meta"), key), bytes.count == 8 else {
            throw BenchError("no \(key) is stored; build the index again")
        }
        return bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
    }

    /// Lends a value after checking it.
    ///
    /// - Parameter fetcher: brings it from the disk together with those that follow, for a table that is read in order.
    private static func value<Result>(
        _ transaction: borrowing ReadTransaction, _ table: Table, _ key: UInt64, _ fetcher: PageFetcher,
        isInOrder: Bool = true, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        let group: UInt64 = isInOrder ? 2 : 1
        if key % group == 0 {
            var values: [UnsafeRawBufferPointer] = []
            for later in key..<(key + group) {
                // Safety: the address of a value holds as long as the transaction, and is not read through here.
                _ = try transaction.get(table, later) { values.append($0) }
            }
            fetcher.fetch(values)
        }
        return try transaction.get(table, key) { bytes in
            try body(checked(table, key, fetcher.copy(of: bytes) ?? bytes))
        }
    }

    private static func checked(
        _ table: Table, _ key: UInt64, _ bytes: UnsafeRawBufferPointer
    ) throws -> UnsafeRawBufferPointer {
        guard bytes.count >= 4 else { throw BenchError("a value is cut off") }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[4...])
        guard checksum(table, key, payload) == UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)) else {
            throw BenchError("a value has a wrong checksum")
        }
        return payload
    }

    /// Calls `body` with the groups of vectors from the one that begins with number `start`; no page of those before is touched.
    private static func forEachGroup(
        _ transaction: borrowing ReadTransaction, _ environment: Environment, from start: Int,
        _ body: (_ first: Int, _ rows: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let table = environment.table("vectors")
        try transaction.forEach(table, from: UInt64(start)) { key, bytes in
            guard let first = UInt64(keyBytes: key) else { throw BenchError("a vector is malformed") }
            try body(Int(first), checked(table, first, bytes))
            return true
        }
    }

    // MARK: Searching

    /// The `k` nearest by the vectors in the store's pages, of those that codes say are near.
    func search(_ query: UnsafeBufferPointer<Float>, k: Int, ef: Int) throws -> SearchResult {
        let wanted = 2 * k + 16
        var result = try index.search(query, k: wanted, ef: max(ef, wanted))
        let dimension = index.dimension
        try environment.read { transaction in
            for place in result.hits.indices {
                let item = Int(result.hits[place].item)
                let first = item / groupCount * groupCount
                let found: Void? = try transaction.get(environment.table("vectors"), UInt64(first)) { bytes in
                    let start = 4 + 4 * dimension * (item - first)
                    guard start + 4 * dimension <= bytes.count else { throw BenchError("a vector is missing") }
                    var sum: Float = 0
                    for index in 0..<dimension {
                        let value = bytes.loadUnaligned(fromByteOffset: start + 4 * index, as: Float.self)
                        sum +=
                            isCosine ? value * query[index] : (value - query[index]) * (value - query[index])
                    }
                    result.hits[place].distance = isCosine ? 1 - sum : sum
                }
                guard found != nil else { throw BenchError("a vector is missing") }
            }
        }
        result.hits.sort { ($0.distance, $0.item) < ($1.distance, $1.item) }
        result.hits.removeLast(max(0, result.hits.count - k))
        return result
    }

    private var isCosine: Bool { index.metric == .cosine }

    /// Vectors in one value of those that were saved with the index.
    private var groupCount: Int { max(1, Self.pieceByteCount / (4 * index.dimension)) }

    // MARK: Inserting

    /// Stores vectors in one transaction, then links them; they are on disk when this returns.
    ///
    /// - Parameter rows: `[n, dimension]`.
    func insert(_ rows: UnsafeBufferPointer<Float>, threads: Int = 1) throws {
        let added = rows.count / index.dimension
        try environment.write { transaction in
            try Self.put(
                transaction, environment.table("vectors"), UInt64(count), rebasing: UnsafeRawBufferPointer(rows)[...])
        }
        try index.insertBatch(
            rows, items: (UInt32(count)..<UInt32(count + added)).map { $0 }, threads: threads)
        count += added
    }

    func close() { environment.close() }

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
