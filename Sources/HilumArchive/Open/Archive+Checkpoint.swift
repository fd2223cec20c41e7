import Foundation
import HilumCore
import HilumIndex
import HilumMCR
import LMDB

/// What `Archive.init` found in the store.
final class Opened {
    let store: Store
    let modelID: String?
    let dimension: Int?
    let graphs: Graphs?
    let attributes: Attributes
    let progress: Archive.Counters
    private var lock: WriterLock?

    init(
        store: Store, modelID: String?, dimension: Int?, graphs: Graphs?, attributes: Attributes,
        progress: Archive.Counters, lock: consuming WriterLock?
    ) {
        self.store = store
        self.modelID = modelID
        self.dimension = dimension
        self.graphs = graphs
        self.attributes = attributes
        self.progress = progress
        self.lock = lock
    }

    func takeLock() -> WriterLock? { lock.take() }
}

/// Where the links of one graph lie in the table `graphs`, and how far they go.
///
///     0 slot (1) · 1 cases below this number are in the links (4) · 5 bytes (8) · 13 CRC-32C of all of them (4)
private struct CheckpointHead {
    var slot: UInt8
    var watermark: UInt32
    var byteCount: Int
    var checksum: UInt32

    /// With the header of a page (16) and the checksum (4) a piece fills sixteen pages of 4 KiB.
    static let pieceByteCount = (64 << 10) - 20

    var pieceCount: Int { (byteCount + Self.pieceByteCount - 1) / Self.pieceByteCount }

    static func name(_ kind: VectorKind) -> String { "checkpoint.\(kind.rawValue)" }

    /// The key of a piece: graph and slot in the first byte, then the piece's number.
    static func key(_ kind: VectorKind, slot: UInt8, piece: Int) -> UInt64 {
        (UInt64(kind == .image ? 0 : 2) + UInt64(slot)) << 56 | UInt64(piece)
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(slot)
        writer.integer(watermark)
        writer.integer(UInt64(byteCount))
        writer.integer(checksum)
        return writer.bytes
    }

    init(slot: UInt8, watermark: UInt32, links: [UInt8]) {
        self.slot = slot
        self.watermark = watermark
        byteCount = links.count
        checksum = links.withUnsafeBytes { CRC32C.checksum($0) }
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws {
        var reader = ByteReader(bytes)
        slot = try reader.byte() & 1
        watermark = try reader.integer()
        byteCount = Int(truncatingIfNeeded: try reader.integer(UInt64.self)) & 0xFF_FFFF_FFFF
        checksum = try reader.integer()
    }
}

extension Archive {
    // MARK: Loading

    /// Reads everything that searches need into memory.
    static func load(
        _ store: Store, mode: Mode, embedder: (any Embedder)?, options: Options, lock: consuming WriterLock?
    ) throws -> Opened {
        try checkFormat(store)
        let (modelID, dimension) = try settleModel(store, mode: mode, embedder: embedder)
        var attributes = Attributes()
        var tables = VectorKind.allCases.map { _ in VectorTable(dimension: dimension ?? 0) }
        var links: [[UInt8]] = [[], []]
        var progress = Counters(nextNumber: 1, deletions: 0)
        // One snapshot for all of it.
        try store.environment.read { transaction in
            guard let next = UInt32(exactly: try store.integer(transaction, .next) ?? 0), next > 0 else {
                throw store.damaged("the next case number is missing")
            }
            progress.nextNumber = next
            progress.deletions = try store.integer(transaction, .deletions) ?? 0
            try store.forEachCase(transaction) { attributes.insert($0, $1) }
            try checkIDs(store, transaction, attributes)
            guard let dimension else { return }
            for (place, kind) in VectorKind.allCases.enumerated() {
                let count = attributes.with(kind).count
                tables[place].numbers.reserveCapacity(count)
                tables[place].values.reserveCapacity(count * dimension)
                try store.forEachVector(transaction, kind, dimension: dimension) { number, vector in
                    tables[place].numbers.append(number)
                    tables[place].values += vector
                    return true
                }
                guard tables[place].numbers.count == count,
                    tables[place].numbers.allSatisfy({ attributes.with(kind).contains($0) })
                else { throw store.damaged("cases and \(kind.rawValue) vectors do not belong together") }
                if let (head, bytes) = readCheckpoint(store, transaction, kind) {
                    links[place] = bytes
                    progress.checkpoint = head.watermark
                }
            }
        }
        let graphs = try dimension.map { dimension in
            try link(tables, links, dimension: dimension, options: options, progress: &progress)
        }
        return Opened(
            store: store, modelID: modelID, dimension: dimension, graphs: graphs, attributes: attributes,
            progress: progress, lock: lock)
    }

    /// A damaged id would make its case look as if it were not there.
    private static func checkIDs(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ attributes: Attributes
    ) throws {
        var count = 0
        var areKnown = true
        try store.forEach(transaction, .ids) { _, payload in
            count += 1
            let number = try store.number(payload)
            areKnown = areKnown && attributes.live.contains(number)
            return true
        }
        guard areKnown, count == attributes.live.count else {
            throw store.damaged("cases and ids do not belong together")
        }
    }

    private static func checkFormat(_ store: Store) throws {
        let format = try store.environment.read { try store.integer($0, .format) }
        guard let format else {
            throw ArchiveError(
                .damaged, "\(store.path): the archive was not made to the end; remove the folder and make it again")
        }
        guard format == Store.formatVersion else {
            throw ArchiveError(
                .stale,
                "\(store.path): the archive has format \(format), this program reads \(Store.formatVersion); use a newer one"
            )
        }
    }

    /// Vectors belong to a model: the first embedder that opens the archive for writing names it, and others are refused.
    private static func settleModel(
        _ store: Store, mode: Mode, embedder: (any Embedder)?
    ) throws -> (String?, Int?) {
        let (model, dimension) = try store.environment.read { transaction in
            (try store.text(transaction, .model), try store.integer(transaction, .dimension))
        }
        if let model, let dimension {
            guard (1...65_536).contains(dimension) else { throw store.damaged("the dimension is \(dimension)") }
            guard let embedder, embedder.modelID != model || embedder.dimension != dimension else {
                return (model, dimension)
            }
            throw ArchiveError(
                .stale,
                "\(store.path): the vectors belong to the model \(model.prefix(12)), not to \(embedder.modelID.prefix(12)); "
                    + "use the archive's own model (\(store.path)/model)")
        }
        guard let embedder else { return (nil, nil) }
        if mode == .readWrite {
            try store.environment.write { transaction in
                try store.set(transaction, .model, embedder.modelID)
                try store.set(transaction, .dimension, embedder.dimension)
            }
        }
        return (embedder.modelID, embedder.dimension)
    }

    /// The links of a graph; nil when there are none or they are damaged: they can be made again.
    private static func readCheckpoint(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ kind: VectorKind
    ) -> (CheckpointHead, [UInt8])? {
        do {
            let found = try store.get(transaction, .meta, CheckpointHead.name(kind)) {
                try CheckpointHead(decoding: $0)
            }
            guard let head = found else { return nil }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(head.byteCount)
            for piece in 0..<head.pieceCount {
                let key = CheckpointHead.key(kind, slot: head.slot, piece: piece)
                let found: Void? = try store.get(transaction, .graphs, key) { bytes.append(contentsOf: $0) }
                guard found != nil else { throw ArchiveError(.damaged, "a piece is missing") }
            }
            guard bytes.count == head.byteCount, bytes.withUnsafeBytes({ CRC32C.checksum($0) }) == head.checksum else {
                throw ArchiveError(.damaged, "the checksum is wrong")
            }
            return (head, bytes)
        } catch {
            Log.warning("the stored \(kind.rawValue) links cannot be used and are made again: \(error)")
            return nil
        }
    }

    /// Restores both graphs from their links and links the vectors that these lack.
    private static func link(
        _ tables: [VectorTable], _ links: [[UInt8]], dimension: Int, options: Options, progress: inout Counters
    ) throws -> Graphs {
        let kinds = Array(zip(VectorKind.allCases, zip(tables, links)).map { ($0, $1.0, $1.1) })
        let threads = max(1, defaultThreadCount / 2)
        let made = parallelMap(kinds, threads: 2) { kind, table, links -> Result<(HNSWIndex, Int), any Error> in
            Result {
                var index: HNSWIndex?
                let quantizer = table.numbers.count >= options.vectorsForCodes ? table.quantizer : nil
                if !links.isEmpty {
                    do { index = try restore(links, table, quantizer) } catch {
                        Log.warning("the stored \(kind.rawValue) links cannot be used and are made again: \(error)")
                    }
                }
                let whole =
                    try index
                    ?? HNSWIndex(
                        dimension: dimension, metric: .cosine, parameters: options.graph,
                        precision: quantizer == nil ? .f32 : .i8, quantizer: quantizer)
                let count = try table.insertMissing(into: whole, threads: threads)
                return (whole, count)
            }
        }
        let (image, imageCount) = try made[0].get()
        let (report, reportCount) = try made[1].get()
        progress.changesSinceCheckpoint = imageCount + reportCount
        if imageCount + reportCount > 0 {
            Log.debug("linked \(imageCount) image and \(reportCount) report vectors that the stored links lacked")
        }
        return Graphs(image: image, report: report)
    }

    /// Links of vectors that were deleted since are repaired by the index itself.
    private static func restore(
        _ links: [UInt8], _ table: VectorTable, _ quantizer: ScalarQuantizer?
    ) throws -> HNSWIndex {
        try HNSWIndex(
            restoring: links, dimension: table.dimension, metric: .cosine, precision: quantizer == nil ? .f32 : .i8,
            quantizer: quantizer
        ) { item, buffer in
            guard let row = table.row(of: item) else { return false }
            let start = row * table.dimension
            _ = buffer.update(fromContentsOf: table.values[start..<(start + table.dimension)])
            return true
        }
    }

    // MARK: Writing

    /// Writes the links of both graphs, so that the next start need not make them.
    ///
    /// - Throws: `.readOnly`, `.io`.
    public func writeCheckpoint() throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        writing.lock()
        defer { writing.unlock() }
        try writeCheckpointWhileWriting()
    }

    /// The caller holds `writing`, so the graphs do not change.
    ///
    /// The pieces go into the slot that is not in use, in transactions of 16 MiB; the last one names the new slot and clears
    /// the old. A stop in between leaves the old links valid.
    func writeCheckpointWhileWriting() throws {
        guard let graphs, progress.withLock({ $0.changesSinceCheckpoint > 0 && !$0.isClosed }) else { return }
        try withArchiveErrors {
            let watermark = progress.withLock { $0.nextNumber }
            var heads: [(VectorKind, CheckpointHead)] = []
            for kind in VectorKind.allCases {
                let links = graphs[kind].serializeLinks()
                let old = try? store.environment.read { transaction in
                    try store.get(transaction, .meta, CheckpointHead.name(kind)) { try CheckpointHead(decoding: $0) }
                }
                let head = CheckpointHead(slot: 1 - (old?.slot ?? 1), watermark: watermark, links: links)
                heads.append((kind, head))
                try clearSlot(kind, head.slot)
                let group = 256
                for first in stride(from: 0, to: head.pieceCount, by: group) {
                    try store.environment.write { transaction in
                        for piece in first..<min(first + group, head.pieceCount) {
                            let start = piece * CheckpointHead.pieceByteCount
                            let end = min(start + CheckpointHead.pieceByteCount, links.count)
                            try links[start..<end].withUnsafeBytes {
                                try store.put(
                                    transaction, .graphs, CheckpointHead.key(kind, slot: head.slot, piece: piece), $0)
                            }
                        }
                    }
                }
            }
            try store.environment.write { transaction in
                for (kind, head) in heads {
                    try store.put(transaction, .meta, CheckpointHead.name(kind), head.encoded())
                }
            }
            for (kind, head) in heads { try clearSlot(kind, 1 - head.slot) }
            progress.withLock { progress in
                progress.checkpoint = watermark
                progress.changesSinceCheckpoint = 0
            }
        }
    }

    private func clearSlot(_ kind: VectorKind, _ slot: UInt8) throws {
        let keys = try store.environment.read { transaction in
            var keys: [UInt64] = []
            let first = CheckpointHead.key(kind, slot: slot, piece: 0)
            try transaction.forEach(store.table(.graphs), from: first) { key, _ in
                guard let number = UInt64(keyBytes: key), number >> 56 == first >> 56 else { return false }
                keys.append(number)
                return true
            }
            return keys
        }
        guard !keys.isEmpty else { return }
        try store.environment.write { transaction in
            for key in keys { try transaction.delete(store.table(.graphs), key) }
        }
    }
}
