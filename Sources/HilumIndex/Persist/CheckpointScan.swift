import HilumCore

/// What a scan of the codes of a checkpoint found; see `HNSWIndex.scan`.
public struct CheckpointScan: Sendable {
    /// One distinct vector and who has it.
    public struct Node: Sendable, Equatable {
        /// Of the question and the node's code.
        public var distance: Float
        /// The smallest of its items that were asked for, ascending; one at least.
        public var items: [UInt32]
    }

    /// The nearest by their codes, the nearest first.
    public internal(set) var nodes: [Node] = []
    /// The items of the checkpoint that exist.
    public internal(set) var known = ItemSet()
    /// Codes that were compared.
    public internal(set) var comparedCount = 0
}

/// Questions to a checkpoint that is not opened.
extension HNSWIndex {
    /// The distinct vectors nearest to `query` among `items`, by comparing all codes of a checkpoint while they are read.
    ///
    /// ```
    /// codes   piece ─→ a distance a slot            on another thread
    /// owners  piece ─→ the items of each slot  ─→  the nearest slots that bear one of `items`
    /// ```
    /// A graph in memory takes links, records, lists and tables for every node before it answers anything. Whoever asks
    /// once reads codes and owners, keeps 12 bytes a node, and misses no vector. Codes tell roughly who is near: whoever has the vectors asks for a few more nodes than
    /// are needed and orders them by these.
    ///
    /// - Parameters:
    ///   - linkByteCount, links, codes, quantizer, dimension, metric: as `init(restoring:links:…)`.
    ///   - owners: the bytes of `serializeOwners`, in pieces of any length.
    ///   - hasOwners: whether the checkpoint has them; otherwise all links are read, and `owners` is not called.
    ///   - count: how many distinct vectors are looked for.
    ///   - itemLimit: how many items of one vector are named at most.
    ///   - items: what may be found; nil for everything that exists.
    ///   - existing: items of the checkpoint that are still there; others are passed over.
    ///   - deadline: in the seconds of `monotonicSeconds`.
    ///   - soon: gets the nearest as they are once most codes were compared, so that the caller can ask the disk for what it will read
    ///     of them while the rest of the codes comes. Not called where codes are compared on another thread.
    /// - Throws: `IndexError` `.damagedLinks` as `init(restoring:links:…)`, though links are not followed; `.overdue`; `.wrongDimension`,
    ///   `.notFinite`, `.zeroLength` for the query; what `codes` throws.
    /// - Complexity: O(n) distances; reads every byte of codes and owners.
    public static func scan(
        _ linkByteCount: Int, links: PieceReader, owners: PieceReader, hasOwners: Bool, dimension: Int, metric: Metric,
        quantizer: ScalarQuantizer,
        codes: PieceReader, for query: UnsafeBufferPointer<Float>, count: Int, itemLimit: Int, among items: ItemSet?,
        existing: ItemSet, until deadline: Double = .infinity,
        soon: ([CheckpointScan.Node]) throws -> Void = { _ in }
    ) throws -> CheckpointScan {
        let header = try LinkHeader(restoring: linkByteCount, links, quantizer, dimension: dimension, metric: metric)
        // An empty index: it checks the question and picks the kernels.
        let index = try HNSWIndex(
            dimension: dimension, metric: metric, parameters: header.parameters, precision: .i8, quantizer: quantizer,
            keepsResiduals: false, kernelSet: nil)
        return try withoutActuallyEscaping(links) { links in
            try withoutActuallyEscaping(owners) { owners in
                let source = OwnerSource(
                    header: header, pieces: hasOwners ? owners : links, linkByteCount: hasOwners ? nil : linkByteCount,
                    items: items, existing: existing)
                return try index.graph.scan(
                    source, codes, for: query, count: count, itemLimit: itemLimit, until: deadline, soon: soon)
            }
        }
    }
}

extension Graph {
    /// A thread for fewer bytes of codes would take longer to begin than it saves.
    private static let leastParallelByteCount = 8 << 20

    fileprivate func scan(
        _ source: OwnerSource, _ codes: HNSWIndex.PieceReader, for query: UnsafeBufferPointer<Float>, count: Int,
        itemLimit: Int, until deadline: Double, soon: ([CheckpointScan.Node]) throws -> Void
    ) throws -> CheckpointScan {
        let header = source.header
        let squareLength = try checkedSquareLength(query)
        let scratch = readers.enter()
        defer { readers.leave(scratch) }
        // Safety: the other thread alone uses the scratch until both have ended, and only it calls `codes`.
        nonisolated(unsafe) let target = try prepared(query, squareLength: squareLength, scratch)
        nonisolated(unsafe) let batch = scratch.codes
        nonisolated(unsafe) let distances = UnsafeMutablePointer<Float>.allocate(capacity: max(1, header.slotCount))
        defer { distances.deallocate() }
        var owners = SlotOwners(header)
        func nearest(below end: Int) -> [CheckpointScan.Node] {
            var pool = scratch.makePool(limit: min(count, owners.slots.count))
            for slot in owners.slots where slot < end {
                pool.insert(NodeCandidate(distance: distances[Int(slot)], node: slot))
            }
            return (0..<pool.count).map { place in
                let candidate = pool[place]
                return CheckpointScan.Node(
                    distance: candidate.distance, items: owners.items(of: candidate.node, atMost: itemLimit))
            }
        }
        if header.slotCount * codeDimension >= Self.leastParallelByteCount, defaultThreadCount > 1 {
            try withoutActuallyEscaping(codes) { codes in
                nonisolated(unsafe) let codes = codes
                try GraphWriter.sideBySide(isWorthIt: true) {
                    try self.measure(header.slotCount, codes, target, batch, into: distances, until: deadline)
                } and: {
                    try owners.read(source, dimension: dimension, metric: metric)
                }
            }
        } else {
            try owners.read(source, dimension: dimension, metric: metric)
            try measure(header.slotCount, codes, target, batch, into: distances, until: deadline) { rowCount in
                // Earlier, more of them would be others at the end; later, the disk would have nothing to do.
                try soon(nearest(below: rowCount))
            }
        }
        var result = CheckpointScan()
        result.nodes = nearest(below: header.slotCount)
        result.known = owners.known
        result.comparedCount = header.slotCount
        return result
    }

    /// The distances of the query and the codes of all slots, piece after piece.
    private func measure(
        _ slotCount: Int, _ codes: HNSWIndex.PieceReader, _ query: Target,
        _ batch: UnsafeMutablePointer<UnsafeRawPointer?>, into distances: UnsafeMutablePointer<Float>,
        until deadline: Double, mostAreDone: (_ slotCount: Int) throws -> Void = { _ in }
    ) throws {
        let pieces = CodePieces(dimension: codeDimension)
        let pieceCount = pieces.codeCount(slotCount)
        for piece in 0..<pieceCount {
            // The codes of three quarters of the slots are compared.
            if piece > 0, piece == pieceCount * 3 / 4 { try mostAreDone(piece * pieces.codeRowCount) }
            guard deadline == .infinity || monotonicSeconds() < deadline else { throw IndexError(.overdue) }
            try codes(piece) { bytes in
                let slots = CodePieces.rows(of: piece, pieces.codeRowCount, slotCount: slotCount)
                guard let base = bytes.baseAddress, bytes.count == slots.count * pieces.codeByteCount else {
                    throw IndexError.damaged("a piece of the codes has another length")
                }
                for first in stride(from: 0, to: slots.count, by: Scratch.batchCapacity) {
                    let width = min(Scratch.batchCapacity, slots.count - first)
                    // Safety: rows below the count of the piece, whose size was checked; the kernels ask for no alignment.
                    for row in 0..<width { batch[row] = base + (first + row) * pieces.codeByteCount }
                    kernels.gather(query, batch, width, codeDimension, distances + slots.lowerBound + first)
                }
            }
        }
    }
}

/// Where the items of each slot are read from.
private struct OwnerSource {
    let header: LinkHeader
    let pieces: HNSWIndex.PieceReader
    /// The length of the links, if they are what is read; nil for bytes of `serializeOwners`.
    let linkByteCount: Int?
    /// What is asked for; nil for everything that exists.
    let items: ItemSet?
    let existing: ItemSet
}

/// Who has which slot of a checkpoint, of the items that are asked for.
private struct SlotOwners {
    /// Slots with such an item, ascending.
    private(set) var slots: [UInt32] = []
    /// Where the items of each slot begin in `members`.
    private var starts: [UInt32] = []
    private var members: [UInt32] = []
    private(set) var known = ItemSet()

    init(_ header: LinkHeader) {
        slots.reserveCapacity(header.nodeCount)
        starts.reserveCapacity(header.nodeCount)
        members.reserveCapacity(header.itemCount)
    }

    /// The smallest items of a slot.
    func items(of slot: UInt32, atMost limit: Int) -> [UInt32] {
        var low = 0
        var high = slots.count
        while low < high {
            let middle = (low + high) / 2
            if slots[middle] < slot { low = middle + 1 } else { high = middle }
        }
        let end = low + 1 < starts.count ? Int(starts[low + 1]) : members.count
        return Array(members[Int(starts[low])..<end].sorted().prefix(limit))
    }

    /// Reads the items of all slots, and passes over the links where these are among them.
    mutating func read(_ source: OwnerSource, dimension: Int, metric: Metric) throws {
        let byteCount = source.linkByteCount ?? OwnerFormat.byteCount(source.header)
        var isOnePiece = false
        try source.pieces(0) { bytes in
            isOnePiece = bytes.count == byteCount
            guard isOnePiece else { return }
            var reader = ByteReader(bytes)
            try read(&reader, source, dimension, metric)
            try check(CRC32C.checksum(bytes))
        }
        guard !isOnePiece else { return }
        var piece = 0
        var checksum: UInt32 = 0
        var reader = ByteReader(byteCount: byteCount) { use in
            try source.pieces(piece) { bytes in
                checksum = CRC32C.checksum(bytes, continuing: checksum)
                use(bytes)
            }
            piece += 1
        }
        try read(&reader, source, dimension, metric)
        try check(checksum)
    }

    /// - Parameter checksum: of all bytes, their own checksum among them.
    private func check(_ checksum: UInt32) throws {
        guard checksum == LinkFormat.residue else { throw IndexError.damaged("the checksum does not match") }
    }

    private mutating func read(
        _ reader: inout ByteReader, _ source: OwnerSource, _ dimension: Int, _ metric: Metric
    ) throws {
        if source.linkByteCount != nil { _ = try LinkHeader(&reader, dimension: dimension, metric: metric) }
        try read(&reader, source)
        // The checksum itself is the rest.
        _ = try reader.number()
    }

    private mutating func read(_ reader: inout ByteReader, _ source: OwnerSource) throws(IndexError) {
        let header = source.header
        let parameters = header.parameters
        let hasLinks = source.linkByteCount != nil
        var nodeCount = 0
        var itemTotal = 0
        for slot in 0..<UInt32(header.slotCount) {
            let itemCount = hasLinks ? try reader.slotHead(slot)?.itemCount ?? 0 : Int(try reader.number())
            guard itemCount > 0 else { continue }
            nodeCount += 1
            itemTotal += itemCount
            guard itemTotal <= header.itemCount else { throw .damaged("the counts do not match what follows") }
            try add(slot, itemCount, &reader, source)
            guard hasLinks else { continue }
            for layer in 0...parameters.level(ofSlot: slot) {
                _ = try reader.linkBytes(slot, atMost: layer == 0 ? 2 * parameters.m : parameters.m)
            }
        }
        guard reader.remaining == 4, nodeCount == header.nodeCount, itemTotal == header.itemCount else {
            throw .damaged("the counts do not match what follows")
        }
    }

    private mutating func add(
        _ slot: UInt32, _ itemCount: Int, _ reader: inout ByteReader, _ source: OwnerSource
    ) throws(IndexError) {
        let raw = try reader.numberBytes(itemCount)
        let start = members.count
        for index in 0..<itemCount {
            let item = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
            guard source.existing.contains(item) else { continue }
            guard known.insert(item) else { throw .damaged("item \(item) comes twice") }
            if source.items?.contains(item) ?? true { members.append(item) }
        }
        guard members.count > start else { return }
        slots.append(slot)
        starts.append(UInt32(start))
    }
}
