/// The tree that keeps every node reachable on layer 0.
///
/// HNSW prunes links without asking whether they were the last way to a node. Here each node but the root has a parent that links
/// to it, and that link is never pruned; parents come before children, so following them ends at the root. The entry point links
/// to the root. So every node can be reached from the entry point, after any insertions and deletions, and the check costs nothing
/// while searching. A node has about one child on average, so hardly any of its links are bound.
extension GraphWriter {
    /// Children that a node takes on willingly, and at the most. Two places stay free for the root and for one other link.
    private var softChildLimit: Int { max(1, parameters.m / 2) }
    var hardChildLimit: Int { max(1, store.mMax0 - 2) }

    private func isPinned(_ node: UInt32, _ target: UInt32) -> Bool { graph.isPinned(node, target, root: root) }

    /// A parent for a new node: the nearest of its neighbours that has few children, else any that has room.
    ///
    /// - Parameter read: bit i is set for a neighbour i whose links the new node's own search reads; these come first.
    func chooseParent(among neighbours: [UInt32], read: UInt64) -> UInt32 {
        for (index, node) in neighbours.enumerated()
        where read >> index & 1 == 1 && store.children(node) < softChildLimit {
            return node
        }
        for node in neighbours where store.children(node) < softChildLimit { return node }
        for node in neighbours where store.children(node) < hardChildLimit { return node }
        return anyParent { _ in true }
    }

    /// A linked node that has room for a child. There is one: a tree of n nodes has n − 1 children.
    private func anyParent(_ isFit: (UInt32) -> Bool) -> UInt32 {
        for slot in isLinked.indices where isLinked[slot] {
            let node = UInt32(slot)
            // A node of the current group has no parent yet and is nobody's child; the root is the only other one.
            if store.children(node) < hardChildLimit && isAttached(node) && isFit(node) { return node }
        }
        preconditionFailure("a tree has a node with room for a child")
    }

    private func isAttached(_ node: UInt32) -> Bool { node == root || store.parent(node) != absent }

    /// Whether `node` lies under `ancestor` in the tree, or is it.
    /// - Complexity: O(depth of `node`)
    private func isUnder(_ ancestor: UInt32, _ node: UInt32) -> Bool {
        var current = node
        while current != absent {
            if current == ancestor { return true }
            current = store.parent(current)
        }
        return false
    }

    /// Hangs the children of a node that goes away onto others, and makes one of them the root if it was the root.
    ///
    /// In-links of layer 0 are known (`inLinks`), and `node` is not the entry point any more.
    func releaseFromTree(_ node: UInt32) {
        var children = store.links(node, layer: 0).array.filter { store.parent($0) == node }
        let parent = store.parent(node)
        if node == root {
            precondition(!children.isEmpty, "the root of several nodes has a child")
            root = children.removeFirst()
            store.setParent(root, absent)
            linkEntryToRoot()
        } else {
            store.setChildren(parent, store.children(parent) - 1)
        }
        let neighbours = store.links(node, layer: 0).array
        for child in children {
            adopt(child, from: node, neighbours: neighbours)
        }
    }

    /// Finds a new parent for `child`: one that links to it already, else a neighbour of the old parent, else anyone.
    private func adopt(_ child: UInt32, from old: UInt32, neighbours: [UInt32]) {
        func isFit(_ node: UInt32) -> Bool {
            node != old && isLinked[Int(node)] && store.children(node) < hardChildLimit && !isUnder(child, node)
        }
        // Until it is adopted, everything under `child` counts as cut off: a parent from there would close a ring.
        var parent = (inLinks?.of(child) ?? []).first(where: isFit)
        parent = parent ?? neighbours.first(where: isFit)
        let chosen = parent ?? anyParent(isFit)
        store.setParent(child, chosen)
        store.setChildren(chosen, store.children(chosen) + 1)
        bind(chosen, child)
        suspects.append(child)
    }

    /// A parent for `node` among nodes that its own search reads: the first with few children and room in its list, else the first
    /// that can take it.
    func newParent(of node: UInt32, among read: [UInt32]) -> UInt32? {
        func isFit(_ other: UInt32, _ limit: Int) -> Bool {
            other != node && store.children(other) < limit && (node == root || !isUnder(node, other))
        }
        for other in read where store.links(other, layer: 0).count < store.mMax0 && isFit(other, softChildLimit) {
            return other
        }
        for other in read where isFit(other, softChildLimit) { return other }
        return read.first { isFit($0, hardChildLimit) }
    }

    /// Moves `node` in the tree, to where `parent` links to it. The root stays the root, and is only linked.
    ///
    /// - Returns: as `bind`.
    func hang(_ node: UInt32, under parent: UInt32) -> UInt32 {
        if node != root {
            let old = store.parent(node)
            store.setChildren(old, store.children(old) - 1)
            store.setParent(node, parent)
            store.setChildren(parent, store.children(parent) + 1)
        }
        return bind(parent, node)
    }

    /// Makes the entry point link to the root.
    func linkEntryToRoot() {
        guard let entry, root != absent, entry.node != root else { return }
        bind(entry.node, root)
    }

    /// Makes sure of the link `node` → `target` on layer 0; the farthest link that is not needed makes room.
    ///
    /// - Returns: what `node` does not link to any more; `absent` if there was room.
    @discardableResult
    func bind(_ node: UInt32, _ target: UInt32) -> UInt32 {
        let list = store.links(node, layer: 0)
        guard !list.contains(target) else { return absent }
        var links = list.array
        var dropped = absent
        if links.count == list.capacity {
            let scratch = readers.borrow()
            defer { readers.giveBack(scratch) }
            let query = graph.target(of: node, isFine: true, scratch.member)
            let free = graph.candidates(from: query, to: links.filter { !isPinned(node, $0) }, scratch)
            dropped = free.max { $0.key < $1.key }?.node ?? absent
            links.removeAll { $0 == dropped }
        }
        links.append(target)
        setLinks(node, layer: 0, links)
        return dropped
    }
}
