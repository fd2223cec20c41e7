import Synchronization

/// The second levels of codes that still lie where they are kept: a search reads those of its best candidates, a piece at a time.
///
/// So an index opens from half of its bytes, and answers before the other half has been read. A piece may be gone by then, because
/// another process has replaced it by that of a newer checkpoint; its rows then hold what `fill` puts there.
///
/// Thread rule: any thread.
final class ResidualSource: @unchecked Sendable {
    // Sendable: flags and count are atomics, the closure is Sendable.

    /// Slots of a piece.
    let rowCount: Int
    let pieceCount: Int
    private let read: HNSWIndex.ResidualReader
    private static let absentPiece: UInt8 = 0
    private static let readPiece: UInt8 = 1
    private static let gonePiece: UInt8 = 2
    private let states: UnsafeMutablePointer<Atomic<UInt8>>
    private let missingCount: Atomic<Int>
    private let goneCount = Atomic<Int>(0)
    /// One piece at a time, so that no row is written twice.
    private let lock = Mutex(())

    init(rowCount: Int, pieceCount: Int, read: @escaping HNSWIndex.ResidualReader) {
        self.rowCount = rowCount
        self.pieceCount = pieceCount
        self.read = read
        states = .allocate(capacity: max(pieceCount, 1))
        for piece in 0..<pieceCount { (states + piece).initialize(to: Atomic(Self.absentPiece)) }
        missingCount = Atomic(pieceCount)
    }

    deinit { states.deallocate() }

    /// Whether every piece is in memory, so that nothing needs to be asked for any more.
    @inline(__always) var isComplete: Bool { missingCount.load(ordering: .acquiring) == 0 }

    /// Whether so few pieces are missing that what is left is worth reading at once: then memory can be put in order, and nobody has to
    /// ask any more.
    var isNearlyComplete: Bool { missingCount.load(ordering: .relaxed) * 4 <= pieceCount }

    /// Whether the row of a slot is in memory; slots behind the pieces never lay anywhere else.
    @inline(__always) func has(_ slot: Int) -> Bool {
        let piece = slot / rowCount
        // Safety: the states of all pieces were made in `init`.
        return piece >= pieceCount || states[piece].load(ordering: .acquiring) != Self.absentPiece
    }

    /// Whether any piece was gone when it was wanted.
    var lacksPieces: Bool { goneCount.load(ordering: .acquiring) > 0 }

    /// Whether the piece of a slot was gone when it was wanted.
    func isGone(_ slot: Int) -> Bool {
        let piece = slot / rowCount
        // Safety: as in `has`.
        return piece < pieceCount && states[piece].load(ordering: .acquiring) == Self.gonePiece
    }

    /// Reads the piece of a slot, unless it is there; `store` gets its number and bytes and puts them into the arena.
    ///
    /// - Parameter fill: puts something in place of the rows of a piece that is gone.
    /// - Returns: whether it was the last that was missing.
    /// - Throws: `.damagedLinks` in place of what the reading throws.
    func fetch(
        _ slot: Int, _ store: (_ piece: Int, _ bytes: UnsafeRawBufferPointer) throws -> Void,
        fill: (_ piece: Int) -> Void
    ) throws(IndexError) -> Bool {
        let piece = slot / rowCount
        let result: Result<Bool, IndexError> = lock.withLock { _ in
            // Safety: as in `has`.
            guard piece < pieceCount, states[piece].load(ordering: .acquiring) == Self.absentPiece else {
                return .success(false)
            }
            var state = Self.readPiece
            do {
                var isUsed = false
                let isThere = try read(piece) { bytes in
                    try store(piece, bytes)
                    isUsed = true
                }
                if !isThere {
                    fill(piece)
                    goneCount.add(1, ordering: .releasing)
                    state = Self.gonePiece
                } else if !isUsed {
                    return .failure(.damaged("a piece of the residuals is missing"))
                }
            } catch let error as IndexError {
                return .failure(error)
            } catch {
                return .failure(.damaged("\(error)"))
            }
            states[piece].store(state, ordering: .releasing)
            return .success(missingCount.subtract(1, ordering: .releasing).newValue == 0)
        }
        return try result.get()
    }
}
