import CHilumKernels
import Foundation
import HilumCore

/// Codes as bytes, so that an index opens without its vectors.
///
/// ```
/// piece    | row | row | …    (slots in order, `codePieceRowCount` a piece, fewer in the last)
/// row      | code | residual unless the quantizer is exact |    as codes.h lays them out
/// ```
/// Beside `serializeLinks` and the quantizer that is all an index with codes of 8 bits consists of. Pieces carry no checksum: the store
/// that keeps them has its own.
extension HNSWIndex {
    private static let pieceByteCount = 1 << 18

    private var rowByteCount: Int {
        hilum_code_bytes(dimension) + (quantizer?.isExact == true ? 0 : hilum_residual_bytes(dimension))
    }

    /// Slots whose rows make up one piece.
    public var codePieceRowCount: Int { max(1, Self.pieceByteCount / rowByteCount) }

    /// Pieces that hold the codes of all slots. As the writer; with `i8` only.
    public var codePieceCount: Int { (isLinked.count + codePieceRowCount - 1) / codePieceRowCount }

    /// The quantizer of an index with codes of 8 bits.
    public var quantizer: ScalarQuantizer? { kernels.codeBook?.quantizer }

    /// Lends the bytes of a piece to `body`. As the writer; with `i8` and residuals (or exact codes) only.
    public func withCodePiece<Result>(
        _ piece: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        precondition(precision == .i8 && (0..<codePieceCount).contains(piece), "no such piece of codes")
        precondition(store.hasResiduals || quantizer?.isExact == true, "the residuals were not kept")
        let first = piece * codePieceRowCount
        let last = min(first + codePieceRowCount, isLinked.count)
        let codeByteCount = hilum_code_bytes(dimension)
        let bytes = [UInt8](unsafeUninitializedCapacity: (last - first) * rowByteCount) { buffer, initialized in
            guard var target = buffer.baseAddress.map({ UnsafeMutableRawPointer($0) }) else { return }
            for slot in first..<last {
                // Safety: the buffer has a row for each slot, and a record as many bytes of code and residual.
                target.copyMemory(from: store.code(UInt32(slot)), byteCount: codeByteCount)
                if let residual = store.residual(UInt32(slot)) {
                    (target + codeByteCount).copyMemory(from: residual, byteCount: rowByteCount - codeByteCount)
                }
                target += rowByteCount
            }
            initialized = (last - first) * rowByteCount
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
    ///   - links: gives its pieces from number 0 on, in order, the first of 56 bytes at least; of any size beyond.
    ///   - keepsResiduals: false halves the memory of the codes; hits are then ordered by codes alone, and whoever has the vectors
    ///     orders a few more than are needed by these.
    ///   - codes: calls its second argument with the bytes of the piece of that number.
    ///   - isThere: whether an item is still to be found; those that are not are removed with repair.
    /// - Throws: `IndexError` `.damagedLinks`, also in place of what `links` throws after the first piece; what `codes` throws.
    public convenience init(
        restoring linkByteCount: Int, links: (_ piece: Int) throws -> [UInt8], dimension: Int, metric: Metric,
        quantizer: ScalarQuantizer, keepsResiduals: Bool = true,
        codes: (_ piece: Int, _ use: (UnsafeRawBufferPointer) throws -> Void) throws -> Void,
        isThere: (_ item: UInt32) -> Bool
    ) throws {
        guard quantizer.offset.count == dimension else {
            throw IndexError.damaged("the quantizer has another dimension")
        }
        let head = try links(0)
        guard head.count >= LinkFormat.headerByteCount else { throw IndexError.damaged("cut off") }
        var headReader = ByteReader(byteCount: linkByteCount) { head }
        let header = try LinkHeader(&headReader, dimension: dimension, metric: metric)
        try self.init(
            dimension: dimension, metric: metric, parameters: header.parameters, precision: .i8, quantizer: quantizer,
            keepsResiduals: keepsResiduals, kernelSet: nil)
        let loaded = try withoutActuallyEscaping(links) { links in
            var piece = 0
            var checksum: UInt32 = 0
            var reader = ByteReader(byteCount: linkByteCount) {
                let bytes = try links(piece)
                piece += 1
                checksum = bytes.withUnsafeBytes { CRC32C.checksum($0, continuing: checksum) }
                return bytes
            }
            let loaded = try load(header, &reader)
            // The checksum itself is the rest.
            _ = try reader.number()
            guard checksum == LinkFormat.residue else { throw IndexError.damaged("the checksum does not match") }
            return loaded
        }
        try checkStructure(header)
        for piece in 0..<codePieceCount {
            try codes(piece) { bytes in try readCodes(piece, bytes) }
        }
        try resolve(loaded, isThere: isThere)
    }

    private func readCodes(_ piece: Int, _ bytes: UnsafeRawBufferPointer) throws {
        let first = piece * codePieceRowCount
        let last = min(first + codePieceRowCount, isLinked.count)
        guard let base = bytes.baseAddress, bytes.count == (last - first) * rowByteCount else {
            throw IndexError.damaged("a piece of the codes has another length")
        }
        let codeByteCount = hilum_code_bytes(dimension)
        for slot in first..<last {
            // Safety: the size was checked, and a record has room for its code and residual.
            let row = base + (slot - first) * rowByteCount
            store.code(UInt32(slot)).copyMemory(from: row, byteCount: codeByteCount)
            store.residual(UInt32(slot))?
                .copyMemory(from: row + codeByteCount, byteCount: rowByteCount - codeByteCount)
        }
    }

    private func resolve(_ loaded: LoadedSlots, isThere: (UInt32) -> Bool) throws {
        for slot in isLinked.indices where isLinked[slot] {
            let node = UInt32(slot)
            store.setHash(node, loaded.hashes[slot])
            table.insert(node)
            for item in loaded.items[loaded.bounds[slot]..<loaded.bounds[slot + 1]] {
                guard item != absent, items.locate(item) == nil else {
                    throw IndexError.damaged("item \(item) comes twice")
                }
                guard isThere(item) else {
                    restoration.goneItemCount += 1
                    continue
                }
                PostingList.add(item, node: node, word: store.posting(node), table: items) { retireList($0) }
                addToItemCount(1)
            }
        }
        guard restoration.goneItemCount > 0 else { return }
        for slot in isLinked.indices where isLinked[slot] && !store.isLive(UInt32(slot)) { removeNode(UInt32(slot)) }
    }
}

extension ScalarQuantizer {
    /// Little-endian: dimension u32 | 1 if exact u32 | step f32 | offsets f32 each.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.append(UInt32(offset.count))
        writer.append(isExact ? 1 : 0)
        writer.append(step.bitPattern)
        for value in offset { writer.append(value.bitPattern) }
        return writer.bytes
    }

    /// - Throws: `IndexError` `.damagedLinks` when the bytes are not those of a quantizer.
    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        let count = Int(try reader.number())
        let isExact = try reader.number() == 1
        let step = Float(bitPattern: try reader.number())
        let offset = try reader.numbers(count).map { Float(bitPattern: $0) }
        guard reader.remaining == 0, step > 0, step.isFinite, offset.allSatisfy(\.isFinite) else {
            throw IndexError.damaged("not a quantizer")
        }
        self.init(offset: offset, step: step, isExact: isExact)
    }
}
