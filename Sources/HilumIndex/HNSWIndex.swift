import CHilumKernels
import Foundation
import HilumCore
import Synchronization

/// Approximate nearest neighbours in memory: a hierarchical navigable small world graph (HNSW) over an arena of records.
///
/// ```
/// one writer    insert, remove, mend ─→ GraphWriter ─ its own: node of a vector, in-links, tree, free slots
///                                           ↓ writes
/// many readers  search ─→ Graph: records with codes and links, items, entry point
///                 query ─→ greedy descent through the upper layers ─→ sorted pool on layer 0 ─→ (bf16, i8: re-rank) ─→ items
/// ```
/// This class is the front of both. A search is a method of `Graph`, which does not know the writer, so the compiler keeps searches away
/// from what only the writer may touch.
///
/// | Folder | What it holds |
/// | --- | --- |
/// | `Graph` | what searches read: the arena and the layout of a record, link lists that are read while they change, items of a node |
/// | | and node of an item |
/// | `Codes` | codes of 8 bits, the distance functions, residuals that are read when they are needed |
/// | `Search` | the walks, filters and exact scans, what a search borrows, when a record may be used again |
/// | `Write` | the writer: planning and selection, the deterministic parallel build, the choice of better lists, the tree that keeps |
/// | | nodes reachable, what makes every vector found, deletion with repair, node of a vector, the check that a graph is sound |
/// | `Persist` | checkpoints of the links, and of codes |
///
/// Source: Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small world
/// graphs", TPAMI 2020, algorithms 1–5. Departures: equal vectors share one node; a tree of pinned links keeps layer 0 connected
/// from the entry point; the pool is one sorted array instead of two heaps; nodes are added in batches that see the graph from before.
///
/// Thread rule: one writer at a time (insert, insertBatch, prepareInsertion with finish or cancel, remove, mendUnfound, serializeLinks, validate;
/// the caller sees to that, two at once end the process), and beside it any number of threads that search, locate and count. A search waits for nobody, but for a piece of
/// residuals that was left where it is kept.
public final class HNSWIndex: @unchecked Sendable {
    // Sendable: the graph is; the writer is touched by one thread at a time, which `asWriter` makes sure of.

    /// Floats a vector.
    public var dimension: Int { graph.dimension }
    /// How distances are measured.
    public var metric: Metric { graph.metric }
    /// How the graph is built.
    public var parameters: HNSWParameters { graph.parameters }
    /// What the graph is walked on.
    public var precision: CodePrecision { graph.precision }
    /// What a restored index had to mend; zeros for any other.
    public var restoration: RestoreSummary { writer.restoration }

    let graph: Graph
    let writer: GraphWriter
    private let isWriting = Atomic<Bool>(false)

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
        residuals: ResidualSource? = nil, kernelSet: String?
    ) throws(IndexError) {
        precondition((1...65_536).contains(dimension), "the dimension must be in 1...65,536")
        precondition(quantizer == nil || quantizer?.offset.count == dimension, "the quantizer has another dimension")
        let kernels = try DistanceKernels(
            metric: metric, precision: precision, quantizer: quantizer, name: kernelSet)
        let store = NodeStore(
            dimension: kernels.codeBook?.quantizer.codeDimension ?? dimension, precision: precision, m: parameters.m,
            hasResiduals: keepsResiduals && quantizer?.isExact != true)
        let memory = GraphMemory(store: store, fillsResidualsAtOnce: !fetchesResiduals)
        graph = Graph(
            dimension: dimension, metric: metric, parameters: parameters, kernels: kernels, memory: memory,
            residuals: residuals)
        writer = GraphWriter(graph, memory: memory)
    }

    /// Runs `body` as the one writer.
    func asWriter<Result, E: Error>(_ body: (GraphWriter) throws(E) -> Result) throws(E) -> Result {
        let wasWriting = isWriting.exchange(true, ordering: .acquiring)
        precondition(!wasWriting, "two writers at once; the caller must let one write at a time")
        defer { isWriting.store(false, ordering: .releasing) }
        writer.prepareForChanges()
        return try body(writer)
    }

    // MARK: Counts and items (any thread)

    /// Items in the index.
    public var count: Int { graph.itemCount }

    /// Distinct vectors in the index.
    public var nodeCount: Int { graph.nodeCount }

    /// The set of kernels in use: scalar, avx2, avx512 or avx512vnni.
    public var kernelName: String { graph.kernels.name }

    /// Bytes of vectors, codes and links that are in use (not counting tables and scratch).
    public var graphByteCount: Int { graph.slots.load(ordering: .relaxed) * graph.store.bytesPerNode }

    /// Whether an item is there. Any thread.
    public func contains(item: UInt32) -> Bool { graph.items.locate(item) != nil }

    /// The stored vector of an item, `dimension` floats, with `i8` as its codes have it; nil if there is no such item, or if its
    /// residual was left where it is kept and cannot be read.
    public func vector(of item: UInt32) -> [Float]? {
        let scratch = graph.readers.enter()
        defer { graph.readers.leave(scratch) }
        guard let (node, _) = graph.items.locate(item), (try? graph.fetchResidual(node)) != nil else { return nil }
        // Safety: the record cannot be reused before `leave`; both hold `dimension` floats.
        guard let codeBook = graph.kernels.codeBook else {
            return Array(UnsafeBufferPointer(start: graph.store.vector(node), count: dimension))
        }
        codeBook.decode(graph.store.code(node), residual: graph.store.residual(node), into: scratch.floats)
        return Array(UnsafeBufferPointer(start: scratch.floats, count: dimension))
    }

    /// Whether an item is there with just this vector, or with its codes; false also when its residual was left where it is kept and
    /// cannot be read. Any thread.
    ///
    /// - Parameter vector: `dimension` floats, finite.
    public func holds(_ vector: UnsafeBufferPointer<Float>, for item: UInt32) -> Bool {
        guard vector.count == dimension, let base = vector.baseAddress else { return false }
        let scratch = graph.readers.enter()
        defer { graph.readers.leave(scratch) }
        guard let (node, _) = graph.items.locate(item), (try? graph.fetchResidual(node)) != nil else { return false }
        guard let codeBook = graph.kernels.codeBook else {
            // Safety: both hold `dimension` floats, and the record cannot be reused before `leave`.
            return memcmp(base, graph.store.vector(node), 4 * dimension) == 0
        }
        let code = scratch.query
        let residual = graph.store.residual(node).map { _ in scratch.member }
        codeBook.encode(base, code: code, residual: residual)
        guard codeBook.covers(base), memcmp(code, graph.store.code(node), graph.store.codeByteCount) == 0 else {
            return false
        }
        guard let residual, let stored = graph.store.residual(node), !graph.lacksResidual(node) else { return true }
        return memcmp(residual, stored, hilum_residual_bytes(graph.codeDimension)) == 0
    }

    // MARK: Searches (any thread)

    /// The `k` items nearest to `query` that the graph leads to.
    ///
    /// Never gives fewer than `k` items while `k` match: a walk under a filter goes on until enough matching nodes are found, and
    /// gives way to an exact scan of the matching items where that is cheaper.
    ///
    /// - Parameters:
    ///   - query: `dimension` floats; under the cosine any length but 0.
    ///   - ef: candidates kept; more finds more and costs more. Raised to `k` if it is below.
    ///   - filter: only these items may be hits, and only they count among the `ef` candidates.
    ///   - deadline: in the seconds of `monotonicSeconds`; looked at every few hundred distances.
    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`; `.overdue`; `.damagedLinks` when residuals cannot be read that were
    ///   left where they are kept.
    /// - Complexity: about `ef * m` distances; under a filter up to twice the number of matching items.
    public func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, ef: Int, filter: ItemSet? = nil, until deadline: Double = .infinity
    ) throws(IndexError) -> SearchResult {
        try graph.search(query, k: k, ef: ef, filter: filter, until: deadline)
    }

    /// The `k` nearest items by comparing every vector, or every matching one.
    ///
    /// - Throws: as `search`.
    /// - Complexity: O(nodes), or O(largest item / 64 + matching items) under a filter.
    public func exactSearch(
        _ query: UnsafeBufferPointer<Float>, k: Int, filter: ItemSet? = nil, until deadline: Double = .infinity
    ) throws(IndexError) -> SearchResult {
        try graph.exactSearch(query, k: k, filter: filter, until: deadline)
    }

    // MARK: Changes (one writer)

    /// Whether codes can stand for these vectors: false where one of them differs in an element that codes do not hold because it was equal
    /// in all vectors that the quantizer was fitted to. Then the index is to be made again with another quantizer. Any thread.
    ///
    /// - Parameter vectors: `[count, dimension]`, row-major.
    public func covers(_ vectors: UnsafeBufferPointer<Float>) -> Bool {
        guard let base = vectors.baseAddress, let codeBook = graph.kernels.codeBook else { return true }
        let rows = stride(from: 0, to: vectors.count - dimension + 1, by: dimension)
        return rows.allSatisfy { codeBook.covers(base + $0) }
    }

    /// Stores one vector for `item`; an item that is there already gets the new vector.
    ///
    /// - Parameter vector: `dimension` floats; for the cosine of length 1.
    /// - Precondition: `item` is not `UInt32.max`.
    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`, `.notUnitLength`, `.outsideCodes`, `.full`; the index is as before then.
    public func insert(_ vector: UnsafeBufferPointer<Float>, item: UInt32) throws(IndexError) {
        try insertBatch(vector, items: [item], threads: 1)
    }

    /// Stores many vectors; the graph depends on the seed and the order of the calls, not on `threads`.
    ///
    /// New nodes are taken in groups that grow with the graph. The places of a group are looked for side by side on the graph as it
    /// was before; members see those before them by direct comparison. Then the new lists of all nodes concerned are computed side
    /// by side, each from its own old list and its new neighbours in order, and written by this thread.
    ///
    /// - Parameters:
    ///   - vectors: `[items.count, dimension]`, row-major.
    ///   - threads: how many work at once; the same graph for any number.
    /// - Precondition: no item is `UInt32.max`.
    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`, `.notUnitLength`, `.outsideCodes` before anything is stored; `.full`.
    public func insertBatch(
        _ vectors: UnsafeBufferPointer<Float>, items newItems: [UInt32], threads: Int = defaultThreadCount
    ) throws(IndexError) {
        guard let base = try checked(vectors, for: newItems) else { return }
        try asWriter { (writer) throws(IndexError) in
            try writer.insert(base, items: newItems, threads: threads)
        }
    }

    /// The address of the vectors; nil if there are none.
    private func checked(
        _ vectors: UnsafeBufferPointer<Float>, for newItems: [UInt32]
    ) throws(IndexError) -> UnsafePointer<Float>? {
        guard vectors.count == newItems.count * dimension else {
            let got = newItems.isEmpty ? vectors.count : vectors.count / newItems.count
            throw IndexError(.wrongDimension(expected: dimension, got: got))
        }
        guard let base = vectors.baseAddress, !newItems.isEmpty else { return nil }
        for row in newItems.indices {
            precondition(newItems[row] != absent, "an item must be below UInt32.max")
            // Safety: `row` is below the item count, and the buffer holds `dimension` floats for each.
            try graph.checkStored(UnsafeBufferPointer(start: base + row * dimension, count: dimension))
        }
        return base
    }

    /// Looks for the places of new vectors on a thread of its own, so that whoever stores them waits for the disk meanwhile. They are not in
    /// the index before `finish`, which makes of it what `insertBatch` would have made; `cancel` takes everything back.
    ///
    /// The one writer calls this and one of the two, and changes nothing between.
    ///
    /// - Parameter vectors: as for `insertBatch`; not read after this returns.
    /// - Returns: nil where there is nothing to gain: in an empty index, and before the first change after a restoration, which reads
    ///   residuals and fills tables.
    /// - Throws: as `insertBatch`, but not `.full`.
    public func prepareInsertion(
        _ vectors: UnsafeBufferPointer<Float>, items newItems: [UInt32]
    ) throws(IndexError) -> PreparedInsertion? {
        guard let base = try checked(vectors, for: newItems), let entry = graph.entry, writer.isReady else {
            return nil
        }
        return asWriter { writer in
            let group = writer.takeGroup(base, from: 0, to: newItems.count)
            let insertion = PreparedInsertion(
                group, items: newItems, rest: Array(vectors[(group.rows.upperBound * dimension)...]),
                pool: writer.pool(adding: newItems.count), in: graph, from: entry)
            insertion.start()
            return insertion
        }
    }

    /// Puts the vectors of `insertion` into the index, which has not changed since that was made.
    ///
    /// - Throws: `.full`
    public func finish(_ insertion: PreparedInsertion, threads: Int = defaultThreadCount) throws(IndexError) {
        try asWriter { (writer) throws(IndexError) in try writer.finish(insertion, threads: threads) }
    }

    /// Leaves the index as it was before `insertion` was made.
    public func cancel(_ insertion: PreparedInsertion) {
        asWriter { writer in
            insertion.stop()
            writer.cancel(insertion.group)
        }
    }

    /// Takes an item out; false if it is not there. The last item of a vector takes the node out of the graph.
    ///
    /// Nodes that linked to it are linked to those it linked to (as FreshDiskANN does, Singh et al. 2021, section 5.4; theirs
    /// prunes the union, here what was linked stays and diverse neighbours of the removed node fill up), its children in the tree
    /// get new parents, and the record is used again once no search can hold it.
    ///
    /// - Complexity: about the cost of an insertion; the first removal reads all lists once.
    @discardableResult
    public func remove(item: UInt32) -> Bool {
        asWriter { $0.remove(item: item) }
    }

    /// Looks for every vector by its own search and links those that are not found, so that a search with the default `ef` of 64 finds
    /// them. Does nothing when no vector came or went since the last time. As the writer.
    ///
    /// Changes look for what they touch, and for everything once half of the nodes have changed. Call this where it may take as long
    /// as linking a tenth of the nodes: after a bulk load, before a checkpoint after many changes.
    ///
    /// - Returns: how many were not found before.
    @discardableResult
    public func mendUnfound(threads: Int = defaultThreadCount) -> Int {
        asWriter { $0.mendUnfound(threads: threads) }
    }

    /// Vectors that came or went since all were last looked for. As the writer.
    public var changesSinceMending: Int { writer.changesSinceSweep }
    /// Nodes that came or went since lists were last refined. A checkpoint keeps it for the next process that opens the graph. The writer's.
    package var changesSinceRefining: Int {
        get { writer.changesSinceRefining }
        set { writer.changesSinceRefining = newValue }
    }

    /// What is wrong with the index, one sentence each; empty when it is sound. As the writer.
    ///
    /// Checks that links lead to nodes of the graph that reach the layer, without loops and copies and within the bounds; that levels
    /// and the entry point agree; that every node can be reached from the entry point on layer 0, by its links and by the tree; that
    /// items and nodes name each other; that equal vectors share a node; that the counts hold; that in-links match the links.
    ///
    /// - Complexity: O(nodes × m)
    public func validate() -> [String] { asWriter { $0.validate() } }
}
