import HilumCore
import HilumIndex
import LMDB

/// Brings an archive of format 1 to the present one, in place.
///
/// Format 1 stored links only, in two slots per graph, and read all vectors and all cases at each start. The upgrade writes a checkpoint,
/// and one transaction makes it valid together with the new number of the format. A crash before that leaves format 1; nothing is left
/// to do after it. Entries of cases keep their layout until they are written again.
///
/// Thread rule: the one writer.
struct FormatUpgrade {
    let store: Store
    private var options: Archive.Options

    init(store: Store, options: Archive.Options) {
        self.store = store
        self.options = options
        // Also where whoever opens the archive wants none: they are what is written.
        self.options.keepsGraphs = true
    }

    /// Upgrades the archive.
    ///
    /// - Throws: `.damaged`, `.io`; the archive is then as it was before.
    func run() throws {
        Log.info("upgrading the archive to format \(Store.formatVersion)")
        let opening = try store.environment.read { transaction in
            Opening(store: store, options: options, dimension: try store.integer(transaction, .dimension))
        }
        let (graphs, attributes, progress, keys) = try load(opening)
        let checkpoint = Checkpoint(
            store: store, generation: opening.generation, groupByteCount: options.checkpointGroupByteCount)
        _ = try checkpoint.write(
            graphs?.byKind ?? [:], attributes, watermark: progress.nextNumber, old: nil
        ) { transaction in
            for key in keys { try transaction.delete(store.table(.graphs), key) }
            for kind in VectorKind.allCases { try transaction.delete(store.table(.meta), OldHead.name(kind)) }
            try store.set(transaction, .format, Store.formatVersion)
        }
    }

    /// Where the links of one graph lie in format 1, entry `checkpoint.image` or `checkpoint.report` of `meta`:
    ///
    ///     0 slot (1) · 1 cases below this number are in the links (4) · 5 bytes (8) · 13 CRC-32C of all of them (4)
    ///
    /// Key of a piece of 64 KiB − 20: graph and slot in the first byte, then its number.
    private struct OldHead {
        static let pieceByteCount = (64 << 10) - 20

        let slot: UInt8
        let byteCount: Int

        static func name(_ kind: VectorKind) -> String { "checkpoint.\(kind.rawValue)" }

        func key(_ kind: VectorKind, piece: Int) -> UInt64 {
            (UInt64(kind == .image ? 0 : 2) + UInt64(slot)) << 56 | UInt64(piece)
        }

        init(decoding bytes: UnsafeRawBufferPointer) throws {
            var reader = ByteReader(bytes)
            slot = try reader.byte() & 1
            _ = try reader.integer(UInt32.self)
            byteCount = Int(truncatingIfNeeded: try reader.integer(UInt64.self)) & 0xFF_FFFF_FFFF
            _ = try reader.integer(UInt32.self)
        }
    }

    private typealias State = (graphs: Graphs?, attributes: Attributes, progress: Archive.Counters, keys: [UInt64])

    /// Graphs, from the old links where those are sound, and attributes; and the keys of all pieces of the old format.
    private func load(_ opening: Opening) throws -> State {
        var keys: [UInt64] = []
        var links: [VectorKind: [UInt8]] = [:]
        try store.environment.read { transaction in
            try transaction.forEach(store.table(.graphs)) { key, _ in
                if let number = UInt64(keyBytes: key) { keys.append(number) }
                return true
            }
            for kind in VectorKind.allCases {
                do { links[kind] = try oldLinks(transaction, kind) } catch {
                    Log.warning("the stored \(kind.rawValue) links cannot be used and are made again: \(error)")
                }
            }
        }
        let loaded = try opening.rebuild(links: links)
        return (loaded.graphs, loaded.attributes, loaded.progress, keys)
    }

    /// The links of a graph; nil when there are none.
    private func oldLinks(_ transaction: borrowing ReadTransaction, _ kind: VectorKind) throws -> [UInt8]? {
        guard let head = try store.get(transaction, .meta, OldHead.name(kind), { try OldHead(decoding: $0) }) else {
            return nil
        }
        var bytes: [UInt8] = []
        var piece = 0
        while bytes.count < head.byteCount {
            let found: Void? = try store.get(transaction, .graphs, head.key(kind, piece: piece)) {
                bytes.append(contentsOf: $0)
            }
            guard found != nil else { throw CheckpointGone() }
            piece += 1
        }
        return bytes
    }
}
