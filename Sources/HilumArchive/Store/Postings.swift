import HilumIndex

/// The cases by their values of one metadata key: what the checkpoint has, and what changed since.
///
/// The table of the checkpoint is read when a filter first asks for the key. Changes are kept apart until the next checkpoint merges
/// them, so a change does not read the table.
///
/// Thread rule: a value; `Attributes` owns it.
struct Postings: Sendable {
    /// Where the table lies in the checkpoint.
    struct Location: Sendable, Hashable {
        var generation: UInt32 = 1
        var epoch: UInt32
        var firstPiece: Int
        var byteCount: Int
    }

    enum Base: Sendable {
        case stored(Location)
        case loaded(PostingBlob)
    }

    private(set) var base: Base
    /// The place of `base` in the newest checkpoint; nil while it is in none.
    private(set) var location: Location?
    private var added: [String: [UInt32]] = [:]
    private var removed: [String: [UInt32]] = [:]
    /// Sets that filters asked for.
    private(set) var sets = ConditionSets()
    /// How many cases have each value; nil until somebody counts them.
    private(set) var counts: ValueCounts?

    init() { base = .loaded(.empty) }

    init(stored location: Location) {
        base = .stored(location)
        self.location = location
    }

    var isLoaded: Bool { if case .loaded = base { true } else { false } }

    /// Whether anything changed since the newest checkpoint.
    var isChanged: Bool { location == nil || !added.isEmpty || !removed.isEmpty }

    private var blob: PostingBlob {
        guard case .loaded(let blob) = base else { preconditionFailure("the postings were not loaded") }
        return blob
    }

    // MARK: Changes

    mutating func insert(_ number: UInt32, _ value: String) {
        if counts != nil, !holds(number, value) { counts?.add(1, to: value) }
        sets.insert(number, value)
        Self.remove(number, &removed, value)
        Self.insert(number, &added, value)
    }

    /// All values of the case are removed before any of them is put back.
    mutating func remove(_ number: UInt32, _ value: String) {
        if counts != nil, holds(number, value) { counts?.add(-1, to: value) }
        sets.remove(number)
        Self.remove(number, &added, value)
        Self.insert(number, &removed, value)
    }

    private static func insert(_ number: UInt32, _ lists: inout [String: [UInt32]], _ value: String) {
        // Taken out of the dictionary, so that the list is changed in place.
        var list = lists.removeValue(forKey: value) ?? []
        if let last = list.last, last >= number {
            let place = Self.place(of: number, in: list)
            if list[place] != number { list.insert(number, at: place) }
        } else {
            list.append(number)
        }
        lists[value] = list
    }

    private static func remove(_ number: UInt32, _ lists: inout [String: [UInt32]], _ value: String) {
        guard var list = lists.removeValue(forKey: value) else { return }
        let place = Self.place(of: number, in: list)
        if place < list.count && list[place] == number { list.remove(at: place) }
        if !list.isEmpty { lists[value] = list }
    }

    /// The first place whose number is not below `number`.
    private static func place(of number: UInt32, in list: [UInt32]) -> Int {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Reading; all of it needs a loaded base

    /// The cases with `value`, ascending.
    func numbers(of value: String) -> [UInt32] {
        merged(blob.index(of: value).map { blob.numbers($0) } ?? [], value)
    }

    /// Calls `body` with every value that some case has, and these cases.
    func forEachValue(where isWanted: (String) -> Bool = { _ in true }, _ body: (String, [UInt32]) -> Void) {
        let blob = blob
        for index in 0..<blob.count {
            let value = blob.value(index)
            guard isWanted(value) else { continue }
            let numbers = merged(blob.numbers(index), value)
            if !numbers.isEmpty { body(value, numbers) }
        }
        for (value, numbers) in added where isWanted(value) && blob.index(of: value) == nil { body(value, numbers) }
    }

    /// Whether a case has `value`.
    private func holds(_ number: UInt32, _ value: String) -> Bool {
        func isIn(_ list: [UInt32]?) -> Bool {
            guard let list else { return false }
            let place = Self.place(of: number, in: list)
            return place < list.count && list[place] == number
        }
        if isIn(added[value]) { return true }
        guard let index = blob.index(of: value), blob.holds(number, index) else { return false }
        return !isIn(removed[value])
    }

    /// How many cases have each value.
    func countedValues() -> [String: Int] {
        let blob = blob
        var counts: [String: Int] = [:]
        counts.reserveCapacity(blob.count)
        for index in 0..<blob.count {
            let value = blob.value(index)
            let isChanged = added[value] != nil || removed[value] != nil
            let count = isChanged ? merged(blob.numbers(index), value).count : blob.numberCount(index)
            if count > 0 { counts[value] = count }
        }
        for (value, numbers) in added where counts[value] == nil && blob.index(of: value) == nil {
            counts[value] = numbers.count
        }
        return counts
    }

    /// Calls `body` with every value that some of `cases` have, and how many of them do.
    ///
    /// - Parameters:
    ///   - least: values that fewer cases have are counted case by case.
    ///   - known: the cases with one of the other values, where there is a set of them.
    func forEachValue(
        among cases: ItemSet, least: Int, known: (String) -> ItemSet?, _ body: (String, Int) -> Void
    ) {
        let blob = blob
        for index in 0..<blob.count {
            let size = blob.numberCount(index)
            if size < least, added.isEmpty, removed.isEmpty {
                let count = blob.count(index, among: cases)
                if count > 0 { body(blob.value(index), count) }
                continue
            }
            let value = blob.value(index)
            let count =
                if size >= least, let set = known(value) {
                    set.intersectionCount(cases)
                } else if added[value] != nil || removed[value] != nil {
                    merged(blob.numbers(index), value).count { cases.contains($0) }
                } else {
                    blob.count(index, among: cases)
                }
            if count > 0 { body(value, count) }
        }
        for (value, numbers) in added where blob.index(of: value) == nil {
            let count = numbers.count { cases.contains($0) }
            if count > 0 { body(value, count) }
        }
    }

    private func merged(_ numbers: [UInt32], _ value: String) -> [UInt32] {
        let more = added[value] ?? []
        let fewer = removed[value] ?? []
        if more.isEmpty && fewer.isEmpty { return numbers }
        var set = Set(numbers)
        set.formUnion(more)
        set.subtract(fewer)
        return set.sorted()
    }

    /// All of it as one table.
    func merged() -> PostingBlob {
        if added.isEmpty && removed.isEmpty { return blob }
        var lists: [String: [UInt32]] = [:]
        forEachValue { lists[$0] = $1 }
        return PostingBlob(lists)
    }

    // MARK: What is known without the table

    /// Keeps a set that was made of the postings as they are.
    mutating func remember(_ cases: ItemSet, _ value: Filter.Value, of key: String) {
        sets.remember(cases, value, of: key)
    }

    /// Keeps counts that were made of the postings as they are.
    mutating func remember(_ counts: ValueCounts) { self.counts = counts }

    // MARK: Base

    /// Takes the table that was read from `location`, unless a newer checkpoint has replaced it meanwhile.
    mutating func load(_ blob: PostingBlob, from location: Location) {
        guard case .stored(location) = base else { return }
        base = .loaded(blob)
    }

    /// The whole of it is in a checkpoint now.
    mutating func noteStored(_ blob: PostingBlob, at location: Location) {
        base = .loaded(blob)
        self.location = location
        added = [:]
        removed = [:]
    }
}
