import HilumCore

/// The bytes of a checkpoint of the links. All numbers are little-endian.
///
/// ```
/// header   magic "HILUMLNK" | version u32 = 1 | dimension u32 | metric u8 | 3 × 0 | m u32 | efConstruction u32
///          | seed u64 | slots u32 | nodes u32 | items u32 | entry u32 | root u32                                   (56 bytes)
/// slot     0 u8: free
///        | 1 u8 | parent u32 | hash u32 | item count u32 | items u32 each | layer 0 … layer level: count u8, links u32 each
/// trailer  CRC-32C u32 of everything before
/// ```
/// Slots come in order; the level of a slot follows from seed and number, so it is not stored. `entry`, `root` and the root's parent
/// are 0xFFFFFFFF when there is none. Vectors are not part of it: they are the truth and live elsewhere; `hash` tells whether an item
/// still has the vector that its node was linked by.
enum LinkFormat {
    static let magic: [UInt8] = Array("HILUMLNK".utf8)
    static let version: UInt32 = 1
    static let headerByteCount = 56
    /// The CRC-32C of bytes that end with their own CRC-32C.
    static let residue: UInt32 = 0x4867_4BC7

    static func byte(of metric: Metric) -> UInt8 { metric == .cosine ? 1 : 0 }
}

extension HNSWIndex {
    /// The links and postings as bytes, for `init(restoring:…)`; the same graph gives the same bytes. As the writer.
    ///
    /// - Complexity: about 100 bytes a node at m = 16.
    public func serializeLinks() -> [UInt8] {
        asWriter {
            var writer = ByteWriter()
            writer.reserve(LinkFormat.headerByteCount + nodeCount * (16 + 4 * parameters.m * 2) + 4 * count)
            writer.append(LinkFormat.magic)
            writer.append(LinkFormat.version)
            writer.append(UInt32(dimension))
            writer.append([LinkFormat.byte(of: metric), 0, 0, 0])
            writer.append(UInt32(parameters.m))
            writer.append(UInt32(parameters.efConstruction))
            writer.append(UInt32(truncatingIfNeeded: parameters.seed))
            writer.append(UInt32(truncatingIfNeeded: parameters.seed >> 32))
            writer.append(UInt32(isLinked.count))
            writer.append(UInt32(nodeCount))
            writer.append(UInt32(count))
            writer.append(entry?.node ?? absent)
            writer.append(root)
            for slot in isLinked.indices { append(UInt32(slot), to: &writer) }
            writer.append(writer.bytes.withUnsafeBytes { CRC32C.checksum($0) })
            return writer.bytes
        }
    }

    private func append(_ node: UInt32, to writer: inout ByteWriter) {
        guard isLinked[Int(node)] else {
            writer.append([0])
            return
        }
        writer.append([1])
        writer.append(store.parent(node))
        writer.append(store.hash(node))
        var members: [UInt32] = []
        _ = PostingList.forEach(store.posting(node).pointee.load(ordering: .relaxed)) {
            members.append($0)
            return true
        }
        writer.append(UInt32(members.count))
        for item in members { writer.append(item) }
        for layer in 0...store.level(node) {
            let links = store.links(node, layer: layer)
            let count = links.count
            writer.append([UInt8(count)])
            for index in 0..<count { writer.append(links[index]) }
        }
    }
}

/// Appends little-endian numbers to bytes.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func reserve(_ byteCount: Int) { bytes.reserveCapacity(byteCount) }

    mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }

    @inline(__always) mutating func append(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}

/// Reads little-endian numbers; every read checks that the bytes are there.
///
/// The bytes come in pieces, so that not all of them are in memory at once.
struct ByteReader {
    private var bytes: [UInt8]
    private var offset = 0
    /// Bytes of the pieces that are still to come.
    private var later = 0
    private var next: () throws -> [UInt8] = { [] }

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Parameters:
    ///   - byteCount: of all pieces.
    ///   - next: gives the pieces in order.
    init(byteCount: Int, next: @escaping () throws -> [UInt8]) {
        bytes = []
        later = byteCount
        self.next = next
    }

    var remaining: Int { bytes.count - offset + later }

    /// Makes sure that `count` bytes lie in `bytes` from `offset` on.
    private mutating func fetch(_ count: Int) throws(IndexError) {
        while bytes.count - offset < count {
            guard later > 0 else { throw .damaged("cut off") }
            let piece: [UInt8]
            do { piece = try next() } catch { throw .damaged("\(error)") }
            guard !piece.isEmpty && piece.count <= later else { throw .damaged("a piece has another length") }
            bytes = offset == bytes.count ? piece : Array(bytes[offset...]) + piece
            offset = 0
            later -= piece.count
        }
    }

    mutating func byte() throws(IndexError) -> UInt8 {
        if offset >= bytes.count { try fetch(1) }
        defer { offset += 1 }
        return bytes[offset]
    }

    @inline(__always) mutating func number() throws(IndexError) -> UInt32 {
        if bytes.count - offset < 4 { try fetch(4) }
        defer { offset += 4 }
        // Safety: four bytes from `offset` on are there.
        return bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    }

    /// Lends the bytes of the next `count` numbers, at any alignment.
    @inline(__always)
    mutating func withNumbers<Result>(
        _ count: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(IndexError) -> Result {
        if bytes.count - offset < 4 * count { try fetch(4 * count) }
        let start = offset
        offset += 4 * count
        // Safety: the bytes are there. The pointer does not leave `body`.
        return bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start..<(start + 4 * count)])) }
    }

    mutating func numbers(_ count: Int) throws(IndexError) -> [UInt32] {
        guard count <= remaining / 4 else { throw .damaged("cut off") }
        var result: [UInt32] = []
        result.reserveCapacity(count)
        for _ in 0..<count { result.append(try number()) }
        return result
    }
}
