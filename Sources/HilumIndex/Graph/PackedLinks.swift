import Synchronization

/// The lists of layer 0 one after the other, each with just the room that its links take.
///
/// ```
/// region  | place u32 a node | 0: the empty list | header, links | header, links | …      places count words from the region's start
/// ```
/// The arena keeps room for 2m links a node, so that no list moves when it grows. An index that is opened to be searched needs none of
/// it: packed lists take half of that, and so many page faults less. The first change copies them into the arena
/// (`NodeStore.unpackLinks`). Headers are those of the arena, so a reader reads both alike; a search that began on packed lists may
/// go on there, or read some lists here and others in the arena.
///
/// Thread rule: `list` from any thread inside of `ReaderPool.enter` and `leave`, the rest by the one writer. A region is freed once no
/// reader can hold it.
struct PackedLinks: @unchecked Sendable {
    // Sendable: the cells are atomics; a region is filled while the index is opened and does not change afterwards.

    /// Memory of packed lists.
    struct Region {
        let base: LinkList.Words
        let byteCount: Int

        /// Gives the memory back; nobody may read it any more.
        func free() { returnPages(base, byteCount) }
    }

    // Safety: three cells, alive as long as the store: the address of the region, 0 if there is none; bytes in use; bytes of the region.
    private let cells: UnsafeMutablePointer<Atomic<UInt>>

    init() {
        cells = .allocate(capacity: 3)
        for index in 0..<3 { (cells + index).initialize(to: Atomic(0)) }
    }

    /// The list of a node; nil if lists are not packed.
    @inline(__always) func list(of node: UInt32) -> LinkList.Words? {
        // Safety: a region has a place for every node that was there when it was made. Who knows of a later one knows what the writer
        // did before, which was to let go of the region.
        LinkList.Words(bitPattern: cells[0].load(ordering: .acquiring)).map {
            $0 + Int(($0 + Int(node)).pointee.load(ordering: .relaxed))
        }
    }

    /// Bytes of packed lists; nil if lists are not packed.
    var byteCount: Int? { cells[0].load(ordering: .acquiring) == 0 ? nil : Int(cells[1].load(ordering: .relaxed)) }

    /// Makes a region the lists, of an index that nobody reads yet.
    func use(_ region: Region) {
        cells[2].store(UInt(region.byteCount), ordering: .relaxed)
        cells[0].store(UInt(bitPattern: region.base), ordering: .releasing)
    }

    /// So many bytes of the region are in use.
    func noteUse(byteCount: Int) { cells[1].store(UInt(byteCount), ordering: .relaxed) }

    /// From now on lists are in the arena.
    func letGo() -> Region? {
        guard let base = LinkList.Words(bitPattern: cells[0].exchange(0, ordering: .acquiringAndReleasing)) else {
            return nil
        }
        return Region(base: base, byteCount: Int(cells[2].load(ordering: .relaxed)))
    }

    /// Frees everything; nobody may read any more.
    func deallocate() {
        letGo()?.free()
        cells.deallocate()
    }
}

/// Fills the packed lists of an index that is being opened, in the order of the slots.
struct LinkPacker {
    private let packed: PackedLinks
    private let region: PackedLinks.Region
    private let slotCount: Int
    /// Words in use.
    private var end: Int

    /// Makes room in `packed` for the lists of a checkpoint; nil where places of 32 bits do not reach.
    ///
    /// - Parameter linkByteCount: of the checkpoint, which holds more for every node than its list takes here.
    init?(_ packed: PackedLinks, slotCount: Int, linkByteCount: Int) {
        let wordCount = slotCount + 1 + linkByteCount / 4
        guard slotCount > 0, wordCount <= Int(UInt32.max) else { return nil }
        // Small pages where most of a huge one would stay empty.
        let byteCount = 4 * wordCount
        let pages = zeroedPages(byteCount, huge: byteCount >= 4 << 20)
        region = PackedLinks.Region(base: pages.assumingMemoryBound(to: Atomic<UInt32>.self), byteCount: byteCount)
        self.packed = packed
        self.slotCount = slotCount
        end = slotCount + 1
        packed.use(region)
    }

    /// Gives a slot a list of `count` links, which the caller writes behind the header; nil if there is no room for it.
    @inline(__always) mutating func add(_ slot: UInt32, count: Int) -> LinkList.Words? {
        guard Int(slot) < slotCount, 4 * (end + 1 + count) <= region.byteCount else { return nil }
        // Safety: the place lies before the lists, and the list ends inside of the region.
        (region.base + Int(slot)).pointee.store(UInt32(end), ordering: .relaxed)
        let list = region.base + end
        end += 1 + count
        return list
    }

    /// Gives a slot the empty list.
    func addNone(_ slot: UInt32) {
        // Safety: as in `add`; the word behind the places stays 0.
        (region.base + Int(slot)).pointee.store(UInt32(slotCount), ordering: .relaxed)
    }

    /// All lists are there.
    func finish() { packed.noteUse(byteCount: 4 * end) }
}
