import HilumCore

/// What a checkpoint of the codes takes from the graph.
extension GraphWriter {
    private var pieces: CodePieces { CodePieces(dimension: graph.codeDimension) }

    /// Pieces that hold the codes of all slots.
    var codePieceCount: Int { pieces.codeCount(isLinked.count) }

    /// Pieces that hold the residuals of all slots; 0 when codes are exact or residuals are not kept.
    var residualPieceCount: Int { store.hasResiduals ? pieces.residualCount(isLinked.count) : 0 }

    /// The length of a piece of codes in bytes.
    func codePieceByteCount(_ piece: Int) -> Int {
        CodePieces.rows(of: piece, pieces.codeRowCount, slotCount: isLinked.count).count * pieces.codeByteCount
    }

    /// The length of a piece of residuals in bytes.
    func residualPieceByteCount(_ piece: Int) -> Int {
        CodePieces.rows(of: piece, pieces.residualRowCount, slotCount: isLinked.count).count * pieces.residualByteCount
    }

    /// Notes that the row of a slot was written.
    func noteChange(of slot: UInt32) {
        changedPieces.codes.insert(Int(slot) / pieces.codeRowCount)
        changedPieces.residuals.insert(Int(slot) / pieces.residualRowCount)
    }

    /// Notes that the pieces with slots that hold no vector must be written anew.
    func noteRemoved() {
        guard precision == .i8 else { return }
        wipesRemoved = true
        for slot in isLinked.indices where !isLinked[slot] { noteChange(of: UInt32(slot)) }
    }

    /// Notes that no piece is in a checkpoint.
    func noteChangeOfAll() {
        guard precision == .i8 else { return }
        changedPieces.codes = Set(0..<codePieceCount)
        changedPieces.residuals = Set(0..<residualPieceCount)
    }

    /// Lends the bytes of a piece of codes to `body`.
    func withCodePiece<Result>(
        _ piece: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        precondition(precision == .i8 && (0..<codePieceCount).contains(piece), "no such piece of codes")
        return try withRows(of: piece, pieces.codeRowCount, pieces.codeByteCount, { store.code($0) }, body)
    }

    /// Lends the bytes of a piece of residuals to `body`.
    ///
    /// - Throws: `.damagedLinks` when residuals cannot be read that were left where they are kept, or are gone from there; what `body`
    ///   throws.
    func withResidualPiece<Result>(
        _ piece: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        precondition(store.hasResiduals && (0..<residualPieceCount).contains(piece), "no such piece of residuals")
        try graph.fetchResiduals()
        guard !graph.lacksResiduals else { throw IndexError.damaged("residuals are gone") }
        return try withRows(of: piece, pieces.residualRowCount, pieces.residualByteCount, { store.residual($0) }, body)
    }

    private func withRows<Result>(
        of piece: Int, _ rowCount: Int, _ byteCount: Int, _ row: (UInt32) -> UnsafeMutableRawPointer?,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let slots = CodePieces.rows(of: piece, rowCount, slotCount: isLinked.count)
        let bytes = [UInt8](unsafeUninitializedCapacity: slots.count * byteCount) { buffer, initialized in
            for slot in slots {
                // Safety: the buffer has a row for each slot, and so does the arena.
                guard let base = buffer.baseAddress, let row = row(UInt32(slot)) else { return }
                let target = UnsafeMutableRawPointer(base + initialized)
                if wipesRemoved && !isLinked[slot] {
                    target.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
                } else {
                    target.copyMemory(from: row, byteCount: byteCount)
                }
                initialized += byteCount
            }
        }
        return try bytes.withUnsafeBytes(body)
    }
}
