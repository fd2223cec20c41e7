import HilumCore

extension GraphWriter {
    /// The links and postings as bytes; see `HNSWIndex.serializeLinks`.
    func serializeLinks() -> [UInt8] {
        var writer = ByteWriter()
        writer.reserve(LinkFormat.headerByteCount + nodeCount * (16 + 4 * parameters.m * 2) + 4 * graph.itemCount)
        writer.raw(LinkFormat.magic)
        writer.integer(LinkFormat.version)
        writer.integer(UInt32(dimension))
        writer.raw([LinkFormat.byte(of: graph.metric), 0, 0, 0])
        writer.integer(UInt32(parameters.m))
        writer.integer(UInt32(parameters.efConstruction))
        writer.integer(UInt32(truncatingIfNeeded: parameters.seed))
        writer.integer(UInt32(truncatingIfNeeded: parameters.seed >> 32))
        writer.integer(UInt32(isLinked.count))
        writer.integer(UInt32(nodeCount))
        writer.integer(UInt32(graph.itemCount))
        writer.integer(entry?.node ?? absent)
        writer.integer(root)
        for slot in isLinked.indices { append(UInt32(slot), to: &writer) }
        writer.integer(writer.bytes.withUnsafeBytes { CRC32C.checksum($0) })
        return writer.bytes
    }

    /// The items of each slot as bytes; see `HNSWIndex.serializeOwners`.
    func serializeOwners() -> [UInt8] {
        var writer = ByteWriter()
        writer.reserve(4 * (isLinked.count + graph.itemCount + 1))
        for slot in isLinked.indices {
            let items = isLinked[slot] ? members(of: UInt32(slot)) : []
            writer.integer(UInt32(items.count))
            for item in items { writer.integer(item) }
        }
        writer.integer(writer.bytes.withUnsafeBytes { CRC32C.checksum($0) })
        return writer.bytes
    }

    private func members(of node: UInt32) -> [UInt32] {
        var members: [UInt32] = []
        _ = PostingList.forEach(store.posting(node).pointee.load(ordering: .relaxed)) {
            members.append($0)
            return true
        }
        return members
    }

    private func append(_ node: UInt32, to writer: inout ByteWriter) {
        guard isLinked[Int(node)] else {
            writer.byte(0)
            return
        }
        writer.byte(1)
        writer.integer(store.parent(node))
        writer.integer(store.hash(node))
        let members = members(of: node)
        writer.integer(UInt32(members.count))
        for item in members { writer.integer(item) }
        for layer in 0...store.level(node) {
            let links = store.links(node, layer: layer)
            let count = links.count
            writer.byte(UInt8(count))
            for index in 0..<count { writer.integer(links[index]) }
        }
    }
}
