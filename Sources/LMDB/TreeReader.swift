import Foundation

/// The trees of one snapshot, read through `PageMap`; every page is checked each time it is read.
///
/// LMDB trusts its pages: a page that is missing, zeroed or swapped ends the process with a signal, or silently hides entries. Here a page
/// number is compared with the file's size before the page is touched. A page must carry its own number and kind, its nodes must lie
/// inside it, and its keys must rise and lie between the separators above it. So damage becomes `LMDBError.damaged`. Keys are compared
/// where a cursor enters a page: `find` compares those on its way alone, until a key is not there.
///
/// A key counts as missing only if its neighbours confirm it: the keys of the leaf rise, and the last key before it and the first key
/// after it enclose it. The content of values is not checked here; callers use checksums for that. `neighbours` lets them test the
/// checksums of the two entries between which a missing key would stand.
///
/// Thread rule: a value; good as long as the read transaction that pins the snapshot.
struct TreeReader {
    /// The first byte of the file.
    let base: UnsafeRawPointer
    let pageSize: Int
    /// Pages that the file holds and the map covers.
    let pageCount: UInt64
    let meta: PageMeta
    let path: String
    /// Where pages are copied to; nil if they are read through the map.
    var copies: PageCopies?

    static let depthLimit = 32

    func damaged(_ what: String) -> LMDBError { LMDBError(.damaged(what), call: "read", path: path) }

    // MARK: Pages

    /// One page of a tree whose bounds were checked.
    struct Page {
        let bytes: UnsafeRawPointer
        let number: UInt64
        let nodeCount: Int
        let upper: Int
    }

    /// - Parameter depth: how far the page is from the leaves; 1 for a leaf.
    func page(_ number: UInt64, depth: Int) throws(LMDBError) -> Page {
        guard number >= 2, number <= meta.lastPage else { throw damaged("page \(number) is referred to") }
        guard number < pageCount else { throw damaged("the file is truncated: page \(number) is missing") }
        // Safety: the page lies inside of the file and of the map, both of which reach to `pageCount`.
        let bytes = copies?.page(number) ?? base + Int(number) * pageSize
        let kind = bytes.load(fromByteOffset: 10, as: UInt16.self)
        let lower = Int(bytes.load(fromByteOffset: 12, as: UInt16.self))
        let upper = Int(bytes.load(fromByteOffset: 14, as: UInt16.self))
        guard bytes.load(as: UInt64.self) == number, kind == (depth == 1 ? PageKind.leaf : PageKind.branch),
            lower > 16, lower & 1 == 0, lower <= upper, upper <= pageSize
        else { throw damaged("page \(number) is not the page that it should be") }
        return Page(bytes: bytes, number: number, nodeCount: (lower - 16) / 2, upper: upper)
    }

    /// Where the node lies in its page; its head and key were checked to lie inside of the page.
    @inline(__always)
    private func offset(_ page: Page, _ index: Int) throws(LMDBError) -> Int {
        // Safety: `index` is below the node count, whose slots end before `upper`.
        let offset = Int(page.bytes.load(fromByteOffset: 16 + 2 * index, as: UInt16.self))
        guard offset >= page.upper, offset + 8 <= pageSize,
            offset + 8 + Int(page.bytes.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self)) <= pageSize
        else { throw damaged("page \(page.number) has a node outside of it") }
        return offset
    }

    func key(_ page: Page, _ index: Int) throws(LMDBError) -> UnsafeRawBufferPointer {
        let offset = try offset(page, index)
        let count = Int(page.bytes.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self))
        return UnsafeRawBufferPointer(start: page.bytes + offset + 8, count: count)
    }

    func child(_ page: Page, _ index: Int) throws(LMDBError) -> UInt64 {
        let offset = try offset(page, index)
        return UInt64(page.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            | UInt64(page.bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)) << 32
    }

    /// The value of a node of a leaf, and the node's flags.
    func value(_ page: Page, _ index: Int) throws(LMDBError) -> (bytes: UnsafeRawBufferPointer, flags: UInt16) {
        let offset = try offset(page, index)
        let byteCount = Int(page.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        let flags = page.bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)
        let start = offset + 8 + Int(page.bytes.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self))
        guard flags & 1 == 1 else {
            guard start + byteCount <= pageSize else {
                throw damaged("page \(page.number) has a value that is too long")
            }
            return (UnsafeRawBufferPointer(start: page.bytes + start, count: byteCount), flags)
        }
        // A long value lies in pages of its own, behind the head of the first; the head itself is not needed.
        guard start + 8 <= pageSize else { throw damaged("page \(page.number) has a value that is too long") }
        let first = page.bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
        let count = UInt64((16 + byteCount - 1) / pageSize + 1)
        guard first >= 2, first <= meta.lastPage, count <= meta.lastPage - first + 1 else {
            throw damaged("page \(page.number) has a value outside of the file")
        }
        guard first < pageCount, count <= pageCount - first else {
            throw damaged("the file is truncated: page \(first + count - 1) is missing")
        }
        return (UnsafeRawBufferPointer(start: base + Int(first) * pageSize + 16, count: byteCount), flags & ~1)
    }

    /// As LMDB orders keys: by their bytes, the shorter first.
    @inline(__always)
    static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let count = min(left.count, right.count)
        if count > 0, let first = left.baseAddress, let second = right.baseAddress {
            let order = memcmp(first, second, count)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }

    /// The first node of a leaf whose key is not below `wanted`.
    func lowerBound(_ leaf: Page, _ wanted: UnsafeRawBufferPointer) throws(LMDBError) -> Int {
        var low = 0
        var high = leaf.nodeCount
        while low < high {
            let middle = (low + high) / 2
            if try Self.compare(key(leaf, middle), wanted) < 0 { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The child of a branch under which `wanted` stands, if anywhere; the key of the first child counts as the lowest.
    func childIndex(_ branch: Page, _ wanted: UnsafeRawBufferPointer) throws(LMDBError) -> Int {
        var low = 1
        var high = branch.nodeCount
        while low < high {
            let middle = (low + high) / 2
            if try Self.compare(key(branch, middle), wanted) <= 0 { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }

    // MARK: Trees

    /// The root of a table; nil when there is no such table.
    func root(of table: String) throws -> TableRoot? {
        var name = table
        return try name.withUTF8 { utf8 in
            guard let found = try find(UnsafeRawBufferPointer(utf8), in: meta.main) else { return nil }
            guard found.flags == 2, found.bytes.count == TableRoot.byteCount else {
                throw damaged("the table \(table) is malformed")
            }
            return TableRoot(found.bytes, at: 0)
        }
    }

    /// Whether a tree has no page, and by its count no entry.
    func isEmpty(_ root: TableRoot) throws(LMDBError) -> Bool {
        guard root.isEmpty else { return false }
        guard root.entryCount == 0 else { throw damaged("\(root.entryCount) entries without a page") }
        return true
    }

    private func checkedDepth(_ root: TableRoot) throws(LMDBError) -> Int {
        guard (1...Self.depthLimit).contains(root.depth) else { throw damaged("a tree of depth \(root.depth)") }
        return root.depth
    }

    /// The value of `wanted`; nil when the tree has no such key and its neighbours confirm it.
    func find(
        _ wanted: UnsafeRawBufferPointer, in root: TableRoot
    ) throws -> (bytes: UnsafeRawBufferPointer, flags: UInt16)? {
        if let place = try place(of: wanted, in: root) { return try value(place.leaf, place.index) }
        _ = try neighbours(of: wanted, in: root)
        return nil
    }

    /// Where the key `wanted` stands; nil when the way to it ends at no such key.
    private func place(
        of wanted: UnsafeRawBufferPointer, in root: TableRoot
    ) throws(LMDBError) -> (leaf: Page, index: Int)? {
        guard try !isEmpty(root) else { return nil }
        var depth = try checkedDepth(root)
        var number = root.page
        while depth > 1 {
            let branch = try page(number, depth: depth)
            number = try child(branch, childIndex(branch, wanted))
            depth -= 1
        }
        let leaf = try page(number, depth: 1)
        let index = try lowerBound(leaf, wanted)
        guard index < leaf.nodeCount, try Self.compare(key(leaf, index), wanted) == 0 else { return nil }
        return (leaf, index)
    }

    /// Calls `body` with the values of `count` keys from `first` on, each one more than the last, as far as they are there.
    ///
    /// Most of them stand behind one another in one leaf, so that the way to it is gone once.
    /// - Returns: how many there were; of the next key only the way to it was looked at.
    func run(
        from first: UInt64, count: Int, in root: TableRoot,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        var place: (leaf: Page, index: Int)?
        for offset in 0..<count {
            let isThere = try (first + UInt64(offset)).withKeyBytes { wanted in
                if let last = place, last.index + 1 < last.leaf.nodeCount,
                    try Self.compare(key(last.leaf, last.index + 1), wanted) == 0
                {
                    place = (last.leaf, last.index + 1)
                } else {
                    place = try self.place(of: wanted, in: root)
                }
                guard let place else { return false }
                try body(wanted, value(place.leaf, place.index).bytes)
                return true
            }
            if !isThere { return offset }
        }
        return count
    }

    /// Asks the system for the pages on which values stand, for all keys together, and does not wait for the last of them.
    ///
    /// One after the other, keys that lie all over a table wait for the disk each. A page that is damaged is told when its value is read.
    ///
    /// - Parameter isWayKnown: whether `branches(of:atMost:)` were asked for before.
    func announce(_ keys: [UInt64], in root: TableRoot, isWayKnown: Bool) throws(LMDBError) {
        guard try !isEmpty(root) else { return }
        var depth = try checkedDepth(root)
        var places = keys.map { (key: $0, page: root.page) }
        while depth > 1 {
            var next: [(key: UInt64, page: UInt64)] = []
            for (key, number) in places {
                guard let branch = try? page(number, depth: depth) else { continue }
                let child = withUnsafeBytes(of: key.bigEndian) { bytes in
                    try? self.child(branch, childIndex(branch, bytes))
                }
                guard let child, child >= 2, child < pageCount else { continue }
                next.append((key, child))
            }
            if depth == 2 || !isWayKnown { announce(pages: next.map(\.page)) }
            places = next
            depth -= 1
        }
    }

    /// The pages below the root of a tree of three floors or more, which lead to its leaves; none if they are more than `limit`.
    func branches(of root: TableRoot, atMost limit: Int) throws(LMDBError) -> [UInt64] {
        guard try !isEmpty(root), try checkedDepth(root) > 2 else { return [] }
        let branch = try page(root.page, depth: root.depth)
        guard branch.nodeCount <= limit else { return [] }
        var pages: [UInt64] = []
        for index in 0..<branch.nodeCount { pages.append(try child(branch, index)) }
        return pages.filter { $0 >= 2 && $0 < pageCount }
    }

    /// Asks the system for the first pages of some trees.
    func announce(roots: [TableRoot]) {
        announce(pages: roots.map(\.page).filter { $0 >= 2 && $0 < pageCount })
    }

    /// Asks the system for pages of the file, those that lie side by side with one call, and does not wait.
    func announce(pages: [UInt64]) {
        var run: Range<UInt64> = 0..<0
        func ask() {
            guard !run.isEmpty else { return }
            // Safety: the pages lie inside of the file and of the map. What comes of it does not matter: it is advice.
            let start = UnsafeMutableRawPointer(mutating: base + Int(run.lowerBound) * pageSize)
            _ = madvise(start, run.count * pageSize, MADV_WILLNEED)
        }
        for number in pages.sorted() where !run.contains(number) {
            if number != run.upperBound || run.isEmpty {
                ask()
                run = number..<number
            }
            run = run.lowerBound..<(number + 1)
        }
        ask()
    }

    /// The entries between which a missing key would stand; either is nil at an end of the table.
    ///
    /// - Throws: `.damaged` when the order of the keys leaves open whether the key is missing.
    func neighbours(
        of wanted: UnsafeRawBufferPointer, in root: TableRoot
    ) throws -> (before: TreeCursor.Entry?, after: TreeCursor.Entry?) {
        guard try !isEmpty(root) else { return (nil, nil) }
        var cursor = try TreeCursor(self, root, from: wanted)
        let after = try cursor.entry
        if let after, Self.compare(after.key, wanted) < 0 { throw damaged("keys are out of order") }
        guard try cursor.goBack(), let before = try cursor.entry else { return (nil, after) }
        if Self.compare(before.key, wanted) >= 0 { throw damaged("keys are out of order") }
        return (before, after)
    }
}

/// A place in a tree.
///
/// When the cursor enters a page, the page's keys are checked to rise, and to lie between the separators that lead to it. So they rise from
/// leaf to leaf, and a descent to a key that a walk meets ends in the same leaf: no key stands in two places, and none is hidden.
struct TreeCursor {
    typealias Entry = (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)

    private struct Step {
        let page: TreeReader.Page
        var index: Int
        /// The keys of the page are at or above it, and below `limit`; nil where no separator says so.
        let least: UnsafeRawBufferPointer?
        let limit: UnsafeRawBufferPointer?
    }

    private let reader: TreeReader
    /// From the root to the leaf.
    private var steps: [Step] = []

    /// Stands on the first entry at or after `start` (the first of all without), or behind the last.
    init(_ reader: TreeReader, _ root: TableRoot, from start: UnsafeRawBufferPointer?) throws {
        self.reader = reader
        guard try !reader.isEmpty(root) else { return }
        guard (1...TreeReader.depthLimit).contains(root.depth) else {
            throw reader.damaged("a tree of depth \(root.depth)")
        }
        steps.reserveCapacity(root.depth)
        var step = try entered(root.page, depth: root.depth, least: nil, limit: nil)
        for depth in stride(from: root.depth, to: 1, by: -1) {
            step.index = try start.map { wanted throws(LMDBError) in try reader.childIndex(step.page, wanted) } ?? 0
            steps.append(step)
            step = try entered(below: step, depth: depth - 1)
        }
        step.index = try start.map { wanted throws(LMDBError) in try reader.lowerBound(step.page, wanted) } ?? 0
        steps.append(step)
        if step.index == step.page.nodeCount { try goToNextLeaf() }
    }

    /// The page to which a branch leads.
    private func entered(below step: Step, depth: Int) throws(LMDBError) -> Step {
        let (branch, index) = (step.page, step.index)
        return try entered(
            reader.child(branch, index), depth: depth, least: index > 0 ? reader.key(branch, index) : step.least,
            limit: index + 1 < branch.nodeCount ? reader.key(branch, index + 1) : step.limit)
    }

    /// A page whose keys were checked; at its first node.
    private func entered(
        _ number: UInt64, depth: Int, least: UnsafeRawBufferPointer?, limit: UnsafeRawBufferPointer?
    ) throws(LMDBError) -> Step {
        let page = try reader.page(number, depth: depth)
        let step = Step(page: page, index: 0, least: least, limit: limit)
        // The first key of a branch is of no account.
        var index = depth == 1 ? 0 : 1
        guard index < page.nodeCount else { return step }
        var last = try reader.key(page, index)
        if let least, TreeReader.compare(last, least) < 0 {
            throw reader.damaged("page \(number) has a key below its separator")
        }
        index += 1
        while index < page.nodeCount {
            let key = try reader.key(page, index)
            guard TreeReader.compare(last, key) < 0 else {
                throw reader.damaged("page \(number) has keys out of order")
            }
            last = key
            index += 1
        }
        if let limit, TreeReader.compare(last, limit) >= 0 {
            throw reader.damaged("page \(number) has a key above its separator")
        }
        return step
    }

    /// The entry here; nil behind the last. Its bytes are good as long as the snapshot.
    var entry: Entry? {
        get throws {
            guard let leaf = steps.last, leaf.index < leaf.page.nodeCount else { return nil }
            return (try reader.key(leaf.page, leaf.index), try reader.value(leaf.page, leaf.index).bytes)
        }
    }

    /// One entry on.
    mutating func goOn() throws {
        guard let leaf = steps.last, leaf.index < leaf.page.nodeCount else { return }
        steps[steps.count - 1].index += 1
        if leaf.index + 1 == leaf.page.nodeCount { try goToNextLeaf() }
    }

    /// One entry back; false at the first.
    mutating func goBack() throws -> Bool {
        guard let leaf = steps.last else { return false }
        if leaf.index > 0 {
            steps[steps.count - 1].index -= 1
            return true
        }
        guard let place = steps.indices.dropLast().last(where: { steps[$0].index > 0 }) else { return false }
        steps[place].index -= 1
        try descend(from: place) { $0.nodeCount - 1 }
        return true
    }

    /// From behind the last entry of a leaf to the first of the next; stays where it is behind the last of all.
    private mutating func goToNextLeaf() throws {
        guard let place = steps.indices.dropLast().last(where: { steps[$0].index + 1 < steps[$0].page.nodeCount })
        else { return }
        steps[place].index += 1
        try descend(from: place) { _ in 0 }
    }

    /// Fills the steps below `place`, each at the node that `choose` says.
    private mutating func descend(from place: Int, _ choose: (TreeReader.Page) -> Int) throws {
        for below in (place + 1)..<steps.count {
            var step = try entered(below: steps[below - 1], depth: steps.count - below)
            step.index = choose(step.page)
            steps[below] = step
        }
    }
}
