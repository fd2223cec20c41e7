import Foundation
import HilumCore
import HilumIndex
import HilumEmbedding
import LMDB

/// What `Archive.init` found in the store.
final class Opened {
    let store: Store
    let serving: Serving
    let attributes: Attributes
    let progress: Archive.Counters
    let generations: Generations
    let privacy: Deidentifier
    /// The commit that all of this was read from.
    let snapshot: UInt64
    private var lock: WriterLock?

    init(
        store: Store, serving: Serving, attributes: Attributes, progress: Archive.Counters, generations: Generations,
        privacy: Deidentifier, snapshot: UInt64, lock: consuming WriterLock?
    ) {
        self.store = store
        self.serving = serving
        self.attributes = attributes
        self.progress = progress
        self.generations = generations
        self.privacy = privacy
        self.snapshot = snapshot
        self.lock = lock
    }

    /// What was read of the store.
    convenience init(
        _ store: Store, _ loaded: Opening.Loaded, _ embedder: (any Embedder)?, _ generations: Generations,
        _ privacy: Deidentifier, lock: consuming WriterLock?
    ) throws {
        self.init(
            store: store,
            serving: Serving(
                generation: loaded.served.generation, modelID: loaded.served.modelID,
                dimension: loaded.served.dimension, embedder: embedder, graphs: loaded.graphs,
                parts: try Archive.vectorParts(store, loaded.served.modelID, embedder)),
            attributes: loaded.attributes, progress: loaded.progress, generations: generations,
            privacy: privacy, snapshot: loaded.snapshot, lock: lock)
    }

    func takeLock() -> WriterLock? { lock.take() }
}

/// Reads into memory what searches need.
///
///     checkpoint ──► sets, codes and links ──► changes since: cases above the watermark, rows of `changes` ──► link new vectors
///         └─ none, or unusable ──► every case and every vector, all links made again
///
/// The cost depends on codes and links, and on the changes since the checkpoint. Reports, words, images, vectors and the entries of
/// older cases are not read.
struct Opening {
    let store: Store
    let options: Archive.Options
    let dimension: Int?
    let generation: UInt32
    /// Cases below this number are in the generation; nil for all.
    let end: UInt32?

    init(store: Store, options: Archive.Options, dimension: Int?, generation: UInt32 = 1, end: UInt32? = nil) {
        self.store = store
        self.options = options
        self.dimension = dimension
        self.generation = generation
        self.end = end
    }

    private var shape: StoredGraph.Shape { StoredGraph.Shape(dimension: dimension ?? 0, metric: .cosine) }

    /// What is in memory after reading, before the newest vectors are linked.
    struct State {
        var attributes: Attributes
        var graphs: [VectorKind: StoredGraph] = [:]
        var progress = Archive.Counters(nextNumber: 1, deletions: 0)
        /// Vectors that the graphs lack: `[numbers.count, dimension]`, row-major.
        var fresh: [VectorKind: FreshVectors] = [:]
        /// The commit that all of this was read from.
        var snapshot: UInt64 = 0
        /// Items of the graphs whose cases are gone.
        var gone: [VectorKind: [UInt32]] = [:]
        /// What `meta` names.
        var served: Store.Served

        init(_ served: Store.Served, generation: UInt32) {
            self.served = served
            attributes = Attributes(generation: generation)
        }
    }

    /// Reads the generation that is searched from one snapshot, and links the newest vectors.
    ///
    /// - Parameter check: refuses the model that `meta` names, by throwing.
    static func load(
        _ store: Store, _ options: Archive.Options, check: (Store.Served) throws -> Store.Served
    ) throws -> Loaded {
        try checkTables(store)
        do { return try load(store, options, fromCheckpoint: true, check) } catch let error where meansUnusable(error) {
            Log.warning("the stored graphs cannot be used and are made again: \(error)")
            return try load(store, options, fromCheckpoint: false, check)
        }
    }

    private static func load(
        _ store: Store, _ options: Archive.Options, fromCheckpoint: Bool, _ check: (Store.Served) throws -> Store.Served
    ) throws -> Loaded {
        let (opening, state) = try store.environment.read { transaction -> (Opening, State) in
            let served = try check(store.served(transaction))
            let opening = Opening(
                store: store, options: options, dimension: served.dimension, generation: served.generation)
            let found = fromCheckpoint ? try opening.fromCheckpoint(transaction, served) : nil
            return (opening, try found ?? opening.rebuilt(transaction, served, [:]))
        }
        return try opening.finish(state)
    }

    /// Reads the generation beside from one snapshot, as far as its cases go; nil when there is none.
    static func loadBeside(_ store: Store, _ options: Archive.Options) throws -> (GenerationRecord, Loaded)? {
        do { return try loadBeside(store, options, fromCheckpoint: true) } catch let error where meansUnusable(error) {
            Log.warning("the stored graphs of the second generation cannot be used and are made again: \(error)")
            return try loadBeside(store, options, fromCheckpoint: false)
        }
    }

    private static func loadBeside(
        _ store: Store, _ options: Archive.Options, fromCheckpoint: Bool
    ) throws -> (GenerationRecord, Loaded)? {
        let read = try store.environment.read { transaction -> (GenerationRecord, Opening, State)? in
            // In the snapshot of the vectors: a writer may be at work.
            guard let record = try store.generations(transaction).beside else { return nil }
            let served = try store.served(transaction)
            let opening = Opening(
                store: store, options: options, dimension: record.dimension, generation: record.number,
                end: record.watermark)
            let found = fromCheckpoint ? try opening.fromCheckpoint(transaction, served) : nil
            return (record, opening, try found ?? opening.rebuilt(transaction, served, [:]))
        }
        guard let (record, opening, state) = read else { return nil }
        return (record, try opening.finish(state))
    }

    /// A table that is not there would be read as an empty one.
    private static func checkTables(_ store: Store) throws {
        try store.environment.read { transaction in
            for name in Store.Name.allCases where try !transaction.has(store.table(name)) {
                throw store.damaged("the table \(name.rawValue) is missing")
            }
        }
    }

    /// What is in memory of a generation.
    struct Loaded {
        var graphs: Graphs?
        var attributes: Attributes
        var progress: Archive.Counters
        var snapshot: UInt64
        var served: Store.Served
    }

    /// Makes the state without a checkpoint.
    ///
    /// - Parameter links: of the graphs, as `HNSWIndex.serializeLinks` wrote them. Vectors that they lack are linked; unusable links are
    ///   made again.
    func rebuild(links: [VectorKind: [UInt8]]) throws -> Loaded {
        try finish(store.environment.read { try rebuilt($0, store.served($0), links) })
    }

    private func finish(_ state: State) throws -> Loaded {
        var loaded = Loaded(
            graphs: nil, attributes: state.attributes, progress: state.progress, snapshot: state.snapshot,
            served: state.served)
        guard let dimension, options.keepsGraphs else { return loaded }
        var graphs = try Graphs(
            image: graph(.image, state, dimension), report: graph(.report, state, dimension))
        for kind in VectorKind.allCases {
            guard let fitted = try state.fresh[kind].flatMap({ try graphs[kind].covering($0.values) }) else { continue }
            graphs[kind] = fitted
        }
        let counts = try Self.link(state.fresh, into: graphs)
        for (kind, items) in state.gone { for item in items { graphs[kind].index.remove(item: item) } }
        if counts > 0 { Log.debug("linked \(counts) vectors that the stored graphs lacked") }
        loaded.graphs = graphs
        return loaded
    }

    /// Whether the fault is in the checkpoint and not in the cases, so that everything can be made again.
    static func meansUnusable(_ error: any Error) -> Bool {
        error is CheckpointGone || error is IndexError || error is ByteReader.Malformed || error is CheckpointFault
    }

    private func graph(_ kind: VectorKind, _ state: State, _ dimension: Int) throws -> StoredGraph {
        if let graph = state.graphs[kind] { return graph }
        let index = try HNSWIndex(dimension: dimension, metric: .cosine, parameters: options.graph)
        return StoredGraph(index, kind, in: store, generation: generation)
    }

    // MARK: From the checkpoint

    /// Nil when there is no checkpoint.
    private func fromCheckpoint(
        _ transaction: borrowing ReadTransaction, _ served: Store.Served
    ) throws -> State? {
        let found = try CheckpointFault.rethrowing {
            try Checkpoint(store: store, generation: generation).head(transaction)
        }
        guard let head = found else { return nil }
        var state = State(served, generation: generation)
        try readCounters(transaction, &state)
        state.progress.checkpoint = head
        state.attributes = try CheckpointFault.rethrowing {
            let reader = PieceReader(store, in: transaction, generation: generation)
            return try Attributes(
                sets: reader.whole(transaction, .sets, epoch: head.epoch, byteCount: head.setByteCount),
                directory: reader.whole(
                    transaction, .directory, epoch: head.epoch, byteCount: head.directoryByteCount),
                generation: generation)
        }
        var former: [VectorKind: [UInt32]] = [:]
        try store.forEachChange(transaction) { change in
            state.progress.changeRowCount += 1
            // A generation that is behind has not seen the case yet.
            guard change.number < head.watermark else { return }
            for kind in VectorKind.allCases {
                former[kind, default: []] += change.old.allItems(kind, of: change.number)
            }
            state.attributes.remove(change.number, change.old)
            if let entry = change.new { state.attributes.insert(change.number, entry) }
            state.progress.changesSinceCheckpoint += 1
        }
        // Where no number was given since, three pages of the disk need not be waited for.
        if state.progress.nextNumber > head.watermark {
            try store.forEachCase(transaction, from: head.watermark) { number, entry in
                guard number < end ?? .max else { return }
                state.attributes.insert(number, entry)
                state.progress.changesSinceCheckpoint += 1
            }
        }
        guard let dimension, options.keepsGraphs else { return state }
        for kind in VectorKind.allCases {
            let items = state.attributes.with(kind)
            state.graphs[kind] = try CheckpointFault.rethrowing {
                // What is gone is removed in `finish`: that may read residuals, in a transaction of its own.
                try StoredGraph.open(
                    store, transaction, head, kind, generation: generation, shape, isThere: { _ in true })
            }
            let index = state.graphs[kind]?.index
            let touched = Set(former[kind] ?? [])
            let gone = touched.filter { !items.contains($0) && index?.contains(item: $0) == true }
            state.gone[kind] = gone.sorted()
            var fresh = FreshVectors(dimension: dimension)
            // Images that could not be read before the checkpoint and were encoded after it.
            for item in touched.filter({ items.contains($0) && index?.contains(item: $0) != true }).sorted() {
                let key = VectorKey(generation: generation, item: item)
                guard let vector = try store.vector(transaction, kind, key, dimension: dimension) else { continue }
                fresh.append(item, vector)
            }
            try store.forEachVector(
                transaction, kind, generation: generation, from: head.watermark, dimension: dimension
            ) { item, vector in
                fresh.append(item, vector)
                return true
            }
            state.fresh[kind] = fresh
            let count = (index?.count ?? 0) - gone.count + fresh.numbers.count
            guard count == items.count else {
                throw CheckpointFault("\(kind.rawValue) graph: \(count) vectors where \(items.count) should be")
            }
        }
        return state
    }

    private func readCounters(_ transaction: borrowing ReadTransaction, _ state: inout State) throws {
        state.snapshot = transaction.number
        guard let next = UInt32(exactly: try store.integer(transaction, .next) ?? 0), next > 0 else {
            throw store.damaged("the next case number is missing")
        }
        state.progress.nextNumber = next
        state.progress.deletions = try store.integer(transaction, .deletions) ?? 0
        state.progress.updates = try store.integer(transaction, .updates) ?? 0
    }

    // MARK: Without a checkpoint

    /// Everything from cases and vectors, and graphs from `links` where these can be used.
    private func rebuilt(
        _ transaction: borrowing ReadTransaction, _ served: Store.Served, _ links: [VectorKind: [UInt8]]
    ) throws -> State {
        var state = State(served, generation: generation)
        try readCounters(transaction, &state)
        // Its epoch is not used again, so that no older piece can pass for a new one.
        state.progress.checkpoint = try? Checkpoint(store: store, generation: generation).head(transaction)
        state.progress.checkpoint?.graphs = [:]
        state.progress.changeRowCount = try transaction.count(store.table(.changes))
        try store.forEachCase(transaction) { number, entry in
            if number < end ?? .max { state.attributes.insert(number, entry) }
        }
        state.progress.changesSinceCheckpoint = state.attributes.live.count
        guard let dimension, options.keepsGraphs else { return state }
        for kind in VectorKind.allCases {
            let items = state.attributes.with(kind)
            var fresh = FreshVectors(dimension: dimension)
            fresh.reserve(items.count)
            try store.forEachVector(
                transaction, kind, generation: generation, dimension: dimension
            ) { item, vector in
                fresh.append(item, vector)
                return true
            }
            guard fresh.numbers.count == items.count, fresh.numbers.allSatisfy({ items.contains($0) }) else {
                throw store.damaged("cases and \(kind.rawValue) vectors do not belong together")
            }
            let quantizer = items.count >= options.vectorsForCodes ? fresh.quantizer : nil
            let index =
                try links[kind].flatMap { restored($0, fresh, quantizer, kind) }
                ?? HNSWIndex(
                    dimension: dimension, metric: .cosine, parameters: options.graph,
                    precision: quantizer == nil ? .f32 : .i8, quantizer: quantizer)
            state.graphs[kind] = StoredGraph(
                index, kind, in: store, generation: generation, fittedCount: quantizer == nil ? 0 : items.count)
            state.fresh[kind] = fresh
        }
        return state
    }

    /// A graph from its links; nil when they cannot be used.
    private func restored(
        _ links: [UInt8], _ vectors: FreshVectors, _ quantizer: ScalarQuantizer?, _ kind: VectorKind
    ) -> HNSWIndex? {
        do {
            return try HNSWIndex(
                restoring: links, dimension: shape.dimension, metric: shape.metric,
                precision: quantizer == nil ? .f32 : .i8, quantizer: quantizer
            ) { item, buffer in vectors.copy(item, into: buffer) }
        } catch {
            Log.warning("the stored \(kind.rawValue) links cannot be used and are made again: \(error)")
            return nil
        }
    }

    /// Links the vectors that the graphs lack; returns how many there were.
    private static func link(_ fresh: [VectorKind: FreshVectors], into graphs: Graphs) throws -> Int {
        guard fresh.values.contains(where: { !$0.numbers.isEmpty }) else { return 0 }
        let threads = max(1, defaultThreadCount / 2)
        let counts = parallelMap(VectorKind.allCases, threads: 2) { kind in
            Result { try fresh[kind]?.insert(into: graphs[kind].index, threads: threads) ?? 0 }
        }
        return try counts.reduce(0) { try $0 + $1.get() }
    }
}

/// A checkpoint that contradicts itself or the cases.
struct CheckpointFault: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// Turns damage in the checkpoint's own tables into a fault of the checkpoint, which can be made again.
    static func rethrowing<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as ArchiveError {
            throw CheckpointFault(error.reason)
        } catch let error as LMDBError {
            throw CheckpointFault(error.description)
        }
    }
}

/// Vectors by item: `[numbers.count, dimension]`, row-major, in the order of the items.
struct FreshVectors: Sendable {
    private(set) var numbers: [UInt32] = []
    private(set) var values: [Float] = []
    private let dimension: Int

    init(dimension: Int) { self.dimension = dimension }

    mutating func reserve(_ count: Int) {
        numbers.reserveCapacity(count)
        values.reserveCapacity(count * dimension)
    }

    mutating func append(_ number: UInt32, _ vector: [Float]) {
        numbers.append(number)
        values += vector
    }

    /// A quantiser for these vectors, with room for later ones that lie half as far out again.
    var quantizer: ScalarQuantizer {
        var constants = ConstantElements(dimension: dimension)
        for row in numbers.indices { constants.note(values[(row * dimension)..<((row + 1) * dimension)]) }
        return values.withUnsafeBufferPointer {
            ScalarQuantizer(
                fitting: $0, dimension: dimension, reach: 1.5, allowsExact: false, constants: constants)
        }
    }

    /// Writes the vector of an item into `buffer`; false when it is not here. Complexity: O(log n).
    func copy(_ item: UInt32, into buffer: UnsafeMutableBufferPointer<Float>) -> Bool {
        var low = 0
        var high = numbers.count
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < item { low = middle + 1 } else { high = middle }
        }
        guard low < numbers.count && numbers[low] == item else { return false }
        _ = buffer.update(fromContentsOf: values[(low * dimension)..<((low + 1) * dimension)])
        return true
    }

    /// Puts the vectors that `index` lacks into it; returns how many there were.
    func insert(into index: HNSWIndex, threads: Int) throws -> Int {
        let missing = numbers.indices.filter { !index.contains(item: numbers[$0]) }
        // In pieces, so that the copy stays small beside the vectors.
        for start in stride(from: 0, to: missing.count, by: 4096) {
            let rows = missing[start..<min(start + 4096, missing.count)]
            var part: [Float] = []
            part.reserveCapacity(rows.count * dimension)
            for row in rows { part += values[(row * dimension)..<((row + 1) * dimension)] }
            try part.withUnsafeBufferPointer {
                try index.insertBatch($0, items: rows.map { numbers[$0] }, threads: threads)
            }
        }
        return missing.count
    }
}
