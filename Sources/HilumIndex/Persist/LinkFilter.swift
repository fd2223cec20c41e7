/// Tells lists that surely have no link twice: one bit a link, found by its hash.
///
/// A table with a place for every node would say it exactly, but costs a cache miss for every link.
struct LinkFilter {
    // 2,048 bits: a list of 15 links meets a bit that is set in one case of twenty.
    private var words = InlineArray<32, UInt64>(repeating: 0)
    private var mayHaveCopies = false

    @inline(__always)
    mutating func note(_ link: UInt32) {
        let hash = (link &* 0x9E37_79B1) >> 21
        let bit: UInt64 = 1 << UInt64(hash & 63)
        let word = Int(hash >> 6)
        if words[word] & bit != 0 { mayHaveCopies = true }
        words[word] |= bit
    }

    /// Begins the next list; returns whether this one may have a link twice.
    @inline(__always)
    mutating func clear() -> Bool {
        defer {
            words = InlineArray<32, UInt64>(repeating: 0)
            mayHaveCopies = false
        }
        return mayHaveCopies
    }
}

extension LinkList {
    /// Whether a link comes twice. Writer only.
    var hasCopies: Bool {
        for index in 0..<count {
            for other in 0..<index where self[index] == self[other] { return true }
        }
        return false
    }
}
