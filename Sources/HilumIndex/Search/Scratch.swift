import CHilumKernels
import Synchronization

/// What one search needs besides the graph: marks of visited nodes, the pool of candidates, a batch of neighbours.
///
/// Sendable: a scratch is owned by one thread between `take` and `giveBack`; shared are the two atomics, and `next`, which does not
/// change once the scratch is on the list.
/// A mark is 16 bits and counts up from search to search, so that nothing is cleared but once in 65,535 searches.
final class Scratch: @unchecked Sendable {
    /// The clock of the pool when the reader began; 0 while idle.
    let epoch = Atomic<UInt64>(0)
    private let isTaken = Atomic<Bool>(false)
    /// The address of the scratch made before this one. `ReaderPool` only.
    var next: UInt = 0

    /// Links of one node, their codes and distances; room for `batchCapacity`.
    static let batchCapacity = 256
    let links: UnsafeMutablePointer<UInt32>
    let nodes: UnsafeMutablePointer<UInt32>
    let codes: UnsafeMutablePointer<UnsafeRawPointer?>
    /// Second levels of the codes, for `i8`.
    let residuals: UnsafeMutablePointer<UnsafeRawPointer?>
    let distances: UnsafeMutablePointer<Float>
    /// Nodes whose own links are read too, where a walk steps over those that do not match; nodes that are asked for ahead.
    let bridges: UnsafeMutablePointer<UInt32>
    /// `dimension` floats: the query at the length that the kernels want, or a vector on its way.
    let floats: UnsafeMutablePointer<Float>
    /// The query and a stored vector as queries of the kernels (see `Target`); room for either form.
    let query: UnsafeMutableRawPointer
    let member: UnsafeMutableRawPointer

    private var marks: UnsafeMutablePointer<UInt16>
    private var markCapacity = 0
    private var mark: UInt16 = 0
    private var keys: UnsafeMutablePointer<UInt64>
    private var keyCapacity = 0
    /// Candidates of a filtered search, a binary heap with the nearest on top.
    var heap: [UInt64] = []
    /// One bit a node: whether it matches the filter of a search among few.
    var members: [UInt64] = []
    /// Keys of nodes whose lists on layer 0 a look has read, in that order, or those of `noteReads`.
    var reads: [UInt64] = []

    init(dimension: Int) {
        links = .allocate(capacity: Self.batchCapacity)
        nodes = .allocate(capacity: Self.batchCapacity)
        codes = .allocate(capacity: Self.batchCapacity)
        distances = .allocate(capacity: Self.batchCapacity)
        bridges = .allocate(capacity: Self.batchCapacity)
        residuals = .allocate(capacity: Self.batchCapacity)
        floats = .allocate(capacity: max(dimension, 1))
        let byteCount = max(4 * dimension, hilum_code_query_bytes(dimension))
        query = .allocate(byteCount: byteCount, alignment: 64)
        member = .allocate(byteCount: byteCount, alignment: 64)
        marks = .allocate(capacity: 1)
        keys = .allocate(capacity: 1)
    }

    deinit {
        links.deallocate()
        nodes.deallocate()
        codes.deallocate()
        distances.deallocate()
        bridges.deallocate()
        residuals.deallocate()
        floats.deallocate()
        query.deallocate()
        member.deallocate()
        marks.deallocate()
        keys.deallocate()
    }

    /// Makes the caller the owner; false if someone else is.
    func take() -> Bool {
        guard !isTaken.load(ordering: .relaxed) else { return false }
        return isTaken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
    }

    /// Ends the ownership.
    func giveBack() { isTaken.store(false, ordering: .releasing) }

    /// Marks for the nodes below `slotCount`, none visited.
    func beginVisit(slotCount: Int) -> VisitedMarks {
        if slotCount > markCapacity {
            marks.deallocate()
            markCapacity = slotCount + slotCount / 4 + 64
            marks = .allocate(capacity: markCapacity)
            marks.initialize(repeating: 0, count: markCapacity)
            mark = 0
        }
        mark &+= 1
        if mark == 0 {
            marks.update(repeating: 0, count: markCapacity)
            mark = 1
        }
        return VisitedMarks(marks: marks, mark: mark, slotCount: UInt32(slotCount))
    }

    /// An empty pool for up to `limit` candidates; the one made before it may not be used any more.
    func makePool(limit: Int) -> SortedPool {
        if limit + 1 > keyCapacity {
            keys.deallocate()
            keyCapacity = max(limit + 1, 2 * keyCapacity)
            keys = .allocate(capacity: keyCapacity)
        }
        return SortedPool(keys: keys, limit: limit)
    }

    /// Keeps in `reads` the keys of the candidates of a pool whose links were read.
    func noteReads(of pool: SortedPool) {
        var noted = reads
        reads = []
        noted.removeAll(keepingCapacity: true)
        for index in 0..<pool.count where pool.keys[index] & 1 == 1 { noted.append(pool.keys[index] & ~1) }
        reads = noted
    }

    /// Which of up to 64 candidates, nearest first, are among the noted reads: bit i stands for candidate i.
    func readMask(of candidates: [NodeCandidate]) -> UInt64 {
        var mask: UInt64 = 0
        var next = 0
        for (index, candidate) in candidates.enumerated() {
            while next < reads.count && reads[next] < candidate.key { next += 1 }
            if next < reads.count && reads[next] == candidate.key { mask |= 1 << UInt64(index) }
        }
        return mask
    }
}

/// Which nodes a search has seen.
struct VisitedMarks {
    // Safety: `slotCount` marks, owned by the scratch that the search holds.
    let marks: UnsafeMutablePointer<UInt16>
    let mark: UInt16
    let slotCount: UInt32

    /// Marks `node`; false if it was marked or was added after the search began.
    @inline(__always) func visit(_ node: UInt32) -> Bool {
        guard node < slotCount else { return false }
        let place = marks + Int(node)
        if place.pointee == mark { return false }
        place.pointee = mark
        return true
    }

    /// Copies those of `count` nodes to `fresh` that `visit` would mark, and marks them; returns how many. Nobody could guess which are new,
    /// so that is no branch.
    @inline(__always) func visit(
        _ nodes: UnsafePointer<UInt32>, _ count: Int, into fresh: UnsafeMutablePointer<UInt32>
    ) -> Int {
        var freshCount = 0
        for index in 0..<count {
            let node = nodes[index]
            guard node < slotCount else { continue }
            let place = marks + Int(node)
            // Safety: `fresh` has room for `count` nodes, and as many were passed before this one.
            fresh[freshCount] = node
            freshCount &+= place.pointee == mark ? 0 : 1
            place.pointee = mark
        }
        return freshCount
    }

    /// Copies those links of a list to `fresh` that `visit` would mark; returns how many. The list may change meanwhile.
    @inline(__always) func look(at list: LinkList, into fresh: UnsafeMutablePointer<UInt32>) -> Int {
        var freshCount = 0
        for index in 0..<list.count {
            let node = list.word(index)
            guard node < slotCount else { continue }
            // Safety: as in `visit`.
            fresh[freshCount] = node
            freshCount &+= marks[Int(node)] == mark ? 0 : 1
        }
        return freshCount
    }
}

/// The nearest candidates seen so far, sorted, at most `limit`; the cursor stands at the first whose links were not read.
struct SortedPool {
    // Safety: room for `limit + 1` keys, owned by the scratch that the search holds.
    let keys: UnsafeMutablePointer<UInt64>
    let limit: Int
    private(set) var count = 0
    private var cursor = 0

    @inline(__always) init(keys: UnsafeMutablePointer<UInt64>, limit: Int) {
        self.keys = keys
        self.limit = limit
    }

    @inline(__always) subscript(index: Int) -> NodeCandidate { NodeCandidate(key: keys[index]) }

    /// The nodes in the pool whose links were read, nearest first.
    var readNodes: [UInt32] { (0..<count).filter { keys[$0] & 1 == 1 }.map { self[$0].node } }

    @inline(__always) var isFull: Bool { count == limit }

    /// The farthest candidate's key; all ones while there is room.
    @inline(__always) var bound: UInt64 { count == limit ? keys[count - 1] : .max }

    /// Puts a candidate in its place; drops the farthest when the pool overflows.
    @inline(__always) mutating func insert(_ candidate: NodeCandidate) {
        let key = candidate.key
        if count == limit {
            if limit == 0 || key >= keys[count - 1] { return }
            count -= 1
        }
        // Binary search without a branch on the comparison, which no predictor could guess.
        var low = 0
        var width = count
        while width > 1 {
            let half = width >> 1
            low = keys[low + half - 1] < key ? low + half : low
            width -= half
        }
        if width == 1 && keys[low] < key { low += 1 }
        // Safety: `low <= count < limit`, so `count + 1 - low` keys from `low + 1` lie inside the room.
        (keys + low + 1).update(from: keys + low, count: count - low)
        keys[low] = key
        count += 1
        if low < cursor { cursor = low }
    }

    /// The nodes whose turn comes next, as far as can be told.
    @inline(__always) var nextTwo: (first: UInt32?, second: UInt32?) {
        var first: UInt32?
        var place = cursor
        while place < count {
            if keys[place] & 1 == 0 {
                let node = UInt32(truncatingIfNeeded: keys[place]) >> 1
                if first != nil { return (first, node) }
                first = node
            }
            place += 1
        }
        return (first, nil)
    }

    /// The nearest candidate whose links were not read yet, marked as read.
    @inline(__always) mutating func next() -> NodeCandidate? { next(before: count) }

    /// The same among the first `end` candidates only.
    @inline(__always) mutating func next(before end: Int) -> NodeCandidate? {
        while cursor < end && cursor < count {
            let key = keys[cursor]
            cursor += 1
            if key & 1 == 0 {
                keys[cursor - 1] = key | 1
                return NodeCandidate(key: key)
            }
        }
        return nil
    }
}
