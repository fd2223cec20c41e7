/// What looking for some nodes came to: which were not found, and how the walks to the others went.
///
/// A walk takes four bytes for each list that it read. Templated vectors need about three lists, uniform ones about ten.
struct Looks {
    /// A list of layer 0 that a walk read.
    struct Read {
        /// The low half of the number of the list's node. Lists that share it are taken for one another, which costs a look.
        let node: UInt16
        /// The high bits of the farthest candidate among those whose lists the walk read afterwards.
        var bound: UInt16
    }

    /// A node that its own search did not find.
    struct Lost {
        let node: UInt32
        /// Nodes whose lists the walk read: first the one that it began at, then those that are still in the pool, nearest first.
        let read: [UInt32]
        /// The nearest of them.
        var nearest: UInt32 { read[min(1, read.count - 1)] }

        init(node: UInt32, start: UInt32, read: [UInt32]) {
            self.node = node
            self.read = [start] + read
        }
    }

    /// In the order in which the nodes were looked for.
    var lost: [Lost] = []
    private var found: [UInt32] = []
    /// Where the reads of each found node end.
    private var ends: [Int] = []
    private var reads: [Read] = []

    /// The bits of a candidate's key that `Read.bound` is compared with: sign, exponent and seven more of the distance.
    static func bits(_ key: UInt64) -> UInt16 { UInt16(truncatingIfNeeded: key >> 48) }

    /// Notes a node that was found.
    ///
    /// - Parameter keys: of the candidates whose lists were read on the way, in order (see `NodeCandidate`); all ones stand for a
    ///   part of the walk that anything may have changed.
    mutating func add(_ node: UInt32, reading keys: [UInt64]) {
        let start = reads.count
        for key in keys { reads.append(Read(node: UInt16(truncatingIfNeeded: key >> 1), bound: Self.bits(key))) }
        var farthest: UInt16 = 0
        for index in stride(from: reads.count - 1, through: start, by: -1) {
            let own = reads[index].bound
            reads[index].bound = farthest
            farthest = max(farthest, own)
        }
        found.append(node)
        ends.append(reads.count)
    }

    /// Calls `body` with each node that was found and what its walk read.
    func forEachFound(_ body: (UInt32, ArraySlice<Read>) -> Void) {
        var start = 0
        for (node, end) in zip(found, ends) {
            body(node, reads[start..<end])
            start = end
        }
    }
}
