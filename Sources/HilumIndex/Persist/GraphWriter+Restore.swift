import Dispatch
import HilumCore
import Synchronization

/// A graph of a checkpoint. Nothing in it is trusted.
extension GraphWriter {
    /// Fills an empty graph from a checkpoint of the links and from vectors; see `HNSWIndex.init(restoring:…vectors:)`.
    func restore(
        _ bytes: [UInt8], _ header: LinkHeader,
        vectors: (_ item: UInt32, _ into: UnsafeMutableBufferPointer<Float>) throws -> Bool
    ) throws {
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

    /// Fills an empty graph from a checkpoint of the links and from codes; see `HNSWIndex.init(restoring:…codes:)`.
    func restore(
        _ linkByteCount: Int, _ links: HNSWIndex.PieceReader, _ header: LinkHeader, codes: HNSWIndex.PieceReader,
        isThere: (_ item: UInt32) -> Bool
    ) throws {
        isTableFilled = false
        areChildrenCounted = false
        // Both threads write into the arena.
        memory.reserve(slotCount: header.slotCount, residuals: graph.residuals)
        var loaded = LoadedLinks(0)
        try withoutActuallyEscaping(codes) { codes in
            // Safety: nobody else calls it, and `load` returns when it has ended.
            nonisolated(unsafe) let codes = codes
            try Self.sideBySide(isWorthIt: header.slotCount >= Self.leastParallelCount) { [graph] in
                try graph.setCodes(header.slotCount, codes)
            } and: {
                loaded = try self.load(linkByteCount, links, header, isThere)
            }
        }
        try checkStructure(header, loaded)
        if restoration.goneItemCount > 0 { try removeDeadNodes() }
    }

    /// With fewer slots a second thread gains nothing.
    static let leastParallelCount = 1 << 14

    /// Runs `first` on another thread and `second` on this one; returns when both have ended.
    ///
    /// - Throws: what `second` throws, else what `first` throws.
    static func sideBySide(
        isWorthIt: Bool, _ first: @Sendable () throws -> Void, and second: () throws -> Void
    ) throws {
        guard isWorthIt, defaultThreadCount > 1 else {
            try second()
            return try first()
        }
        let failure = Mutex<(any Error)?>(nil)
        try withoutActuallyEscaping(first) { first in
            let group = DispatchGroup()
            DispatchQueue.global(qos: .userInitiated).async(group: group) {
                do { try first() } catch { failure.withLock { $0 = error } }
            }
            defer { group.wait() }
            try second()
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Reads links and items into the arena; returns what `checkStructure` asks for.
    private func load(
        _ linkByteCount: Int, _ links: HNSWIndex.PieceReader, _ header: LinkHeader,
        _ isThere: (_ item: UInt32) -> Bool
    ) throws -> LoadedLinks {
        try withoutActuallyEscaping(links) { links in
            var piece = 0
            var checksum: UInt32 = 0
            var reader = ByteReader(byteCount: linkByteCount) { use in
                try links(piece) { bytes in
                    checksum = CRC32C.checksum(bytes, continuing: checksum)
                    use(bytes)
                }
                piece += 1
            }
            let (store, items) = (store, items)
            var goneCount = 0
            var itemCount = 0
            let loaded = try load(header, &reader) { slot, members throws(IndexError) in
                for index in 0..<(members.count / 4) {
                    let item = UInt32(littleEndian: members.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
                    guard item != absent, items.locate(item) == nil else { throw .damaged("item \(item) comes twice") }
                    guard isThere(item) else {
                        goneCount += 1
                        continue
                    }
                    PostingList.add(item, node: slot, word: store.posting(slot), table: items) { retireList($0) }
                    itemCount += 1
                }
            }
            restoration.goneItemCount = goneCount
            graph.addToItemCount(itemCount)
            // The checksum itself is the rest.
            _ = try reader.number()
            guard checksum == LinkFormat.residue else { throw IndexError.damaged("the checksum does not match") }
            return loaded
        }
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
    private func load(
        _ header: LinkHeader, _ reader: inout ByteReader,
        takeItems: (_ slot: UInt32, _ members: UnsafeRawBufferPointer) throws(IndexError) -> Void
    ) throws(IndexError) -> LoadedLinks {
        _ = try LinkHeader(&reader, dimension: dimension, metric: graph.metric)
        let slotCount = header.slotCount
        makeSlots(slotCount)
        let store = store
        var isLinked = [Bool](repeating: true, count: slotCount)
        var loaded = LoadedLinks(slotCount)
        var seen = LinkFilter()
        var nodes = 0
        var itemTotal = 0
        for slot in 0..<UInt32(slotCount) {
            let level = graph.level(ofSlot: slot)
            store.setLevel(slot, level)
            loaded.levels[Int(slot)] = UInt8(level)
            if level > 0 { addUpperLists(slot, level: level) }
            guard let head = try reader.slotHead(slot) else {
                isLinked[Int(slot)] = false
                store.setParent(slot, absent)
                freeSlots.append((0, slot))
                continue
            }
            nodes += 1
            loaded.parents[Int(slot)] = head.parent
            store.setParent(slot, head.parent)
            store.setHash(slot, head.hash)
            itemTotal += head.itemCount
            guard itemTotal <= header.itemCount else { throw .damaged("the counts do not match what follows") }
            try takeItems(slot, try reader.numberBytes(head.itemCount))
            for layer in 0...level {
                let list = store.links(slot, layer: layer)
                let raw = try reader.linkBytes(slot, atMost: list.capacity)
                let linkCount = raw.count / 4
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
        graph.addToNodeCount(nodes)
        return loaded
    }

    // MARK: Structure

    /// Makes sure that what was read is a whole graph.
    private func checkStructure(_ header: LinkHeader, _ loaded: LoadedLinks) throws(IndexError) {
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
        graph.setEntry(header.entry)
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
        let (isLinked, root, nodeCount, limit) = (isLinked, root, nodeCount, hardChildLimit)
        let wrong = AtomicCounter()
        let threads = count < Self.leastParallelCount ? 1 : min(2, defaultThreadCount)
        parallelRanges(count, threads: threads) { [graph] range, _ in
            if graph.lacksParentLink(range, parents, isLinked, root: root) { wrong.increment() }
        }
        guard wrong.current == 0 else { throw .damaged("a node has no parent that links to it") }
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
                try graph.checkStored(UnsafeBufferPointer(buffer))
                if isVector(scratch.floats, of: node, hash: store.hash(node)) {
                    PostingList.add(item, node: node, word: store.posting(node), table: items) { retireList($0) }
                    graph.addToItemCount(1)
                } else {
                    changed.append(item)
                }
            }
        }
        try removeDeadNodes()
        restoration.changedItemCount = changed.count
        for item in changed where try vectors(item, buffer) {
            try graph.checkStored(UnsafeBufferPointer(buffer))
            try insert(scratch.floats, items: [item], threads: 1)
        }
    }

    /// Takes out the nodes that were left without items: with repair, or all at once when there are no others.
    private func removeDeadNodes() throws(IndexError) {
        let dead = isLinked.indices.filter { isLinked[$0] && !store.isLive(UInt32($0)) }
        guard !dead.isEmpty else { return }
        guard dead.count < nodeCount else {
            graph.setEntry(absent)
            root = absent
            graph.addToNodeCount(-dead.count)
            for slot in dead {
                isLinked[slot] = false
                retireSlot(UInt32(slot))
            }
            return
        }
        try graph.fetchResiduals()
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

extension Graph {
    /// Whether a node among `slots` has no parent that links to it.
    func lacksParentLink(_ slots: Range<Int>, _ parents: [UInt32], _ isLinked: [Bool], root: UInt32) -> Bool {
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
}
