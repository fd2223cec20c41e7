import HilumCore

/// Every vector is found by its own search.
///
/// A walk may end before it meets the very vector that it looks for: where many vectors are about equally far, or where a few lie far
/// from all the others, none of the candidates in its pool has to link there. So nodes are looked for after they were linked. One that
/// is not found becomes, in the tree of pinned links (see `GraphWriter+Tree`), a child of a node that its own walk reads.
///
/// A new node is not looked for: the walk that found its neighbours is the beginning of its own search, so it gets a parent whose
/// links that search has read. Later nodes can still lead a walk away from an old one. That cannot be told from what they change, so
/// all nodes are looked for once half as many have come and gone, and when `mendUnfound` is called.
///
/// A look ends where it meets its node. A sweep takes nodes in the order of the tree, so that near ones follow each other, and asks for
/// codes ahead of time. Later rounds look only for nodes whose walks may have changed (`Looks`, `MendedLists`).
extension GraphWriter {
    private static let roundLimit = 20

    /// Looks for every vector unless none came or went since the last time; see `HNSWIndex.mendUnfound`.
    ///
    /// - Returns: how many were not found before.
    func mendUnfound(threads: Int) -> Int { changesSinceSweep > 0 ? sweep(threads: threads) : 0 }

    /// Looks for all nodes if many have changed.
    func sweepIfDue(threads: Int) {
        if changesSinceSweep > 0 && changesSinceSweep * 2 >= nodeCount { sweep(threads: threads) }
    }

    /// Refines lists if many nodes have changed, looks for all nodes, and then, as long as lists change, again for those whose walks may go another way now: a link that
    /// shows the way to one node can lead the walk to another one away.
    ///
    /// - Returns: how many were not found at first.
    @discardableResult
    private func sweep(threads: Int) -> Int {
        changesSinceSweep = 0
        let nodes = nodesInTreeOrder()
        refineIfDue(nodes, threads: threads)
        var latest = graph.look(for: nodes, threads: threads)
        var looks = latest
        var first: Int?
        for _ in 0..<Self.roundLimit {
            let lost = latest.flatMap(\.lost)
            first = first ?? lost.count
            if lost.isEmpty { break }
            let again = Set(lost.map(\.node)).union(led(elsewhereBy: MendedLists(mend(lost)), looks))
            latest = graph.look(for: again.sorted(), threads: threads)
            looks += latest
        }
        return first ?? 0
    }

    /// The nodes whose walks may go another way since lists changed.
    ///
    /// A walk reads the nearest candidate that it knows of. What a list has gained or dropped matters to it only if that is as near
    /// as one whose list it read afterwards: a farther one would not have had its turn before, nor have kept one of these out of the
    /// pool.
    private func led(elsewhereBy mended: MendedLists, _ looks: [Looks]) -> [UInt32] {
        let scratch = readers.borrow()
        defer { readers.giveBack(scratch) }
        var nodes: [UInt32] = []
        for part in looks {
            part.forEachFound { node, reads in
                guard mended.touch(reads) else { return }
                let query = graph.ownQuery(of: node, scratch)
                let isLed = mended.changed(reads) { other, bound in
                    let candidate = NodeCandidate(distance: graph.distance(query, other, scratch), node: other)
                    return other == node || Looks.bits(candidate.key) <= bound
                }
                if isLed { nodes.append(node) }
            }
        }
        return nodes
    }

    /// All nodes, each after its parent and next to its siblings: near nodes have walks that read much the same lists, so these are
    /// still in the caches.
    private func nodesInTreeOrder() -> [UInt32] {
        guard nodeCount > 0 else { return [] }
        var firstChild = [UInt32](repeating: absent, count: isLinked.count)
        var nextSibling = firstChild
        for slot in isLinked.indices where isLinked[slot] && UInt32(slot) != root {
            let parent = Int(store.parent(UInt32(slot)))
            nextSibling[slot] = firstChild[parent]
            firstChild[parent] = UInt32(slot)
        }
        var order: [UInt32] = []
        order.reserveCapacity(nodeCount)
        var waiting = [root]
        while let node = waiting.popLast() {
            order.append(node)
            var child = firstChild[Int(node)]
            while child != absent {
                waiting.append(child)
                child = nextSibling[Int(child)]
            }
        }
        return order
    }

    /// Looks for the nodes that lost the parent whose links their own search reads.
    func mendSuspects(threads: Int) {
        guard !suspects.isEmpty else { return }
        let nodes = Set(suspects).filter { isLinked[Int($0)] }.sorted()
        suspects = []
        _ = mend(graph.look(for: nodes, threads: threads).flatMap(\.lost))
    }

    /// Makes nodes that were not found children of nodes that their own searches read.
    ///
    /// - Returns: the lists that changed.
    private func mend(_ lost: [Looks.Lost]) -> [MendedLists.Change] {
        guard !lost.isEmpty else { return [] }
        let scratch = readers.borrow()
        defer { readers.giveBack(scratch) }
        var changes: [MendedLists.Change] = []
        var changed: Set<UInt32> = []
        for var look in lost {
            if look.read.contains(where: changed.contains) {
                // One that was mended before may have shown the way to this one.
                guard let latest = graph.lookInVain(for: look.node, scratch) else { continue }
                look = latest
            }
            let source: UInt32
            let dropped: UInt32
            if let parent = newParent(of: look.node, among: look.read) {
                source = parent
                dropped = hang(look.node, under: parent)
            } else {
                // All that the search reads lies under the node in the tree. A link that is not pinned does until a change drops it.
                source = look.nearest
                dropped = bind(source, look.node)
            }
            changed.insert(source)
            changes.append(MendedLists.Change(node: source, gained: look.node, dropped: dropped))
        }
        return changes
    }
}
