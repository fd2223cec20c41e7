import HilumCore

extension GraphWriter {
    /// Takes an item out; false if it is not there. See `HNSWIndex.remove`.
    func remove(item: UInt32) -> Bool {
        guard let (node, place) = items.locate(item) else { return false }
        // Residuals that cannot be read leave the codes to decide which links repair the gap.
        try? graph.fetchResiduals()
        items.clear(item)
        graph.addToItemCount(-1)
        if PostingList.remove(place: place, word: store.posting(node), retire: { retireList($0) }) {
            removeNode(node)
            sweepIfDue(threads: defaultThreadCount)
        }
        return true
    }

    /// Takes a node without items out of the graph.
    func removeNode(_ node: UInt32) {
        if inLinks == nil { inLinks = knownInLinks() }
        table.remove(node)
        graph.addToNodeCount(-1)
        isLinked[Int(node)] = false
        guard nodeCount > 0 else {
            graph.setEntry(absent)
            root = absent
            inLinks = nil
            retireSlot(node)
            return
        }
        if entry?.node == node {
            graph.setEntry(successor(of: node))
            linkEntryToRoot()
        }
        releaseFromTree(node)
        let scratch = readers.borrow()
        defer { readers.giveBack(scratch) }
        for layer in 0...store.level(node) {
            let removed = store.links(node, layer: layer).array
            for source in sources(of: node, layer: layer) {
                setLinks(source, layer: layer, repaired(source, layer: layer, without: node, removed, scratch))
            }
        }
        for target in store.links(node, layer: 0).array { inLinks?.remove(from: node, to: target) }
        inLinks?.clear(node)
        retireSlot(node)
        changesSinceSweep += 1
        changesSinceRefining += 1
        mendSuspects(threads: 1)
    }

    /// The nodes that link to `node` on a layer. Upper layers are small enough to look through.
    private func sources(of node: UInt32, layer: Int) -> [UInt32] {
        if layer == 0 { return (inLinks?.of(node) ?? []).filter { isLinked[Int($0)] } }
        return upperSlots.filter {
            isLinked[Int($0)] && store.level($0) >= layer && store.links($0, layer: layer).contains(node)
        }
    }

    /// The list of `source` without `node`, filled up with diverse neighbours of `node`.
    private func repaired(
        _ source: UInt32, layer: Int, without node: UInt32, _ removed: [UInt32], _ scratch: Scratch
    ) -> [UInt32] {
        let list = store.links(source, layer: layer)
        var links = list.array.filter { $0 != node }
        guard hasVector(source) else { return links }
        let fresh = removed.filter { $0 != source && isLinked[Int($0)] && hasVector($0) && !links.contains($0) }
        let query = graph.target(of: source, isFine: true, scratch.member)
        let sorted = graph.candidates(from: query, to: fresh, scratch).sorted { $0.key < $1.key }
        for (index, link) in links.enumerated() { scratch.codes[index] = UnsafeRawPointer(store.code(link)) }
        for candidate in sorted where links.count < list.capacity {
            if links.count >= parameters.m / 2 && graph.isShadowed(candidate, by: links.count, scratch) { continue }
            scratch.codes[links.count] = UnsafeRawPointer(store.code(candidate.node))
            links.append(candidate.node)
        }
        return links
    }

    /// Nodes that lost their items while the index was closed have no vector to measure by (see `GraphWriter+Restore`).
    private func hasVector(_ node: UInt32) -> Bool { store.isLive(node) }

    /// The node that becomes the entry point when `node` goes: one of the highest level, a neighbour if there is one.
    private func successor(of node: UInt32) -> UInt32 {
        let level = store.level(node)
        if level > 0,
            let near = store.links(node, layer: level).array.first(where: { isLinked[Int($0)] && store.isLive($0) })
        {
            return near
        }
        var best = absent
        for slot in upperSlots where isLinked[Int(slot)] && (best == absent || store.level(slot) > store.level(best)) {
            best = slot
        }
        if best != absent { return best }
        let any = isLinked.firstIndex(of: true)
        return any.map { UInt32($0) } ?? absent
    }

    /// Reads all lists of layer 0 once.
    private func knownInLinks() -> InLinks {
        var result = InLinks(slotCount: isLinked.count)
        for slot in isLinked.indices where isLinked[slot] {
            let source = UInt32(slot)
            for target in store.links(source, layer: 0).array { result.add(from: source, to: target) }
        }
        return result
    }
}
