import CHilumKernels
import Foundation
import HilumCore
import Synchronization

/// Approximate nearest neighbours in memory: a hierarchical navigable small world graph (HNSW) over an arena of records.
///
/// ```
/// insert: vector ─ equal bits known? ─ yes ─→ posting list of that node
///                        └ no ─→ plan (search each layer, diverse neighbours) ─→ parent in the tree ─→ links both ways
/// search: query ─→ greedy descent through the upper layers ─→ sorted pool on layer 0 ─→ (bf16, i8: re-rank) ─→ items
/// remove: item ─→ posting empty? ─→ children get new parents, in-neighbours are linked past the node, the record waits for readers
/// ```
///
/// | Folder | What it holds |
/// | --- | --- |
/// | `Graph` | the arena and the layout of a record, link lists that are read while they change, items of a node and node of an item |
/// | `Codes` | codes of 8 bits, the distance functions, residuals that are read when they are needed |
/// | `Search` | the walks, filters and exact scans, what a search borrows, when a record may be used again |
/// | `Write` | planning and selection, the deterministic parallel build, the tree that keeps nodes reachable, what makes every vector |
/// | | found, deletion with repair, node of a vector |
/// | `Persist` | checkpoints of the links, and of codes |
///
/// `HNSWIndex+Validate` proves that a graph is sound.
///
/// Source: Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small world
/// graphs", TPAMI 2020, algorithms 1–5. Departures: equal vectors share one node; a tree of pinned links keeps layer 0 connected
/// from the entry point; the pool is one sorted array instead of two heaps; nodes are added in batches that see the graph from before.
///
/// Thread rule: one writer at a time (insert, insertBatch, remove, mendUnfound, serializeLinks, validate; the caller sees to that, two at once
/// end the process), and beside it any number of threads that search, locate and count. A search waits for nobody, but for a piece of
/// residuals that was left where it is kept.
public final class HNSWIndex: @unchecked Sendable {
    // Sendable: readers touch atomics and records that are published through them (see NodeStore, ReaderPool); every `var` below is
    // the writer's own.

    /// Floats a vector.
    public let dimension: Int
    /// How distances are measured.
    public let metric: Metric
    /// How the graph is built.
    public let parameters: HNSWParameters
    /// What the graph is walked on.
    public let precision: CodePrecision

    let kernels: DistanceKernels
    let store: NodeStore
    let readers: ReaderPool
    let items: ItemTable

    /// `level << 32 | node + 1`; 0 while the graph is empty.
    let entryWord = Atomic<UInt64>(0)
    /// Records in use or waiting for reuse.
    let slots = Atomic<Int>(0)
    private let itemCounter = Atomic<Int>(0)
    private let nodeCounter = Atomic<Int>(0)
    private let isWriting = Atomic<Bool>(false)

    /// What a restored index had to mend; zeros for any other. Set before the initializer returns.
    public internal(set) var restoration = RestoreSummary()

    /// Where residuals are read from that are not in memory yet; set before the initializer returns.
    var residuals: ResidualSource?
    private let fetchesResiduals: Bool

    // The writer's own.
    var table: NodeTable
    /// Nodes that their own search may not find, to be looked for at the end of a change.
    var suspects: [UInt32] = []
    /// Nodes that came or went since all were looked for.
    var changesSinceSweep = 0
    /// What the next checkpoint of the codes has to write.
    var changedPieces = ChangedPieces()
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
    private var retiredLists: [(time: UInt64, word: UInt64)] = []
    private var chunkCount = 0
    private var upperBlocks: [UnsafeMutableRawPointer] = []
    private var upperOffset = HNSWIndex.upperBlockByteCount
    private static let upperBlockByteCount = 1 << 18

    /// An empty index.
    ///
    /// - Parameters:
    ///   - dimension: floats a vector, 1...65,536.
    ///   - precision: what the graph is walked on.
    ///   - quantizer: how vectors become codes; for `i8`, which needs one.
    /// - Throws: `.noQuantizer`, `.kernelsUnavailable`
    public convenience init(
        dimension: Int, metric: Metric, parameters: HNSWParameters = HNSWParameters(), precision: CodePrecision = .f32,
        quantizer: ScalarQuantizer? = nil
    ) throws(IndexError) {
        try self.init(
            dimension: dimension, metric: metric, parameters: parameters, precision: precision, quantizer: quantizer,
            kernelSet: nil)
    }

    init(
        dimension: Int, metric: Metric, parameters: HNSWParameters, precision: CodePrecision,
        quantizer: ScalarQuantizer? = nil, keepsResiduals: Bool = true, fetchesResiduals: Bool = false,
        kernelSet: String?
    ) throws(IndexError) {
        precondition((1...65_536).contains(dimension), "the dimension must be in 1...65,536")
        precondition(quantizer == nil || quantizer?.offset.count == dimension, "the quantizer has another dimension")
        kernels = try DistanceKernels(metric: metric, precision: precision, quantizer: quantizer, name: kernelSet)
        self.dimension = dimension
        self.metric = metric
        self.parameters = parameters
        self.precision = precision
        store = NodeStore(
            dimension: dimension, precision: precision, m: parameters.m,
            hasResiduals: keepsResiduals && quantizer?.isExact != true)
        self.fetchesResiduals = fetchesResiduals
        readers = ReaderPool(dimension: dimension)
        items = ItemTable()
        table = NodeTable(store: store)
    }

    deinit {
        for slot in 0..<UInt32(slots.load(ordering: .relaxed)) {
            PostingList.free(store.posting(slot).pointee.load(ordering: .relaxed))
        }
        for list in retiredLists { PostingList.free(list.word) }
        for block in upperBlocks { block.deallocate() }
        store.deallocate(chunkCount: chunkCount)
    }

    // MARK: Counts and items (any thread)

    /// Items in the index.
    public var count: Int { itemCounter.load(ordering: .relaxed) }

    /// Distinct vectors in the index.
    public var nodeCount: Int { nodeCounter.load(ordering: .relaxed) }

    /// The set of kernels in use: scalar, avx2, avx512 or avx512vnni.
    public var kernelName: String { kernels.name }

    /// Bytes of vectors, codes and links that are in use (not counting tables and scratch).
    public var graphByteCount: Int { slots.load(ordering: .relaxed) * store.bytesPerNode }

    /// Whether an item is there. Any thread.
    public func contains(item: UInt32) -> Bool { items.locate(item) != nil }

    /// The stored vector of an item, `dimension` floats, with `i8` as its codes have it; nil if there is no such item, or if its
    /// residual was left where it is kept and cannot be read.
    public func vector(of item: UInt32) -> [Float]? {
        let scratch = readers.enter()
        defer { readers.leave(scratch) }
        guard let (node, _) = items.locate(item), (try? fetchResidual(node)) != nil else { return nil }
        // Safety: the record cannot be reused before `leave`; both hold `dimension` floats.
        guard let codeBook = kernels.codeBook else {
            return Array(UnsafeBufferPointer(start: store.vector(node), count: dimension))
        }
        codeBook.decode(store.code(node), residual: store.residual(node), into: scratch.floats)
        return Array(UnsafeBufferPointer(start: scratch.floats, count: dimension))
    }

    /// Whether an item is there with just this vector, or with its codes; false also when its residual was left where it is kept and
    /// cannot be read. Any thread.
    ///
    /// - Parameter vector: `dimension` floats, finite.
    public func holds(_ vector: UnsafeBufferPointer<Float>, for item: UInt32) -> Bool {
        guard vector.count == dimension, let base = vector.baseAddress else { return false }
        let scratch = readers.enter()
        defer { readers.leave(scratch) }
        guard let (node, _) = items.locate(item), (try? fetchResidual(node)) != nil else { return false }
        guard let codeBook = kernels.codeBook else {
            // Safety: both hold `dimension` floats, and the record cannot be reused before `leave`.
            return memcmp(base, store.vector(node), 4 * dimension) == 0
        }
        let code = scratch.query
        let residual = store.residual(node).map { _ in scratch.member }
        codeBook.encode(base, code: code, residual: residual)
        guard memcmp(code, store.code(node), hilum_code_bytes(dimension)) == 0 else { return false }
        guard let residual, let stored = store.residual(node), !lacksResidual(node) else { return true }
        return memcmp(residual, stored, hilum_residual_bytes(dimension)) == 0
    }

    /// The node that searches begin at, and its level.
    @inline(__always) var entry: (node: UInt32, level: Int)? {
        let word = entryWord.load(ordering: .acquiring)
        return word == 0 ? nil : (UInt32(truncatingIfNeeded: word) &- 1, Int(word >> 32))
    }

    // MARK: Checks of vectors

    /// The squared length of a vector.
    ///
    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`
    func checkedSquareLength(_ vector: UnsafeBufferPointer<Float>) throws(IndexError) -> Double {
        guard vector.count == dimension, let base = vector.baseAddress else {
            throw IndexError(.wrongDimension(expected: dimension, got: vector.count))
        }
        // Four sums, so that the additions overlap. Safety: indices are below `dimension`, the count of the buffer.
        var sums = SIMD4<Float>()
        var index = 0
        while index + 4 <= dimension {
            let part = SIMD4(base[index], base[index + 1], base[index + 2], base[index + 3])
            sums += part * part
            index += 4
        }
        var total = sums.sum()
        while index < dimension {
            total += base[index] * base[index]
            index += 1
        }
        // A square that overflows, an infinity and NaN all end up here; the factor leaves room for a difference of two vectors.
        guard total <= Float.greatestFiniteMagnitude / 8 else { throw IndexError(.notFinite) }
        if metric == .cosine && total == 0 { throw IndexError(.zeroLength) }
        return Double(total)
    }

    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`, `.notUnitLength`
    func checkStored(_ vector: UnsafeBufferPointer<Float>) throws(IndexError) {
        let length = try checkedSquareLength(vector).squareRoot()
        guard metric == .squaredEuclidean || abs(length - 1) < 0.01 else {
            throw IndexError(.notUnitLength(length: Float(length)))
        }
    }

    // MARK: Writer's tools

    /// Runs `body` as the one writer.
    func asWriter<Result, E: Error>(_ body: () throws(E) -> Result) throws(E) -> Result {
        let wasWriting = isWriting.exchange(true, ordering: .acquiring)
        precondition(!wasWriting, "two writers at once; the caller must let one write at a time")
        defer { isWriting.store(false, ordering: .releasing) }
        if !isTableFilled { fillTable() }
        return try body()
    }

    private func fillTable() {
        table.reserve(nodeCount)
        for slot in isLinked.indices where isLinked[slot] { table.insert(UInt32(slot)) }
        countChildren()
        isTableFilled = true
    }

    func setEntry(_ node: UInt32) {
        let word = node == absent ? 0 : UInt64(store.level(node)) << 32 | UInt64(node + 1)
        entryWord.store(word, ordering: .releasing)
    }

    func addToItemCount(_ amount: Int) { itemCounter.add(amount, ordering: .relaxed) }
    func addToNodeCount(_ amount: Int) { nodeCounter.add(amount, ordering: .relaxed) }

    /// The level of a slot, a pure function of seed and slot: floor(-ln(u) / ln(m)), as in section 4.1 of the paper.
    func level(ofSlot slot: UInt32) -> Int {
        var generator = SeededGenerator(seed: parameters.seed, key: UInt64(slot))
        let share = 1 - generator.uniform()
        // Most slots have level 0, which is told without a logarithm; what is close is left to it.
        if share * Double(parameters.m) > 1.000001 { return 0 }
        let level = -log(share) / log(Double(parameters.m))
        return min(Int(level), Self.maxLevel)
    }

    static let maxLevel = 15

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
    func addSlot() throws(IndexError) -> UInt32 {
        let count = slots.load(ordering: .relaxed)
        guard count < NodeStore.maxNodeCount else { throw IndexError(.full) }
        let slot = UInt32(count)
        if count >> store.chunkNodeCount.trailingZeroBitCount == chunkCount {
            store.grow(chunk: chunkCount, fillsResidualsAtOnce: !fetchesResiduals || residuals?.isComplete == true)
            chunkCount += 1
        }
        let level = level(ofSlot: slot)
        store.setLevel(slot, level)
        if level > 0 { addUpperLists(slot, level: level) }
        isLinked.append(false)
        slots.store(count + 1, ordering: .releasing)
        return slot
    }

    /// Gives a new slot its lists above layer 0.
    func addUpperLists(_ slot: UInt32, level: Int) {
        let byteCount = 4 * (1 + parameters.m) * level
        if upperOffset + byteCount > Self.upperBlockByteCount {
            let block = UnsafeMutableRawPointer.allocate(byteCount: Self.upperBlockByteCount, alignment: 64)
            block.initializeMemory(as: UInt8.self, repeating: 0, count: Self.upperBlockByteCount)
            upperBlocks.append(block)
            upperOffset = 0
        }
        // Safety: the block was just made if it lacked room, so `byteCount` zeroed bytes lie at the offset.
        if let block = upperBlocks.last { store.setUpper(slot, block + upperOffset) }
        upperOffset += byteCount
        upperSlots.append(slot)
    }

    /// Makes `count` records of a new index at once, zeroed, without level. Writer only.
    func makeSlots(_ count: Int) {
        prepareSlots(count)
        slots.store(count, ordering: .releasing)
    }

    /// Makes the chunks for `count` slots.
    func prepareSlots(_ count: Int) {
        while chunkCount << store.chunkNodeCount.trailingZeroBitCount < count {
            store.grow(chunk: chunkCount, fillsResidualsAtOnce: !fetchesResiduals || residuals?.isComplete == true)
            chunkCount += 1
        }
    }

    /// Puts a node that is out of reach on the list of slots to reuse.
    func retireSlot(_ slot: UInt32) { freeSlots.append((readers.retire(), slot)) }

    /// Frees a posting list once no reader can hold it; until then it waits with the others.
    func retireList(_ word: UInt64) {
        retiredLists.append((readers.retire(), word))
        guard retiredLists.count >= 32 else { return }
        let oldest = readers.oldestReader
        let ripe = retiredLists.firstIndex { $0.time >= oldest } ?? retiredLists.count
        for list in retiredLists[..<ripe] { PostingList.free(list.word) }
        retiredLists.removeFirst(ripe)
    }

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
            guard memcmp(code, store.code(node), hilum_code_bytes(dimension)) == 0 else { return false }
            guard let stored = store.residual(node), !lacksResidual(node) else { return true }
            return memcmp(residual, stored, hilum_residual_bytes(dimension)) == 0
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
