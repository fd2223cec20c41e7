import HilumCore

/// Codes as bytes, so that an index opens without its vectors.
///
/// ```
/// piece of codes      code | code | …            slots in order, about 256 KiB, fewer in the last; as codes.h lays them out
/// piece of residuals  residual | residual | …    the same, about 64 KiB; none when the quantizer is exact
/// ```
/// Beside `serializeLinks` and the quantizer that is all an index with codes of 8 bits consists of. Pieces carry no checksum: the store
/// that keeps them has its own. Residuals may stay there until a search wants them (`ResidualSource`).
extension HNSWIndex {
    /// Gives the bytes of a piece to its second argument.
    public typealias PieceReader = (_ piece: Int, _ use: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

    /// Gives the bytes of a piece of residuals to its second argument. False, without calling it, when the piece of this checkpoint is
    /// gone because a newer checkpoint has taken its place.
    public typealias ResidualReader =
        @Sendable (_ piece: Int, _ use: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool

    /// The bytes at the beginning of `serializeLinks` that say how many slots, nodes and items follow.
    public static var linkHeadByteCount: Int { LinkFormat.headerByteCount }

    /// Slots whose codes make up one piece.
    public var codePieceRowCount: Int { CodePieces(dimension: graph.codeDimension).codeRowCount }

    /// Pieces that hold the codes of all slots. As the writer; with `i8` only.
    public var codePieceCount: Int { writer.codePieceCount }

    /// Pieces that hold the residuals of all slots; 0 when codes are exact or residuals are not kept. As the writer; with `i8` only.
    public var residualPieceCount: Int { writer.residualPieceCount }

    /// The length of a piece of codes in bytes. As the writer; with `i8` only.
    public func codePieceByteCount(_ piece: Int) -> Int { writer.codePieceByteCount(piece) }

    /// The length of a piece of residuals in bytes. As the writer; with `i8` and residuals only.
    public func residualPieceByteCount(_ piece: Int) -> Int { writer.residualPieceByteCount(piece) }

    // MARK: What a checkpoint has to write

    /// The pieces of codes whose rows changed since `noteCheckpoint`, ascending; in a new index all that there are. None after
    /// `init(restoring:links:…)`. As the writer; with `i8` only.
    public func changedCodePieces() -> [Int] { writer.changedPieces.codes.sorted() }

    /// The pieces of residuals whose rows changed since `noteCheckpoint`, as `changedCodePieces`; none when residuals are not kept.
    public func changedResidualPieces() -> [Int] {
        graph.store.hasResiduals ? writer.changedPieces.residuals.sorted() : []
    }

    /// Everything up to here is in a checkpoint: from now on only later changes count. As the writer.
    public func noteCheckpoint() { writer.changedPieces = ChangedPieces() }

    /// Makes the next checkpoint write every piece anew in which a vector that is gone may have left its code. As the writer.
    ///
    /// - Complexity: O(slots)
    public func noteRemoved() { asWriter { $0.noteRemoved() } }

    /// The quantizer of an index with codes of 8 bits.
    public var quantizer: ScalarQuantizer? { graph.kernels.codeBook?.quantizer }

    /// Lends the bytes of a piece of codes to `body`. As the writer; with `i8` only.
    public func withCodePiece<Result>(
        _ piece: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try writer.withCodePiece(piece, body)
    }

    /// Lends the bytes of a piece of residuals to `body`. As the writer; with `i8` and residuals only.
    ///
    /// - Throws: `.damagedLinks` when residuals cannot be read that were left where they are kept, or are gone from there; what `body`
    ///   throws.
    public func withResidualPiece<Result>(
        _ piece: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        try writer.withResidualPiece(piece, body)
    }

    // MARK: Opening

    /// The index of a checkpoint and its codes; no vector is needed.
    ///
    /// The links are checked as `init(restoring:…vectors:)` does. The codes are taken as they are, so whoever kept them answers for
    /// them (a checksum), and for items still having the vectors that they had.
    ///
    /// - Parameters:
    ///   - linkByteCount: of what `serializeLinks` gave.
    ///   - links: lends its pieces from number 0 on, in order, the first of 56 bytes at least; of any size beyond.
    ///   - codes: reads a piece of codes. In a large index it is called on another thread while `links` is called on this one.
    ///   - residuals: reads a piece of residuals of this same checkpoint, when it is first needed: by a search, a change, `vector` or
    ///     `holds` (and the last quarter of them at once), from whatever thread that runs on, but one at a time. So none of these
    ///     may be called where the closure cannot work (inside of a transaction, say), and the closure must not call the index.
    ///     Until they are needed residuals take no memory. Returning false says that the piece is gone: the search goes on with
    ///     codes alone for its rows, and `lacksResiduals` is true from then on. Nil: none are read. Hits are then ordered by codes
    ///     alone, and whoever has the vectors orders a few more than are needed by these.
    ///   - isThere: whether an item is still to be found. Nodes without any are removed with repair, which needs the residuals,
    ///     unless nothing is left.
    /// - Throws: `IndexError` `.damagedLinks`, also in place of what `residuals` throws, or `links` after the first piece; what
    ///   `codes` throws.
    public convenience init(
        restoring linkByteCount: Int, links: PieceReader, dimension: Int, metric: Metric,
        quantizer: ScalarQuantizer, codes: PieceReader,
        residuals: ResidualReader? = nil,
        isThere: (_ item: UInt32) -> Bool
    ) throws {
        let header = try LinkHeader(restoring: linkByteCount, links, quantizer, dimension: dimension, metric: metric)
        let pieces = CodePieces(dimension: quantizer.codeDimension)
        let source =
            quantizer.isExact
            ? nil
            : residuals.map {
                ResidualSource(
                    rowCount: pieces.residualRowCount, pieceCount: pieces.residualCount(header.slotCount), read: $0)
            }
        try self.init(
            dimension: dimension, metric: metric, parameters: header.parameters, precision: .i8, quantizer: quantizer,
            keepsResiduals: residuals != nil, fetchesResiduals: true, residuals: source, kernelSet: nil)
        try writer.restore(linkByteCount, links, header, codes: codes, isThere: isThere)
    }

    // MARK: Residuals that were left where they are kept

    /// Whether residuals were gone when they were wanted. Hits whose rows they are have the distances of codes alone, and whoever has
    /// the vectors orders a few more than are needed by these. `vector` and `holds` know only the codes of such items. Any thread.
    public var lacksResiduals: Bool { graph.lacksResiduals }

    /// Reads whatever residuals are not in memory yet, so that no search has to. Any thread.
    ///
    /// - Throws: `.damagedLinks`
    public func fetchResiduals() throws(IndexError) { try graph.fetchResiduals() }
}
