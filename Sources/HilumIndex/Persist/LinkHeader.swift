import HilumCore

/// The fixed part of a checkpoint.
struct LinkHeader {
    var parameters = HNSWParameters()
    var slotCount = 0
    var nodeCount = 0
    var itemCount = 0
    var entry = absent
    var root = absent

    /// - Parameters:
    ///   - head: the first bytes of a checkpoint.
    ///   - byteCount: of all of it.
    init(_ head: [UInt8], of byteCount: Int, dimension: Int, metric: Metric) throws(IndexError) {
        guard head.count >= LinkFormat.headerByteCount else { throw .damaged("cut off") }
        var reader = ByteReader(byteCount: byteCount) { use in head.withUnsafeBytes(use) }
        try self.init(&reader, dimension: dimension, metric: metric)
    }

    /// The header in the first piece of the links of a checkpoint.
    ///
    /// - Parameter quantizer: of its codes; nil where it has none.
    init(
        restoring linkByteCount: Int, _ links: HNSWIndex.PieceReader, _ quantizer: ScalarQuantizer? = nil,
        dimension: Int, metric: Metric
    ) throws {
        if let quantizer, quantizer.offset.count != dimension {
            throw IndexError.damaged("the quantizer has another dimension")
        }
        var head: [UInt8] = []
        try links(0) { head = Array($0.prefix(LinkFormat.headerByteCount)) }
        try self.init(head, of: linkByteCount, dimension: dimension, metric: metric)
    }

    init(_ reader: inout ByteReader, dimension: Int, metric: Metric) throws(IndexError) {
        for byte in LinkFormat.magic where try reader.octet() != byte { throw .damaged("not a checkpoint of links") }
        let version = try reader.number()
        guard version == LinkFormat.version else { throw .damaged("version \(version) is unknown") }
        guard try reader.number() == UInt32(dimension) else { throw .damaged("made for another dimension") }
        guard try reader.number() == UInt32(LinkFormat.byte(of: metric)) else {
            throw .damaged("made for another metric")
        }
        let m = Int(try reader.number())
        let efConstruction = Int(try reader.number())
        let seed = UInt64(try reader.number()) | UInt64(try reader.number()) << 32
        guard (2...64).contains(m), (1...1_000_000).contains(efConstruction) else {
            throw .damaged("parameters out of range")
        }
        parameters = HNSWParameters(m: m, efConstruction: efConstruction, seed: seed)
        slotCount = Int(try reader.number())
        nodeCount = Int(try reader.number())
        itemCount = Int(try reader.number())
        entry = try reader.number()
        root = try reader.number()
        // A slot takes a byte at least and a record in memory, so a small file must not ask for a large arena.
        guard slotCount <= reader.remaining, nodeCount <= slotCount, itemCount <= reader.remaining / 4,
            slotCount <= 16 * nodeCount + 65_536
        else { throw .damaged("counts do not fit the size") }
    }

    /// The header of a whole checkpoint, whose checksum is right.
    init(checking bytes: [UInt8], dimension: Int, metric: Metric) throws(IndexError) {
        guard bytes.count >= LinkFormat.headerByteCount + 4 else { throw .damaged("cut off") }
        guard bytes.withUnsafeBytes({ CRC32C.checksum($0) }) == LinkFormat.residue else {
            throw .damaged("the checksum does not match")
        }
        try self.init(
            Array(bytes.prefix(LinkFormat.headerByteCount)), of: bytes.count, dimension: dimension, metric: metric)
    }
}
