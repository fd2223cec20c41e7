/// Finds the node that holds a given vector, bit for bit: open addressing over node numbers.
///
/// Thread rule: the one writer's own.
struct NodeTable {
    private var nodes: [UInt32] = [UInt32](repeating: absent, count: 16)
    private var count = 0
    private let store: NodeStore

    init(store: NodeStore) { self.store = store }

    /// A hash of the bits of `dimension` floats: multiply, fold, two floats a step.
    static func hash(_ vector: UnsafePointer<Float>, dimension: Int) -> UInt32 {
        // Safety: `dimension` floats are readable; pairs are read at a multiple of 4 bytes, hence unaligned.
        let bytes = UnsafeRawBufferPointer(start: vector, count: 4 * dimension)
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var offset = 0
        while offset + 8 <= bytes.count {
            let product = (state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                .multipliedFullWidth(by: 0xD1B5_4A32_D192_ED03)
            state = (product.high ^ product.low) &+ 0x2545_F491_4F6C_DD1D
            offset += 8
        }
        if offset < bytes.count {
            let last = UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let product = (state ^ last).multipliedFullWidth(by: 0xD1B5_4A32_D192_ED03)
            state = product.high ^ product.low
        }
        return UInt32(truncatingIfNeeded: (state ^ state >> 32) &* 0x9E37_79B9_7F4A_7C15 >> 32)
    }

    private func home(_ hash: UInt32) -> Int { Int(hash) & (nodes.count - 1) }

    /// The node of this hash that `isEqual` says yes to.
    @inline(__always) func find(hash: UInt32, _ isEqual: (UInt32) -> Bool) -> UInt32? {
        var place = home(hash)
        while nodes[place] != absent {
            let node = nodes[place]
            if store.hash(node) == hash && isEqual(node) { return node }
            place = (place + 1) & (nodes.count - 1)
        }
        return nil
    }

    /// Makes room for `nodeCount` nodes in an empty table.
    mutating func reserve(_ nodeCount: Int) {
        precondition(count == 0, "the table is in use")
        var capacity = nodes.count
        while capacity < 2 * nodeCount { capacity *= 2 }
        if capacity > nodes.count { nodes = [UInt32](repeating: absent, count: capacity) }
    }

    /// Enters a node that is not in the table; its hash is set.
    mutating func insert(_ node: UInt32) {
        if 2 * (count + 1) > nodes.count {
            let old = nodes
            nodes = [UInt32](repeating: absent, count: 2 * old.count)
            for moved in old where moved != absent { place(moved) }
        }
        place(node)
        count += 1
    }

    private mutating func place(_ node: UInt32) {
        var place = home(store.hash(node))
        while nodes[place] != absent { place = (place + 1) & (nodes.count - 1) }
        nodes[place] = node
    }

    /// Takes a node out, if it is there, and closes the gap.
    mutating func remove(_ node: UInt32) {
        let mask = nodes.count - 1
        var gap = home(store.hash(node))
        while nodes[gap] != node {
            if nodes[gap] == absent { return }
            gap = (gap + 1) & mask
        }
        count -= 1
        var next = gap
        while true {
            next = (next + 1) & mask
            if nodes[next] == absent { break }
            // An entry may move into the gap unless its home lies after the gap (cyclically) and at or before itself.
            let distanceFromHome = (next - home(store.hash(nodes[next]))) & mask
            if distanceFromHome >= (next - gap) & mask {
                nodes[gap] = nodes[next]
                gap = next
            }
        }
        nodes[gap] = absent
    }
}
