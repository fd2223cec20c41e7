/// A byte trie with two roots: node 0 for pieces that begin a word, node 1 for those that go on with one.
struct PieceTrie: Sendable {
    private static let empty = UInt32.max
    /// Node · 256 + byte of each edge, or `empty`; the table is at most half full.
    private var keys: [UInt32]
    /// The node each edge leads to.
    private var targets: [UInt32]
    /// The id of the piece that ends at each node, or −1.
    private var ids: [Int32] = [-1, -1]
    private let shift: UInt32

    /// Room for pieces of `byteCount` bytes together, below 2²³ so that a node and a byte fit an edge's 32 bits.
    init(byteCount: Int) {
        precondition(byteCount < 1 << 23, "an edge key holds 24 bits of node")
        var bits: UInt32 = 8
        while 1 << bits < 2 * byteCount { bits += 1 }
        keys = [UInt32](repeating: Self.empty, count: 1 << bits)
        targets = [UInt32](repeating: 0, count: 1 << bits)
        shift = 32 - bits
    }

    static func split(_ piece: String) -> (bytes: [UInt8], isContinuation: Bool) {
        let isContinuation = piece.utf8.count > 2 && piece.utf8.starts(with: "##".utf8)
        return (Array(isContinuation ? piece.utf8.dropFirst(2) : piece.utf8[...]), isContinuation)
    }

    /// False when the piece is there already.
    mutating func insert(_ piece: String, id: Int32) -> Bool {
        let (bytes, isContinuation) = Self.split(piece)
        var node: UInt32 = isContinuation ? 1 : 0
        for byte in bytes {
            let key = node << 8 | UInt32(byte)
            var slot = Int((key &* 0x9E37_79B1) >> shift)
            while keys[slot] != Self.empty && keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
            if keys[slot] == Self.empty {
                keys[slot] = key
                targets[slot] = UInt32(ids.count)
                ids.append(-1)
            }
            node = targets[slot]
        }
        guard ids[Int(node)] < 0 else { return false }
        ids[Int(node)] = id
        return true
    }

    /// The longest piece that starts at `start`, and where it ends; id −1 when there is none.
    @inline(__always)
    func longest(
        _ word: UnsafeBufferPointer<UInt8>, from start: Int, isContinuation: Bool
    ) -> (id: Int32, end: Int) {
        var node: UInt32 = isContinuation ? 1 : 0
        var best: (id: Int32, end: Int) = (-1, start)
        var position = start
        while position < word.count {
            let key = node << 8 | UInt32(word[position])
            var slot = Int((key &* 0x9E37_79B1) >> shift)
            while keys[slot] != key {
                if keys[slot] == Self.empty { return best }
                slot = (slot + 1) & (keys.count - 1)
            }
            node = targets[slot]
            position += 1
            let id = ids[Int(node)]
            if id >= 0 { best = (id, position) }
        }
        return best
    }
}
