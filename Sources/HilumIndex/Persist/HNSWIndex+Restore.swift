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

    /// - Parameters:
    ///   - head: the first bytes of a checkpoint.
    ///   - byteCount: of all of it.
    init(_ head: [UInt8], of byteCount: Int, dimension: Int, metric: Metric) throws(IndexError) {
        guard head.count >= LinkFormat.headerByteCount else { throw .damaged("cut off") }
        var reader = ByteReader(byteCount: byteCount) { use in head.withUnsafeBytes(use) }
        try self.init(&reader, dimension: dimension, metric: metric)
    }

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

/// What the check of the structure asks of every slot, close together.
struct LoadedLinks {
    /// `absent` for the root and for free slots.
    var parents: [UInt32]
    var levels: [UInt8]

    init(_ slotCount: Int) {
        parents = [UInt32](repeating: absent, count: slotCount)
        levels = [UInt8](repeating: 0, count: slotCount)
    }
}

/// Tells lists that surely have no link twice: one bit a link, found by its hash.
///
/// A table with a place for every node would say it exactly, but costs a cache miss for every link.
private struct LinkFilter {
    // 2,048 bits: a list of 15 links meets a bit that is set in one case of twenty.
    private var words = InlineArray<32, UInt64>(repeating: 0)
    private var mayHaveCopies = false

    @inline(__always)
    mutating func note(_ link: UInt32) {
        let hash = (link &* 0x9E37_79B1) >> 21
        let bit: UInt64 = 1 << UInt64(hash & 63)
        let word = Int(hash >> 6)
        if words[word] & bit != 0 { mayHaveCopies = true }
        words[word] |= bit
    }

    /// Begins the next list; returns whether this one may have a link twice.
    @inline(__always)
    mutating func clear() -> Bool {
        defer {
            words = InlineArray<32, UInt64>(repeating: 0)
            mayHaveCopies = false
        }
        return mayHaveCopies
    }
}

extension LinkList {
    /// Whether a link comes twice. Writer only.
    fileprivate var hasCopies: Bool {
        for index in 0..<count {
            for other in 0..<index where self[index] == self[other] { return true }
        }
        return false
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
            let loadedLinks = try load(header, &reader) { slot, members throws(IndexError) in
                for index in 0..<(members.count / 4) {
                    loaded.items.append(
                        UInt32(littleEndian: members.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
                }
                loaded.ends.append((slot, loaded.items.count))
            }
            try checkStructure(header, loadedLinks)
        }
        areChildrenCounted = false
        countChildren()
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
        return try LinkHeader(
            Array(bytes.prefix(LinkFormat.headerByteCount)), of: bytes.count, dimension: dimension, metric: metric)
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

    /// Reads all slots into the arena of a new index. Links stay inside the slots, none comes twice in a list; what else can be wrong is
    /// checked afterwards.
    ///
    /// An index of 200,000 nodes has three million links, so the fields of the class are read once and not once a link.
    ///
    /// - Parameter takeItems: takes the items of a slot: 4 bytes each, little-endian, at any alignment.
    /// - Returns: what `checkStructure` asks for.
    func load(
        _ header: LinkHeader, _ reader: inout ByteReader,
        takeItems: (_ slot: UInt32, _ members: UnsafeRawBufferPointer) throws(IndexError) -> Void
    ) throws(IndexError) -> LoadedLinks {
        _ = try LinkHeader(&reader, dimension: dimension, metric: metric)
        let slotCount = header.slotCount
        makeSlots(slotCount)
        let store = store
        var isLinked = [Bool](repeating: true, count: slotCount)
        var loaded = LoadedLinks(slotCount)
        var seen = LinkFilter()
        var nodes = 0
        var itemTotal = 0
        for slot in 0..<UInt32(slotCount) {
            let level = level(ofSlot: slot)
            store.setLevel(slot, level)
            loaded.levels[Int(slot)] = UInt8(level)
            if level > 0 { addUpperLists(slot, level: level) }
            let kind = try reader.octet()
            guard kind <= 1 else { throw .damaged("slot \(slot) is of no known kind") }
            if kind == 0 {
                isLinked[Int(slot)] = false
                store.setParent(slot, absent)
                freeSlots.append((0, slot))
                continue
            }
            nodes += 1
            let parent = try reader.number()
            loaded.parents[Int(slot)] = parent
            store.setParent(slot, parent)
            store.setHash(slot, try reader.number())
            let itemCount = Int(try reader.number())
            guard itemCount > 0 else { throw .damaged("node \(slot) has no item") }
            itemTotal += itemCount
            guard itemTotal <= header.itemCount else { throw .damaged("the counts do not match what follows") }
            try takeItems(slot, try reader.numberBytes(itemCount))
            for layer in 0...level {
                let list = store.links(slot, layer: layer)
                let linkCount = Int(try reader.octet())
                guard linkCount <= list.capacity else { throw .damaged("node \(slot) has too many links") }
                let raw = try reader.numberBytes(linkCount)
                for index in 0..<linkCount {
                    let link = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
                    guard Int(link) < slotCount, link != slot else {
                        throw .damaged("node \(slot) has a bad link")
                    }
                    seen.note(link)
                    (list.words + 1 + index).pointee.store(link, ordering: .relaxed)
                }
                list.words.pointee.store(UInt32(linkCount), ordering: .relaxed)
                if seen.clear(), list.hasCopies { throw .damaged("node \(slot) has a bad link") }
            }
        }
        self.isLinked = isLinked
        guard reader.remaining == 4, nodes == header.nodeCount, itemTotal == header.itemCount else {
            throw .damaged("the counts do not match what follows")
        }
        addToNodeCount(nodes)
        return loaded
    }

    // MARK: Structure

    func checkStructure(_ header: LinkHeader, _ loaded: LoadedLinks) throws(IndexError) {
        guard header.nodeCount > 0 else {
            guard header.entry == absent, header.root == absent else { throw .damaged("an entry point without nodes") }
            return
        }
        guard isNode(header.entry), isNode(header.root) else { throw .damaged("no entry point or no root") }
        // Links lead to slots; where all of these are nodes, nothing is left to ask on layer 0.
        if header.nodeCount < header.slotCount {
            for slot in isLinked.indices where isLinked[slot] {
                try checkTargets(of: UInt32(slot), layer: 0, loaded)
            }
        }
        var highest = 0
        for slot in upperSlots where isLinked[Int(slot)] {
            highest = max(highest, store.level(slot))
            for layer in 1...store.level(slot) { try checkTargets(of: slot, layer: layer, loaded) }
        }
        guard store.level(header.entry) == highest else { throw .damaged("the entry point is not the highest node") }
        root = header.root
        setEntry(header.entry)
        try checkTree(loaded.parents)
    }

    /// Every link must lead to a node that reaches the layer.
    private func checkTargets(of node: UInt32, layer: Int, _ loaded: LoadedLinks) throws(IndexError) {
        let links = store.links(node, layer: layer)
        for index in 0..<links.count where !isLinked[Int(links[index])] || loaded.levels[Int(links[index])] < layer {
            throw .damaged("node \(node) has a bad link")
        }
    }

    private func isNode(_ slot: UInt32) -> Bool { Int(slot) < isLinked.count && isLinked[Int(slot)] }

    /// Every node must hang on the root, by links that are there.
    private func checkTree(_ parents: [UInt32]) throws(IndexError) {
        guard let entry, parents[Int(root)] == absent,
            entry.node == root || store.links(entry.node, layer: 0).contains(root)
        else { throw .damaged("the root is not linked") }
        let count = isLinked.count
        // Nobody writes while this runs.
        let index = self
        let wrong = AtomicCounter()
        parallelRanges(count, threads: count < Self.leastParallelCount ? 1 : min(2, defaultThreadCount)) { range, _ in
            if index.lacksParentLink(range, parents) { wrong.increment() }
        }
        guard wrong.current == 0 else { throw .damaged("a node has no parent that links to it") }
        let (isLinked, root, nodeCount, limit) = (isLinked, root, nodeCount, hardChildLimit)
        var children = [UInt8](repeating: 0, count: count)
        for slot in 0..<count where isLinked[slot] && UInt32(slot) != root {
            let parent = Int(parents[slot])
            guard children[parent] < limit else { throw .damaged("a node has too many children") }
            children[parent] += 1
        }
        // Walk up from each node until one is met that is known to hang on the root; a ring never gets there.
        var isKnown = [Bool](repeating: false, count: count)
        isKnown[Int(root)] = true
        for slot in 0..<count where isLinked[slot] && !isKnown[slot] {
            var steps = 0
            var node = slot
            while !isKnown[node] {
                steps += 1
                guard steps <= nodeCount else { throw .damaged("nodes are cut off from the root") }
                node = Int(parents[node])
            }
            node = slot
            while !isKnown[node] {
                isKnown[node] = true
                node = Int(parents[node])
            }
        }
    }

    /// Whether a node among `slots` has no parent that links to it.
    private func lacksParentLink(_ slots: Range<Int>, _ parents: [UInt32]) -> Bool {
        let (store, root, isLinked) = (store, root, isLinked)
        let count = isLinked.count
        let ahead = 16
        for slot in slots {
            if slot + ahead < count, Int(parents[slot + ahead]) < count {
                // The lists of parents lie all over the arena.
                store.links(parents[slot + ahead], layer: 0).prefetch()
            }
            guard isLinked[slot], UInt32(slot) != root else { continue }
            let parent = parents[slot]
            guard Int(parent) < count, isLinked[Int(parent)],
                store.links(parent, layer: 0).contains(UInt32(slot))
            else { return true }
        }
        return false
    }

    /// Counts the children of every node of an index that was restored, which only the writer asks for; once.
    func countChildren() {
        guard !areChildrenCounted else { return }
        areChildrenCounted = true
        for slot in isLinked.indices where isLinked[slot] && UInt32(slot) != root {
            let parent = store.parent(UInt32(slot))
            store.setChildren(parent, store.children(parent) + 1)
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
        countChildren()
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
