import CHilumKernels
import Foundation
import HilumCore

/// The one that changes a graph, with all that only changes need: the node of a vector, the links to a node, the tree that keeps nodes
/// reachable, slots to use again, and what a checkpoint has to write.
///
/// ```
/// insert   equal bits known? ─ yes ─→ posting list of that node
///              └ no ─→ plan (search each layer, diverse neighbours) ─→ parent in the tree ─→ links both ways
/// remove   posting empty? ─→ children get new parents, in-neighbours are linked past the node, the slot waits for readers
/// ```
///
/// Thread rule: one thread at a time, which `HNSWIndex` sees to. What it does side by side reads the `Graph` alone; it is not
/// Sendable, so the compiler keeps its own state out of that and out of searches.
final class GraphWriter {
    let graph: Graph
    let memory: GraphMemory
    var table: NodeTable
    /// False after `restoring` from codes, until the writer is first at work: only it needs the table.
    var isTableFilled = true
    /// The same for the counts of children.
    var areChildrenCounted = true
    var inLinks: InLinks?
    /// The root of the tree that keeps layer 0 connected; `absent` while the graph is empty.
    var root: UInt32 = absent
    /// By slot: whether the node is part of the graph.
    var isLinked: [Bool] = []
    /// Slots with a level above 0, linked or not, ascending.
    var upperSlots: [UInt32] = []
    /// Slots free for reuse, each with the time of its retirement, the oldest first from `freeHead` on.
    var freeSlots: [(time: UInt64, slot: UInt32)] = []
    var freeHead = 0
    /// Nodes that their own search may not find, to be looked for at the end of a change.
    var suspects: [UInt32] = []
    /// Nodes that came or went since all were looked for.
    var changesSinceSweep = 0
    /// Nodes that came or went since lists were last refined.
    var changesSinceRefining = 0
    /// What the next checkpoint of the codes has to write.
    var changedPieces = ChangedPieces()
    /// Whether pieces have zeros in place of what vectors that are gone have left in their slots; once asked for, for as long as this lives.
    var wipesRemoved = false
    /// What a checkpoint had to have mended.
    var restoration = RestoreSummary()

    init(_ graph: Graph, memory: GraphMemory) {
        self.graph = graph
        self.memory = memory
        table = NodeTable(store: graph.store)
    }

    // MARK: The graph, by the names of its parts

    var dimension: Int { graph.dimension }
    var parameters: HNSWParameters { graph.parameters }
    var precision: CodePrecision { graph.precision }
    var kernels: DistanceKernels { graph.kernels }
    var store: NodeStore { graph.store }
    var readers: ReaderPool { graph.readers }
    var items: ItemTable { graph.items }
    var nodeCount: Int { graph.nodeCount }
    var entry: (node: UInt32, level: Int)? { graph.entry }

    // MARK: Slots

    /// Fills the table of vectors if a checkpoint left that to the first change.
    func prepareForChanges() {
        guard !isTableFilled else { return }
        table.reserve(nodeCount)
        for slot in isLinked.indices where isLinked[slot] { table.insert(UInt32(slot)) }
        countChildren()
        isTableFilled = true
    }

    /// A record to fill: one that no reader can hold any more, or a new one.
    ///
    /// - Throws: `.full`
    func takeSlot() throws(IndexError) -> UInt32 {
        if freeHead < freeSlots.count, freeSlots[freeHead].time < readers.oldestReader {
            let slot = freeSlots[freeHead].slot
            freeHead += 1
            if freeHead == freeSlots.count || freeHead > 4096 {
                freeSlots.removeFirst(freeHead)
                freeHead = 0
            }
            for layer in 0...store.level(slot) { store.links(slot, layer: layer).write(EmptyCollection()) }
            return slot
        }
        return try addSlot()
    }

    /// A new record behind the others, zeroed, with its level and its upper layers.
    ///
    /// - Throws: `.full`
    func addSlot() throws(IndexError) -> UInt32 {
        let count = graph.slots.load(ordering: .relaxed)
        guard count < NodeStore.maxNodeCount else { throw IndexError(.full) }
        let slot = UInt32(count)
        memory.reserve(slotCount: count + 1, residuals: graph.residuals)
        let level = graph.level(ofSlot: slot)
        store.setLevel(slot, level)
        if level > 0 { addUpperLists(slot, level: level) }
        isLinked.append(false)
        graph.slots.store(count + 1, ordering: .releasing)
        return slot
    }

    /// Gives a new slot its lists above layer 0.
    func addUpperLists(_ slot: UInt32, level: Int) {
        memory.addUpperLists(to: slot, level: level)
        upperSlots.append(slot)
    }

    /// Makes `count` records of a new index at once, zeroed, without level.
    func makeSlots(_ count: Int) {
        memory.reserve(slotCount: count, residuals: graph.residuals)
        graph.slots.store(count, ordering: .releasing)
    }

    /// Puts a node that is out of reach on the list of slots to reuse.
    func retireSlot(_ slot: UInt32) { freeSlots.append((readers.retire(), slot)) }

    /// Frees a posting list once no reader can hold it.
    func retireList(_ word: UInt64) { memory.retireList(word, readers: readers) }

    // MARK: Records

    /// Writes vector, code and hash of a slot that is not linked yet; it has no place in the tree.
    func fill(_ slot: UInt32, _ vector: UnsafePointer<Float>, hash: UInt32) {
        encode(vector, into: slot)
        store.setHash(slot, hash)
        store.setParent(slot, absent)
        store.setChildren(slot, 0)
    }

    /// Writes a vector, or what the index keeps of it, into a slot.
    func encode(_ vector: UnsafePointer<Float>, into slot: UInt32) {
        // Safety: code and vector of a slot hold `dimension` elements each.
        switch precision {
        case .f32: store.vector(slot).update(from: vector, count: dimension)
        case .bf16:
            store.vector(slot).update(from: vector, count: dimension)
            hilum_f32_to_bf16(vector, store.code(slot).assumingMemoryBound(to: UInt16.self), dimension)
        case .i8:
            kernels.codeBook?.encode(vector, code: store.code(slot), residual: store.residual(slot))
            noteChange(of: slot)
        }
    }

    /// The node that holds `vector`, told by what the index keeps of it and by the hash of all its bits.
    func find(_ vector: UnsafePointer<Float>, hash: UInt32) -> UInt32? {
        guard let codeBook = kernels.codeBook else {
            return table.find(hash: hash) { node in
                // Safety: both hold `dimension` floats. Bits, not values: 0 and -0 differ, as they do in the hash.
                let stored = store.vector(node)
                for index in 0..<dimension where stored[index].bitPattern != vector[index].bitPattern { return false }
                return true
            }
        }
        let scratch = readers.borrow()
        defer { readers.giveBack(scratch) }
        // Safety: both have more room than a code or residual, for weights have 16 bits.
        let (code, residual) = (scratch.member, scratch.query)
        var isReady = false
        return table.find(hash: hash) { node in
            if !isReady { codeBook.encode(vector, code: code, residual: residual) }
            isReady = true
            guard memcmp(code, store.code(node), store.codeByteCount) == 0 else { return false }
            guard let stored = store.residual(node), !graph.lacksResidual(node) else { return true }
            return memcmp(residual, stored, hilum_residual_bytes(graph.codeDimension)) == 0
        }
    }

    /// Replaces a list of links and keeps the in-links of layer 0 in step.
    func setLinks(_ node: UInt32, layer: Int, _ links: [UInt32]) {
        let list = store.links(node, layer: layer)
        if layer == 0 && inLinks != nil {
            let old = list.array
            for target in old where !links.contains(target) { inLinks?.remove(from: node, to: target) }
            for target in links where !old.contains(target) { inLinks?.add(from: node, to: target) }
        }
        list.write(links)
    }
}
