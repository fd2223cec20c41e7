import CHilumKernels
import Synchronization

/// No node, no item.
let absent = UInt32.max

/// The arena: one record and one list of links a node, each of fixed stride, in chunks that never move, so that pointers stay valid
/// while it grows.
///
/// ```
/// record  | code (f32, bf16 or i8) | level | children | pad to 8 | posting | upper   | parent | hash | pad |
///          0                         u8      u8                    u64       pointer   u32      u32
/// links   | header | 2m links |             layer 0; of an index that was opened and not changed since: `PackedLinks`
/// header  | version (23 bits) | being written (1) | count (8) |
/// upper   level × | header | m links |      only for the one node in m that has a level above 0
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
    /// The most of a chunk. 2^16 records fill huge pages of 2 MiB without a rest; what is not written is not resident.
    static let chunkByteCount = 64 << 20
    static let largestChunkShift: UInt32 = 16

    let dimension: Int
    let precision: CodePrecision
    let m: Int
    /// The most links of a node on layer 0.
    let mMax0: Int

    private let stride: Int
    private let linkStride: Int
    private let levelOffset: Int
    private let metaOffset: Int
    private let chunkShift: UInt32
    private let chunkMask: UInt32
    /// What a node has besides its record: f32 elements (bf16) or residuals (i8); 0 if nothing.
    private let exactStride: Int
    // Safety: the tables are allocated in full; entries below the chunk count are initialized by `grow`, before any node of the
    // chunk is published.
    private let chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private let linkChunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private let exactChunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// The links of layer 0 while nobody has changed them since the index was opened.
    let packed: PackedLinks

    /// - Parameter hasResiduals: for `i8`, whether codes have a second level.
    init(dimension: Int, precision: CodePrecision, m: Int, hasResiduals: Bool = true) {
        self.dimension = dimension
        self.precision = precision
        self.m = m
        mMax0 = 2 * m
        func roundUp(_ value: Int, to unit: Int) -> Int { (value + unit - 1) / unit * unit }
        // Kernels of i8 codes ask for no alignment, and half a line more or less of a record is felt in memory.
        let unit: Int
        switch precision {
        case .f32:
            (exactStride, unit) = (0, 64)
            levelOffset = 4 * dimension
        case .bf16:
            (exactStride, unit) = (roundUp(4 * dimension, to: 64), 64)
            levelOffset = 2 * dimension
        case .i8:
            (exactStride, unit) = (hasResiduals ? roundUp(hilum_residual_bytes(dimension), to: 8) : 0, 32)
            levelOffset = hilum_code_bytes(dimension)
        }
        metaOffset = roundUp(levelOffset + 2, to: 8)
        stride = roundUp(metaOffset + 24, to: unit)
        linkStride = 4 * (1 + mMax0)
        var shift: UInt32 = 5
        while shift < Self.largestChunkShift, stride << Int(shift + 1) <= Self.chunkByteCount { shift += 1 }
        chunkShift = shift
        chunkMask = (1 << shift) - 1
        chunks = .allocate(capacity: Self.maxChunkCount)
        linkChunks = .allocate(capacity: Self.maxChunkCount)
        packed = PackedLinks()
        exactChunks = .allocate(capacity: exactStride == 0 ? 1 : Self.maxChunkCount)
    }

    /// Nodes of one chunk.
    var chunkNodeCount: Int { 1 << Int(chunkShift) }

    /// Whether codes have a second level.
    var hasResiduals: Bool { precision == .i8 && exactStride > 0 }

    /// Bytes that so many nodes take, their upper layers apart. Any thread.
    func byteCount(slotCount: Int) -> Int {
        slotCount * (stride + exactStride) + (packed.byteCount ?? slotCount * linkStride)
    }

    /// Adds the chunk numbered `chunk`, zeroed. Writer only.
    ///
    /// - Parameter fillsResidualsAtOnce: false where these come a few at a time, so that what is not there takes no memory.
    func grow(chunk: Int, fillsResidualsAtOnce: Bool = true) {
        precondition(chunk < Self.maxChunkCount, "the arena is full")
        (chunks + chunk).initialize(to: zeroedPages(stride << Int(chunkShift), huge: true))
        (linkChunks + chunk).initialize(to: zeroedPages(linkStride << Int(chunkShift), huge: true))
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
            returnPages(linkChunks[chunk], linkStride << Int(chunkShift))
            if exactStride > 0 { returnPages(exactChunks[chunk], exactStride << Int(chunkShift)) }
        }
        chunks.deallocate()
        linkChunks.deallocate()
        exactChunks.deallocate()
        packed.deallocate()
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

    /// The links of a node on a layer; the node must reach that layer.
    @inline(__always) func links(_ node: UInt32, layer: Int) -> LinkList {
        if layer == 0 { return LinkList(words: packed.list(of: node) ?? arenaList(of: node), capacity: mMax0) }
        let upper = (record(node) + metaOffset + 8).load(as: UnsafeMutableRawPointer.self)
        return LinkList(
            words: (upper + 4 * (1 + m) &* (layer - 1)).assumingMemoryBound(to: Atomic<UInt32>.self), capacity: m)
    }

    @inline(__always) private func arenaList(of node: UInt32) -> LinkList.Words {
        (linkChunks[Int(node >> chunkShift)] + Int(node & chunkMask) &* linkStride)
            .assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    /// Copies packed lists of `slotCount` nodes to where they can grow, and lets go of the packed ones. Readers may go on with these
    /// until they end. Writer only.
    ///
    /// - Returns: what to free when no reader can hold it any more; nil if lists are not packed.
    func unpackLinks(slotCount: Int) -> PackedLinks.Region? {
        guard packed.byteCount != nil else { return nil }
        for node in 0..<UInt32(slotCount) {
            guard let source = packed.list(of: node) else { break }
            // Safety: a packed list is as long as its header says, and no longer than what the arena has room for. No reader looks
            // at the arena's before `letGo`.
            let count = min(Int(source.pointee.load(ordering: .relaxed) & 0xFF), mMax0)
            UnsafeMutableRawPointer(arenaList(of: node)).copyMemory(from: source, byteCount: 4 * (1 + count))
        }
        return packed.letGo()
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

    @inline(__always) private func octet(_ node: UInt32, _ index: Int) -> UnsafeMutablePointer<UInt8> {
        (record(node) + levelOffset + index).assumingMemoryBound(to: UInt8.self)
    }

    /// The node that keeps this one reachable on layer 0 (see `GraphWriter+Tree`); `absent` for the root. Writer only.
    @inline(__always) func parent(_ node: UInt32) -> UInt32 { word(node, 0).pointee }
    func setParent(_ node: UInt32, _ parent: UInt32) { word(node, 0).pointee = parent }

    /// 32 bits of the hash of the f32 vector. Writer only.
    func hash(_ node: UInt32) -> UInt32 { word(node, 1).pointee }
    func setHash(_ node: UInt32, _ hash: UInt32) { word(node, 1).pointee = hash }

    /// The highest layer of a node; belongs to the record for good.
    @inline(__always) func level(_ node: UInt32) -> Int { Int(octet(node, 0).pointee) }
    func setLevel(_ node: UInt32, _ level: Int) { octet(node, 0).pointee = UInt8(level) }

    /// Nodes whose parent this one is, fewer than 2m. Writer only.
    @inline(__always) func children(_ node: UInt32) -> Int { Int(octet(node, 1).pointee) }
    func setChildren(_ node: UInt32, _ count: Int) { octet(node, 1).pointee = UInt8(count) }
}
