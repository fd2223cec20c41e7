import CHilumKernels

/// Codes and residuals that come in pieces, the latter as late as a search or a change wants them.
extension Graph {
    /// Reads all codes into the arena; the chunks of all slots are there.
    func setCodes(_ slotCount: Int, _ codes: HNSWIndex.PieceReader) throws {
        let pieces = CodePieces(dimension: codeDimension)
        for piece in 0..<pieces.codeCount(slotCount) {
            try codes(piece) { bytes in
                try setRows(of: piece, pieces.codeRowCount, pieces.codeByteCount, slotCount, bytes) { store.code($0) }
            }
        }
    }

    private func setRows(
        of piece: Int, _ rowCount: Int, _ byteCount: Int, _ slotCount: Int, _ bytes: UnsafeRawBufferPointer,
        _ row: (UInt32) -> UnsafeMutableRawPointer?
    ) throws(IndexError) {
        let first = piece * rowCount
        let last = min(first + rowCount, slotCount)
        guard let base = bytes.baseAddress, bytes.count == (last - first) * byteCount else {
            throw .damaged("a piece of the codes has another length")
        }
        for slot in first..<last {
            // Safety: the size was checked, and the arena has a row for each slot.
            row(UInt32(slot))?.copyMemory(from: base + (slot - first) * byteCount, byteCount: byteCount)
        }
    }

    // MARK: Residuals that were left where they are kept

    /// Whether the residual of a node is in memory.
    @inline(__always)
    func hasResidual(_ node: UInt32) -> Bool { residuals.map { $0.isComplete || $0.has(Int(node)) } ?? true }

    /// Makes sure of the residual of a node. Any thread.
    ///
    /// - Throws: `.damagedLinks`
    @inline(__always)
    func fetchResidual(_ node: UInt32) throws(IndexError) {
        guard let residuals, !residuals.isComplete, !residuals.has(Int(node)) else { return }
        try fetchPiece(of: Int(node), residuals)
        if residuals.isNearlyComplete { try fetchResiduals() }
    }

    /// Whether residuals were gone when they were wanted; see `HNSWIndex.lacksResiduals`. Any thread.
    var lacksResiduals: Bool { residuals?.lacksPieces ?? false }

    /// Whether the residual of a node was gone when it was wanted.
    func lacksResidual(_ node: UInt32) -> Bool {
        guard let residuals, residuals.lacksPieces else { return false }
        return residuals.isGone(Int(node))
    }

    /// Reads whatever residuals are not in memory yet, so that no search has to. Any thread.
    ///
    /// - Throws: `.damagedLinks`
    func fetchResiduals() throws(IndexError) {
        guard let residuals, !residuals.isComplete else { return }
        for piece in 0..<residuals.pieceCount where !residuals.has(piece * residuals.rowCount) {
            try fetchPiece(of: piece * residuals.rowCount, residuals)
        }
    }

    private func fetchPiece(of slot: Int, _ residuals: ResidualSource) throws(IndexError) {
        let byteCount = CodePieces(dimension: codeDimension).residualByteCount
        let isLast = try residuals.fetch(slot) { piece, bytes in
            try setRows(
                of: piece, residuals.rowCount, byteCount, slots.load(ordering: .acquiring), bytes
            ) { store.residual($0) }
        } fill: { piece in
            let first = piece * residuals.rowCount
            for slot in first..<min(first + residuals.rowCount, slots.load(ordering: .acquiring)) {
                setMiddle(UInt32(slot))
            }
        }
        if isLast { store.gatherResiduals(nodeCount: slots.load(ordering: .acquiring)) }
    }

    /// Gives a slot the residual that stands for the middle of its code's steps, so that fine distances are those of the code.
    private func setMiddle(_ slot: UInt32) {
        guard let residual = store.residual(slot) else { return }
        let width = CodePieces(dimension: codeDimension).residualByteCount - 8
        // Safety: `codes.h` lays them out: `width` elements, then the sum of squares, of 4 and of 8 bytes.
        let square = store.code(slot).loadUnaligned(fromByteOffset: width, as: UInt32.self)
        residual.initializeMemory(as: UInt8.self, repeating: 0, count: width)
        (residual + width).storeBytes(of: UInt64(square) << 16, as: UInt64.self)
    }
}
