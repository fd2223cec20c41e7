import CHilumKernels

/// How the codes of an index are cut into pieces, by slot; see `HNSWIndex.init(restoring:…codes:)`.
struct CodePieces {
    /// Bytes of a code, and of a residual.
    let codeByteCount: Int
    let residualByteCount: Int

    init(dimension: Int) {
        codeByteCount = hilum_code_bytes(dimension)
        residualByteCount = hilum_residual_bytes(dimension)
    }

    /// Slots whose codes make up one piece, and whose residuals do.
    var codeRowCount: Int { max(1, (1 << 18) / codeByteCount) }
    var residualRowCount: Int { max(1, (1 << 16) / residualByteCount) }

    /// Pieces that hold the codes of so many slots, and the residuals.
    func codeCount(_ slotCount: Int) -> Int { (slotCount + codeRowCount - 1) / codeRowCount }
    func residualCount(_ slotCount: Int) -> Int { (slotCount + residualRowCount - 1) / residualRowCount }

    /// The slots of a piece.
    static func rows(of piece: Int, _ rowCount: Int, slotCount: Int) -> Range<Int> {
        (piece * rowCount)..<min((piece + 1) * rowCount, slotCount)
    }
}
