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
        Self.remove(number, &removed, value)
        Self.insert(number, &added, value)
    }

    mutating func remove(_ number: UInt32, _ value: String) {
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
