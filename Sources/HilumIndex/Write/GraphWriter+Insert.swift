import HilumCore

/// Rows that are inserted together: the node of each, and which of these are new.
struct InsertGroup {
    private(set) var rows: Range<Int>
    /// By row.
    private(set) var nodes: [UInt32] = []
    /// Nodes that are filled and not linked yet.
    var fresh: [UInt32] = []
    /// Whether the row behind found no room.
    var isArenaFull = false

    init(from first: Int) { rows = first..<first }

    /// Takes the next row.
    mutating func add(_ node: UInt32) {
        nodes.append(node)
        rows = rows.lowerBound..<(rows.upperBound + 1)
    }
}

extension GraphWriter {
    /// Stores checked vectors; see `HNSWIndex.insertBatch`.
    ///
    /// - Parameter base: `[newItems.count, dimension]`, row-major.
    /// - Throws: `.full`; `.damagedLinks` when residuals cannot be read that were left where they are kept.
    func insert(_ base: UnsafePointer<Float>, items newItems: [UInt32], threads: Int) throws(IndexError) {
        try graph.fetchResiduals()
        try insert(base, items: newItems, from: 0, pool: pool(adding: newItems.count), threads: threads)
        sweepIfDue(threads: threads)
    }

    /// Stores the vectors of rows from `first` on.
    private func insert(
        _ base: UnsafePointer<Float>, items newItems: [UInt32], from first: Int, pool: Int, threads: Int
    ) throws(IndexError) {
        var row = first
        while row < newItems.count {
            row = try insertGroup(base, newItems, from: row, pool: pool, threads: threads)
        }
    }

    /// Candidates that are kept where a place is looked for, when so many vectors come at once: fewer where `refine` follows, which finds
    /// what was missed by the links of neighbours.
    func pool(adding count: Int) -> Int {
        let isRefined = 2 * (changesSinceRefining + count) >= nodeCount + count && nodeCount + count >= Self.refinedFrom
        return isRefined ? parameters.efConstruction * 5 / 8 : parameters.efConstruction
    }

    /// Whether a change needs neither residuals nor tables that are not there yet.
    var isReady: Bool { isTableFilled && graph.residuals?.isComplete != false }

    /// Links what `HNSWIndex.prepareInsertion` has begun with, and the rows behind.
    ///
    /// - Throws: as `insert`.
    func finish(_ insertion: PreparedInsertion, threads: Int) throws(IndexError) {
        let group = insertion.group
        finish(group, items: insertion.items[group.rows], threads: threads) { _, _ in
            insertion.finished(threads: threads)
        }
        if group.isArenaFull { throw IndexError(.full) }
        let items = Array(insertion.items[group.rows.upperBound...])
        // Safety: the rest holds the vectors of these items.
        try insertion.rest.withUnsafeBufferPointer { (rest) throws(IndexError) in
            guard let base = rest.baseAddress else { return }
            try insert(base, items: items, from: 0, pool: insertion.pool, threads: threads)
        }
        sweepIfDue(threads: threads)
    }

    /// Takes rows until the group is full, links the new nodes among them; returns the first row that was not taken.
    private func insertGroup(
        _ base: UnsafePointer<Float>, _ newItems: [UInt32], from first: Int, pool: Int, threads: Int
    ) throws(IndexError) -> Int {
        let group = takeGroup(base, from: first, to: newItems.count)
        finish(group, items: newItems[group.rows], threads: threads) {
            graph.plan($0, pool: pool, entry: $1, threads: threads)
        }
        if group.isArenaFull { throw IndexError(.full) }
        return group.rows.upperBound
    }

    /// Finds or fills the nodes of rows from `first` on, as many as are linked at once. No search can meet what is new yet.
    func takeGroup(_ base: UnsafePointer<Float>, from first: Int, to end: Int) -> InsertGroup {
        let groupLimit = max(1, min(256, nodeCount / 16))
        let topLevel = entry?.level ?? -1
        var group = InsertGroup(from: first)
        var row = first
        while row < end && group.fresh.count < groupLimit {
            let vector = base + row * dimension
            let hash = NodeTable.hash(vector, dimension: dimension)
            row += 1
            if let node = find(vector, hash: hash) {
                group.add(node)
                continue
            }
            guard let slot = try? takeSlot() else {
                group.isArenaFull = true
                break
            }
            fill(slot, vector, hash: hash)
            table.insert(slot)
            group.add(slot)
            group.fresh.append(slot)
            // The next group sees the new entry point.
            if store.level(slot) > topLevel { break }
        }
        return group
    }

    /// Makes the nodes of a group bear their items, and links those that are new.
    ///
    /// - Parameter plan: their places, for a graph that has an entry point.
    func finish(
        _ group: InsertGroup, items: ArraySlice<UInt32>, threads: Int,
        plan: ([UInt32], (node: UInt32, level: Int)) -> [NodePlan]
    ) {
        var emptied: [UInt32] = []
        for (item, node) in zip(items, group.nodes) { attach(item, to: node, emptied: &emptied) }
        link(group.fresh, threads: threads, plan: plan)
        // A node may have been filled again by a later row, or have come up twice.
        for node in emptied where isLinked[Int(node)] && !store.isLive(node) { removeNode(node) }
    }

    /// Takes back what `takeGroup` filled.
    func cancel(_ group: InsertGroup) {
        for slot in group.fresh {
            table.remove(slot)
            retireSlot(slot)
        }
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
    ///
    /// - Parameter plan: as for `finish`.
    private func link(
        _ group: [UInt32], threads: Int, plan: ([UInt32], (node: UInt32, level: Int)) -> [NodePlan]
    ) {
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
        let backLinks = writeForward(nodes, plan(nodes, entry))
        let changes = backLinkLists(backLinks, threads: threads)
        for change in changes { setLinks(change.target, layer: change.layer, change.links) }
        changesSinceSweep += nodes.count
        changesSinceRefining += nodes.count
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
