import HilumCore

/// Every vector is found by its own search.
///
/// A walk may end before it meets the very vector that it looks for: where many vectors are about equally far, or where a few lie far
/// from all the others, none of the candidates in its pool has to link there. So nodes are looked for after they were linked. One that
/// is not found becomes, in the tree of pinned links (see `HNSWIndex+Tree`), a child of a node that its own walk reads.
///
/// A new node is not looked for: the walk that found its neighbours is the beginning of its own search, so it gets a parent whose
/// links that search has read. Later nodes can still lead a walk away from an old one. That cannot be told from what they change, so
/// all nodes are looked for once half as many have come and gone, and when `mendUnfound` is called.
///
/// A look ends where it meets its node. All the same, the sweeps of a build of 30,000 uniform vectors of 128 numbers, for which walks
/// are longest, take a fifth of its time (`perf record` of `insertBatch` on one thread).
extension HNSWIndex {
    /// The pool of a look. A search keeps 64 candidates unless it is told otherwise; a quarter less leaves room for the nodes that come
    /// between, and for the rounding of a query.
    static let lookEf = 48
    private static let sweepLimit = 5

    /// Looks for every vector by its own search and links those that are not found, so that a search with the default `ef` of 64 finds
    /// them. Does nothing when no vector came or went since the last time. As the writer.
    ///
    /// Changes look for what they touch, and for everything once half of the nodes have changed. Call this where it may take as long
    /// as linking a tenth of the nodes: after a bulk load, before a checkpoint after many changes.
    ///
    /// - Returns: how many were not found before.
    @discardableResult
    public func mendUnfound(threads: Int = defaultThreadCount) -> Int {
        asWriter {
            guard changesSinceSweep > 0 else { return 0 }
            return sweep(threads: threads)
        }
    }

    /// Vectors that came or went since all were last looked for. As the writer.
    public var changesSinceMending: Int { changesSinceSweep }

    /// Looks for all nodes if many have changed.
    func sweepIfDue(threads: Int) {
        if changesSinceSweep > 0 && changesSinceSweep * 2 >= nodeCount { sweep(threads: threads) }
    }

    @discardableResult
    private func sweep(threads: Int) -> Int {
        changesSinceSweep = 0
        let nodes = isLinked.indices.filter { isLinked[$0] }.map { UInt32($0) }
        var first = 0
        // A link that shows the way to one node can lead the walk to another one away; the second round finds next to none.
        for round in 0..<Self.sweepLimit {
            let lost = mend(nodes, threads: threads)
            if round == 0 { first = lost }
            if lost == 0 { break }
        }
        return first
    }

    /// Looks for the nodes that lost the parent whose links their own search reads.
    func mendSuspects(threads: Int) {
        guard !suspects.isEmpty else { return }
        let nodes = Set(suspects).filter { isLinked[Int($0)] }.sorted()
        suspects = []
        _ = mend(nodes, threads: threads)
    }

    /// Makes sure that the own search of each of `nodes` finds it; the same graph for any number of threads.
    ///
    /// - Returns: how many were not found.
    private func mend(_ nodes: [UInt32], threads: Int) -> Int {
        let lost = unfound(nodes, threads: threads)
        guard !lost.isEmpty else { return 0 }
        let scratch = readers.borrow()
        defer { readers.giveBack(scratch) }
        for node in lost {
            // One that was mended before may have shown the way to this one.
            guard let read = nodesReadInVain(for: node, scratch), let parent = newParent(of: node, among: read) else {
                continue
            }
            hang(node, under: parent)
        }
        return lost.count
    }

    /// Those of `nodes` that their own search does not find, side by side; reads the graph only.
    private func unfound(_ nodes: [UInt32], threads: Int) -> [UInt32] {
        let width = 64
        let partCount = (nodes.count + width - 1) / width
        var lost = [[UInt32]](repeating: [], count: partCount)
        lost.withUnsafeMutableBufferPointer { buffer in
            // Safety: each index is written by one thread, and all have ended when `parallelFor` returns.
            nonisolated(unsafe) let out = buffer
            parallelFor(partCount, threads: partCount == 1 ? 1 : threads) { part in
                let scratch = readers.borrow()
                defer { readers.giveBack(scratch) }
                for node in nodes[(part * width)..<min((part + 1) * width, nodes.count)]
                where nodesReadInVain(for: node, scratch) != nil {
                    out[part].append(node)
                }
            }
        }
        return lost.flatMap { $0 }
    }

    /// Looks for a node by its own vector, as `search` does.
    ///
    /// - Returns: nil if the node is met; else nodes whose links were read, first the one that the walk began at, then the nearest.
    private func nodesReadInVain(for node: UInt32, _ scratch: Scratch) -> [UInt32]? {
        guard let entry else { return nil }
        let query = ownQuery(of: node, scratch)
        let slotCount = slots.load(ordering: .relaxed)
        var cost = SearchCost()
        let start = descend(from: entry, to: 0, query: query, scratch, &cost)
        if start == node { return nil }
        let marks = scratch.beginVisit(slotCount: slotCount)
        var pool = scratch.makePool(limit: min(Self.lookEf, slotCount))
        enter(start, query: query, marks, &pool, scratch, &cost)
        if walk(to: node, query: query, marks, &pool, scratch) { return nil }
        if !pool.isFull && pool.count < nodeCount {
            if entry.node == node { return nil }
            enter(entry.node, query: query, marks, &pool, scratch, &cost)
            if walk(to: node, query: query, marks, &pool, scratch) { return nil }
        }
        return [start] + pool.readNodes
    }

    /// A stored vector as the query that `search` makes of what `vector(of:)` gives, to the last bit: the walk of a look is then the
    /// beginning of the walk of that search.
    private func ownQuery(of node: UInt32, _ scratch: Scratch) -> Target {
        guard let codeBook = kernels.codeBook else { return target(of: node, isFine: true, scratch.query) }
        codeBook.decode(store.code(node), residual: store.residual(node), into: scratch.floats)
        // Safety: the room of `scratch.floats` is `dimension` floats.
        let vector = UnsafeBufferPointer(start: scratch.floats, count: dimension)
        guard let squareLength = try? checkedSquareLength(vector),
            let query = try? prepared(vector, squareLength: squareLength, scratch)
        else { return target(of: node, isFine: true, scratch.query) }
        return query
    }

    /// A walk on layer 0 until a list names `node`; false if it ends before.
    private func walk(
        to node: UInt32, query: Target, _ marks: VisitedMarks, _ pool: inout SortedPool, _ scratch: Scratch
    ) -> Bool {
        let store = self.store
        let gather = kernels.gather
        let dimension = self.dimension
        let (links, nodes, codes, distances) = (scratch.links, scratch.nodes, scratch.codes, scratch.distances)
        var local = pool
        defer { pool = local }
        while let candidate = local.next() {
            let count = store.links(candidate.node, layer: 0).read(into: links)
            var fresh = 0
            for index in 0..<count where marks.visit(links[index]) {
                if links[index] == node { return true }
                nodes[fresh] = links[index]
                codes[fresh] = UnsafeRawPointer(store.code(links[index]))
                fresh += 1
            }
            gather(query, codes, fresh, dimension, distances)
            for index in 0..<fresh { local.insert(NodeCandidate(distance: distances[index], node: nodes[index])) }
        }
        return false
    }
}
