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
            kernels.gather(query, scratch.codes, waiting, codeDimension, scratch.distances)
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
    /// Whatever is taken closes at once all candidates of its block that are nearer to it, so its code is prepared once for many of
    /// them, and none is compared with more nodes than it takes to close it.
    ///
    /// - Parameters:
    ///   - sorted: candidates in order of their distance to the owner.
    ///   - owner: the node whose list this becomes; `absent` for a new node, which has no links that are needed.
    ///   - root: of the tree.
    ///   - slack: a candidate is nearer to one that was taken only if it is so by this factor of the distance.
    func selectDiverse(
        _ sorted: [NodeCandidate], limit: Int, owner: UInt32, root: UInt32, slack: Float = 1, _ scratch: Scratch
    ) -> [NodeCandidate] {
        var room = limit
        if owner != absent {
            for candidate in sorted where isPinned(owner, candidate.node, root: root) { room -= 1 }
        }
        var taken: [NodeCandidate] = []
        taken.reserveCapacity(limit)
        var first = 0
        while first < sorted.count && taken.count < limit {
            let block = sorted[first..<min(first + Self.selectionBlock, sorted.count)]
            takeDiverse(block, limit: limit, owner: owner, root: root, slack: slack, room: &room, &taken, scratch)
            first = block.endIndex
        }
        return taken
    }

    /// Candidates that are compared side by side with what was taken, at most 32. Those behind the last one that is taken are compared
    /// for nothing.
    private static let selectionBlock = 32

    /// The part of `selectDiverse` for some candidates, at most `selectionBlock`.
    private func takeDiverse(
        _ block: ArraySlice<NodeCandidate>, limit: Int, owner: UInt32, root: UInt32, slack: Float, room: inout Int,
        _ taken: inout [NodeCandidate], _ scratch: Scratch
    ) {
        // Bit i stands for candidate i of the block, which may still be taken.
        var open: UInt32 = block.count == 32 ? .max : (1 << UInt32(block.count)) - 1
        for earlier in taken where room > 0 { close(&open, of: block, by: earlier.node, slack, scratch) }
        for (index, candidate) in block.enumerated() {
            if owner != absent && isPinned(owner, candidate.node, root: root) {
                // Needed, whatever it is near to.
            } else if room > 0 && open >> UInt32(index) & 1 == 1 {
                room -= 1
            } else {
                continue
            }
            taken.append(candidate)
            if taken.count == limit { break }
            open &= index == 31 ? 0 : UInt32.max << UInt32(index + 1)
            if room > 0 { close(&open, of: block, by: candidate.node, slack, scratch) }
        }
    }

    /// Closes the candidates that are nearer to `node` than to the node they are candidates for.
    private func close(
        _ open: inout UInt32, of block: ArraySlice<NodeCandidate>, by node: UInt32, _ slack: Float,
        _ scratch: Scratch
    ) {
        guard open != 0 else { return }
        var count = 0
        var rest = open
        while rest != 0 {
            let index = rest.trailingZeroBitCount
            rest &= rest - 1
            scratch.links[count] = UInt32(index)
            scratch.codes[count] = UnsafeRawPointer(store.code(block[block.startIndex + index].node))
            count += 1
        }
        let query = target(of: node, isFine: false, scratch.member)
        kernels.gather(query, scratch.codes, count, codeDimension, scratch.distances)
        for place in 0..<count {
            let index = Int(scratch.links[place])
            if slack * scratch.distances[place] < block[block.startIndex + index].distance {
                open &= ~(1 << UInt32(index))
            }
        }
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
            kernels.gather(query, scratch.codes + first, width, codeDimension, scratch.distances)
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
