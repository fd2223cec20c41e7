/// The choice of links, which reads the graph only.
extension Graph {
    /// The distances from a vector to nodes, as unsorted candidates.
    func candidates(
        from query: Target, to nodes: some Collection<UInt32>, _ scratch: Scratch
    ) -> [NodeCandidate] {
        var result: [NodeCandidate] = []
        result.reserveCapacity(nodes.count)
        var waiting = 0
        func flush() {
            kernels.gather(query, scratch.codes, waiting, dimension, scratch.distances)
            for index in 0..<waiting {
                result.append(NodeCandidate(distance: scratch.distances[index], node: scratch.nodes[index]))
            }
            waiting = 0
        }
        for node in nodes {
            scratch.nodes[waiting] = node
            scratch.codes[waiting] = UnsafeRawPointer(store.code(node))
            waiting += 1
            if waiting == Scratch.batchCapacity { flush() }
        }
        flush()
        return result
    }

    /// Algorithm 4: from the nearest on, a candidate is taken unless it is nearer to one taken before than to the owner.
    ///
    /// Links that the tree needs (see `GraphWriter+Tree`) are taken in any case, and room is kept for them.
    ///
    /// - Parameters:
    ///   - sorted: candidates in order of their distance to the owner.
    ///   - owner: the node whose list this becomes; `absent` for a new node, which has no links that are needed.
    ///   - root: of the tree.
    func selectDiverse(
        _ sorted: [NodeCandidate], limit: Int, owner: UInt32, root: UInt32, _ scratch: Scratch
    ) -> [NodeCandidate] {
        var room = limit
        if owner != absent {
            for candidate in sorted where isPinned(owner, candidate.node, root: root) { room -= 1 }
        }
        var taken: [NodeCandidate] = []
        taken.reserveCapacity(limit)
        for candidate in sorted {
            if owner != absent && isPinned(owner, candidate.node, root: root) {
                // Needed, whatever it is near to.
            } else if room > 0 && !isShadowed(candidate, by: taken.count, scratch) {
                room -= 1
            } else {
                continue
            }
            scratch.codes[taken.count] = UnsafeRawPointer(store.code(candidate.node))
            taken.append(candidate)
            if taken.count == limit { break }
        }
        return taken
    }

    /// Whether the tree (see `GraphWriter+Tree`) needs the link `node` → `target` on layer 0.
    @inline(__always)
    func isPinned(_ node: UInt32, _ target: UInt32, root: UInt32) -> Bool {
        store.parent(target) == node || (target == root && entry?.node == node)
    }

    /// Whether a candidate is nearer to one of the `count` codes in `scratch.codes` than to the node it is a candidate for.
    func isShadowed(_ candidate: NodeCandidate, by count: Int, _ scratch: Scratch) -> Bool {
        guard count > 0 else { return false }
        let query = target(of: candidate.node, isFine: false, scratch.member)
        for first in stride(from: 0, to: count, by: 4) {
            let width = min(4, count - first)
            kernels.gather(query, scratch.codes + first, width, dimension, scratch.distances)
            for index in 0..<width where scratch.distances[index] < candidate.distance { return true }
        }
        return false
    }

    /// The list of `target` with new links added, pruned to what fits when there are too many.
    func extended(_ target: UInt32, layer: Int, by added: [UInt32], root: UInt32, _ scratch: Scratch) -> [UInt32] {
        let list = store.links(target, layer: layer)
        var links = list.array
        links.append(contentsOf: added)
        guard links.count > list.capacity else { return links }
        let query = self.target(of: target, isFine: true, scratch.member)
        let sorted = candidates(from: query, to: links, scratch).sorted { $0.key < $1.key }
        if layer == 0 {
            return selectDiverse(sorted, limit: list.capacity, owner: target, root: root, scratch).map(\.node)
        }
        return selectDiverse(sorted, limit: list.capacity, owner: absent, root: root, scratch).map(\.node)
    }
}
