import CHilumKernels
import Synchronization

/// No node, no item.
let absent = UInt32.max

/// The arena: one record of fixed stride a node, in chunks that never move, so that pointers stay valid while it grows.
///
/// ```
/// record  | code (f32, bf16 or i8)           | header | 2m links | pad to 8 | posting | upper | parent | hash | children | level |
///          0                                 u32      u32 each              u64       pointer u32      u32    u32        u32
/// header  | version (23 bits) | being written (1) | count (8) |
/// upper   level × | header | m links |                           (apart, only for the one node in m that has a level above 0)
/// ```
/// With bf16 codes the f32 vectors lie in chunks of their own, with i8 codes their residuals: only the last step of a search reads
/// them.
///
/// Thread rule: `grow` and everything that stores belong to the one writer. Readers load links and postings, which are atomics;
/// all other fields of a record are written before the first link to its node is published and do not change while a reader
/// could reach it (`ReaderPool` holds back the reuse of records), except `parent`, `hash` and `children`, which are the writer's own.
struct NodeStore: @unchecked Sendable {
    // Sendable: what lies behind the pointers is read and written as the thread rule says.
    /// Nodes that fit a link word of 31 bits, the last number kept free.
    static let maxNodeCount = Int(Int32.max) - 1
    static let maxChunkCount = 1 << 17
    /// The most of a chunk. 2^15 records fill huge pages of 2 MiB without a rest; what is not written is not resident.
    static let chunkByteCount = 64 << 20
    static let largestChunkShift: UInt32 = 15

    let dimension: Int
    let precision: CodePrecision
    let m: Int
    /// The most links of a node on layer 0.
    let mMax0: Int

    private let stride: Int
    private let linksOffset: Int
    private let metaOffset: Int
    private let chunkShift: UInt32
    private let chunkMask: UInt32
    /// What a node has besides its record: f32 elements (bf16) or residuals (i8); 0 if nothing.
    private let exactStride: Int
    // Safety: both tables are allocated in full; entries below the chunk count are initialized by `grow`, before any node of the
    // chunk is published.
    private let chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private let exactChunks: UnsafeMutablePointer<UnsafeMutableRawPointer>

    /// - Parameter hasResiduals: for `i8`, whether codes have a second level.
    init(dimension: Int, precision: CodePrecision, m: Int, hasResiduals: Bool = true) {
        self.dimension = dimension
        self.precision = precision
        self.m = m
        mMax0 = 2 * m
        let layout = Layout(dimension: dimension, precision: precision, m: m, hasResiduals: hasResiduals)
        exactStride = layout.exactStride
        linksOffset = layout.linksOffset
        metaOffset = layout.metaOffset
        stride = layout.stride
        var shift: UInt32 = 5
        while shift < Self.largestChunkShift, stride << Int(shift + 1) <= Self.chunkByteCount { shift += 1 }
        chunkShift = shift
        chunkMask = (1 << shift) - 1
        chunks = .allocate(capacity: Self.maxChunkCount)
        exactChunks = .allocate(capacity: exactStride == 0 ? 1 : Self.maxChunkCount)
    }

    /// Where the fields of a record lie.
    private struct Layout {
        let linksOffset: Int
        let metaOffset: Int
        let stride: Int
        let exactStride: Int

        init(dimension: Int, precision: CodePrecision, m: Int, hasResiduals: Bool) {
            func roundUp(_ value: Int, to unit: Int) -> Int { (value + unit - 1) / unit * unit }
            switch precision {
            case .f32:
                exactStride = 0
                linksOffset = roundUp(4 * dimension, to: 64)
            case .bf16:
                exactStride = roundUp(4 * dimension, to: 64)
                linksOffset = roundUp(2 * dimension, to: 64)
            case .i8:
                exactStride = hasResiduals ? roundUp(hilum_residual_bytes(dimension), to: 8) : 0
                linksOffset = roundUp(hilum_code_bytes(dimension), to: 4)
            }
            metaOffset = roundUp(linksOffset + 4 * (1 + 2 * m), to: 8)
            stride = roundUp(metaOffset + 32, to: 64)
        }
    }

    /// Bytes that a node of such a graph takes, its upper layers apart.
    static func bytesPerNode(dimension: Int, precision: CodePrecision, m: Int, hasResiduals: Bool) -> Int {
        let layout = Layout(dimension: dimension, precision: precision, m: m, hasResiduals: hasResiduals)
        return layout.stride + layout.exactStride
    }

    /// Bytes of a record: code, links and what else lies there.
    var recordByteCount: Int { stride }

    /// Bytes of a code.
    var codeByteCount: Int {
        switch precision {
        case .f32: 4 * dimension
        case .bf16: 2 * dimension
        case .i8: hilum_code_bytes(dimension)
        }
    }

    /// Nodes of one chunk.
    var chunkNodeCount: Int { 1 << Int(chunkShift) }

    /// Whether codes have a second level.
    var hasResiduals: Bool { precision == .i8 && exactStride > 0 }

    /// Bytes that a node takes, its upper layers apart.
    var bytesPerNode: Int { stride + exactStride }

    /// Adds the chunk numbered `chunk`, zeroed. Writer only.
    ///
    /// - Parameter fillsResidualsAtOnce: false where these come a few at a time, so that what is not there takes no memory.
    func grow(chunk: Int, fillsResidualsAtOnce: Bool = true) {
        precondition(chunk < Self.maxChunkCount, "the arena is full")
        (chunks + chunk).initialize(to: zeroedPages(stride << Int(chunkShift), huge: true))
        if exactStride > 0 {
            (exactChunks + chunk).initialize(
                to: zeroedPages(exactStride << Int(chunkShift), huge: fillsResidualsAtOnce))
        }
    }

    /// Residuals that came a few at a time have all come. Any thread.
    func gatherResiduals(nodeCount: Int) {
        guard exactStride > 0 else { return }
        for chunk in 0..<((nodeCount + chunkNodeCount - 1) / chunkNodeCount) {
            let count = min(chunkNodeCount, nodeCount - chunk * chunkNodeCount)
            gatherPages(exactChunks[chunk], exactStride * count)
        }
    }

    /// Gives everything back; no pointer into the arena may be used afterwards.
    func deallocate(chunkCount: Int) {
        for chunk in 0..<chunkCount {
            returnPages(chunks[chunk], stride << Int(chunkShift))
            if exactStride > 0 { returnPages(exactChunks[chunk], exactStride << Int(chunkShift)) }
        }
        chunks.deallocate()
        exactChunks.deallocate()
    }

    // MARK: Fields

    // Safety, for all accessors: `node` is below the slot count, so its chunk exists; offsets lie inside one stride; the record
    // starts at a multiple of 64 and each field at a multiple of its size.
    @inline(__always) private func record(_ node: UInt32) -> UnsafeMutableRawPointer {
        chunks[Int(node >> chunkShift)] + Int(node & chunkMask) &* stride
    }

    /// The code of a node, 64-byte aligned.
    @inline(__always) func code(_ node: UInt32) -> UnsafeMutableRawPointer { record(node) }

    @inline(__always) private func exact(_ node: UInt32) -> UnsafeMutableRawPointer {
        exactChunks[Int(node >> chunkShift)] + Int(node & chunkMask) &* exactStride
    }

    /// The f32 vector of a node: `dimension` floats, 64-byte aligned. Not with `i8`.
    @inline(__always) func vector(_ node: UInt32) -> UnsafeMutablePointer<Float> {
        (precision == .f32 ? record(node) : exact(node)).assumingMemoryBound(to: Float.self)
    }

    /// The second level of a node's code; nil where there is none. With `i8` only.
    @inline(__always) func residual(_ node: UInt32) -> UnsafeMutableRawPointer? {
        exactStride > 0 ? exact(node) : nil
    }

    /// Asks for what the last step of a search reads of a node besides its code.
    @inline(__always) func prefetchExact(_ node: UInt32) {
        if exactStride > 0 { hilum_prefetch_bytes(exact(node), exactStride) }
    }

    /// Asks for the posting word of a node.
    @inline(__always) func prefetchPosting(_ node: UInt32) { hilum_prefetch(record(node) + metaOffset) }

    /// Asks for where the lists of a node above layer 0 lie.
    @inline(__always) func prefetchUpper(_ node: UInt32) { hilum_prefetch(record(node) + metaOffset + 8) }

    /// The links of a node on a layer; the node must reach that layer.
    @inline(__always) func links(_ node: UInt32, layer: Int) -> LinkList {
        let record = record(node)
        if layer == 0 {
            return LinkList(
                words: (record + linksOffset).assumingMemoryBound(to: Atomic<UInt32>.self), capacity: mMax0)
        }
        let upper = (record + metaOffset + 8).load(as: UnsafeMutableRawPointer.self)
        return LinkList(
            words: (upper + 4 * (1 + m) &* (layer - 1)).assumingMemoryBound(to: Atomic<UInt32>.self), capacity: m)
    }

    /// The posting word of a node; 0 while it bears no item.
    @inline(__always) func posting(_ node: UInt32) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (record(node) + metaOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// Whether the node bears an item. Any thread.
    @inline(__always) func isLive(_ node: UInt32) -> Bool { posting(node).pointee.load(ordering: .acquiring) != 0 }

    func setUpper(_ node: UInt32, _ pointer: UnsafeMutableRawPointer) {
        (record(node) + metaOffset + 8).storeBytes(of: pointer, as: UnsafeMutableRawPointer.self)
    }

    @inline(__always) private func word(_ node: UInt32, _ index: Int) -> UnsafeMutablePointer<UInt32> {
        (record(node) + metaOffset + 16 + 4 &* index).assumingMemoryBound(to: UInt32.self)
    }

    /// The node that keeps this one reachable on layer 0 (see `GraphWriter+Tree`); `absent` for the root. Writer only.
    @inline(__always) func parent(_ node: UInt32) -> UInt32 { word(node, 0).pointee }
    func setParent(_ node: UInt32, _ parent: UInt32) { word(node, 0).pointee = parent }

    /// 32 bits of the hash of the f32 vector. Writer only.
    func hash(_ node: UInt32) -> UInt32 { word(node, 1).pointee }
    func setHash(_ node: UInt32, _ hash: UInt32) { word(node, 1).pointee = hash }

    /// Nodes whose parent this one is. Writer only.
    @inline(__always) func children(_ node: UInt32) -> Int { Int(word(node, 2).pointee) }
    func setChildren(_ node: UInt32, _ count: Int) { word(node, 2).pointee = UInt32(count) }

    /// The highest layer of a node; belongs to the record for good.
    @inline(__always) func level(_ node: UInt32) -> Int { Int(word(node, 3).pointee) }
    func setLevel(_ node: UInt32, _ level: Int) { word(node, 3).pointee = UInt32(level) }
}

/// One list of links in the arena.
///
/// The header carries a version, so a reader notices that the list changed under it and reads again. After a bounded number of
/// tries (the writer may have lost the CPU in the middle) it takes what it has: every word below the count is a node that was
/// linked after the reader began, so it is safe to visit, and only the choice of links mixes two versions.
///
/// Thread rule: `read` from any thread, `write` by the one writer.
struct LinkList {
    // Safety: `1 + capacity` words in the arena, alive as long as the index.
    let words: UnsafeMutablePointer<Atomic<UInt32>>
    let capacity: Int

    private static let writing: UInt32 = 1 << 8
    private static let tryLimit = 64

    /// Copies the links into `out` (room for `capacity`) and returns how many there are.
    @inline(__always) func read(into out: UnsafeMutablePointer<UInt32>) -> Int {
        var tries = 0
        while true {
            let before = words.pointee.load(ordering: .acquiring)
            let count = min(Int(before & 0xFF), capacity)
            for index in 0..<count { out[index] = (words + 1 + index).pointee.load(ordering: .acquiring) }
            let isWhole = before & Self.writing == 0 && words.pointee.load(ordering: .relaxed) == before
            if isWhole || tries == Self.tryLimit { return count }
            tries += 1
        }
    }

    /// The number of links. Any thread.
    @inline(__always) var count: Int { min(Int(words.pointee.load(ordering: .acquiring) & 0xFF), capacity) }

    /// One link, whatever the list is just now; `index` is below the capacity. Any thread.
    @inline(__always) func word(_ index: Int) -> UInt32 { (words + 1 + index).pointee.load(ordering: .relaxed) }

    /// One link; `index` is below `count`. Writer only.
    @inline(__always) subscript(index: Int) -> UInt32 { (words + 1 + index).pointee.load(ordering: .relaxed) }

    /// Asks for the list to be in the caches soon.
    @inline(__always) func prefetch() {
        hilum_prefetch(words)
        hilum_prefetch(words + 16)
        hilum_prefetch(words + 32)
    }

    /// The links as an array. Writer only.
    var array: [UInt32] { (0..<count).map { self[$0] } }

    func contains(_ node: UInt32) -> Bool {
        for index in 0..<count where self[index] == node { return true }
        return false
    }

    /// Replaces the list. Writer only.
    func write(_ links: some Collection<UInt32>) {
        precondition(links.count <= capacity, "too many links for the list")
        let header = words.pointee.load(ordering: .relaxed)
        words.pointee.store(header | Self.writing, ordering: .relaxed)
        // Each word is stored with release, so a reader that sees it also sees the mark in the header.
        for (index, link) in links.enumerated() { (words + 1 + index).pointee.store(link, ordering: .releasing) }
        let version = (header & ~0x1FF) &+ 0x200
        words.pointee.store(version | UInt32(links.count), ordering: .releasing)
    }
}
