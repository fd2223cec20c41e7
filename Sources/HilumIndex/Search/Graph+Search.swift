import CHilumKernels
import HilumCore

/// What a walk cost, and when it must end.
struct SearchCost {
    var visited = 0
    var distanceCount = 0
    /// In the seconds of `monotonicSeconds`.
    var deadline = Double.infinity
    private var nextLook = SearchCost.lookStride

    /// A look at the time costs as much as a distance or two.
    private static let lookStride = 256

    init(until deadline: Double = .infinity) { self.deadline = deadline }

    /// Whether the time is over; looks at it every few hundred distances.
    @inline(__always) mutating func isOverdue() -> Bool {
        guard distanceCount >= nextLook else { return false }
        nextLook = distanceCount + Self.lookStride
        return deadline < .infinity && monotonicSeconds() >= deadline
    }
}

/// Searches of the graph.
///
/// Thread rule: any thread, beside the one writer.
extension Graph {
    /// The `k` items nearest to `query` that the graph leads to; see `HNSWIndex.search`.
    func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, ef: Int, filter: ItemSet? = nil,
        until deadline: Double = .infinity, costs: WalkCosts = .usual
    ) throws(IndexError) -> SearchResult {
        let squareLength = try checkedSquareLength(query)
        let scratch = readers.enter()
        defer { readers.leave(scratch) }
        let target = try prepared(query, squareLength: squareLength, scratch)
        if let filter {
            return try filter.words.withUnsafeBufferPointer { (words) throws(IndexError) in
                // Safety: the words outlive this closure, and the filter does not leave it.
                let bits = ItemFilter(words: words.baseAddress, wordCount: words.count)
                return try filteredSearch(
                    target, k: k, ef: ef, filter: bits, matching: filter.count, until: deadline, costs, scratch)
            }
        }
        var result = SearchResult()
        guard k > 0, let entry else { return result }
        let slotCount = slots.load(ordering: .acquiring)
        var cost = SearchCost(until: deadline)
        let start = descend(from: entry, to: 0, query: target, scratch, &cost)
        let marks = scratch.beginVisit(slotCount: slotCount)
        var pool = scratch.makePool(limit: min(max(k, ef), slotCount))
        enter(start, query: target, marks, &pool, scratch, &cost)
        var isComplete = walk(layer: 0, query: target, marks, &pool, scratch, &cost)
        if isComplete, !pool.isFull && pool.count < nodeCount {
            // A start without a way back to the rest: the entry point reaches every node.
            enter(entry.node, query: target, marks, &pool, scratch, &cost)
            isComplete = walk(layer: 0, query: target, marks, &pool, scratch, &cost)
        }
        guard isComplete else { throw IndexError(.overdue) }
        try collect(pool, k: k, query: target, filter: .everything, scratch, &cost, into: &result)
        result.visited = cost.visited
        result.distanceCount = cost.distanceCount
        return result
    }

    /// The `k` nearest items by comparing every vector, or every matching one; see `HNSWIndex.exactSearch`.
    func exactSearch(
        _ query: UnsafeBufferPointer<Float>, k: Int, filter: ItemSet? = nil, until deadline: Double = .infinity
    ) throws(IndexError) -> SearchResult {
        let squareLength = try checkedSquareLength(query)
        let scratch = readers.enter()
        defer { readers.leave(scratch) }
        let target = try prepared(query, squareLength: squareLength, scratch)
        try fetchResiduals()
        let cost = SearchCost(until: deadline)
        guard let filter else { return try scanAll(target, k: k, cost, scratch) }
        return try filter.words.withUnsafeBufferPointer { (words) throws(IndexError) in
            // Safety: as in `search`.
            let bits = ItemFilter(words: words.baseAddress, wordCount: words.count)
            return try scan(target, k: k, filter: bits, cost, scratch)
        }
    }

    // MARK: Parts of a search

    /// The query as the kernels want it: for the cosine of length 1. Valid while the scratch and the query's buffer are.
    func prepared(
        _ query: UnsafeBufferPointer<Float>, squareLength: Double, _ scratch: Scratch
    ) throws(IndexError) -> Target {
        guard var floats = query.baseAddress else { throw IndexError(.wrongDimension(expected: dimension, got: 0)) }
        if metric == .cosine && abs(squareLength - 1) > 1e-6 {
            let scale = Float(1 / squareLength.squareRoot())
            // Safety: the count was checked to be `dimension`, the room of `scratch.floats`.
            for index in 0..<dimension { scratch.floats[index] = floats[index] * scale }
            floats = UnsafePointer(scratch.floats)
        }
        return target(floats, scratch.query)
    }

    /// A vector as a query of the kernels; `room` holds it where the floats themselves do not do.
    @inline(__always)
    func target(_ vector: UnsafePointer<Float>, _ room: UnsafeMutableRawPointer) -> Target {
        guard let codeBook = kernels.codeBook else { return Target(vector) }
        codeBook.prepare(vector, into: room)
        return Target(room)
    }

    /// A stored vector as a query of the kernels, as well as the index knows it or, for less work, from its code alone.
    func target(of node: UInt32, isFine: Bool, _ room: UnsafeMutableRawPointer) -> Target {
        switch precision {
        case .f32: return Target(store.code(node))
        case .bf16:
            if isFine { return Target(store.vector(node)) }
            // Safety: room for `dimension` floats, from as many elements of the code.
            hilum_bf16_to_f32(
                store.code(node).assumingMemoryBound(to: UInt16.self), room.assumingMemoryBound(to: Float.self),
                dimension)
        case .i8:
            let residual = isFine && hasResidual(node) ? store.residual(node) : nil
            kernels.codeBook?.prepare(
                code: store.code(node), residual: residual.map { UnsafeRawPointer($0) }, into: room)
        }
        return Target(room)
    }

    /// Whether the order of hits needs more than the distances of codes.
    @inline(__always) var hasFineDistances: Bool { precision == .bf16 || store.hasResiduals }

    /// The best distances the index can tell, of a query and the first `count` of `scratch.nodes`, into `scratch.distances`.
    ///
    /// - Precondition: their residuals are in memory (`fetchResidual`).
    func measureFinely(_ query: Target, count: Int, _ scratch: Scratch) {
        guard hasFineDistances else {
            for index in 0..<count { scratch.codes[index] = UnsafeRawPointer(store.code(scratch.nodes[index])) }
            kernels.gather(query, scratch.codes, count, codeDimension, scratch.distances)
            return
        }
        guard let codeBook = kernels.codeBook else {
            for index in 0..<count { scratch.codes[index] = UnsafeRawPointer(store.vector(scratch.nodes[index])) }
            kernels.gatherExact(query, scratch.codes, count, dimension, scratch.distances)
            return
        }
        for index in 0..<count {
            scratch.codes[index] = UnsafeRawPointer(store.code(scratch.nodes[index]))
            scratch.residuals[index] = store.residual(scratch.nodes[index]).map { UnsafeRawPointer($0) }
        }
        codeBook.kernels.fine_gather(
            query, scratch.codes, scratch.residuals, count, codeDimension, scratch.distances)
    }

    /// Computes the distance of one node and puts it into the pool unless it was visited.
    func enter(
        _ node: UInt32, query: Target, _ marks: VisitedMarks, _ pool: inout SortedPool,
        _ scratch: Scratch,
        _ cost: inout SearchCost
    ) {
        guard marks.visit(node) else { return }
        cost.distanceCount += 1
        pool.insert(NodeCandidate(distance: distance(query, node, scratch), node: node))
    }

    /// The distance of a query and the code of one node.
    func distance(_ query: Target, _ node: UInt32, _ scratch: Scratch) -> Float {
        scratch.codes[0] = UnsafeRawPointer(store.code(node))
        kernels.gather(query, scratch.codes, 1, codeDimension, scratch.distances)
        return scratch.distances[0]
    }

    /// Greedy steps from the entry point down to the nearest node of the layer above `layer`.
    func descend(
        from entry: (node: UInt32, level: Int), to layer: Int, query: Target, _ scratch: Scratch,
        _ cost: inout SearchCost
    ) -> UInt32 {
        var nearest = entry.node
        guard entry.level > layer else { return nearest }
        let asked = askedByteCount
        var best = distance(query, nearest, scratch)
        cost.distanceCount += 1
        for upper in stride(from: entry.level, to: layer, by: -1) {
            var isMoving = true
            while isMoving {
                isMoving = false
                let count = store.links(nearest, layer: upper).read(into: scratch.links)
                for index in 0..<count {
                    let code = UnsafeRawPointer(store.code(scratch.links[index]))
                    hilum_prefetch_bytes(code, asked)
                    // Where the lists of the one that is nearest lie is asked next.
                    store.prefetchUpper(scratch.links[index])
                    scratch.codes[index] = code
                }
                kernels.gather(query, scratch.codes, count, codeDimension, scratch.distances)
                cost.visited += 1
                cost.distanceCount += count
                for index in 0..<count where scratch.distances[index] < best {
                    best = scratch.distances[index]
                    nearest = scratch.links[index]
                    isMoving = true
                }
            }
        }
        return nearest
    }

    /// Algorithm 2 on one layer: reads the links of the nearest unread candidate until none is left in the pool, or none of the
    /// `rankLimit` nearest, which is where a walk with a pool of that size ends.
    ///
    /// - Returns: false where the time was over before.
    @discardableResult
    func walk(
        layer: Int, query: Target, rankLimit: Int = Int.max, _ marks: VisitedMarks, _ pool: inout SortedPool,
        _ scratch: Scratch, _ cost: inout SearchCost
    ) -> Bool {
        let store = self.store
        let gather = kernels.gather
        let dimension = codeDimension
        let (links, nodes, codes, distances) = (scratch.links, scratch.nodes, scratch.codes, scratch.distances)
        let asked = askedByteCount
        var local = pool
        defer { pool = local }
        while let candidate = local.next(before: rankLimit) {
            if cost.isOverdue() { return false }
            let count = store.links(candidate.node, layer: layer).read(into: links)
            let fresh = marks.visit(links, count, into: nodes)
            for index in 0..<fresh {
                let code = UnsafeRawPointer(store.code(nodes[index]))
                hilum_prefetch_bytes(code, asked)
                codes[index] = code
            }
            askAhead(local.nextTwo, layer: layer, marks, scratch)
            gather(query, codes, fresh, dimension, distances)
            cost.visited += 1
            cost.distanceCount += fresh
            for index in 0..<fresh { local.insert(NodeCandidate(distance: distances[index], node: nodes[index])) }
        }
        return true
    }

    /// Records of so many bytes are mostly in caches, where asking ahead costs more than it saves.
    private static let cachedByteCount = 16 << 20

    /// Whether a walk waits for the memory.
    @inline(__always) var waitsForMemory: Bool {
        slots.load(ordering: .relaxed) * store.recordByteCount > Self.cachedByteCount
    }

    /// So much of a code is asked for before it is compared; the kernels ask for the rest.
    @inline(__always) var askedByteCount: Int { waitsForMemory ? min(store.codeByteCount, 1 << 10) : 64 }

    /// Asks for what a walk will probably read next, while it compares what it has: the codes that the next candidate leads to, and the list
    /// of the one after that.
    ///
    /// Without this a walk waits twice at each list that it reads, for the list and then for the codes, which takes longer than to compare
    /// them. What turns out nearer is read first, but most of the others have their turn all the same.
    @inline(__always)
    func askAhead(
        _ next: (first: UInt32?, second: UInt32?), layer: Int, _ marks: VisitedMarks, _ scratch: Scratch
    ) {
        guard waitsForMemory, let first = next.first else { return }
        // The list may change meanwhile; of what it names only marks are read.
        let count = marks.look(at: store.links(first, layer: layer), into: scratch.bridges)
        let asked = askedByteCount
        for index in 0..<count { hilum_prefetch_bytes(UnsafeRawPointer(store.code(scratch.bridges[index])), asked) }
        if let second = next.second { store.links(second, layer: layer).prefetch() }
    }

    /// Turns the candidates of a pool into at most `k` hits: re-rank by the best distances known, posting lists, order by distance and item.
    func collect(
        _ pool: SortedPool, k: Int, query: Target, filter: ItemFilter, _ scratch: Scratch,
        _ cost: inout SearchCost, into result: inout SearchResult
    ) throws(IndexError) {
        guard hasFineDistances else {
            for index in 0..<pool.count where !gather(pool[index], k: k, filter: filter, into: &result) { break }
            order(&result, k: k)
            return
        }
        // Codes only say roughly who is near, so more than k are measured again.
        let count = min(pool.count, max(2 * k, k + 32))
        var exact: [UInt64] = []
        exact.reserveCapacity(count)
        for first in stride(from: 0, to: count, by: Scratch.batchCapacity) {
            let width = min(Scratch.batchCapacity, count - first)
            for index in 0..<width {
                scratch.nodes[index] = pool[first + index].node
                try fetchResidual(scratch.nodes[index])
                store.prefetchExact(scratch.nodes[index])
            }
            measureFinely(query, count: width, scratch)
            for index in 0..<width {
                exact.append(NodeCandidate(distance: scratch.distances[index], node: scratch.nodes[index]).key)
            }
        }
        cost.distanceCount += count
        exact.sort()
        for key in exact where !gather(NodeCandidate(key: key), k: k, filter: filter, into: &result) { break }
        order(&result, k: k)
    }

    /// Adds the items of one node; candidates come in order of distance. False once no further candidate can matter.
    private func gather(
        _ candidate: NodeCandidate, k: Int, filter: ItemFilter, into result: inout SearchResult
    ) -> Bool {
        let distance = candidate.distance
        if result.hits.count >= k, let last = result.hits.last, distance > last.distance { return false }
        let node = candidate.node
        let word = store.posting(node).pointee.load(ordering: .acquiring)
        // An ascending list gives its smallest items first; of another all are needed to find them.
        let limit = PostingList.isAscending(word) ? k : Int.max
        var taken = 0
        _ = PostingList.forEach(word) { item in
            if filter.matches(item), let place = items.locate(item), place.node == node {
                result.hits.append((item, distance))
                taken += 1
            }
            return taken < limit
        }
        return true
    }

    private func order(_ result: inout SearchResult, k: Int) {
        func isBefore(_ left: (item: UInt32, distance: Float), _ right: (item: UInt32, distance: Float)) -> Bool {
            left.distance != right.distance ? left.distance < right.distance : left.item < right.item
        }
        for index in result.hits.indices.dropFirst() where isBefore(result.hits[index], result.hits[index - 1]) {
            result.hits.sort(by: isBefore)
            break
        }
        if result.hits.count > k { result.hits.removeLast(result.hits.count - k) }
    }

    // MARK: Exact scans

    private func scanAll(
        _ query: Target, k: Int, _ cost: SearchCost, _ scratch: Scratch
    ) throws(IndexError) -> SearchResult {
        let slotCount = slots.load(ordering: .acquiring)
        var scan = ExactScan(pool: scratch.makePool(limit: min(k, slotCount)), cost: cost)
        if k > 0 {
            for node in 0..<UInt32(slotCount) where store.isLive(node) { try push(node, query, scratch, &scan) }
        }
        return finish(&scan, k: k, query: query, filter: .everything, scratch)
    }

    /// Compares the vectors of all items of `filter`, each vector once.
    func scan(
        _ query: Target, k: Int, filter: ItemFilter, _ cost: SearchCost, _ scratch: Scratch
    ) throws(IndexError) -> SearchResult {
        let slotCount = slots.load(ordering: .acquiring)
        let marks = scratch.beginVisit(slotCount: slotCount)
        var scan = ExactScan(pool: scratch.makePool(limit: min(k, slotCount)), cost: cost)
        if k > 0 {
            try forEachNode(filter, marks) { (node) throws(IndexError) in try push(node, query, scratch, &scan) }
        }
        return finish(&scan, k: k, query: query, filter: filter, scratch)
    }

    /// Calls `body` with the node of each matching item, once a node.
    @inline(__always)
    func forEachNode(
        _ filter: ItemFilter, _ marks: VisitedMarks, _ body: (UInt32) throws(IndexError) -> Void
    ) throws(IndexError) {
        guard let words = filter.words else { return }
        for index in 0..<filter.wordCount {
            try items.locateEach(of: words[index], from: UInt32(index * 64)) { (_, node) throws(IndexError) in
                if let node, marks.visit(node) { try body(node) }
            }
        }
    }

    private struct ExactScan {
        var pool: SortedPool
        var cost: SearchCost
        var waiting = 0
    }

    private func push(
        _ node: UInt32, _ query: Target, _ scratch: Scratch, _ scan: inout ExactScan
    ) throws(IndexError) {
        scratch.nodes[scan.waiting] = node
        scan.waiting += 1
        guard scan.waiting == 64 else { return }
        flush(query, scratch, &scan)
        if scan.cost.isOverdue() { throw IndexError(.overdue) }
    }

    private func flush(_ query: Target, _ scratch: Scratch, _ scan: inout ExactScan) {
        measureFinely(query, count: scan.waiting, scratch)
        for index in 0..<scan.waiting {
            scan.pool.insert(NodeCandidate(distance: scratch.distances[index], node: scratch.nodes[index]))
        }
        scan.cost.distanceCount += scan.waiting
        scan.waiting = 0
    }

    private func finish(
        _ scan: inout ExactScan, k: Int, query: Target, filter: ItemFilter, _ scratch: Scratch
    ) -> SearchResult {
        flush(query, scratch, &scan)
        var result = SearchResult()
        for index in 0..<scan.pool.count where !gather(scan.pool[index], k: k, filter: filter, into: &result) { break }
        order(&result, k: k)
        result.distanceCount = scan.cost.distanceCount
        result.isExact = true
        return result
    }
}
