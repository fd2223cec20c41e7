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
    /// Orders that ranges asked for.
    private(set) var orders: [OrderedCases.Order: OrderedCases] = [:]
    /// The values by case, for facets; nil until one asks for it.
    private(set) var column: ValueColumn?
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
        // Not by the keys of the dictionary, which would hold a copy of it meanwhile.
        for order in OrderedCases.Order.allCases where orders[order] != nil {
            if let place = order.value(of: value) { orders[order]?.insert(number, place) }
        }
        if column != nil {
            let table = blob
            if column?.insert(number, value, in: table) == false { column = nil }
        }
        Self.remove(number, &removed, value)
        Self.insert(number, &added, value)
    }

    /// All values of the case are removed before any of them is put back.
    mutating func remove(_ number: UInt32, _ value: String) {
        if counts != nil, holds(number, value) { counts?.add(-1, to: value) }
        sets.remove(number)
        for order in OrderedCases.Order.allCases where orders[order] != nil {
            if let place = order.value(of: value) { orders[order]?.remove(number, place) }
        }
        column?.remove(number)
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
        if added[value]?.containsSorted(number) == true { return true }
        guard let index = blob.index(of: value), blob.holds(number, index) else { return false }
        return removed[value]?.containsSorted(number) != true
    }

    /// How many cases have each value.
    func countedValues() -> [String: Int] {
        let blob = blob
        var counts: [String: Int] = [:]
        counts.reserveCapacity(blob.count)
        for index in 0..<blob.count {
            let value = blob.value(index)
            let count = changed(blob.numberCount(index), index, value)
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
                } else {
                    changed(blob.count(index, among: cases), index, value, among: cases)
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
        // All three ascend.
        var result: [UInt32] = []
        result.reserveCapacity(numbers.count + more.count)
        var (place, other) = (0, 0)
        while place < numbers.count || other < more.count {
            let number: UInt32
            if other == more.count || place < numbers.count && numbers[place] <= more[other] {
                number = numbers[place]
                if other < more.count, more[other] == number { other += 1 }
                place += 1
            } else {
                number = more[other]
                other += 1
            }
            if !fewer.containsSorted(number) { result.append(number) }
        }
        return result
    }

    /// A count of a value in the table, with the changes since.
    ///
    /// - Parameter cases: only they count; nil for all.
    private func changed(_ count: Int, _ index: Int, _ value: String, among cases: ItemSet? = nil) -> Int {
        if added.isEmpty && removed.isEmpty { return count }
        var count = count
        for number in added[value] ?? [] where cases?.contains(number) ?? true {
            if !blob.holds(number, index) { count += 1 }
        }
        for number in removed[value] ?? [] where cases?.contains(number) ?? true {
            if blob.holds(number, index) { count -= 1 }
        }
        return count
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

    /// Keeps an order that was made of the postings as they are.
    mutating func remember(_ cases: OrderedCases, _ order: OrderedCases.Order) { orders[order] = cases }

    /// Keeps a column that was made of the postings as they are.
    mutating func remember(_ column: ValueColumn) { self.column = column }

    /// Forgets all that can be made again.
    mutating func forget() {
        (sets, orders, column, counts) = (ConditionSets(), [:], nil, nil)
    }

    /// About how many bytes of memory `forget` gives back.
    var rememberedByteCount: Int {
        sets.byteCount + orders.values.reduce(0) { $0 + $1.byteCount } + (column?.byteCount ?? 0)
            + 64 * (counts?.byValue.count ?? 0)
    }

    /// The cases in an order, made anew.
    func ordered(_ order: OrderedCases.Order) -> OrderedCases {
        var values: [(value: Double, numbers: [UInt32])] = []
        forEachValue { text, numbers in if let place = order.value(of: text) { values.append((place, numbers)) } }
        return OrderedCases(values)
    }

    /// The values by case, made anew; nil where a case has several.
    func makeColumn() -> ValueColumn? { ValueColumn(blob, added: added, removed: removed) }

    /// How often each value occurs among cases, by a column of these postings.
    func count(by column: ValueColumn, among cases: ItemSet, limit: Int) -> (values: [FacetValue], distinctCount: Int) {
        column.count(among: cases, limit: limit, in: blob)
    }

    // MARK: Base

    /// Takes the table that was read from `location`, unless a newer checkpoint has replaced it meanwhile.
    mutating func load(_ blob: PostingBlob, from location: Location) {
        guard case .stored(location) = base else { return }
        base = .loaded(blob)
    }

    /// The whole of it is in a checkpoint now.
    mutating func noteStored(_ blob: PostingBlob, at location: Location) {
        base = .loaded(blob)
        // It counts places in the table that is gone.
        column = nil
        self.location = location
        added = [:]
        removed = [:]
    }
}

extension [UInt32] {
    /// Whether an ascending list has a number.
    func containsSorted(_ number: UInt32) -> Bool {
        let place = partitioningIndex { $0 >= number }
        return place < count && self[place] == number
    }
}
