import HilumCore

/// Where a new node goes: its diverse neighbours on each layer, nearest first.
struct NodePlan {
    var layers: [[NodeCandidate]] = []
    /// Bit i is set if the node's own search reads the links of neighbour i on layer 0.
    var read: UInt64 = 0
}

/// The places of new nodes, which are looked for side by side. Reads the graph only.
extension Graph {
    /// The plans of all nodes, side by side; reads the graph only.
    ///
    /// - Parameter pool: candidates that are kept on each layer.
    func plan(_ nodes: [UInt32], pool: Int, entry: (node: UInt32, level: Int), threads: Int) -> [NodePlan] {
        if nodes.count == 1 { return [plan(nodes, 0, pool: pool, entry: entry)] }
        var plans = [NodePlan](repeating: NodePlan(), count: nodes.count)
        plans.withUnsafeMutableBufferPointer { buffer in
            // Safety: each index is written by one thread, and all have ended when `parallelFor` returns.
            nonisolated(unsafe) let out = buffer
            parallelFor(nodes.count, threads: threads) { out[$0] = plan(nodes, $0, pool: pool, entry: entry) }
        }
        return plans
    }

    /// Algorithm 1 up to the choice of neighbours, for the node at `index` of `nodes`; those before it are seen by comparison.
    func plan(_ nodes: [UInt32], _ index: Int, pool limit: Int, entry: (node: UInt32, level: Int)) -> NodePlan {
        let scratch = readers.borrow()
        defer { readers.giveBack(scratch) }
        let node = nodes[index]
        let level = min(store.level(node), entry.level)
        let query = target(of: node, isFine: true, scratch.query)
        let slotCount = slots.load(ordering: .relaxed)
        var cost = SearchCost()
        var plan = NodePlan(layers: [[NodeCandidate]](repeating: [], count: level + 1))
        let earlier = candidates(from: query, to: nodes[..<index], scratch)
        var start = descend(from: entry, to: level, query: query, scratch, &cost)
        for layer in stride(from: level, through: 0, by: -1) {
            let marks = scratch.beginVisit(slotCount: slotCount)
            var pool = scratch.makePool(limit: max(limit, parameters.m))
            enter(start, query: query, marks, &pool, scratch, &cost)
            if layer == 0 {
                // The own search keeps fewer candidates: it reads the same lists in the same order, only that it ends earlier.
                walk(layer: 0, query: query, rankLimit: Self.lookEf, marks, &pool, scratch, &cost)
                scratch.noteReads(of: pool)
            }
            walk(layer: layer, query: query, marks, &pool, scratch, &cost)
            start = pool[0].node
            for other in earlier where store.level(other.node) >= layer { pool.insert(other) }
            let sorted = (0..<pool.count).map { NodeCandidate(key: pool.keys[$0] & ~1) }
            plan.layers[layer] = selectDiverse(sorted, limit: parameters.m, owner: absent, root: absent, scratch)
            if layer == 0 { plan.read = scratch.readMask(of: plan.layers[0]) }
        }
        return plan
    }
}
