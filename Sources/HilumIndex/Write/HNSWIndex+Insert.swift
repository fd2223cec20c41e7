import HilumCore

/// Where a new node goes: its diverse neighbours on each layer, nearest first.
private struct NodePlan {
    var layers: [[NodeCandidate]] = []
    /// Bit i is set if the node's own search reads the links of neighbour i on layer 0.
    var read: UInt64 = 0
}

extension HNSWIndex {
    /// Stores one vector for `item`; an item that is there already gets the new vector.
    ///
    /// - Parameter vector: `dimension` floats; for the cosine of length 1.
    /// - Precondition: `item` is not `UInt32.max`.
    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`, `.notUnitLength`, `.full`; the index is as before then.
    public func insert(_ vector: UnsafeBufferPointer<Float>, item: UInt32) throws(IndexError) {
        try insertBatch(vector, items: [item], threads: 1)
    }

    /// Stores many vectors; the graph depends on the seed and the order of the calls, not on `threads`.
    ///
    /// New nodes are taken in groups that grow with the graph. The places of a group are looked for side by side on the graph as it
    /// was before; members see those before them by direct comparison. Then the new lists of all nodes concerned are computed side
    /// by side, each from its own old list and its new neighbours in order, and written by this thread.
    ///
    /// - Parameters:
    ///   - vectors: `[items.count, dimension]`, row-major.
    ///   - threads: how many work at once; the same graph for any number.
    /// - Precondition: no item is `UInt32.max`.
    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`, `.notUnitLength` before anything is stored; `.full`.
    public func insertBatch(
        _ vectors: UnsafeBufferPointer<Float>, items newItems: [UInt32], threads: Int = defaultThreadCount
    ) throws(IndexError) {
        guard vectors.count == newItems.count * dimension else {
            let got = newItems.isEmpty ? vectors.count : vectors.count / newItems.count
            throw IndexError(.wrongDimension(expected: dimension, got: got))
        }
        guard let base = vectors.baseAddress, !newItems.isEmpty else { return }
        for row in newItems.indices {
            precondition(newItems[row] != absent, "an item must be below UInt32.max")
            // Safety: `row` is below the item count, and the buffer holds `dimension` floats for each.
            try checkStored(UnsafeBufferPointer(start: base + row * dimension, count: dimension))
        }
        try asWriter { () throws(IndexError) in
            try fetchResiduals()
            var row = 0
            while row < newItems.count {
                row = try insertGroup(base, newItems, from: row, threads: threads)
            }
            sweepIfDue(threads: threads)
        }
    }

    /// Takes rows until the group is full, links the new nodes among them; returns the first row that was not taken.
    private func insertGroup(
        _ base: UnsafePointer<Float>, _ newItems: [UInt32], from first: Int, threads: Int
    ) throws(IndexError) -> Int {
        let groupLimit = max(1, min(256, nodeCount / 16))
        let topLevel = entry?.level ?? -1
        var group: [UInt32] = []
        var emptied: [UInt32] = []
        var row = first
        defer { finishGroup(group, emptied: emptied, threads: threads) }
        while row < newItems.count && group.count < groupLimit {
            let vector = base + row * dimension
            let hash = NodeTable.hash(vector, dimension: dimension)
            if let node = find(vector, hash: hash) {
                attach(newItems[row], to: node, emptied: &emptied)
                row += 1
                continue
            }
            let slot = try takeSlot()
            fill(slot, vector, hash: hash)
            table.insert(slot)
            attach(newItems[row], to: slot, emptied: &emptied)
            group.append(slot)
            row += 1
            // The next group sees the new entry point.
            if store.level(slot) > topLevel { break }
        }
        return row
    }

    /// Makes `node` bear `item`; a node that lost its last item to this goes to `emptied`.
    private func attach(_ item: UInt32, to node: UInt32, emptied: inout [UInt32]) {
        let previous = items.locate(item)
        if previous?.node == node { return }
        PostingList.add(item, node: node, word: store.posting(node), table: items) { retireList($0) }
        guard let previous else {
            addToItemCount(1)
            return
        }
        let isEmptied = PostingList.remove(place: previous.place, word: store.posting(previous.node)) {
            retireList($0)
        }
        if isEmptied { emptied.append(previous.node) }
    }

    private func finishGroup(_ group: [UInt32], emptied: [UInt32], threads: Int) {
        link(group, threads: threads)
        // A node may have been filled again by a later row, or have come up twice.
        for node in emptied where isLinked[Int(node)] && !store.isLive(node) { removeNode(node) }
    }

    // MARK: Linking

    /// A new link, `target` → `source`, that goes back along the one that the new node `source` chose.
    private struct BackLink {
        let key: UInt64
        let source: UInt32
        var layer: Int { Int(key >> 32) }
        var target: UInt32 { UInt32(truncatingIfNeeded: key) }

        init(target: UInt32, layer: Int, source: UInt32) {
            key = UInt64(layer) << 32 | UInt64(target)
            self.source = source
        }
    }

    /// Makes the nodes of `group`, whose records are filled, part of the graph.
    private func link(_ group: [UInt32], threads: Int) {
        var group = group[...]
        guard !group.isEmpty else { return }
        addToNodeCount(group.count)
        for node in group { isLinked[Int(node)] = true }
        if entry == nil, let first = group.popFirst() {
            // The group of an empty graph is one node.
            store.setParent(first, absent)
            store.setChildren(first, 0)
            root = first
            setEntry(first)
        }
        guard !group.isEmpty, let entry else { return }
        let nodes = Array(group)
        let plans = plan(nodes, entry: entry, threads: threads)
        let backLinks = writeForward(nodes, plans)
        let changes = backLinkLists(backLinks, threads: threads)
        for change in changes { setLinks(change.target, layer: change.layer, change.links) }
        changesSinceSweep += nodes.count
        for node in nodes where store.level(node) > (self.entry?.level ?? -1) {
            setEntry(node)
            linkEntryToRoot()
        }
        mendSuspects(threads: threads)
    }

    /// The plans of all nodes, side by side; reads the graph only.
    private func plan(_ nodes: [UInt32], entry: (node: UInt32, level: Int), threads: Int) -> [NodePlan] {
        if nodes.count == 1 {
            let scratch = readers.borrow()
            defer { readers.giveBack(scratch) }
            return [plan(nodes, 0, entry: entry, scratch)]
        }
        var plans = [NodePlan](repeating: NodePlan(), count: nodes.count)
        plans.withUnsafeMutableBufferPointer { buffer in
            // Safety: each index is written by one thread, and all have ended when `parallelFor` returns.
            nonisolated(unsafe) let out = buffer
            parallelFor(nodes.count, threads: threads) { index in
                let scratch = readers.borrow()
                defer { readers.giveBack(scratch) }
                out[index] = plan(nodes, index, entry: entry, scratch)
            }
        }
        return plans
    }

    /// Algorithm 1 up to the choice of neighbours, for the node at `index` of `nodes`; those before it are seen by comparison.
    private func plan(
        _ nodes: [UInt32], _ index: Int, entry: (node: UInt32, level: Int), _ scratch: Scratch
    ) -> NodePlan {
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
            var pool = scratch.makePool(limit: max(parameters.efConstruction, parameters.m))
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
            plan.layers[layer] = selectDiverse(sorted, limit: parameters.m, owner: absent, scratch)
            if layer == 0 { plan.read = scratch.readMask(of: plan.layers[0]) }
        }
        return plan
    }

    /// Gives the new nodes their parents and their own lists; no one can reach them yet. Returns the links that go back.
    private func writeForward(_ nodes: [UInt32], _ plans: [NodePlan]) -> [BackLink] {
        var backLinks: [BackLink] = []
        for (node, plan) in zip(nodes, plans) {
            let nearest = plan.layers[0].map(\.node)
            let parent = chooseParent(among: nearest, read: plan.read)
            let isRead = nearest.firstIndex(of: parent).map { plan.read >> $0 & 1 == 1 } ?? false
            if !isRead { suspects.append(node) }
            store.setParent(node, parent)
            store.setChildren(node, 0)
            store.setChildren(parent, store.children(parent) + 1)
            for (layer, links) in plan.layers.enumerated() {
                for link in links { backLinks.append(BackLink(target: link.node, layer: layer, source: node)) }
                setLinks(node, layer: layer, links.map(\.node))
            }
            if !nearest.contains(parent) { backLinks.append(BackLink(target: parent, layer: 0, source: node)) }
        }
        return backLinks
    }

    private struct ListChange {
        var target: UInt32 = absent
        var layer = 0
        var links: [UInt32] = []
    }

    /// The new lists of all targets, each a function of its old list and its back links in the order of their sources.
    private func backLinkLists(_ backLinks: [BackLink], threads: Int) -> [ListChange] {
        // Sources are in the order of the group; a stable order within a target keeps that.
        let order = backLinks.indices.sorted {
            backLinks[$0].key != backLinks[$1].key ? backLinks[$0].key < backLinks[$1].key : $0 < $1
        }
        var bounds: [Int] = []
        for index in order.indices where index == 0 || backLinks[order[index]].key != backLinks[order[index - 1]].key {
            bounds.append(index)
        }
        bounds.append(order.count)
        let targets = bounds.count - 1
        var changes = [ListChange](repeating: ListChange(), count: targets)
        changes.withUnsafeMutableBufferPointer { buffer in
            // Safety: each index is written by one thread, and all have ended when `parallelRanges` returns.
            nonisolated(unsafe) let out = buffer
            parallelRanges(targets, threads: targets < 64 ? 1 : threads) { [bounds] range, _ in
                let scratch = readers.borrow()
                defer { readers.giveBack(scratch) }
                for index in range {
                    let members = order[bounds[index]..<bounds[index + 1]]
                    let first = backLinks[members[members.startIndex]]
                    let links = extended(
                        first.target, layer: first.layer, by: members.map { backLinks[$0].source }, scratch)
                    out[index] = ListChange(target: first.target, layer: first.layer, links: links)
                }
            }
        }
        return changes
    }
}
