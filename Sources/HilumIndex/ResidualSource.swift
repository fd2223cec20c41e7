import Synchronization

/// The second levels of codes that still lie where they are kept: a search reads those of its best candidates, a piece at a time.
///
/// So an index opens from half of its bytes, and answers before the other half has been read.
///
/// Thread rule: any thread.
final class ResidualSource: @unchecked Sendable {
    // Sendable: flags and count are atomics, the closure is Sendable.

    /// Slots of a piece.
    let rowCount: Int
    let pieceCount: Int
    private let read: @Sendable (_ piece: Int, _ use: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    private let isThere: UnsafeMutablePointer<Atomic<Bool>>
    private let missingCount: Atomic<Int>
    /// One piece at a time, so that no row is written twice.
    private let lock = Mutex(())

    init(
        rowCount: Int, pieceCount: Int,
        read: @escaping @Sendable (_ piece: Int, _ use: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) {
        self.rowCount = rowCount
        self.pieceCount = pieceCount
        self.read = read
        isThere = .allocate(capacity: max(pieceCount, 1))
        for piece in 0..<pieceCount { (isThere + piece).initialize(to: Atomic(false)) }
        missingCount = Atomic(pieceCount)
    }

    deinit { isThere.deallocate() }

    /// Whether every piece is in memory, so that nothing needs to be asked for any more.
    @inline(__always) var isComplete: Bool { missingCount.load(ordering: .acquiring) == 0 }

    /// Whether so few pieces are missing that what is left is worth reading at once: then memory can be put in order, and nobody has to
    /// ask any more.
    var isNearlyComplete: Bool { missingCount.load(ordering: .relaxed) * 4 <= pieceCount }

    /// Whether the row of a slot is in memory; slots behind the pieces never lay anywhere else.
    @inline(__always) func has(_ slot: Int) -> Bool {
        let piece = slot / rowCount
        // Safety: the flags of all pieces were made in `init`.
        return piece >= pieceCount || isThere[piece].load(ordering: .acquiring)
    }

    /// Reads the piece of a slot, unless it is there; `store` gets its number and bytes and puts them into the arena.
    ///
    /// - Returns: whether it was the last that was missing.
    /// - Throws: `.damagedLinks` in place of what the reading throws.
    func fetch(
        _ slot: Int, _ store: (_ piece: Int, _ bytes: UnsafeRawBufferPointer) throws -> Void
    ) throws(IndexError) -> Bool {
        let piece = slot / rowCount
        let result: Result<Bool, IndexError> = lock.withLock { _ in
            // Safety: as in `has`.
            guard piece < pieceCount, !isThere[piece].load(ordering: .acquiring) else { return .success(false) }
            do {
                var isUsed = false
                try read(piece) { bytes in
                    try store(piece, bytes)
                    isUsed = true
                }
                guard isUsed else { return .failure(.damaged("a piece of the residuals is missing")) }
            } catch let error as IndexError {
                return .failure(error)
            } catch {
                return .failure(.damaged("\(error)"))
            }
            isThere[piece].store(true, ordering: .releasing)
            return .success(missingCount.subtract(1, ordering: .releasing).newValue == 0)
        }
        return try result.get()
    }
}
