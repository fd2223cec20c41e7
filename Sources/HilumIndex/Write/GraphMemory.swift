/// The memory behind the records of a graph, which grows and is given back as a whole.
///
/// Thread rule: the one writer's own. A `Graph` holds it too, only to keep it.
final class GraphMemory: @unchecked Sendable {
    // Sendable: `store` is read as `NodeStore` says; every `var` is the writer's own.
    let store: NodeStore
    private let fillsResidualsAtOnce: Bool
    private var chunkCount = 0
    private var upperBlocks: [UnsafeMutableRawPointer] = []
    private var upperOffset = GraphMemory.upperBlockByteCount
    private static let upperBlockByteCount = 1 << 18
    /// Posting lists that were replaced, each with the time of that.
    private var retiredLists: [(time: UInt64, word: UInt64)] = []

    /// - Parameter fillsResidualsAtOnce: false where residuals come a few at a time.
    init(store: NodeStore, fillsResidualsAtOnce: Bool) {
        self.store = store
        self.fillsResidualsAtOnce = fillsResidualsAtOnce
    }

    deinit {
        for list in retiredLists { PostingList.free(list.word) }
        for block in upperBlocks { block.deallocate() }
        store.deallocate(chunkCount: chunkCount)
    }

    /// Makes the chunks for `count` slots.
    ///
    /// - Parameter residuals: what is not in memory yet.
    func reserve(slotCount count: Int, residuals: ResidualSource?) {
        while chunkCount << store.chunkNodeCount.trailingZeroBitCount < count {
            let fills = fillsResidualsAtOnce || residuals?.isComplete == true
            store.grow(chunk: chunkCount, fillsResidualsAtOnce: fills)
            chunkCount += 1
        }
    }

    /// Gives a slot zeroed lists for the layers above 0.
    func addUpperLists(to slot: UInt32, level: Int) {
        let byteCount = 4 * (1 + store.m) * level
        if upperOffset + byteCount > Self.upperBlockByteCount {
            let block = UnsafeMutableRawPointer.allocate(byteCount: Self.upperBlockByteCount, alignment: 64)
            block.initializeMemory(as: UInt8.self, repeating: 0, count: Self.upperBlockByteCount)
            upperBlocks.append(block)
            upperOffset = 0
        }
        // Safety: the block was just made if it lacked room, so `byteCount` zeroed bytes lie at the offset.
        if let block = upperBlocks.last { store.setUpper(slot, block + upperOffset) }
        upperOffset += byteCount
    }

    /// Frees a posting list once no reader can hold it; until then it waits with the others.
    func retireList(_ word: UInt64, readers: ReaderPool) {
        retiredLists.append((readers.retire(), word))
        guard retiredLists.count >= 32 else { return }
        let oldest = readers.oldestReader
        let ripe = retiredLists.firstIndex { $0.time >= oldest } ?? retiredLists.count
        for list in retiredLists[..<ripe] { PostingList.free(list.word) }
        retiredLists.removeFirst(ripe)
    }
}
