import HilumCore

extension Graph {
    /// A search whose hits must match a filter.
    ///
    /// Few matching items are scanned, by their codes first where there are such. Otherwise the graph is walked over all nodes,
    /// and ends as an unfiltered walk does, only that the pool which decides holds matching nodes: it widens by itself where
    /// matches are rare. A walk that gets dearer than the scan gives way to it, as soon as that can be told, and so does one that ends with
    /// fewer than `k` hits.
    ///
    /// - Parameter matching: an upper bound of the matching items.
    func filteredSearch(
        _ query: Target, k: Int, ef: Int, filter: ItemFilter, matching: Int, until deadline: Double, _ scratch: Scratch
    ) throws(IndexError) -> SearchResult {
        guard k > 0, filter.words != nil, matching > 0, let entry else { return SearchResult() }
        let matching = min(matching, itemCount)
        let limit = max(k, ef)
        // A walk computes about 5 distances for each of the ef * count / matching nodes that it has to see; a scan, which asks for
        // codes long before it needs them, has four done in the time of one.
        if matching <= limit || matching * matching <= 20 * limit * itemCount {
            return try scanCodes(query, k: k, filter: filter, until: deadline, scratch)
        }
        let slotCount = slots.load(ordering: .acquiring)
        var cost = SearchCost(until: deadline)
        let start = descend(from: entry, to: 0, query: query, scratch, &cost)
        let marks = scratch.beginVisit(slotCount: slotCount)
        var pool = scratch.makePool(limit: min(limit, slotCount))
        let isComplete = walkMatching(
            from: start, query: query, filter: filter, budget: max(limit, matching / 4), marks, &pool, scratch, &cost)
        if !isComplete, deadline < .infinity, monotonicSeconds() >= deadline { throw IndexError(.overdue) }
        var result = SearchResult()
        if isComplete {
            try collect(pool, k: k, query: query, filter: filter, scratch, &cost, into: &result)
        }
        if result.hits.count < k {
            result = try scanCodes(query, k: k, filter: filter, until: deadline, scratch)
        }
        result.visited = cost.visited
        result.distanceCount += cost.distanceCount
        return result
    }

    /// Walks layer 0 with a heap of all candidates and a pool of the matching ones; false if `budget` distances were not enough.
    private func walkMatching(
        from start: UInt32, query: Target, filter: ItemFilter, budget: Int, _ marks: VisitedMarks,
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
            // What matches lies elsewhere, so the other half would not do either.
            if cost.distanceCount > budget / 2, pool.count < pool.limit / 2 { return false }
            let count = store.links(candidate.node, layer: 0).read(into: scratch.links)
            var fresh = 0
            for index in 0..<count where marks.visit(scratch.links[index]) {
                scratch.nodes[fresh] = scratch.links[index]
                scratch.codes[fresh] = UnsafeRawPointer(store.code(scratch.links[index]))
                fresh += 1
            }
            kernels.gather(query, scratch.codes, fresh, dimension, scratch.distances)
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
    private func matches(_ node: UInt32, _ filter: ItemFilter) -> Bool {
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
