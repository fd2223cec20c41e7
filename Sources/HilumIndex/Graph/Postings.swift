import Synchronization

/// The items that bear one vector: the posting word of a node and the list behind it.
///
/// ```
/// word   0: no item, the node is dead | item << 1 | 1: one item | address of a list
/// list   | count u32 | capacity u32 | live u32 | is sorted u32 | items u32 each, `absent` where one was removed |
/// ```
/// Most vectors have one item, which costs nothing beside the word. Removing leaves a gap, so that a reader in the middle of a list
/// neither skips nor repeats an item; gaps go when the list is copied to grow. A reader takes an item only if `ItemTable` says that it
/// still belongs to this node.
///
/// Thread rule: `collect` and `matches` from any thread, the rest by the one writer; replaced lists go through `retire`.
struct PostingList {
    typealias Word = UnsafeMutablePointer<Atomic<UInt64>>
    private typealias Field = UnsafeMutablePointer<Atomic<UInt32>>

    private static let headerWordCount = 4
    // Safety: four header words and `capacity` items, allocated by `make`, freed by the owner's `retire` once no reader holds it.
    private let fields: Field

    private init?(word: UInt64) {
        guard word & 1 == 0, let raw = UnsafeMutableRawPointer(bitPattern: UInt(word)) else { return nil }
        fields = raw.assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    private var word: UInt64 { UInt64(UInt(bitPattern: fields)) }
    private var count: Int { Int(fields[0].load(ordering: .acquiring)) }
    private var capacity: Int { Int(fields[1].load(ordering: .relaxed)) }
    private var isSorted: Bool { fields[3].load(ordering: .acquiring) == 1 }
    private func item(_ index: Int) -> UInt32 { fields[Self.headerWordCount + index].load(ordering: .acquiring) }

    private static func make(capacity: Int) -> PostingList {
        let wordCount = headerWordCount + capacity
        let fields = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: wordCount)
        for index in 0..<wordCount { (fields + index).initialize(to: Atomic(0)) }
        fields[1].store(UInt32(capacity), ordering: .relaxed)
        fields[3].store(1, ordering: .relaxed)
        return PostingList(fields: fields)
    }

    private init(fields: Field) { self.fields = fields }

    private func append(_ item: UInt32) {
        let end = count
        if end > 0, self.item(end - 1) > item || self.item(end - 1) == absent {
            fields[3].store(0, ordering: .releasing)
        }
        fields[Self.headerWordCount + end].store(item, ordering: .releasing)
        fields[2].store(fields[2].load(ordering: .relaxed) + 1, ordering: .relaxed)
        fields[0].store(UInt32(end + 1), ordering: .releasing)
    }

    // MARK: Any thread

    /// Calls `body` with the items in list order until it returns false; true if the order is ascending.
    @inline(__always)
    static func forEach(_ word: UInt64, _ body: (UInt32) -> Bool) -> Bool {
        if word == 0 { return true }
        guard let list = PostingList(word: word) else {
            _ = body(UInt32(truncatingIfNeeded: word >> 1))
            return true
        }
        // The count is read before the order: an item that breaks the order is published after the flag is cleared.
        let count = list.count
        let isSorted = list.isSorted
        for index in 0..<count {
            let item = list.item(index)
            if item != absent && !body(item) { break }
        }
        return isSorted
    }

    /// Whether the list is known to be ascending, so that its first items are its smallest.
    @inline(__always)
    static func isAscending(_ word: UInt64) -> Bool {
        guard let list = PostingList(word: word) else { return true }
        _ = list.count
        return list.isSorted
    }

    // MARK: Writer

    /// Adds `item` to the node at `word` and enters it into `table`; a list that had to be copied goes to `retire`.
    static func add(_ item: UInt32, node: UInt32, word: Word, table: ItemTable, retire: (UInt64) -> Void) {
        let old = word.pointee.load(ordering: .relaxed)
        if old == 0 {
            word.pointee.store(UInt64(item) << 1 | 1, ordering: .releasing)
            table.set(item, node: node, place: 0)
            return
        }
        if let list = PostingList(word: old), list.count < list.capacity {
            list.append(item)
            table.set(item, node: node, place: list.count - 1)
            return
        }
        var live: [UInt32] = []
        _ = forEach(old) {
            live.append($0)
            return true
        }
        let larger = make(capacity: max(4, 2 * live.count))
        for (place, kept) in live.enumerated() {
            larger.append(kept)
            table.set(kept, node: node, place: place)
        }
        larger.append(item)
        table.set(item, node: node, place: live.count)
        word.pointee.store(larger.word, ordering: .releasing)
        if old & 1 == 0 { retire(old) }
    }

    /// Takes the item at `place` out; true if that was the last one, which leaves the word 0.
    static func remove(place: Int, word: Word, retire: (UInt64) -> Void) -> Bool {
        let old = word.pointee.load(ordering: .relaxed)
        guard let list = PostingList(word: old) else {
            word.pointee.store(0, ordering: .releasing)
            return true
        }
        let live = list.fields[2].load(ordering: .relaxed) - 1
        list.fields[2].store(live, ordering: .relaxed)
        list.fields[headerWordCount + place].store(absent, ordering: .releasing)
        if live > 0 { return false }
        word.pointee.store(0, ordering: .releasing)
        retire(old)
        return true
    }

    /// Frees the list behind `word`; no reader may hold it.
    static func free(_ word: UInt64) {
        PostingList(word: word)?.fields.deallocate()
    }
}
