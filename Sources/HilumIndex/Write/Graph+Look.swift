import CHilumKernels
import HilumCore

/// Looks for nodes by their own searches (see `GraphWriter+Findability`). Reads the graph only.
extension Graph {
    /// The pool of a look: less than half of what a search keeps unless it is told otherwise, which leaves room for the nodes that come
    /// between, and for the rounding of a query. `hilum-bench` searches with pools from 64 on.
    static let lookEf = 48

    /// Looks for nodes by their own vectors, side by side; reads the graph only.
    func look(for nodes: [UInt32], threads: Int) -> [Looks] {
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
    func lookInVain(for node: UInt32, _ scratch: Scratch) -> Looks.Lost? {
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
    func ownQuery(of node: UInt32, _ scratch: Scratch) -> Target {
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
        let dimension = codeDimension
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
                hilum_prefetch_bytes(code, askedByteCount)
                nodes[fresh] = list[index]
                codes[fresh] = code
                fresh += 1
            }
            askAhead(local.nextTwo, layer: 0, marks, scratch)
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
