/// A distance and a node in one integer that sorts by distance, then node; the lowest bit marks a node whose links were read.
///
/// Layout: 32 bits of the distance (order-preserving, negative ones too), 31 bits of the node, 1 bit.
struct NodeCandidate {
    let key: UInt64

    @inline(__always) init(key: UInt64) { self.key = key }

    @inline(__always) init(distance: Float, node: UInt32) {
        let bits = distance.bitPattern
        let ordered = bits ^ (UInt32(bitPattern: Int32(bitPattern: bits) >> 31) | 0x8000_0000)
        key = UInt64(ordered) << 32 | UInt64(node) << 1
    }

    @inline(__always) var node: UInt32 { UInt32(truncatingIfNeeded: key) >> 1 }

    @inline(__always) var distance: Float {
        let ordered = UInt32(truncatingIfNeeded: key >> 32)
        return Float(bitPattern: ordered & 0x8000_0000 != 0 ? ordered ^ 0x8000_0000 : ~ordered)
    }
}
