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

/// The bytes of the items of each slot, which the links hold too, in about a fourteenth of their length. All numbers are little-endian.
///
/// ```
/// slot     item count u32, 0 for a free slot | items u32 each
/// trailer  CRC-32C u32 of everything before
/// ```
enum OwnerFormat {
    static func byteCount(_ header: LinkHeader) -> Int { 4 * (header.slotCount + header.itemCount + 1) }
}

/// Reads of 32-bit numbers with the error of this module.
extension ByteReader {
    /// The next byte.
    @inline(__always) mutating func octet() throws(IndexError) -> UInt8 {
        do { return try byte() } catch { throw .damaged(error.reason) }
    }

    /// The next number.
    @inline(__always) mutating func number() throws(IndexError) -> UInt32 {
        do { return try integer(UInt32.self) } catch { throw .damaged(error.reason) }
    }

    /// The bytes of the next `count` numbers, at any alignment, until the next read.
    @inline(__always)
    mutating func numberBytes(_ count: Int) throws(IndexError) -> UnsafeRawBufferPointer {
        do { return try lend(4 * count) } catch { throw .damaged(error.reason) }
    }

    /// The head of a slot of a checkpoint: the first fields of a node; nil for a free slot.
    @inline(__always)
    mutating func slotHead(_ slot: UInt32) throws(IndexError) -> (parent: UInt32, hash: UInt32, itemCount: Int)? {
        let kind = try octet()
        guard kind <= 1 else { throw .damaged("slot \(slot) is of no known kind") }
        if kind == 0 { return nil }
        let (parent, hash, itemCount) = (try number(), try number(), Int(try number()))
        guard itemCount > 0 else { throw .damaged("node \(slot) has no item") }
        return (parent, hash, itemCount)
    }

    /// The next list of links of a node, as bytes that hold until the next read.
    @inline(__always)
    mutating func linkBytes(_ slot: UInt32, atMost capacity: Int) throws(IndexError) -> UnsafeRawBufferPointer {
        let count = Int(try octet())
        guard count <= capacity else { throw .damaged("node \(slot) has too many links") }
        return try numberBytes(count)
    }

    /// The next `count` numbers.
    mutating func numbers(_ count: Int) throws(IndexError) -> [UInt32] {
        guard count <= remaining / 4 else { throw .damaged("cut off") }
        var result: [UInt32] = []
        result.reserveCapacity(count)
        for _ in 0..<count { result.append(try number()) }
        return result
    }
}
