import HilumCore
import HilumIndex
import LMDB

/// One graph of an archive and its place in the store: links, 8-bit codes, residuals and quantiser of the newest checkpoint.
///
///     open ──► codes and links, with plain reads in order ──► the first answer
///                  └─► residuals stay in the store until a search or a change needs them
///     save ──► all links and owners, and the pieces of codes and residuals that changed, under the epoch of the new checkpoint
///
/// A small graph has no codes. It is walked on the vectors, which are read when it opens.
///
/// Thread rule: `save` by the one writer; the index has its own rule.
package final class StoredGraph: @unchecked Sendable {
    // Sendable: `head` is touched by the one writer alone; the rest is constant.

    package let index: HNSWIndex
    let kind: VectorKind
    private let store: Store
    private let generation: UInt32
    /// What the newest checkpoint says of the graph; nil while it is in none.
    private(set) var head: GraphHead?
    /// Vectors that the quantiser was fitted to; 0 without codes.
    private let fittedCount: Int

    /// A graph that is in no checkpoint.
    ///
    /// - Parameter fittedCount: vectors that the quantiser of `index` was fitted to.
    package init(_ index: HNSWIndex, _ kind: VectorKind, in store: Store, generation: UInt32, fittedCount: Int = 0) {
        self.index = index
        self.kind = kind
        self.store = store
        self.generation = generation
        self.fittedCount = fittedCount
    }

    private init(
        _ index: HNSWIndex, _ kind: VectorKind, in store: Store, generation: UInt32, restoredFrom head: GraphHead
    ) {
        self.index = index
        self.kind = kind
        self.store = store
        self.generation = generation
        self.head = head
        fittedCount = head.fittedCount
    }

    /// How large the graph is in memory.
    var size: GraphSize { GraphSize(nodeCount: index.nodeCount, byteCount: index.graphByteCount) }

    /// Bytes of codes and of links in the newest checkpoint.
    package var codeAndLinkByteCounts: (codes: Int, links: Int) {
        let codes =
            index.precision == .i8 ? (0..<index.codePieceCount).reduce(0) { $0 + index.codePieceByteCount($1) } : 0
        return (codes, head?.linkByteCount ?? 0)
    }

    // MARK: Opening

    /// What opening needs to know of a graph besides its head.
    package struct Shape: Sendable {
        package var dimension: Int
        package var metric: Metric
        /// The number format of the vectors in memory, for a graph without codes.
        package var precision: CodePrecision
        /// Whether residuals are never read; hits are then ordered by codes, or by a caller that has the vectors.
        package var isLean: Bool

        package init(dimension: Int, metric: Metric, precision: CodePrecision = .f32, isLean: Bool = false) {
            self.dimension = dimension
            self.metric = metric
            self.precision = precision
            self.isLean = isLean
        }
    }

    /// Opens the graph of a checkpoint.
    ///
    /// - Parameter isThere: whether an item of the checkpoint still exists; others are left out.
    /// - Returns: nil when the checkpoint has no graph of this kind.
    /// - Throws: `CheckpointGone`, `.damaged`, `IndexError`.
    package static func open(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ head: CheckpointHead, _ kind: VectorKind,
        generation: UInt32, _ shape: Shape, isThere: (UInt32) -> Bool
    ) throws -> StoredGraph? {
        guard let graph = head.graphs[kind] else { return nil }
        let reader = PieceReader(store, in: transaction, generation: generation)
        let index: HNSWIndex
        if graph.hasCodes {
            index = try restored(store, transaction, head, graph, kind, reader, generation, shape, isThere)
        } else {
            let links = try reader.whole(
                transaction, .links(kind), epoch: head.epoch, byteCount: graph.linkByteCount)
            index = try restored(store, transaction, links, kind, generation: generation, shape, isThere: isThere)
        }
        index.changesSinceRefining = graph.changesSinceRefining
        return StoredGraph(index, kind, in: store, generation: generation, restoredFrom: graph)
    }

    private static func restored(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ head: CheckpointHead, _ graph: GraphHead,
        _ kind: VectorKind, _ reader: PieceReader, _ generation: UInt32, _ shape: Shape, _ isThere: (UInt32) -> Bool
    ) throws -> HNSWIndex {
        // Codes may be read on another thread than links.
        let codeReader = PieceReader(store, in: transaction, generation: generation)
        // Safety: the index asks for one piece of the residuals at a time.
        nonisolated(unsafe) let later = PieceReader(store, in: transaction, generation: generation)
        let epochs = graph.residualEpochs
        let residuals: HNSWIndex.ResidualReader = { piece, use in
            guard piece < epochs.count else { throw store.damaged("a piece of the residuals is missing") }
            return try store.environment.read { transaction in
                try later.piece(transaction, .residuals(kind), piece, epoch: epochs[piece], use)
            }
        }
        return try HNSWIndex(
            restoring: graph.linkByteCount,
            links: { try linkPiece(transaction, head, graph, kind, reader, $0, $1) },
            dimension: shape.dimension, metric: shape.metric, quantizer: ScalarQuantizer(decoding: graph.quantizer),
            codes: { try codePiece(store, transaction, graph, kind, codeReader, $0, $1) },
            residuals: shape.isLean ? nil : residuals, isThere: isThere)
    }

    private static func linkPiece(
        _ transaction: borrowing ReadTransaction, _ head: CheckpointHead, _ graph: GraphHead, _ kind: VectorKind,
        _ reader: PieceReader, _ piece: Int, _ use: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let isThere = try reader.piece(
            transaction, .links(kind), piece, epoch: head.epoch,
            later: { $0 < graph.linkPieceCount ? head.epoch : nil }, use)
        guard isThere else { throw CheckpointGone() }
    }

    private static func codePiece(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ graph: GraphHead, _ kind: VectorKind,
        _ reader: PieceReader, _ piece: Int, _ use: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard piece < graph.codeEpochs.count else { throw store.damaged("a piece of the codes is missing") }
        let isThere = try reader.piece(
            transaction, .codes(kind), piece, epoch: graph.codeEpochs[piece],
            later: { codePieceEpoch(graph, $0) }, use)
        guard isThere else { throw CheckpointGone() }
    }

    private static func codePieceEpoch(_ graph: GraphHead, _ piece: Int) -> UInt32? {
        piece < graph.codeEpochs.count ? graph.codeEpochs[piece] : nil
    }

    // MARK: Without opening

    /// What is asked of a checkpoint whose graph is not opened.
    package struct Question: Sendable {
        /// `dimension` floats.
        package var vector: [Float]
        /// How many distinct vectors are looked for, and how many items of each are named.
        package var count: Int
        package var itemLimit: Int
        /// What may be found; nil for everything that exists.
        package var items: ItemSet?
        /// What exists.
        package var existing: ItemSet
        package var deadline = Double.infinity

        package init(_ vector: [Float], count: Int, itemLimit: Int, items: ItemSet? = nil, existing: ItemSet) {
            self.vector = vector
            self.count = count
            self.itemLimit = itemLimit
            self.items = items
            self.existing = existing
        }
    }

    /// What scans read the pieces of a checkpoint with.
    ///
    /// Thread rule: one scan at a time.
    package struct ScanReaders {
        fileprivate let graph: GraphHead
        fileprivate let links: PieceReader
        fileprivate let owners: PieceReader
        fileprivate let codes: PieceReader
    }

    /// Readers for `scan`. The disk is at the pieces from now on, in the order in which a scan wants them.
    ///
    /// - Returns: nil where the checkpoint has no codes of this kind.
    /// - Throws: `.damaged`, `.closed`.
    package static func scanReaders(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ head: CheckpointHead, _ kind: VectorKind,
        generation: UInt32
    ) throws -> ScanReaders? {
        guard let graph = head.graphs[kind], graph.hasCodes else { return nil }
        // One piece at a time: the first is compared while the disk is at the second, and memory that was never touched is slow.
        let links = PieceReader(store, in: transaction, generation: generation, countAtOnce: 1)
        // Nobody waits for these at once.
        let owners = PieceReader(
            store, in: transaction, generation: generation, countAtOnce: 1, asksInBackground: true)
        let codes = PieceReader(
            store, in: transaction, generation: generation, countAtOnce: 1, asksInBackground: true)
        let readers = ScanReaders(graph: graph, links: links, owners: owners, codes: codes)
        if graph.hasOwners {
            if graph.linkHead.isEmpty {
                try readers.links.announce(transaction, .links(kind)) { $0 == 0 ? head.epoch : nil }
            }
            try readers.owners.announce(transaction, .owners(kind)) { $0 < graph.linkPieceCount ? head.epoch : nil }
        }
        try readers.codes.announce(transaction, .codes(kind)) { codePieceEpoch(graph, $0) }
        return readers
    }

    /// The distinct vectors nearest to a question by their codes, which are compared while they are read (`HNSWIndex.scan`).
    ///
    /// - Parameter soon: gets the nearest so far once most of a small graph is compared.
    /// - Throws: `CheckpointGone`, `.damaged`, `IndexError`.
    package static func scan(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ head: CheckpointHead, _ kind: VectorKind,
        _ readers: ScanReaders, metric: Metric, _ question: Question,
        soon: ([CheckpointScan.Node]) throws -> Void = { _ in }
    ) throws -> CheckpointScan {
        let graph = readers.graph
        return try question.vector.withUnsafeBufferPointer { vector in
            try HNSWIndex.scan(
                graph.linkByteCount,
                links: { piece, use in
                    // Beside owners only the first piece is read; announcing the others would keep the disk from the codes.
                    guard graph.hasOwners else {
                        return try linkPiece(transaction, head, graph, kind, readers.links, piece, use)
                    }
                    if graph.linkHead.isEmpty {
                        let isThere = try readers.links.piece(
                            transaction, .links(kind), piece, epoch: head.epoch, use)
                        guard isThere else { throw CheckpointGone() }
                    } else {
                        try graph.linkHead.withUnsafeBytes(use)
                    }
                },
                owners: { piece, use in
                    let isThere = try readers.owners.piece(
                        transaction, .owners(kind), piece, epoch: head.epoch,
                        later: { $0 < graph.linkPieceCount ? head.epoch : nil }, use)
                    guard isThere else { throw CheckpointGone() }
                }, hasOwners: graph.hasOwners, dimension: vector.count, metric: metric,
                quantizer: ScalarQuantizer(decoding: graph.quantizer),
                codes: { try codePiece(store, transaction, graph, kind, readers.codes, $0, $1) }, for: vector,
                count: question.count, itemLimit: question.itemLimit, among: question.items,
                existing: question.existing, until: question.deadline, soon: soon)
        }
    }

    /// How large the graph of a checkpoint is; nil where it has none of this kind.
    static func size(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ head: CheckpointHead, _ kind: VectorKind,
        generation: UInt32, dimension: Int
    ) throws -> GraphSize? {
        guard let graph = head.graphs[kind] else { return nil }
        let reader = PieceReader(store, in: transaction, generation: generation)
        let quantizer = graph.hasCodes ? try ScalarQuantizer(decoding: graph.quantizer) : nil
        return try GraphSize(
            restoring: graph.linkByteCount,
            links: { piece, use in
                guard graph.linkHead.isEmpty else { return try graph.linkHead.withUnsafeBytes(use) }
                let isThere = try reader.piece(transaction, .links(kind), piece, epoch: head.epoch, use)
                guard isThere else { throw CheckpointGone() }
            }, dimension: dimension, metric: .cosine, quantizer: quantizer)
    }

    /// A graph from its links and the vectors in the store.
    static func restored(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ links: [UInt8], _ kind: VectorKind,
        generation: UInt32, _ shape: Shape, quantizer: ScalarQuantizer? = nil, isThere: (UInt32) -> Bool
    ) throws -> HNSWIndex {
        try HNSWIndex(
            restoring: links, dimension: shape.dimension, metric: shape.metric,
            precision: quantizer == nil ? shape.precision : .i8, quantizer: quantizer
        ) { item, buffer in
            guard isThere(item) else { return false }
            let key = VectorKey(generation: generation, item: item)
            guard let vector = try store.vector(transaction, kind, key, dimension: shape.dimension) else {
                return false
            }
            _ = buffer.update(fromContentsOf: vector)
            return true
        }
    }

    // MARK: Saving

    /// Writes what the store lacks of the graph under `epoch`, in transactions of about `groupByteCount`.
    ///
    /// - Returns: the head for the new checkpoint; call `noteSaved` once that is valid.
    func save(epoch: UInt32, groupByteCount: Int) throws -> GraphHead {
        var new = head ?? GraphHead()
        // Worth its time in a small graph, and where it is little beside the changes.
        if index.nodeCount <= 4096 || index.changesSinceMending * 64 >= index.nodeCount { index.mendUnfound() }
        let links = index.serializeLinks()
        new.linkByteCount = links.count
        new.linkHead = Array(links.prefix(HNSWIndex.linkHeadByteCount))
        new.changesSinceRefining = index.changesSinceRefining
        new.hasCodes = index.precision == .i8
        new.fittedCount = fittedCount
        let writer = PieceWriter(store, generation: generation, epoch: epoch, groupByteCount: groupByteCount)
        try writer.write(.links(kind), links)
        // Only codes are scanned.
        new.hasOwners = new.hasCodes
        if new.hasOwners { try writer.write(.owners(kind), index.serializeOwners()) }
        if let quantizer = index.quantizer {
            new.quantizer = quantizer.encoded
            new.codeEpochs = try save(
                .codes(kind), writer, index.changedCodePieces(), old: new.codeEpochs, count: index.codePieceCount
            ) { piece, body in try index.withCodePiece(piece, body) }
            new.residualEpochs = try save(
                .residuals(kind), writer, index.changedResidualPieces(), old: new.residualEpochs,
                count: index.residualPieceCount
            ) { piece, body in try index.withResidualPiece(piece, body) }
        }
        try writer.flush()
        return new
    }

    private func save(
        _ role: PieceRole, _ writer: PieceWriter, _ changed: [Int], old: [UInt32], count: Int,
        _ withPiece: (Int, (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> [UInt32] {
        var epochs = Array(old.prefix(count))
        // Pieces that no checkpoint has were changed, or the index would not know them.
        epochs += [UInt32](repeating: writer.epoch, count: count - epochs.count)
        for piece in Set(changed).union(old.count..<max(old.count, count)).sorted() where piece < count {
            try withPiece(piece) { try writer.write(role, piece, $0) }
            epochs[piece] = writer.epoch
        }
        return epochs
    }

    /// The checkpoint with `head` is valid.
    func noteSaved(_ head: GraphHead) {
        self.head = head
        index.noteCheckpoint()
    }

    // MARK: Quantiser

    /// Whether the graph needs a new quantiser: it has none and at least `least` vectors, or four times as many vectors as its
    /// quantiser was fitted to.
    func needsFitting(least: Int) -> Bool {
        index.precision == .i8 ? index.count >= 4 * max(fittedCount, 1) : index.count >= least
    }

    /// The same graph with codes from a quantiser that is fitted to the vectors of the store, also those that the graph lacks; in no
    /// checkpoint yet. As the writer.
    ///
    /// - Parameter keepsAll: whether codes hold all elements, also those that are equal in all vectors.
    func fitted(keepsAll: Bool = false) throws -> StoredGraph {
        let links = index.serializeLinks()
        let shape = Shape(dimension: index.dimension, metric: index.metric)
        let graph = try store.environment.read { transaction in
            let quantizer = try Self.quantizer(
                store, transaction, kind, generation: generation, shape, count: index.count, keepsAll: keepsAll)
            return try Self.restored(
                store, transaction, links, kind, generation: generation, shape, quantizer: quantizer
            ) { index.contains(item: $0) }
        }
        graph.changesSinceRefining = index.changesSinceRefining
        // Distances are others now, and so are the ways of searches.
        graph.mendUnfound()
        return StoredGraph(graph, kind, in: store, generation: generation, fittedCount: index.count)
    }

    /// The same graph with other codes, where its own cannot stand for vectors that are to be linked; nil where they can. As the writer.
    ///
    /// The new codes hold all elements: where vectors are sparse, the next one may have another that none had.
    ///
    /// - Parameter vectors: `[count, dimension]`, row-major; in the store already.
    func covering(_ vectors: [Float]) throws -> StoredGraph? {
        guard vectors.withUnsafeBufferPointer({ !index.covers($0) }) else { return nil }
        return try fitted(keepsAll: true)
    }

    /// A quantiser is fitted to at most this many vectors.
    private static let fittingLimit = 1 << 16

    /// A quantiser for the vectors of one kind, with room for later vectors that lie half as far out again.
    ///
    /// - Parameter count: about how many vectors there are; from more than `fittingLimit`, every nth is taken.
    static func quantizer(
        _ store: Store, _ transaction: borrowing ReadTransaction, _ kind: VectorKind, generation: UInt32,
        _ shape: Shape, count: Int, keepsAll: Bool
    ) throws -> ScalarQuantizer {
        var values: [Float] = []
        values.reserveCapacity(min(count, fittingLimit) * shape.dimension)
        let stride = max(1, (count + fittingLimit - 1) / fittingLimit)
        var place = 0
        var constants = ConstantElements(dimension: shape.dimension)
        try store.forEachVector(transaction, kind, generation: generation, dimension: shape.dimension) { _, vector in
            constants.note(vector)
            if place % stride == 0 { values += vector }
            place += 1
            return true
        }
        return values.withUnsafeBufferPointer {
            ScalarQuantizer(
                fitting: $0, dimension: shape.dimension, reach: 1.5, allowsExact: false,
                constants: keepsAll ? nil : constants)
        }
    }
}
