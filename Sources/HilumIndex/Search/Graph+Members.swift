import CHilumKernels

/// How a walk among matching nodes is made.
struct MemberPlan {
    /// Candidates that are kept where matching nodes lie among all others.
    let limit: Int
    /// Distances that a scan would be cheaper than.
    let budget: Int
    /// Whether they are known to lie together, away from the query.
    let isGathered: Bool
    /// Whether they are scanned if they do: a scan misses none.
    let scansGathered: Bool
    /// Hears what the walk finds of that.
    let gathering: MemberMemory.Gathering
}

/// Walks among the nodes that match a filter.
extension Graph {
    /// Up to this share of all, matching nodes are walked among themselves. Beyond that a list has enough of them by itself, and the bits of
    /// all cost more than the walk.
    static let memberShare = 0.2
    /// With fewer matching nodes two steps away, a search finds less than one without a filter (`hilum-bench serve --recall`).
    static let leastReach = 36.0
    /// Nodes from all over the filter that a walk begins at.
    fileprivate static let seedCount = 16
    /// So many lists are read before it is said whether matching nodes lie together.
    fileprivate static let trialCount = 8
    /// Where they do, the query lies outside of them, and so many times as many candidates are kept.
    static let gatheredBreadth = 4

    /// Walks layer 0 over the nodes whose bits are set in `scratch.members` alone; false if `budget` distances were not enough.
    ///
    /// ```
    /// matching node ─→ link that matches ────────────────→ measured
    ///               └→ link that does not (a bridge) ─→ its links that match ─→ measured
    /// ```
    /// Only what may be a hit is measured. Two steps lead to some hundreds of nodes, so with one in ten matching there are ways to forty
    /// (ACORN: Patel et al., "Performant and predicate-agnostic search over vector embeddings and structured data", 2024, section 5, there
    /// with denser graphs). With one in twenty matching, too much is missed (`leastReach`). The walk also begins at a few nodes from all over
    /// the filter, for what matches may lie far from the query.
    ///
    /// - Parameters:
    ///   - memberCount: so many bits are set.
    ///   - pool: with room for `gatheredBreadth` times as many as `plan.limit`.
    func walkMembers(
        from start: UInt32, query: Target, memberCount: Int, _ plan: MemberPlan, _ marks: VisitedMarks,
        _ pool: inout SortedPool, _ scratch: Scratch, _ cost: inout SearchCost
    ) -> Bool {
        // Copies share a node, so fewer nodes match than items may.
        let share = Double(memberCount) / Double(max(1, nodeCount))
        guard reaches(share) else { return false }
        return scratch.members.withUnsafeBufferPointer { members in
            guard let words = members.baseAddress else { return false }
            var walk = MemberWalk(
                graph: self, members: words, wordCount: members.count, memberCount: memberCount, share: share,
                query: query, marks: marks, scratch: scratch, plan: plan)
            return walk.run(from: start, &pool, &cost)
        }
    }

    /// Whether two steps from a node lead to enough matching ones, where a share of all matches; a list is about five eighths full.
    func reaches(_ share: Double) -> Bool {
        let reach = 1.25 * Double(parameters.m)
        return share * reach * reach >= Self.leastReach
    }
}

/// One walk among matching nodes.
private struct MemberWalk {
    let graph: Graph
    // Safety: a bit for each slot, owned by the scratch.
    let members: UnsafePointer<UInt64>
    let wordCount: Int
    let memberCount: Int
    /// Of matching nodes among all.
    let share: Double
    let query: Target
    let marks: VisitedMarks
    let scratch: Scratch
    let plan: MemberPlan
    private var fresh = 0
    private var listCount = 0
    private var linkCount = 0
    private var memberLinkCount = 0
    /// Candidates that are kept; known after a few lists.
    private var kept: Int

    /// Whether the scan is to answer.
    private var givesWay = false

    init(
        graph: Graph, members: UnsafePointer<UInt64>, wordCount: Int, memberCount: Int, share: Double,
        query: Target, marks: VisitedMarks, scratch: Scratch, plan: MemberPlan
    ) {
        self.graph = graph
        self.members = members
        self.wordCount = wordCount
        self.memberCount = memberCount
        self.share = share
        self.query = query
        self.marks = marks
        self.scratch = scratch
        self.plan = plan
        kept = plan.limit * Graph.gatheredBreadth
    }

    @inline(__always) private func isMember(_ node: UInt32) -> Bool {
        // Safety: `members` has a bit for each node below the count of slots.
        members[Int(node >> 6)] >> UInt64(node & 63) & 1 == 1
    }

    /// The key beyond which a candidate does not matter.
    @inline(__always) private func bound(_ pool: SortedPool) -> UInt64 {
        pool.count >= kept ? pool.keys[kept - 1] | 1 : .max
    }

    @inline(__always)
    private mutating func note(
        _ node: UInt32, _ heap: inout CandidateHeap, _ pool: inout SortedPool, _ cost: inout SearchCost
    ) {
        let code = UnsafeRawPointer(graph.store.code(node))
        hilum_prefetch_bytes(code, graph.askedByteCount)
        scratch.nodes[fresh] = node
        scratch.codes[fresh] = code
        fresh += 1
        if fresh == Scratch.batchCapacity { measure(&heap, &pool, &cost) }
    }

    private mutating func measure(
        _ heap: inout CandidateHeap, _ pool: inout SortedPool, _ cost: inout SearchCost
    ) {
        graph.kernels.gather(query, scratch.codes, fresh, graph.codeDimension, scratch.distances)
        cost.distanceCount += fresh
        for index in 0..<fresh {
            let next = NodeCandidate(distance: scratch.distances[index], node: scratch.nodes[index])
            if next.key >= bound(pool) { continue }
            heap.push(next.key)
            pool.insert(next)
        }
        fresh = 0
    }

    /// False if the budget was not enough, or if too few were reached.
    mutating func run(from start: UInt32, _ pool: inout SortedPool, _ cost: inout SearchCost) -> Bool {
        var heap = CandidateHeap(reusing: scratch)
        defer { heap.giveBack(to: scratch) }
        // The start leads into the region of the query, whether it matches or not.
        guard marks.visit(start) else { return false }
        let first = NodeCandidate(distance: graph.distance(query, start, scratch), node: start)
        cost.distanceCount += 1
        heap.push(first.key)
        if isMember(start) { pool.insert(first) }
        let step = max(1, wordCount / Graph.seedCount)
        for place in stride(from: step / 2, to: wordCount, by: step) {
            guard let word = (place..<min(place + step, wordCount)).first(where: { members[$0] != 0 }) else { continue }
            let node = UInt32(word * 64 + members[word].trailingZeroBitCount)
            if marks.visit(node) { note(node, &heap, &pool, &cost) }
        }
        measure(&heap, &pool, &cost)
        while let candidate = heap.popNearest() {
            if candidate.key > bound(pool) { return true }
            if cost.distanceCount > plan.budget || cost.isOverdue() { return false }
            expand(candidate.node, &heap, &pool, &cost)
            if givesWay { return false }
        }
        // Some are not reached from where the walk began.
        return pool.count >= min(kept, memberCount)
    }

    private mutating func expand(
        _ node: UInt32, _ heap: inout CandidateHeap, _ pool: inout SortedPool, _ cost: inout SearchCost
    ) {
        let (links, bridges) = (scratch.links, scratch.bridges)
        let count = graph.store.links(node, layer: 0).read(into: links)
        cost.visited += 1
        var bridgeCount = 0
        var memberCount = 0
        for index in 0..<count where links[index] < marks.slotCount {
            let isMember = isMember(links[index])
            memberCount += isMember ? 1 : 0
            guard marks.visit(links[index]) else { continue }
            if isMember {
                note(links[index], &heap, &pool, &cost)
            } else {
                bridges[bridgeCount] = links[index]
                bridgeCount += 1
                graph.store.links(links[index], layer: 0).prefetch()
            }
        }
        for index in 0..<bridgeCount {
            let count = graph.store.links(bridges[index], layer: 0).read(into: links)
            for index in 0..<count where links[index] < marks.slotCount && isMember(links[index]) {
                if marks.visit(links[index]) { note(links[index], &heap, &pool, &cost) }
            }
        }
        measure(&heap, &pool, &cost)
        guard !plan.isGathered, listCount < Graph.trialCount, isMember(node) else { return }
        listCount += 1
        linkCount += count
        memberLinkCount += memberCount
        guard listCount == Graph.trialCount else { return }
        // Where matching nodes lie among all others, their lists lead to as many of them as there are everywhere.
        let isGathered = Double(memberLinkCount) > 2 * share * Double(linkCount)
        plan.gathering.note(isGathered)
        if isGathered { givesWay = plan.scansGathered } else { kept = plan.limit }
    }
}
