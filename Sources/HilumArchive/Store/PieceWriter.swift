import HilumCore
import LMDB

/// Writes pieces of one checkpoint, several MiB a transaction.
final class PieceWriter {
    private let store: Store
    private let generation: UInt32
    let epoch: UInt32
    /// A transaction is written once so many bytes wait.
    private let groupByteCount: Int
    private var waiting: [(key: UInt64, bytes: [UInt8])] = []
    private var waitingByteCount = 0

    init(_ store: Store, generation: UInt32, epoch: UInt32, groupByteCount: Int) {
        self.store = store
        self.generation = generation
        self.epoch = epoch
        self.groupByteCount = groupByteCount
    }

    func write(_ role: PieceRole, _ piece: Int, _ bytes: UnsafeRawBufferPointer) throws {
        guard piece < PieceKey.pieceLimit else {
            throw ArchiveError(.limit, "\(store.path): the graphs are too large for this format")
        }
        let key = PieceKey(generation: generation, role: role, piece: piece, epoch: epoch).number
        waiting.append((key, [UInt8](bytes)))
        waitingByteCount += bytes.count
        if waitingByteCount >= groupByteCount { try flush() }
    }

    /// Cuts bytes into pieces from number `first` on; returns how many.
    @discardableResult
    func write(_ role: PieceRole, from first: Int = 0, _ bytes: [UInt8]) throws -> Int {
        try bytes.withUnsafeBytes { bytes in
            var count = 0
            for start in stride(from: 0, to: bytes.count, by: PieceKey.pieceByteCount) {
                let end = min(start + PieceKey.pieceByteCount, bytes.count)
                try write(role, first + count, UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                count += 1
            }
            return count
        }
    }

    /// Writes the pieces that were collected.
    func flush() throws {
        guard !waiting.isEmpty else { return }
        try store.environment.write { transaction in
            for (key, bytes) in waiting { try store.put(transaction, .graphs, key, bytes) }
        }
        waiting = []
        waitingByteCount = 0
    }
}
