import HilumIndex

/// The cases that conditions on one key select, one bit a case, for conditions that filters asked for.
///
/// Making such a set of lists of numbers takes about 3 ns a case; a set that is kept costs a copy. Ranges of numbers and dates are answered by
/// `OrderedCases` instead.
/// A change of a case changes the sets, so they are never made again. At most 32 are kept for a key, which takes as much memory as the key's
/// own table; the oldest goes first.
///
/// Thread rule: a value; `Postings` owns it.
struct ConditionSets: Sendable {
    private struct Entry: Sendable {
        let condition: Filter.Condition
        let value: Filter.Value
        let test: Filter.ValueTest
        var cases: ItemSet
    }

    private static let limit = 32
    /// A value that fewer cases have is read from its list.
    static let leastSize = 256
    /// Of a condition with more values none is kept: they would push out those of other conditions.
    static let mostAtOnce = 8

    /// The oldest first.
    private var entries: [Entry] = []

    /// The set of a condition that asks for one value; nil where it is not kept.
    subscript(value: Filter.Value) -> ItemSet? { entries.first { $0.value == value }?.cases }

    /// About how many bytes of memory they take.
    var byteCount: Int { entries.reduce(0) { $0 + 8 * $1.cases.words.count + 128 } }

    /// Whether one more can be kept beside `count` new ones without another going.
    func hasRoom(for count: Int) -> Bool { entries.count + count < Self.limit }

    mutating func remember(_ cases: ItemSet, _ value: Filter.Value, of key: String) {
        guard !entries.contains(where: { $0.value == value }) else { return }
        if entries.count == Self.limit { entries.removeFirst() }
        let condition = Filter.Condition(key: key, values: [value])
        entries.append(Entry(condition: condition, value: value, test: condition.test(value), cases: cases))
    }

    mutating func insert(_ number: UInt32, _ text: String) {
        // All entries are of one key.
        guard let value = entries.first?.condition.stored(text) else { return }
        for place in entries.indices where entries[place].test.accepts(value) { entries[place].cases.insert(number) }
    }

    /// The case has none of the key's values any more.
    mutating func remove(_ number: UInt32) {
        for place in entries.indices { entries[place].cases.remove(number) }
    }
}
