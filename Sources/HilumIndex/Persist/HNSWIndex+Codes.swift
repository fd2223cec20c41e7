import CHilumKernels
import Dispatch
import Foundation
import HilumCore
import Synchronization

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

    private var codeByteCount: Int { hilum_code_bytes(dimension) }
    private var residualByteCount: Int { hilum_residual_bytes(dimension) }

    /// Slots whose codes make up one piece, and whose residuals do.
    public var codePieceRowCount: Int { max(1, (1 << 18) / codeByteCount) }
    private var residualPieceRowCount: Int { max(1, (1 << 16) / residualByteCount) }

    /// Pieces that hold the codes of all slots. As the writer; with `i8` only.
    public var codePieceCount: Int { (isLinked.count + codePieceRowCount - 1) / codePieceRowCount }

    /// Pieces that hold the residuals of all slots; 0 when codes are exact or residuals are not kept. As the writer; with `i8` only.
    public var residualPieceCount: Int {
        !store.hasResiduals ? 0 : (isLinked.count + residualPieceRowCount - 1) / residualPieceRowCount
    }

    /// The length of a piece of codes in bytes. As the writer; with `i8` only.
    public func codePieceByteCount(_ piece: Int) -> Int {
        rows(of: piece, codePieceRowCount).count * codeByteCount
    }

    /// The length of a piece of residuals in bytes. As the writer; with `i8` and residuals only.
    public func residualPieceByteCount(_ piece: Int) -> Int {
        rows(of: piece, residualPieceRowCount).count * residualByteCount
    }

    private func rows(of piece: Int, _ rowCount: Int) -> Range<Int> {
        (piece * rowCount)..<min((piece + 1) * rowCount, isLinked.count)
    }

    // MARK: What a checkpoint has to write

    /// The pieces of codes whose rows changed since `noteCheckpoint`, ascending; in a new index all that there are. None after
    /// `init(restoring:links:…)`. As the writer; with `i8` only.
    public func changedCodePieces() -> [Int] { changedPieces.codes.sorted() }

    /// The pieces of residuals whose rows changed since `noteCheckpoint`, as `changedCodePieces`; none when residuals are not kept.
    public func changedResidualPieces() -> [Int] { store.hasResiduals ? changedPieces.residuals.sorted() : [] }

    /// Everything up to here is in a checkpoint: from now on only later changes count. As the writer.
    public func noteCheckpoint() { changedPieces = ChangedPieces() }

    /// Notes that the row of a slot was written.
    func noteChange(of slot: UInt32) {
        changedPieces.codes.insert(Int(slot) / codePieceRowCount)
        changedPieces.residuals.insert(Int(slot) / residualPieceRowCount)
    }

    /// Notes that no piece is in a checkpoint.
    func noteChangeOfAll() {
        guard precision == .i8 else { return }
        changedPieces.codes = Set(0..<codePieceCount)
        changedPieces.residuals = Set(0..<residualPieceCount)
    }

    /// The quantizer of an index with codes of 8 bits.
    public var quantizer: ScalarQuantizer? { kernels.codeBook?.quantizer }

    /// Lends the bytes of a piece of codes to `body`. As the writer; with `i8` only.
    public func withCodePiece<Result>(
        _ piece: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        precondition(precision == .i8 && (0..<codePieceCount).contains(piece), "no such piece of codes")
        return try withRows(of: piece, codePieceRowCount, codeByteCount, { store.code($0) }, body)
    }

    /// Lends the bytes of a piece of residuals to `body`. As the writer; with `i8` and residuals only.
    ///
    /// - Throws: `.damagedLinks` when residuals cannot be read that were left where they are kept, or are gone from there; what `body`
    ///   throws.
    public func withResidualPiece<Result>(
        _ piece: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        precondition(store.hasResiduals && (0..<residualPieceCount).contains(piece), "no such piece of residuals")
        try fetchResiduals()
        guard !lacksResiduals else { throw IndexError.damaged("residuals are gone") }
        return try withRows(of: piece, residualPieceRowCount, residualByteCount, { store.residual($0) }, body)
    }

    private func withRows<Result>(
        of piece: Int, _ rowCount: Int, _ byteCount: Int, _ row: (UInt32) -> UnsafeMutableRawPointer?,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let slots = rows(of: piece, rowCount)
        let bytes = [UInt8](unsafeUninitializedCapacity: slots.count * byteCount) { buffer, initialized in
            for slot in slots {
                // Safety: the buffer has a row for each slot, and so does the arena.
                guard let base = buffer.baseAddress, let row = row(UInt32(slot)) else { return }
                UnsafeMutableRawPointer(base + initialized).copyMemory(from: row, byteCount: byteCount)
                initialized += byteCount
            }
        }
        return try bytes.withUnsafeBytes(body)
    }

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
        guard quantizer.offset.count == dimension else {
            throw IndexError.damaged("the quantizer has another dimension")
        }
        var head: [UInt8] = []
        try links(0) { head = Array($0.prefix(LinkFormat.headerByteCount)) }
        let header = try LinkHeader(head, of: linkByteCount, dimension: dimension, metric: metric)
        try self.init(
            dimension: dimension, metric: metric, parameters: header.parameters, precision: .i8, quantizer: quantizer,
            keepsResiduals: residuals != nil, fetchesResiduals: true, kernelSet: nil)
        isTableFilled = false
        areChildrenCounted = false
        // Both threads write into the arena.
        prepareSlots(header.slotCount)
        var loaded = LoadedLinks(0)
        try withoutActuallyEscaping(codes) { codes in
            // Safety: nobody else calls it, and `load` returns when it has ended.
            nonisolated(unsafe) let codes = codes
            try Self.sideBySide(isWorthIt: header.slotCount >= Self.leastParallelCount) {
                try self.setCodes(header.slotCount, codes)
            } and: {
                loaded = try self.load(linkByteCount, links, header, isThere)
            }
        }
        try checkStructure(header, loaded)
        if let residuals, store.hasResiduals {
            self.residuals = ResidualSource(
                rowCount: residualPieceRowCount, pieceCount: residualPieceCount, read: residuals)
        }
        if restoration.goneItemCount > 0 { try removeDeadNodes() }
    }

    /// With fewer slots a second thread gains nothing.
    static let leastParallelCount = 1 << 14

    /// Runs `first` on another thread and `second` on this one; returns when both have ended.
    ///
    /// - Throws: what `second` throws, else what `first` throws.
    private static func sideBySide(
        isWorthIt: Bool, _ first: @Sendable () throws -> Void, and second: () throws -> Void
    ) throws {
        guard isWorthIt, defaultThreadCount > 1 else {
            try second()
            return try first()
        }
        let failure = Mutex<(any Error)?>(nil)
        try withoutActuallyEscaping(first) { first in
            let group = DispatchGroup()
            DispatchQueue.global(qos: .userInitiated).async(group: group) {
                do { try first() } catch { failure.withLock { $0 = error } }
            }
            defer { group.wait() }
            try second()
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Reads all codes into the arena; the chunks of all slots are there.
    private func setCodes(_ slotCount: Int, _ codes: PieceReader) throws {
        for piece in 0..<((slotCount + codePieceRowCount - 1) / codePieceRowCount) {
            try codes(piece) { bytes in
                try setRows(of: piece, codePieceRowCount, codeByteCount, slotCount, bytes) { store.code($0) }
            }
        }
    }

    /// Reads links and items into the arena; returns what `checkStructure` asks for.
    private func load(
        _ linkByteCount: Int, _ links: PieceReader, _ header: LinkHeader,
        _ isThere: (_ item: UInt32) -> Bool
    ) throws -> LoadedLinks {
        try withoutActuallyEscaping(links) { links in
            var piece = 0
            var checksum: UInt32 = 0
            var reader = ByteReader(byteCount: linkByteCount) { use in
                try links(piece) { bytes in
                    checksum = CRC32C.checksum(bytes, continuing: checksum)
                    use(bytes)
                }
                piece += 1
            }
            let (store, items) = (store, items)
            var goneCount = 0
            var itemCount = 0
            let loaded = try load(header, &reader) { slot, members throws(IndexError) in
                for index in 0..<(members.count / 4) {
                    let item = UInt32(littleEndian: members.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
                    guard item != absent, items.locate(item) == nil else { throw .damaged("item \(item) comes twice") }
                    guard isThere(item) else {
                        goneCount += 1
                        continue
                    }
                    PostingList.add(item, node: slot, word: store.posting(slot), table: items) { retireList($0) }
                    itemCount += 1
                }
            }
            restoration.goneItemCount = goneCount
            addToItemCount(itemCount)
            // The checksum itself is the rest.
            _ = try reader.number()
            guard checksum == LinkFormat.residue else { throw IndexError.damaged("the checksum does not match") }
            return loaded
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

    /// Whether residuals were gone when they were wanted. Hits whose rows they are have the distances of codes alone, and whoever has
    /// the vectors orders a few more than are needed by these. `vector` and `holds` know only the codes of such items. Any thread.
    public var lacksResiduals: Bool { residuals?.lacksPieces ?? false }

    /// Whether the residual of a node was gone when it was wanted.
    func lacksResidual(_ node: UInt32) -> Bool {
        guard let residuals, residuals.lacksPieces else { return false }
        return residuals.isGone(Int(node))
    }

    /// Reads whatever residuals are not in memory yet, so that no search has to. Any thread.
    ///
    /// - Throws: `.damagedLinks`
    public func fetchResiduals() throws(IndexError) {
        guard let residuals, !residuals.isComplete else { return }
        for piece in 0..<residuals.pieceCount where !residuals.has(piece * residuals.rowCount) {
            try fetchPiece(of: piece * residuals.rowCount, residuals)
        }
    }

    private func fetchPiece(of slot: Int, _ residuals: ResidualSource) throws(IndexError) {
        let isLast = try residuals.fetch(slot) { piece, bytes in
            try setRows(
                of: piece, residuals.rowCount, residualByteCount, slots.load(ordering: .acquiring), bytes
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
        let width = residualByteCount - 8
        // Safety: `codes.h` lays them out: `width` elements, then the sum of squares, of 4 and of 8 bytes.
        let square = store.code(slot).loadUnaligned(fromByteOffset: width, as: UInt32.self)
        residual.initializeMemory(as: UInt8.self, repeating: 0, count: width)
        (residual + width).storeBytes(of: UInt64(square) << 16, as: UInt64.self)
    }
}

/// Pieces whose rows are not in the last checkpoint as they are now. The one writer's own.
struct ChangedPieces {
    var codes: Set<Int> = []
    var residuals: Set<Int> = []
}

extension ScalarQuantizer {
    /// Little-endian: dimension u32 | 1 if exact u32 | step f32 | offsets f32 each.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.integer(UInt32(offset.count))
        writer.integer(UInt32(isExact ? 1 : 0))
        writer.integer(step.bitPattern)
        for value in offset { writer.integer(value.bitPattern) }
        return writer.bytes
    }

    /// The quantizer of `encoded` bytes.
    ///
    /// - Throws: `IndexError` `.damagedLinks` when the bytes are not those of a quantizer.
    public init(decoding bytes: [UInt8]) throws {
        self = try bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            let count = Int(try reader.number())
            let isExact = try reader.number() == 1
            let step = Float(bitPattern: try reader.number())
            let offset = try reader.numbers(count).map { Float(bitPattern: $0) }
            guard reader.remaining == 0, step > 0, step.isFinite, offset.allSatisfy(\.isFinite) else {
                throw IndexError.damaged("not a quantizer")
            }
            return ScalarQuantizer(offset: offset, step: step, isExact: isExact)
        }
    }
}
