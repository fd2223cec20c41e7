/// Lists of layer 0 that got a link so that a node is found, by the low halves of their nodes' numbers (see `Looks.Read`).
struct MendedLists {
    /// One list that changed.
    struct Change {
        let node: UInt32
        /// What it links to now.
        let gained: UInt32
        /// What it does not link to any more, to make room; `absent` if there was room.
        let dropped: UInt32
    }

    private let changes: [Change]
    /// The first change of each half, and after each change the next of the same half; -1 ends the chain.
    private var first = [Int](repeating: -1, count: 1 << 16)
    private var next: [Int]

    init(_ changes: [Change]) {
        self.changes = changes
        next = [Int](repeating: -1, count: changes.count)
        for (index, change) in changes.enumerated() {
            let half = Int(UInt16(truncatingIfNeeded: change.node))
            next[index] = first[half]
            first[half] = index
        }
    }

    /// Whether any of the lists may be among those that a walk read.
    func touch(_ reads: ArraySlice<Looks.Read>) -> Bool { reads.contains { first[Int($0.node)] >= 0 } }

    /// Whether `isNear` says so of a node that one of the lists gained or dropped, with the bound of that list's read.
    func changed(_ reads: ArraySlice<Looks.Read>, _ isNear: (UInt32, UInt16) -> Bool) -> Bool {
        for read in reads {
            var index = first[Int(read.node)]
            while index >= 0 {
                let change = changes[index]
                if isNear(change.gained, read.bound) { return true }
                if change.dropped != absent && isNear(change.dropped, read.bound) { return true }
                index = next[index]
            }
        }
        return false
    }
}
