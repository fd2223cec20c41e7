import HilumCore

/// Better lists on layer 0, once many nodes have come or gone.
///
/// ```
/// choice   a node, its neighbours and theirs ─→ the nearest ─→ up to m diverse ones, side by side on the graph as it is
/// lists    what a node chose, who chose it, what it had, what the tree needs ─→ pruned to 2m, written block by block
/// ```
/// An insertion sees the graph as it was then: the first nodes were linked among few. Here every node chooses among all, and a candidate
/// is dropped only if another neighbour is clearly nearer to it, so that lists are longer where that shortens walks. Lists depend on the
/// graph and not on the number of threads.
///
/// The idea of a second pass with slack is that of Vamana (Subramanya et al., "DiskANN", 2019); theirs searches again for each node.
extension GraphWriter {
    /// Nodes from which on it pays; `pool` counts on the same.
    static let refinedFrom = 1024
    /// Nodes that a thread takes at a time.
    private static let partSize = 256

    /// Refines all lists if half of the nodes have changed since the last time.
    ///
    /// - Parameter nodes: all, in an order in which near ones follow each other.
    func refineIfDue(_ nodes: [UInt32], threads: Int) {
        guard nodeCount >= Self.refinedFrom, 2 * changesSinceRefining >= nodeCount,
            // Between opening and its end there may be nodes without a vector.
            nodes.allSatisfy({ store.isLive($0) })
        else { return }
        changesSinceRefining = 0
        let choices = choices(of: nodes, threads: threads)
        let choosers = Choosers(of: nodes, choices)
        for first in stride(from: 0, to: nodes.count, by: 64 * Self.partSize) {
            let block = Array(nodes[first..<min(first + 64 * Self.partSize, nodes.count)])
            var lists = [[UInt32]](repeating: [], count: block.count)
            lists.withUnsafeMutableBufferPointer { buffer in
                // Safety: each index is written by one thread, and all have ended when `parts` returns.
                nonisolated(unsafe) let out = buffer
                Self.parts(block.count, threads: threads) { [graph, root] range in
                    let scratch = graph.readers.borrow()
                    defer { graph.readers.giveBack(scratch) }
                    for index in range {
                        let node = block[index]
                        let links = choices.of(node) + choosers.of(node)
                        out[index] = graph.refinedList(of: node, links, root: root, scratch)
                    }
                }
            }
            for (node, links) in zip(block, lists) { setLinks(node, layer: 0, links) }
        }
    }

    private func choices(of nodes: [UInt32], threads: Int) -> Choices {
        var choices = Choices(slotCount: isLinked.count, limit: parameters.m)
        choices.withUnsafeWriter { writer in
            Self.parts(nodes.count, threads: threads) { [graph] range in
                let scratch = graph.readers.borrow()
                defer { graph.readers.giveBack(scratch) }
                for node in nodes[range] { writer.set(node, graph.choice(of: node, scratch)) }
            }
        }
        return choices
    }

    /// Calls `body` with parts of `0..<count`, side by side.
    private static func parts(_ count: Int, threads: Int, _ body: @Sendable (Range<Int>) -> Void) {
        parallelFor((count + partSize - 1) / partSize, threads: threads) { part in
            body((part * partSize)..<min((part + 1) * partSize, count))
        }
    }
}

/// What each node chose: up to `limit` nodes.
private struct Choices {
    /// By slot: a count and `limit` nodes.
    private var words: [UInt32]
    private let limit: Int

    init(slotCount: Int, limit: Int) {
        self.limit = limit
        words = [UInt32](repeating: 0, count: slotCount * (1 + limit))
    }

    func of(_ node: UInt32) -> ArraySlice<UInt32> {
        let start = Int(node) * (1 + limit)
        return words[(start + 1)..<(start + 1 + Int(words[start]))]
    }

    /// Writes from many threads, each the choices of other nodes.
    struct Writer: @unchecked Sendable {
        // Sendable: the words of a node are written by one thread.
        fileprivate let words: UnsafeMutableBufferPointer<UInt32>
        fileprivate let limit: Int

        func set(_ node: UInt32, _ choice: [NodeCandidate]) {
            let start = Int(node) * (1 + limit)
            words[start] = UInt32(choice.count)
            for (index, candidate) in choice.enumerated() { words[start + 1 + index] = candidate.node }
        }
    }

    mutating func withUnsafeWriter(_ body: (Writer) -> Void) {
        words.withUnsafeMutableBufferPointer { body(Writer(words: $0, limit: limit)) }
    }
}

/// Who chose each node, in the order of the nodes.
private struct Choosers {
    private var nodes: [UInt32]
    /// By slot: where its nodes end; those of the slot before end where they begin.
    private var ends: [Int]

    init(of all: [UInt32], _ choices: Choices) {
        let slotCount = Int(all.max() ?? 0) + 1
        ends = [Int](repeating: 0, count: slotCount + 1)
        for node in all { for target in choices.of(node) { ends[Int(target) + 1] += 1 } }
        for slot in 0..<slotCount { ends[slot + 1] += ends[slot] }
        nodes = [UInt32](repeating: 0, count: ends[slotCount])
        for node in all {
            for target in choices.of(node) {
                nodes[ends[Int(target)]] = node
                ends[Int(target)] += 1
            }
        }
    }

    func of(_ node: UInt32) -> ArraySlice<UInt32> { nodes[(node == 0 ? 0 : ends[Int(node) - 1])..<ends[Int(node)]] }
}

/// Reads the graph only.
extension Graph {
    /// A candidate stays unless a neighbour is nearer to it by this factor.
    private static let slack: Float = 1.1
    /// Of the nodes that two steps reach, as many of the nearest are candidates.
    private static let choiceLimit = 200

    /// Up to m diverse nodes among the neighbours of a node and theirs, nearest first.
    func choice(of node: UInt32, _ scratch: Scratch) -> [NodeCandidate] {
        let marks = scratch.beginVisit(slotCount: slots.load(ordering: .relaxed))
        _ = marks.visit(node)
        var near = store.links(node, layer: 0).array.filter { marks.visit($0) }
        for neighbour in near {
            let list = store.links(neighbour, layer: 0)
            let count = marks.look(at: list, into: scratch.bridges)
            for index in 0..<count where marks.visit(scratch.bridges[index]) { near.append(scratch.bridges[index]) }
        }
        let query = target(of: node, isFine: true, scratch.query)
        var pool = scratch.makePool(limit: Self.choiceLimit)
        for candidate in candidates(from: query, to: near, scratch) { pool.insert(candidate) }
        return selectDiverse(
            (0..<pool.count).map { pool[$0] }, limit: parameters.m, owner: absent, root: absent, slack: Self.slack,
            scratch)
    }

    /// The list of a node that gets `new` links, which may name a node twice: also what the tree needs, and what it had as far as there is
    /// room for diverse ones.
    func refinedList(of node: UInt32, _ new: ArraySlice<UInt32>, root: UInt32, _ scratch: Scratch) -> [UInt32] {
        let list = store.links(node, layer: 0)
        let marks = scratch.beginVisit(slotCount: slots.load(ordering: .relaxed))
        var links = new.filter { marks.visit($0) }
        links += list.array.filter { marks.visit($0) }
        guard links.count > list.capacity else { return links }
        let query = target(of: node, isFine: true, scratch.query)
        let sorted = candidates(from: query, to: links, scratch).sorted { $0.key < $1.key }
        return selectDiverse(sorted, limit: list.capacity, owner: node, root: root, scratch).map(\.node)
    }
}
