import HilumCore
import HilumIndex
import LMDB

/// Writes checkpoints: what searches need in memory, so that the next start reads it instead of making it again.
///
///     1  links, changed pieces of codes and residuals, changed postings, under a new epoch      several transactions
///     2  the head that names them, and no changes since                                         one transaction
///     3  the removal of pieces that the new head does not name                                  several transactions
///
/// A crash before 2 leaves the old checkpoint valid. A crash before 3 leaves pieces that the next checkpoint removes.
///
/// Thread rule: the one writer.
package struct Checkpoint {
    let store: Store
    let generation: UInt32
    private let groupByteCount: Int

    /// - Parameter groupByteCount: about how many bytes of pieces one transaction writes.
    package init(
        store: Store, generation: UInt32, groupByteCount: Int = Archive.Options().checkpointGroupByteCount
    ) {
        self.store = store
        self.generation = generation
        self.groupByteCount = groupByteCount
    }

    /// The head in the store; nil when there is none.
    package func head(_ transaction: borrowing some (Transaction & ~Copyable)) throws -> CheckpointHead? {
        try store.get(transaction, .meta, CheckpointHead.name(generation: generation)) {
            try CheckpointHead(decoding: $0)
        }
    }

    /// A checkpoint whose pieces are written and which is not valid yet.
    struct Prepared {
        let head: CheckpointHead
        fileprivate(set) var stored: [StoredPostings]
    }

    /// Writes the pieces of a checkpoint.
    ///
    /// - Parameters:
    ///   - watermark: cases below it are in graphs and attributes.
    ///   - attributes: the present ones, with the tables that changed loaded.
    func prepare(
        _ graphs: [VectorKind: StoredGraph], _ attributes: Attributes, watermark: UInt32, old: CheckpointHead?
    ) throws -> Prepared {
        var new = CheckpointHead()
        new.epoch = try ((old?.epoch ?? lastEpoch()) + 1) % PieceKey.epochLimit
        new.watermark = watermark
        for kind in VectorKind.allCases {
            new.graphs[kind] = try graphs[kind]?.save(epoch: new.epoch, groupByteCount: groupByteCount)
        }
        let stored = try write(attributes, into: &new)
        return Prepared(head: new, stored: stored)
    }

    /// Makes a checkpoint valid. The rows of `changes` have to go in the same transaction.
    func put(_ transaction: borrowing WriteTransaction, _ head: CheckpointHead) throws {
        try store.put(transaction, .meta, CheckpointHead.name(generation: generation), head.encoded())
    }

    /// Notes that a checkpoint is valid, and removes what the one before left.
    ///
    /// - Returns: the attributes, with the tables that were written noted.
    func settle(
        _ prepared: Prepared, _ graphs: [VectorKind: StoredGraph], _ attributes: Attributes
    ) -> Attributes {
        for kind in VectorKind.allCases { if let head = prepared.head.graphs[kind] { graphs[kind]?.noteSaved(head) } }
        var noted = attributes
        for postings in prepared.stored { noted.noteStored(postings.blob, postings.key, at: postings.location) }
        // The new checkpoint is valid, so nothing that goes wrong now may look as if it were not.
        do { try removeOthers(than: prepared.head, noted) } catch {
            Log.warning("old pieces of a checkpoint stay in the store until the next one: \(error)")
        }
        return noted
    }

    /// Writes a checkpoint and makes it valid.
    ///
    /// - Parameter alsoWrite: runs in the transaction that makes the checkpoint valid.
    /// - Returns: the head, and the tables that were written, which the caller notes in the attributes.
    func write(
        _ graphs: [VectorKind: StoredGraph], _ attributes: Attributes, watermark: UInt32, old: CheckpointHead?,
        alsoWrite: (borrowing WriteTransaction) throws -> Void = { _ in }
    ) throws -> (CheckpointHead, [StoredPostings]) {
        let prepared = try prepare(graphs, attributes, watermark: watermark, old: old)
        try store.environment.write { transaction in
            try put(transaction, prepared.head)
            try transaction.deleteAll(store.table(.changes))
            try alsoWrite(transaction)
        }
        _ = settle(prepared, graphs, attributes)
        return (prepared.head, prepared.stored)
    }

    /// Writes a checkpoint of graphs alone, for a store without cases.
    package func write(_ graphs: [VectorKind: StoredGraph], watermark: UInt32) throws {
        _ = try write(graphs, Attributes(), watermark: watermark, old: store.environment.read { try head($0) })
    }

    /// The highest epoch of any piece, so that a piece of a lost checkpoint is never taken for a new one.
    private func lastEpoch() throws -> UInt32 {
        try store.environment.read { transaction in
            var last: UInt32 = 0
            try transaction.forEach(store.table(.graphs)) { key, _ in
                if let number = UInt64(keyBytes: key) {
                    last = max(last, UInt32(truncatingIfNeeded: number) % PieceKey.epochLimit)
                }
                return true
            }
            return last
        }
    }

    /// The table of one key as it was written.
    struct StoredPostings {
        let key: String
        let blob: PostingBlob
        let location: Postings.Location
    }

    private func write(_ attributes: Attributes, into head: inout CheckpointHead) throws -> [StoredPostings] {
        let writer = PieceWriter(store, generation: generation, epoch: head.epoch, groupByteCount: groupByteCount)
        var attributes = attributes
        var stored: [StoredPostings] = []
        var piece = 0
        for (key, postings) in attributes.keys.sorted(by: { $0.key < $1.key }) where postings.isChanged {
            let blob = postings.merged()
            let location = Postings.Location(
                generation: generation, epoch: head.epoch, firstPiece: piece, byteCount: blob.bytes.count)
            piece += try writer.write(.postings, from: piece, blob.bytes)
            stored.append(StoredPostings(key: key, blob: blob, location: location))
            attributes.noteStored(blob, key, at: location)
        }
        let sets = attributes.encodedSets
        let directory = attributes.encodedDirectory
        head.setByteCount = sets.count
        head.directoryByteCount = directory.count
        try writer.write(.sets, sets)
        try writer.write(.directory, directory)
        try writer.flush()
        return stored
    }

    /// Removes the pieces that belong to no valid checkpoint.
    private func removeOthers(than head: CheckpointHead, _ attributes: Attributes) throws {
        let validKeys = validKeys(head, attributes)
        // The head does not say how many pieces owners have.
        let owners = Set(
            head.graphs.filter(\.value.hasOwners).keys.map {
                PieceKey(generation: generation, role: .owners($0), piece: 0, epoch: head.epoch).number
            })
        func valid(_ number: UInt64) -> Bool {
            validKeys.contains(number) || owners.contains(PieceKey.withoutPiece(number))
        }
        let keys = try store.environment.read { transaction in
            var keys: [UInt64] = []
            // The values are not needed, so neither are their checksums.
            try transaction.forEach(store.table(.graphs)) { key, _ in
                if let number = UInt64(keyBytes: key), number >> 48 == UInt64(generation - 1), !valid(number) {
                    keys.append(number)
                }
                return true
            }
            return keys
        }
        for start in stride(from: 0, to: keys.count, by: 256) {
            try store.environment.write { transaction in
                for key in keys[start..<min(start + 256, keys.count)] {
                    try transaction.delete(store.table(.graphs), key)
                }
            }
        }
    }

    private func validKeys(_ head: CheckpointHead, _ attributes: Attributes) -> Set<UInt64> {
        var keys: Set<UInt64> = []
        func add(_ role: PieceRole, _ piece: Int, _ epoch: UInt32) {
            keys.insert(PieceKey(generation: generation, role: role, piece: piece, epoch: epoch).number)
        }
        func add(_ role: PieceRole, from first: Int = 0, byteCount: Int, _ epoch: UInt32) {
            let count = (byteCount + PieceKey.pieceByteCount - 1) / PieceKey.pieceByteCount
            for piece in first..<(first + count) { add(role, piece, epoch) }
        }
        for (kind, graph) in head.graphs {
            add(.links(kind), byteCount: graph.linkByteCount, head.epoch)
            for (piece, epoch) in graph.codeEpochs.enumerated() { add(.codes(kind), piece, epoch) }
            for (piece, epoch) in graph.residualEpochs.enumerated() { add(.residuals(kind), piece, epoch) }
        }
        add(.sets, byteCount: head.setByteCount, head.epoch)
        add(.directory, byteCount: head.directoryByteCount, head.epoch)
        for postings in attributes.keys.values {
            guard let location = postings.location else { continue }
            add(.postings, from: location.firstPiece, byteCount: location.byteCount, location.epoch)
        }
        return keys
    }
}
