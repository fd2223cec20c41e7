import CHilumKernels
import HilumCore

/// What became of the items of a checkpoint.
public struct RestoreSummary: Sendable, Equatable {
    /// Items whose vector is gone; their nodes were taken out with repair.
    public var goneItemCount = 0
    /// Items whose vector is another one now; they were linked again.
    public var changedItemCount = 0
}

/// The fixed part of a checkpoint.
struct LinkHeader {
    var parameters = HNSWParameters()
    var slotCount = 0
    var nodeCount = 0
    var itemCount = 0
    var entry = absent
    var root = absent

    init(_ reader: inout ByteReader, dimension: Int, metric: Metric) throws(IndexError) {
        for byte in LinkFormat.magic where try reader.octet() != byte { throw .damaged("not a checkpoint of links") }
        let version = try reader.number()
        guard version == LinkFormat.version else { throw .damaged("version \(version) is unknown") }
        guard try reader.number() == UInt32(dimension) else { throw .damaged("made for another dimension") }
        guard try reader.number() == UInt32(LinkFormat.byte(of: metric)) else {
            throw .damaged("made for another metric")
        }
        let m = Int(try reader.number())
        let efConstruction = Int(try reader.number())
        let seed = UInt64(try reader.number()) | UInt64(try reader.number()) << 32
        guard (2...64).contains(m), (1...1_000_000).contains(efConstruction) else {
            throw .damaged("parameters out of range")
        }
        parameters = HNSWParameters(m: m, efConstruction: efConstruction, seed: seed)
        slotCount = Int(try reader.number())
        nodeCount = Int(try reader.number())
        itemCount = Int(try reader.number())
        entry = try reader.number()
        root = try reader.number()
        // A slot takes a byte at least and a record in memory, so a small file must not ask for a large arena.
        guard slotCount <= reader.remaining, nodeCount <= slotCount, itemCount <= reader.remaining / 4,
            slotCount <= 16 * nodeCount + 65_536
        else { throw .damaged("counts do not fit the size") }
    }
}

extension HNSWIndex {
    /// The index of a checkpoint, with the vectors from where they are kept.
    ///
    /// Nothing in `bytes` is trusted: the checksum, every number and every link are checked, and the graph must be whole. Items whose
    /// vector is gone are removed with repair, items whose vector changed are linked again (`restoration` counts both). Items that
    /// came after the checkpoint are the caller's to insert; `contains(item:)` tells which are there.
    ///
    /// - Parameters:
    ///   - bytes: what `serializeLinks` gave.
    ///   - dimension, metric: must be those of the checkpoint.
    ///   - vectors: writes the vector of an item, `dimension` floats, into the buffer; false if there is none any more.
    /// - Throws: `IndexError` `.damagedLinks`; `.notFinite`, `.zeroLength`, `.notUnitLength` for a vector; what `vectors` throws.
    public convenience init(
        restoring bytes: [UInt8], dimension: Int, metric: Metric, precision: CodePrecision = .f32,
        quantizer: ScalarQuantizer? = nil,
        vectors: (_ item: UInt32, _ into: UnsafeMutableBufferPointer<Float>) throws -> Bool
    ) throws {
        let header = try Self.checkedHeader(bytes, dimension: dimension, metric: metric)
        try self.init(
            dimension: dimension, metric: metric, parameters: header.parameters, precision: precision,
            quantizer: quantizer)
        var loaded = LoadedSlots(header)
        try bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            try load(header, &reader) { slot, reader, count throws(IndexError) in
                for _ in 0..<count { loaded.items.append(try reader.number()) }
                loaded.ends.append((slot, loaded.items.count))
            }
        }
        try checkStructure(header)
        table.reserve(nodeCount)
        noteChangeOfAll()
        // Nobody knows whether the links were looked through, nor by the same distances.
        changesSinceSweep = nodeCount
        try resolve(loaded, vectors: vectors)
    }

    static func checkedHeader(
        _ bytes: [UInt8], dimension: Int, metric: Metric
    ) throws(IndexError) -> LinkHeader {
        guard bytes.count >= LinkFormat.headerByteCount + 4 else { throw .damaged("cut off") }
        guard bytes.withUnsafeBytes({ CRC32C.checksum($0) }) == LinkFormat.residue else {
            throw .damaged("the checksum does not match")
        }
        let head = Array(bytes.prefix(LinkFormat.headerByteCount))
        var reader = ByteReader(byteCount: bytes.count) { head }
        return try LinkHeader(&reader, dimension: dimension, metric: metric)
    }

    /// Items of the nodes as the checkpoint has them, one after the other.
    private struct LoadedSlots {
        var items: [UInt32] = []
        /// Where the items of a node end.
        var ends: [(slot: UInt32, end: Int)] = []

        init(_ header: LinkHeader) {
            items.reserveCapacity(header.itemCount)
            ends.reserveCapacity(header.nodeCount)
        }
    }

    /// Reads all slots into the arena. Links stay inside the slots, none comes twice in a list; what else can be wrong is checked
    /// afterwards.
    ///
    /// - Parameter takeItems: reads the items of a slot, as many as its last argument says.
    func load(
        _ header: LinkHeader, _ reader: inout ByteReader,
        takeItems: (_ slot: UInt32, _ reader: inout ByteReader, _ count: Int) throws(IndexError) -> Void
    ) throws(IndexError) {
        isLinked.reserveCapacity(header.slotCount)
        _ = try LinkHeader(&reader, dimension: dimension, metric: metric)
        // By slot: the number of the last list that linked to it, which tells a second link in one list.
        let lastList = UnsafeMutablePointer<UInt32>.allocate(capacity: max(header.slotCount, 1))
        lastList.initialize(repeating: 0, count: header.slotCount)
        defer { lastList.deallocate() }
        var listNumber: UInt32 = 0
        var nodes = 0
        var itemTotal = 0
        for _ in 0..<header.slotCount {
            let slot = try addSlot()
            store.setParent(slot, absent)
            store.setChildren(slot, 0)
            let kind = try reader.octet()
            guard kind <= 1 else { throw .damaged("slot \(slot) is of no known kind") }
            if kind == 0 {
                freeSlots.append((0, slot))
                continue
            }
            nodes += 1
            isLinked[Int(slot)] = true
            store.setParent(slot, try reader.number())
            store.setHash(slot, try reader.number())
            let itemCount = Int(try reader.number())
            guard itemCount > 0 else { throw .damaged("node \(slot) has no item") }
            itemTotal += itemCount
            guard itemTotal <= header.itemCount else { throw .damaged("the counts do not match what follows") }
            try takeItems(slot, &reader, itemCount)
            for layer in 0...store.level(slot) {
                let list = store.links(slot, layer: layer)
                let linkCount = Int(try reader.octet())
                guard linkCount <= list.capacity else { throw .damaged("node \(slot) has too many links") }
                listNumber += 1
                let isRight = try reader.withNumbers(linkCount) { raw in
                    for index in 0..<linkCount {
                        let link = UInt32(
                            littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
                        guard Int(link) < header.slotCount, link != slot else { return false }
                        // Safety: the link was just checked to be below the count of slots.
                        if lastList[Int(link)] == listNumber { return false }
                        lastList[Int(link)] = listNumber
                        (list.words + 1 + index).pointee.store(link, ordering: .relaxed)
                    }
                    list.words.pointee.store(UInt32(linkCount), ordering: .relaxed)
                    return true
                }
                guard isRight else { throw .damaged("node \(slot) has a bad link") }
            }
        }
        guard reader.remaining == 4, nodes == header.nodeCount, itemTotal == header.itemCount else {
            throw .damaged("the counts do not match what follows")
        }
        addToNodeCount(nodes)
    }

    // MARK: Structure

    func checkStructure(_ header: LinkHeader) throws(IndexError) {
        guard header.nodeCount > 0 else {
            guard header.entry == absent, header.root == absent else { throw .damaged("an entry point without nodes") }
            return
        }
        guard isNode(header.entry), isNode(header.root) else { throw .damaged("no entry point or no root") }
        // Links lead to slots; where all of these are nodes, nothing is left to ask on layer 0.
        if header.nodeCount < header.slotCount {
            for slot in isLinked.indices where isLinked[slot] {
                try checkTargets(of: UInt32(slot), layer: 0)
            }
        }
        var highest = 0
        for slot in upperSlots where isLinked[Int(slot)] {
            highest = max(highest, store.level(slot))
            for layer in 1...store.level(slot) { try checkTargets(of: slot, layer: layer) }
        }
        guard store.level(header.entry) == highest else { throw .damaged("the entry point is not the highest node") }
        root = header.root
        setEntry(header.entry)
        try checkTree()
    }

    /// Every link must lead to a node that reaches the layer.
    private func checkTargets(of node: UInt32, layer: Int) throws(IndexError) {
        let links = store.links(node, layer: layer)
        for index in 0..<links.count where !isLinked[Int(links[index])] || store.level(links[index]) < layer {
            throw .damaged("node \(node) has a bad link")
        }
    }

    private func isNode(_ slot: UInt32) -> Bool { Int(slot) < isLinked.count && isLinked[Int(slot)] }

    /// Every node must hang on the root, by links that are there.
    private func checkTree() throws(IndexError) {
        guard let entry, store.parent(root) == absent,
            entry.node == root || store.links(entry.node, layer: 0).contains(root)
        else { throw .damaged("the root is not linked") }
        let count = isLinked.count
        let ahead = 16
        for slot in 0..<count where isLinked[slot] && UInt32(slot) != root {
            let node = UInt32(slot)
            let parent = store.parent(node)
            if slot + ahead < count {
                // The lists of parents lie all over the arena.
                let later = store.parent(UInt32(slot + ahead))
                if Int(later) < count {
                    let words = store.links(later, layer: 0).words
                    hilum_prefetch(words)
                    hilum_prefetch(words + 16)
                    hilum_prefetch(words + 32)
                }
            }
            guard isNode(parent), store.links(parent, layer: 0).contains(node),
                store.children(parent) < hardChildLimit
            else { throw .damaged("node \(slot) has no parent that links to it") }
            store.setChildren(parent, store.children(parent) + 1)
        }
        // Walk up from each node until one is met that is known to hang on the root; a ring never gets there.
        var isKnown = [Bool](repeating: false, count: isLinked.count)
        isKnown[Int(root)] = true
        var path: [UInt32] = []
        for slot in isLinked.indices where isLinked[slot] {
            path.removeAll(keepingCapacity: true)
            var node = UInt32(slot)
            while !isKnown[Int(node)] {
                path.append(node)
                guard path.count <= nodeCount else { throw .damaged("nodes are cut off from the root") }
                node = store.parent(node)
            }
            for member in path { isKnown[Int(member)] = true }
        }
    }

    // MARK: Vectors

    /// Fetches the vectors, settles which items are still as they were, and repairs what is not.
    private func resolve(
        _ loaded: LoadedSlots, vectors: (UInt32, UnsafeMutableBufferPointer<Float>) throws -> Bool
    ) throws {
        var changed: [UInt32] = []
        let scratch = readers.borrow()
        defer { readers.giveBack(scratch) }
        // Safety: the room of `scratch.floats` is `dimension` floats, and the scratch is ours until the end.
        let buffer = UnsafeMutableBufferPointer(start: scratch.floats, count: dimension)
        var first = 0
        for (node, end) in loaded.ends {
            defer { first = end }
            for item in loaded.items[first..<end] {
                guard item != absent, items.locate(item) == nil else {
                    throw IndexError.damaged("item \(item) comes twice")
                }
                guard try vectors(item, buffer) else {
                    restoration.goneItemCount += 1
                    continue
                }
                try checkStored(UnsafeBufferPointer(buffer))
                if isVector(scratch.floats, of: node, hash: store.hash(node)) {
                    PostingList.add(item, node: node, word: store.posting(node), table: items) { retireList($0) }
                    addToItemCount(1)
                } else {
                    changed.append(item)
                }
            }
        }
        try removeDeadNodes()
        restoration.changedItemCount = changed.count
        for item in changed where try vectors(item, buffer) { try insert(UnsafeBufferPointer(buffer), item: item) }
    }

    /// Takes out the nodes that were left without items: with repair, or all at once when there are no others.
    func removeDeadNodes() throws(IndexError) {
        let dead = isLinked.indices.filter { isLinked[$0] && !store.isLive(UInt32($0)) }
        guard !dead.isEmpty else { return }
        guard dead.count < nodeCount else {
            setEntry(absent)
            root = absent
            addToNodeCount(-dead.count)
            for slot in dead {
                isLinked[slot] = false
                retireSlot(UInt32(slot))
            }
            return
        }
        try fetchResiduals()
        for slot in dead { removeNode(UInt32(slot)) }
        sweepIfDue(threads: defaultThreadCount)
    }

    /// Whether a vector is the one that `node` was linked by; the first one that is becomes the node's.
    private func isVector(_ vector: UnsafePointer<Float>, of node: UInt32, hash expected: UInt32) -> Bool {
        let hash = NodeTable.hash(vector, dimension: dimension)
        guard hash == expected else { return false }
        let known = find(vector, hash: hash)
        guard !store.isLive(node) else { return known == node }
        guard known == nil else { return false }
        encode(vector, into: node)
        store.setHash(node, hash)
        table.insert(node)
        return true
    }
}
