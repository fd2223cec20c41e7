import CHilumKernels
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
/// A look ends where it meets its node. A sweep takes nodes in the order of the tree, so that near ones follow each other, and asks for
/// codes ahead of time. Later rounds look only for nodes whose walks may have changed (`Looks`, `MendedLists`).
extension HNSWIndex {
    /// The pool of a look. A search keeps 64 candidates unless it is told otherwise; a quarter less leaves room for the nodes that come
    /// between, and for the rounding of a query.
    static let lookEf = 48
    private static let roundLimit = 20

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

    /// Looks for all nodes, and then, as long as lists change, again for those whose walks may go another way now: a link that
    /// shows the way to one node can lead the walk to another one away.
    ///
    /// - Returns: how many were not found at first.
    @discardableResult
    private func sweep(threads: Int) -> Int {
        changesSinceSweep = 0
        var latest = look(for: nodesInTreeOrder(), threads: threads)
        var looks = latest
        var first: Int?
        for _ in 0..<Self.roundLimit {
            let lost = latest.flatMap(\.lost)
            first = first ?? lost.count
            if lost.isEmpty { break }
            let again = Set(lost.map(\.node)).union(led(elsewhereBy: MendedLists(mend(lost)), looks))
            latest = look(for: again.sorted(), threads: threads)
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
                let query = ownQuery(of: node, scratch)
                let isLed = mended.changed(reads) { other, bound in
                    let candidate = NodeCandidate(distance: distance(query, other, scratch), node: other)
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
        _ = mend(look(for: nodes, threads: threads).flatMap(\.lost))
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
                guard let latest = lookInVain(for: look.node, scratch) else { continue }
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

    /// Looks for nodes by their own vectors, side by side; reads the graph only.
    private func look(for nodes: [UInt32], threads: Int) -> [Looks] {
        let width = 256
        let partCount = (nodes.count + width - 1) / width
        var parts = [Looks](repeating: Looks(), count: partCount)
        parts.withUnsafeMutableBufferPointer { buffer in
            // Safety: each index is written by one thread, and all have ended when `parallelFor` returns.
            nonisolated(unsafe) let out = buffer
            parallelFor(partCount, threads: partCount == 1 ? 1 : threads) { part in
                let scratch = readers.borrow()
                defer { readers.giveBack(scratch) }
                var looks = Looks()
                for node in nodes[(part * width)..<min((part + 1) * width, nodes.count)] {
                    if let lost = lookInVain(for: node, scratch) {
                        looks.lost.append(lost)
                    } else {
                        looks.add(node, reading: scratch.reads)
                    }
                }
                out[part] = looks
            }
        }
        return parts
    }

    /// Looks for a node by its own vector, as `search` does.
    ///
    /// - Returns: nil if the node is met, on the way that `Scratch.reads` tells.
    private func lookInVain(for node: UInt32, _ scratch: Scratch) -> Looks.Lost? {
        guard let entry else { return nil }
        var reads = scratch.reads
        scratch.reads = []
        reads.removeAll(keepingCapacity: true)
        defer { scratch.reads = reads }
        let query = ownQuery(of: node, scratch)
        let slotCount = slots.load(ordering: .relaxed)
        var cost = SearchCost()
        let start = descend(from: entry, to: 0, query: query, scratch, &cost)
        if start == node { return nil }
        let marks = scratch.beginVisit(slotCount: slotCount)
        var pool = scratch.makePool(limit: min(Self.lookEf, slotCount))
        enter(start, query: query, marks, &pool, scratch, &cost)
        if walk(to: node, query: query, marks, &pool, scratch, &reads) { return nil }
        if !pool.isFull && pool.count < nodeCount {
            // Whatever fills the pool spares a search this second walk.
            reads.append(.max)
            if entry.node == node { return nil }
            enter(entry.node, query: query, marks, &pool, scratch, &cost)
            if walk(to: node, query: query, marks, &pool, scratch, &reads) { return nil }
        }
        return Looks.Lost(node: node, start: start, read: pool.readNodes)
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
    ///
    /// - Parameter reads: gets the keys of the nodes whose lists were read, in order.
    private func walk(
        to node: UInt32, query: Target, _ marks: VisitedMarks, _ pool: inout SortedPool, _ scratch: Scratch,
        _ reads: inout [UInt64]
    ) -> Bool {
        let store = self.store
        let gather = kernels.gather
        let dimension = self.dimension
        let (nodes, codes, distances) = (scratch.nodes, scratch.codes, scratch.distances)
        var local = pool
        defer { pool = local }
        while let candidate = local.next() {
            reads.append(candidate.key)
            // Only the writer changes lists, and looks are its own.
            let list = store.links(candidate.node, layer: 0)
            let count = list.count
            for index in 0..<count where list[index] == node { return true }
            var fresh = 0
            for index in 0..<count where marks.visit(list[index]) {
                let code = UnsafeRawPointer(store.code(list[index]))
                hilum_prefetch(code)
                hilum_prefetch(code + 64)
                nodes[fresh] = list[index]
                codes[fresh] = code
                fresh += 1
            }
            gather(query, codes, fresh, dimension, distances)
            // The nearest is probably read next.
            var nearest = 0
            for index in 0..<fresh where distances[index] < distances[nearest] { nearest = index }
            if fresh > 0 { store.links(nodes[nearest], layer: 0).prefetch() }
            for index in 0..<fresh { local.insert(NodeCandidate(distance: distances[index], node: nodes[index])) }
        }
        return false
    }
}
