import HilumCore

/// What the head of a checkpoint says about one graph.
///
///     0 flags (1): 1 codes of 8 bits, 2 owners, 4 head of the links, 8 changes · vectors when the quantiser was fitted (4) · bytes of the links (8) · quantiser (count, bytes)
///     epochs of the pieces of codes (count, 4 each) · epochs of the pieces of residuals (count, 4 each)
///     with flag 4: the first bytes of the links (count, bytes) · with flag 8: nodes that changed since lists were refined (4)
package struct GraphHead: Sendable, Equatable {
    /// Whether the graph is walked on 8-bit codes; otherwise on the vectors, which are read when the archive opens.
    var hasCodes = false
    /// Whether the items of each slot are kept beside the links, so that a scan reads no links.
    var hasOwners = false
    /// Vectors that the quantiser was fitted to.
    var fittedCount = 0
    var linkByteCount = 0
    /// As `ScalarQuantizer.encoded`; empty without codes.
    var quantizer: [UInt8] = []
    /// The epoch in which each piece was written.
    var codeEpochs: [UInt32] = []
    var residualEpochs: [UInt32] = []
    /// A copy of the first `HNSWIndex.linkHeadByteCount` bytes of the links, so that a scan need not fetch a piece for them; empty in
    /// checkpoints of earlier releases.
    var linkHead: [UInt8] = []
    /// Nodes that came or went since lists were last refined.
    var changesSinceRefining = 0

    var linkPieceCount: Int { (linkByteCount + PieceKey.pieceByteCount - 1) / PieceKey.pieceByteCount }

    init() {}

    func write(to writer: inout ByteWriter) {
        let (codes, owners): (UInt8, UInt8) = (hasCodes ? 1 : 0, hasOwners ? 2 : 0)
        writer.byte(codes | owners | (linkHead.isEmpty ? 0 : 4) | (changesSinceRefining == 0 ? 0 : 8))
        writer.integer(UInt32(fittedCount))
        writer.integer(UInt64(linkByteCount))
        writer.length(quantizer.count)
        writer.raw(quantizer)
        for epochs in [codeEpochs, residualEpochs] {
            writer.length(epochs.count)
            for epoch in epochs { writer.integer(epoch) }
        }
        if !linkHead.isEmpty {
            writer.length(linkHead.count)
            writer.raw(linkHead)
        }
        if changesSinceRefining != 0 { writer.integer(UInt32(clamping: changesSinceRefining)) }
    }

    init(_ reader: inout ByteReader) throws {
        let flags = try reader.byte()
        hasCodes = flags & 1 != 0
        hasOwners = flags & 2 != 0
        fittedCount = Int(try reader.integer(UInt32.self))
        linkByteCount = Int(try reader.integer(UInt64.self) & 0xFF_FFFF_FFFF)
        quantizer = [UInt8](try reader.raw(try reader.length()))
        codeEpochs = try Self.epochs(&reader)
        residualEpochs = try Self.epochs(&reader)
        if flags & 4 != 0 { linkHead = try reader.raw(try reader.length()) }
        if flags & 8 != 0 { changesSinceRefining = Int(try reader.integer(UInt32.self)) }
    }

    private static func epochs(_ reader: inout ByteReader) throws -> [UInt32] {
        let count = try reader.length()
        guard count <= PieceKey.pieceLimit else { throw ByteReader.Malformed() }
        var epochs: [UInt32] = []
        epochs.reserveCapacity(count)
        for _ in 0..<count { epochs.append(try reader.integer()) }
        return epochs
    }
}

/// The head of a checkpoint, which makes it valid: entry `checkpoint.G` of the table `meta`, where G is the generation.
///
///     0 layout (1), currently 1 · epoch (4) · watermark (4) · bytes of the sets (8) · bytes of the directory of postings (8)
///     · count of graphs (1), each: 0 image, 1 report (1), `GraphHead`
package struct CheckpointHead: Sendable, Equatable {
    var epoch: UInt32 = 0
    /// Cases below this number are in the checkpoint, but for the changes in the table `changes`.
    package var watermark: UInt32 = 0
    var setByteCount = 0
    var directoryByteCount = 0
    var graphs: [VectorKind: GraphHead] = [:]

    static func name(generation: UInt32) -> String { "checkpoint.\(generation)" }

    init() {}

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(1)
        writer.integer(epoch)
        writer.integer(watermark)
        writer.integer(UInt64(setByteCount))
        writer.integer(UInt64(directoryByteCount))
        writer.byte(UInt8(graphs.count))
        for kind in VectorKind.allCases {
            guard let graph = graphs[kind] else { continue }
            writer.byte(kind == .image ? 0 : 1)
            graph.write(to: &writer)
        }
        return writer.bytes
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws {
        var reader = ByteReader(bytes)
        guard try reader.byte() == 1 else { throw ByteReader.Malformed() }
        epoch = try reader.integer()
        watermark = try reader.integer()
        setByteCount = Int(try reader.integer(UInt64.self) & 0xFFFF_FFFF)
        directoryByteCount = Int(try reader.integer(UInt64.self) & 0xFFFF_FFFF)
        for _ in 0..<(try reader.byte()) {
            let kind: VectorKind = try reader.byte() == 0 ? .image : .report
            graphs[kind] = try GraphHead(&reader)
        }
        guard reader.isAtEnd else { throw ByteReader.Malformed() }
    }
}
