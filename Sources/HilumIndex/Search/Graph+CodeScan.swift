import CHilumKernels

extension Graph {
    /// From so many items on, the nodes of a filter are remembered from one scan to the next.
    private static let rememberedCount = 1024

    /// Compares the codes of all items of `filter`, then the nearest of these as well as the index can.
    ///
    /// - Parameter matching: the items of the filter.
    func scanCodes(
        _ query: Target, k: Int, filter: ItemFilter, matching: Int, until deadline: Double, _ scratch: Scratch
    ) throws(IndexError) -> SearchResult {
        guard hasFineDistances else {
            return try scan(query, k: k, filter: filter, SearchCost(until: deadline), scratch)
        }
        let slotCount = slots.load(ordering: .acquiring)
        if k > 0, matching >= Self.rememberedCount {
            _ = markMembers(filter, matching: matching, slotCount: slotCount, scratch)
            return try scanMembers(query, k: k, filter: filter, slotCount: slotCount, until: deadline, scratch)
        }
        var codes = CodeScan(self, query, k: k, slotCount: slotCount, until: deadline, scratch)
        if k > 0 {
            try forEachNode(filter, scratch.beginVisit(slotCount: slotCount)) { (node) throws(IndexError) in
                try codes.add(node)
            }
        }
        return try hits(of: &codes, query, k: k, filter, scratch)
    }

    /// The same of the nodes whose bits are set in `scratch.members`.
    func scanMembers(
        _ query: Target, k: Int, filter: ItemFilter, slotCount: Int, until deadline: Double, _ scratch: Scratch
    ) throws(IndexError) -> SearchResult {
        var codes = CodeScan(self, query, k: k, slotCount: slotCount, until: deadline, scratch)
        let members = scratch.members
        for index in members.indices {
            var rest = members[index]
            while rest != 0 {
                let node = UInt32(index * 64 + rest.trailingZeroBitCount)
                rest &= rest - 1
                if Int(node) < slotCount { try codes.add(node) }
            }
        }
        return try hits(of: &codes, query, k: k, filter, scratch)
    }

    private func hits(
        of codes: inout CodeScan, _ query: Target, k: Int, _ filter: ItemFilter, _ scratch: Scratch
    ) throws(IndexError) -> SearchResult {
        try codes.flush()
        var result = SearchResult()
        try collect(codes.pool, k: k, query: query, filter: filter, scratch, &codes.cost, into: &result)
        result.distanceCount = codes.cost.distanceCount
        return result
    }

    /// What it costs to compare a code in a scan, in the time that a cache line takes to come: most of it is waiting for the code.
    var scanCost: Int { 1 + (store.codeByteCount + 63) / 64 }
}

/// Compares the codes of one node after the other and keeps the nearest.
///
/// The codes lie all over the memory. So each is asked for when its node is named, and compared when `ahead` more have been: the fewer are on
/// their way at once, the longer each is waited for.
private struct CodeScan {
    /// So much of codes is on its way at once; less leaves the memory idle, and more does not stay in the nearest cache.
    private static let byteCountAhead = 8 << 10
    /// So many are compared at once.
    private static let groupCount = 16

    private let graph: Graph
    private let query: Target
    private let scratch: Scratch
    private let ahead: Int
    private let codeByteCount: Int
    private(set) var pool: SortedPool
    var cost: SearchCost
    /// Those of `scratch.nodes` that wait.
    private var first = 0
    private var end = 0

    init(_ graph: Graph, _ query: Target, k: Int, slotCount: Int, until deadline: Double, _ scratch: Scratch) {
        (self.graph, self.query, self.scratch) = (graph, query, scratch)
        pool = scratch.makePool(limit: min(max(2 * k, k + 32), slotCount))
        cost = SearchCost(until: deadline)
        codeByteCount = graph.store.codeByteCount
        ahead = max(8, min(Scratch.batchCapacity - Self.groupCount, Self.byteCountAhead / codeByteCount))
    }

    /// - Throws: `.overdue`.
    @inline(__always) mutating func add(_ node: UInt32) throws(IndexError) {
        let code = UnsafeRawPointer(graph.store.code(node))
        hilum_prefetch_bytes(code, codeByteCount)
        scratch.nodes[end] = node
        scratch.codes[end] = code
        end += 1
        if end - first == ahead + Self.groupCount || end == Scratch.batchCapacity { try makeRoom() }
    }

    private mutating func makeRoom() throws(IndexError) {
        compare(min(Self.groupCount, end - first))
        if end == Scratch.batchCapacity {
            // Safety: what waits is moved to the front of the same room.
            scratch.nodes.update(from: scratch.nodes + first, count: end - first)
            scratch.codes.update(from: scratch.codes + first, count: end - first)
            (first, end) = (0, end - first)
        }
        if cost.isOverdue() { throw IndexError(.overdue) }
    }

    /// Compares all that wait.
    ///
    /// - Throws: `.overdue`.
    mutating func flush() throws(IndexError) {
        compare(end - first)
        if cost.isOverdue() { throw IndexError(.overdue) }
    }

    private mutating func compare(_ count: Int) {
        graph.kernels.gather(query, scratch.codes + first, count, graph.codeDimension, scratch.distances)
        var pool = self.pool
        for index in 0..<count {
            pool.insert(NodeCandidate(distance: scratch.distances[index], node: scratch.nodes[first + index]))
        }
        self.pool = pool
        cost.distanceCount += count
        first += count
    }
}
