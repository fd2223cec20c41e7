import HilumCore

extension GraphWriter {
    /// Stores checked vectors; see `HNSWIndex.insertBatch`.
    ///
    /// - Parameter base: `[newItems.count, dimension]`, row-major.
    /// - Throws: `.full`; `.damagedLinks` when residuals cannot be read that were left where they are kept.
    func insert(_ base: UnsafePointer<Float>, items newItems: [UInt32], threads: Int) throws(IndexError) {
        try graph.fetchResiduals()
        var row = 0
        while row < newItems.count {
            row = try insertGroup(base, newItems, from: row, threads: threads)
        }
        sweepIfDue(threads: threads)
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
            graph.addToItemCount(1)
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
        graph.addToNodeCount(group.count)
        for node in group { isLinked[Int(node)] = true }
        if entry == nil, let first = group.popFirst() {
            // The group of an empty graph is one node.
            store.setParent(first, absent)
            store.setChildren(first, 0)
            root = first
            graph.setEntry(first)
        }
        guard !group.isEmpty, let entry else { return }
        let nodes = Array(group)
        let plans = graph.plan(nodes, entry: entry, threads: threads)
        let backLinks = writeForward(nodes, plans)
        let changes = backLinkLists(backLinks, threads: threads)
        for change in changes { setLinks(change.target, layer: change.layer, change.links) }
        changesSinceSweep += nodes.count
        for node in nodes where store.level(node) > (self.entry?.level ?? -1) {
            graph.setEntry(node)
            linkEntryToRoot()
        }
        mendSuspects(threads: threads)
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
            parallelRanges(targets, threads: targets < 64 ? 1 : threads) { [graph, root, bounds] range, _ in
                let scratch = graph.readers.borrow()
                defer { graph.readers.giveBack(scratch) }
                for index in range {
                    let members = order[bounds[index]..<bounds[index + 1]]
                    let first = backLinks[members[members.startIndex]]
                    let links = graph.extended(
                        first.target, layer: first.layer, by: members.map { backLinks[$0].source }, root: root,
                        scratch)
                    out[index] = ListChange(target: first.target, layer: first.layer, links: links)
                }
            }
        }
        return changes
    }
}
