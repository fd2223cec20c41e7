import HilumCore
import LMDB

/// Reads pieces of a checkpoint in order, several at a time, with plain reads.
///
/// Thread rule: one thread at a time.
final class PieceReader {
    private let store: Store
    private let generation: UInt32
    private let fetcher: PageFetcher
    /// Keys of what the fetcher holds.
    private var fetched: Set<UInt64> = []
    /// Later pieces below this number were announced to the system.
    private var announcedEnd = 0
    /// So many pieces are announced at once: 16 MiB, so that a disk always has something to do.
    private static let announcedCount = 64
    private let countAtOnce: Int

    /// - Parameters:
    ///   - transaction: under way on this thread. The reader may outlive it.
    ///   - countAtOnce: pieces in memory at a time, 1 or 2.
    ///   - asksInBackground: whether pieces are announced on another thread.
    init(
        _ store: Store, in transaction: borrowing ReadTransaction, generation: UInt32, countAtOnce: Int = 2,
        asksInBackground: Bool = false
    ) {
        self.store = store
        self.generation = generation
        self.countAtOnce = countAtOnce
        fetcher = PageFetcher(store.environment, in: transaction, asksInBackground: asksInBackground)
    }

    /// Asks the system for the next pieces from `piece` on, as many as are announced at once, and does not wait.
    ///
    /// - Parameter epochs: the epoch of a piece; nil beyond the last. The first that is not there ends them too.
    func announce(
        _ transaction: borrowing ReadTransaction, _ role: PieceRole, from piece: Int = 0, epochs: (Int) -> UInt32?
    ) throws {
        var values: [UnsafeRawBufferPointer] = []
        let end = piece + 2 + Self.announcedCount
        for number in max(announcedEnd, piece)..<end {
            guard let epoch = epochs(number) else { break }
            let count = values.count
            _ = try look(transaction, role, number, epoch, &values)
            if values.count == count { break }
        }
        announcedEnd = end
        fetcher.announce(values)
    }

    /// Adds where a piece lies to `values`, if it is there.
    ///
    /// - Returns: its key.
    private func look(
        _ transaction: borrowing ReadTransaction, _ role: PieceRole, _ piece: Int, _ epoch: UInt32,
        _ values: inout [UnsafeRawBufferPointer]
    ) throws -> UInt64 {
        let key = PieceKey(generation: generation, role: role, piece: piece, epoch: epoch).number
        // Safety: the address of a value holds as long as the transaction, and is not read through here.
        _ = try transaction.get(store.table(.graphs), key) { values.append($0) }
        return key
    }

    /// Calls `body` with a piece; false when it is not there.
    ///
    /// - Parameter later: the epoch of a piece that will be asked for after this one, in order, by the same reader; nil beyond the last.
    /// - Throws: `.damaged` for a wrong checksum; what `body` throws.
    func piece(
        _ transaction: borrowing ReadTransaction, _ role: PieceRole, _ piece: Int, epoch: UInt32,
        later: (Int) -> UInt32? = { _ in nil }, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Bool {
        let key = PieceKey(generation: generation, role: role, piece: piece, epoch: epoch).number
        if !fetched.contains(key) {
            // A piece alone is fetched at once.
            if announcedEnd < piece + 2 + Self.announcedCount / 2, later(piece + 1) != nil {
                try announce(transaction, role, from: piece) { $0 == piece ? epoch : later($0) }
            }
            var values: [UnsafeRawBufferPointer] = []
            fetched = [try look(transaction, role, piece, epoch, &values)]
            if countAtOnce > 1, let epoch = later(piece + 1) {
                fetched.insert(try look(transaction, role, piece + 1, epoch, &values))
            }
            fetcher.fetch(values)
        }
        let found: Void? = try transaction.get(store.table(.graphs), key) { bytes in
            try body(store.checkedPayload(.graphs, key, fetcher.copy(of: bytes) ?? bytes))
        }
        return found != nil
    }

    /// All pieces of one role and epoch together, `byteCount` bytes.
    ///
    /// - Throws: `.damaged` when one is missing or the size is another.
    func whole(
        _ transaction: borrowing ReadTransaction, _ role: PieceRole, from first: Int = 0, epoch: UInt32, byteCount: Int
    ) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        var piece = first
        while bytes.count < byteCount {
            let isThere = try self.piece(transaction, role, piece, epoch: epoch) { bytes.append(contentsOf: $0) }
            guard isThere else { throw CheckpointGone() }
            piece += 1
        }
        guard bytes.count == byteCount else { throw store.damaged("a checkpoint has another size") }
        return bytes
    }
}

/// A piece of the checkpoint is missing; a newer checkpoint may have replaced it.
struct CheckpointGone: Error {}
