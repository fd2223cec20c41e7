import CHilumKernels
import HilumCore

/// What walks are taken to cost, for each candidate that is kept; in the time that a cache line takes to come, as `Graph.scanCost`.
struct WalkCosts {
    /// Among matching nodes alone; a little more than that, as a scan misses none.
    var members = 2_100
    /// Over all nodes, if all matched; it takes the longer the fewer do.
    var all = 400

    static let usual = WalkCosts()
}

extension Graph {
    /// A search whose hits must match a filter.
    ///
    /// ```
    /// share that matches   way
    /// few                  scan: their codes first, then the nearest of these
    /// a tenth to a fifth   walk among members, or the scan where that is cheaper: by the number, or because members lie together
    /// more                 walk over all nodes; where what matches lies elsewhere, the walk among members
    /// ```
    /// A walk over all nodes ends as an unfiltered walk does, only that the pool which decides holds matching nodes: it widens by itself
    /// where matches are rare. A walk that gets dearer than the scan gives way to it, as soon as that can be told, and so does one that ends
    /// with fewer than `k` hits.
    ///
    /// - Parameters:
    ///   - matching: an upper bound of the matching items.
    ///   - costs: weighed against that of a scan.
    func filteredSearch(
        _ query: Target, k: Int, ef: Int, filter: ItemFilter, matching: Int, until deadline: Double,
        _ costs: WalkCosts, _ scratch: Scratch
    ) throws(IndexError) -> SearchResult {
        guard k > 0, filter.words != nil, matching > 0, let entry else { return SearchResult() }
        let itemsOfFilter = matching
        let matching = min(matching, itemCount)
        let limit = max(k, ef)
        let share = Double(matching) / Double(itemCount)
        let isConnected = reaches(share)
        let isFew = isConnected && share <= Self.memberShare
        let isScanned =
            isFew
            ? matching * scanCost <= costs.members * limit
            : matching * matching / max(1, limit) * scanCost <= costs.all * itemCount
        if matching <= limit || isScanned {
            return try scanCodes(query, k: k, filter: filter, matching: itemsOfFilter, until: deadline, scratch)
        }
        let slotCount = slots.load(ordering: .acquiring)
        let scansGathered = matching * scanCost <= Self.gatheredBreadth * costs.members * limit
        var members: (count: Int, gathering: MemberMemory.Gathering)?
        if isFew {
            let marked = markMembers(filter, matching: itemsOfFilter, slotCount: slotCount, scratch)
            if scansGathered, marked.gathering.isCertain {
                return try scanMembers(
                    query, k: k, filter: filter, slotCount: slotCount, until: deadline, scratch)
            }
            members = marked
        }
        var cost = SearchCost(until: deadline)
        let start = descend(from: entry, to: 0, query: query, scratch, &cost)
        let budget = max(limit, matching / 4)
        var pool = scratch.makePool(limit: min(limit, slotCount))
        var isComplete =
            !isFew
            && walkMatching(
                from: start, query: query, filter: filter, budget: budget,
                trial: isConnected ? Self.elsewhereCount * limit : budget / 2,
                scratch.beginVisit(slotCount: slotCount), &pool, scratch, &cost)
        if !isComplete, isConnected, deadline == .infinity || monotonicSeconds() < deadline {
            pool = scratch.makePool(limit: min(Self.gatheredBreadth * limit, slotCount))
            let marked =
                members ?? markMembers(filter, matching: itemsOfFilter, slotCount: slotCount, scratch)
            let plan = MemberPlan(
                limit: limit, budget: budget + cost.distanceCount, isGathered: !isFew, scansGathered: scansGathered,
                gathering: marked.gathering)
            isComplete = walkMembers(
                from: start, query: query, memberCount: marked.count, plan,
                scratch.beginVisit(slotCount: slotCount), &pool, scratch, &cost)
        }
        if !isComplete, deadline < .infinity, monotonicSeconds() >= deadline { throw IndexError(.overdue) }
        var result = SearchResult()
        if isComplete {
            try collect(pool, k: k, query: query, filter: filter, scratch, &cost, into: &result)
        }
        if result.hits.count < k {
            result = try scanCodes(
                query, k: k, filter: filter, matching: itemsOfFilter, until: deadline, scratch)
        }
        result.visited = cost.visited
        result.distanceCount += cost.distanceCount
        return result
    }

    /// So many distances for each candidate that is kept tell whether there are matching nodes around.
    private static let elsewhereCount = 16

    /// Walks layer 0 with a heap of all candidates and a pool of the matching ones; false if `budget` distances were not enough, or if
    /// `trial` of them found less than half of what is wanted.
    private func walkMatching(
        from start: UInt32, query: Target, filter: ItemFilter, budget: Int, trial: Int, _ marks: VisitedMarks,
        _ pool: inout SortedPool, _ scratch: Scratch, _ cost: inout SearchCost
    ) -> Bool {
        var heap = CandidateHeap(reusing: scratch)
        defer { heap.giveBack(to: scratch) }
        guard marks.visit(start) else { return false }
        let first = NodeCandidate(distance: distance(query, start, scratch), node: start)
        cost.distanceCount += 1
        heap.push(first.key)
        if matches(start, filter) { pool.insert(first) }
        while let candidate = heap.popNearest() {
            if pool.isFull && candidate.key > pool.bound { return true }
            if cost.distanceCount > budget || cost.isOverdue() { return false }
            // Hardly anything that matches is here: it lies elsewhere.
            if cost.distanceCount > trial, pool.count < pool.limit / 2 { return false }
            let count = store.links(candidate.node, layer: 0).read(into: scratch.links)
            var fresh = 0
            for index in 0..<count where marks.visit(scratch.links[index]) {
                let code = UnsafeRawPointer(store.code(scratch.links[index]))
                hilum_prefetch_bytes(code, askedByteCount)
                store.prefetchPosting(scratch.links[index])
                scratch.nodes[fresh] = scratch.links[index]
                scratch.codes[fresh] = code
                fresh += 1
            }
            askAhead(heap.nextTwo, layer: 0, marks, scratch)
            kernels.gather(query, scratch.codes, fresh, codeDimension, scratch.distances)
            cost.visited += 1
            cost.distanceCount += fresh
            for index in 0..<fresh {
                let next = NodeCandidate(distance: scratch.distances[index], node: scratch.nodes[index])
                if next.key >= pool.bound { continue }
                heap.push(next.key)
                if matches(next.node, filter) { pool.insert(next) }
            }
        }
        return true
    }

    /// Whether any item of a node matches.
    func matches(_ node: UInt32, _ filter: ItemFilter) -> Bool {
        var isFound = false
        _ = PostingList.forEach(store.posting(node).pointee.load(ordering: .acquiring)) { item in
            isFound = filter.matches(item)
            return !isFound
        }
        return isFound
    }
}

/// A binary heap of candidate keys, the nearest on top; its memory belongs to a scratch.
struct CandidateHeap {
    private var keys: [UInt64]

    init(reusing scratch: Scratch) {
        keys = scratch.heap
        scratch.heap = []
        keys.removeAll(keepingCapacity: true)
    }

    mutating func giveBack(to scratch: Scratch) {
        scratch.heap = keys
        keys = []
    }

    mutating func push(_ key: UInt64) {
        keys.append(key)
        var child = keys.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if keys[parent] <= key { break }
            keys[child] = keys[parent]
            child = parent
        }
        keys[child] = key
    }

    /// The nodes that are nearest now.
    var nextTwo: (first: UInt32?, second: UInt32?) {
        guard let top = keys.first else { return (nil, nil) }
        let second = keys.count > 2 ? min(keys[1], keys[2]) : keys.count == 2 ? keys[1] : nil
        return (NodeCandidate(key: top).node, second.map { NodeCandidate(key: $0).node })
    }

    mutating func popNearest() -> NodeCandidate? {
        guard let top = keys.first, let last = keys.popLast() else { return nil }
        if keys.isEmpty { return NodeCandidate(key: top) }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= keys.count { break }
            if child + 1 < keys.count && keys[child + 1] < keys[child] { child += 1 }
            if keys[child] >= last { break }
            keys[parent] = keys[child]
            parent = child
        }
        keys[parent] = last
        return NodeCandidate(key: top)
    }
}
