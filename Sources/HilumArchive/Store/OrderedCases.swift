import HilumIndex

/// The cases in the order of their values under one key, so that a range costs two bitmaps and a look into two buckets.
///
/// ```
/// values ─→ buckets, ascending, each of about a 64th of the cases, ascending too
///           bucket i knows the set of all cases in the buckets before it
/// A..B   ─→ (all up to B) − (all below A), each of them the set before a bucket and the rest case by case, from the nearer end
/// ```
/// A case that comes or goes changes one bucket and the sets behind it, so the order is never made again but where a bucket grew to twice its
/// size, which is cut. Takes 16 bytes a case, and 64 bitmaps, which are 8 bytes a case.
///
/// Thread rule: a value; `Postings` owns it.
struct OrderedCases: Sendable {
    private struct Bucket: Sendable {
        /// No smaller value belongs here. Of the first bucket, minus infinity.
        var least: Double
        var items: [(value: Double, number: UInt32)]
        /// The cases of all buckets before this one.
        var before: ItemSet
    }

    private static let bucketCount = 64
    private static let leastBucketSize = 256

    /// Never empty; ascending.
    private var buckets: [Bucket]
    /// All cases.
    private var all: ItemSet
    /// A bucket with twice as many is cut.
    private let bucketSize: Int

    /// - Parameter values: cases by value, each case once.
    init(_ values: [(value: Double, numbers: [UInt32])]) {
        let values = values.sorted { $0.value < $1.value }
        let count = values.reduce(0) { $0 + $1.numbers.count }
        bucketSize = max(Self.leastBucketSize, count / Self.bucketCount)
        all = ItemSet()
        var buckets: [Bucket] = []
        var current = Bucket(least: -.infinity, items: [], before: ItemSet())
        for (value, numbers) in values {
            if current.items.count >= bucketSize {
                buckets.append(current)
                current = Bucket(least: value, items: [], before: all)
            }
            for number in numbers { current.items.append((value, number)) }
            all.insert(contentsOf: numbers)
        }
        buckets.append(current)
        self.buckets = buckets
    }

    /// About how many bytes of memory it takes.
    var byteCount: Int {
        buckets.reduce(8 * all.words.count) { $0 + 16 * $1.items.count + 8 * $1.before.words.count }
    }

    /// The cases whose values lie from `lower` to `upper`, both included; nil leaves that end open.
    ///
    /// - Complexity: O(largest number / 64 + cases / 256).
    func cases(from lower: Double?, to upper: Double?) -> ItemSet {
        if let lower, let upper, lower > upper { return ItemSet() }
        let cases = upper.map { below($0, orEqual: true) } ?? all
        guard let lower else { return cases }
        return cases.subtracting(below(lower, orEqual: false))
    }

    /// The cases with a smaller value, and with an equal one if asked for.
    private func below(_ value: Double, orEqual: Bool) -> ItemSet {
        let place = place(of: value)
        let items = buckets[place].items
        let end = items.partitioningIndex { orEqual ? $0.value > value : $0.value >= value }
        if end <= items.count / 2 {
            var cases = buckets[place].before
            for item in items[..<end] { cases.insert(item.number) }
            return cases
        }
        var cases = place + 1 < buckets.count ? buckets[place + 1].before : all
        for item in items[end...] { cases.remove(item.number) }
        return cases
    }

    mutating func insert(_ number: UInt32, _ value: Double) {
        guard all.insert(number) else { return }
        let place = place(of: value)
        let end = buckets[place].items.partitioningIndex { $0.value > value }
        buckets[place].items.insert((value, number), at: end)
        for index in (place + 1)..<max(place + 1, buckets.count) { buckets[index].before.insert(number) }
        if buckets[place].items.count >= 2 * bucketSize { cut(place) }
    }

    mutating func remove(_ number: UInt32, _ value: Double) {
        guard all.remove(number) else { return }
        let place = place(of: value)
        if let index = buckets[place].items.firstIndex(where: { $0.number == number }) {
            buckets[place].items.remove(at: index)
        }
        for index in (place + 1)..<max(place + 1, buckets.count) { buckets[index].before.remove(number) }
    }

    /// The bucket that a value belongs to.
    private func place(of value: Double) -> Int {
        var low = 0
        var high = buckets.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if buckets[middle].least <= value { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// Makes two of a bucket; cases of one value stay together.
    private mutating func cut(_ place: Int) {
        let sorted = buckets[place].items
        let middle = sorted[sorted.count / 2].value
        // The middle value may be that of all before it.
        let start = sorted.partitioningIndex { $0.value >= middle }
        let end = start > 0 ? start : sorted.partitioningIndex { $0.value > middle }
        guard end < sorted.count else { return }
        var before = buckets[place].before
        for item in sorted[..<end] { before.insert(item.number) }
        buckets[place].items = Array(sorted[..<end])
        buckets.insert(Bucket(least: sorted[end].value, items: Array(sorted[end...]), before: before), at: place + 1)
    }
}

extension OrderedCases {
    /// What of a text is compared.
    enum Order: Hashable, Sendable, CaseIterable {
        /// The number that it is.
        case numbers
        /// The first day of the date that it is.
        case days
        /// The same of texts that are no numbers.
        case daysOfTexts

        /// nil for a text that has no place in this order.
        func value(of text: String) -> Double? {
            switch self {
            case .numbers: Filter.StoredValue.number(text)
            case .days: DatePeriod(text).map { Double($0.firstDay) }
            case .daysOfTexts:
                Filter.StoredValue.number(text) == nil ? DatePeriod(text).map { Double($0.firstDay) } : nil
            }
        }
    }
}

/// A range of a filter as ranges of orders, the union of which it selects.
///
/// Says the same as `Filter.Condition.matches`, which stays beside it: tests hold the two against one another.
struct OrderedRange {
    struct Part {
        let order: OrderedCases.Order
        let lower: Double?
        let upper: Double?
    }

    var parts: [Part] = []

    /// nil for a condition that no order answers: one on texts, and on findings, of which a case may have several.
    init?(_ value: Filter.Value, key: String) {
        guard case .range(let lower, let upper) = value, key != "finding" else { return nil }
        let bounds = [lower, upper].compactMap(\.self)
        let areNumbers = bounds.allSatisfy { Filter.StoredValue.number($0) != nil }
        let areDates = bounds.allSatisfy { DatePeriod($0) != nil }
        guard !bounds.isEmpty, areNumbers || areDates else { return nil }
        let isDate = Filter.Condition.isDate(key)
        if areNumbers, !isDate {
            parts.append(
                Part(
                    order: .numbers, lower: lower.flatMap(Filter.StoredValue.number),
                    upper: upper.flatMap(Filter.StoredValue.number)))
        }
        if areDates {
            parts.append(
                Part(
                    order: areNumbers && !isDate ? .daysOfTexts : .days,
                    lower: lower.flatMap { DatePeriod($0) }.map { Double($0.firstDay) },
                    upper: upper.flatMap { DatePeriod($0) }.map { Double($0.lastDay) }))
        }
    }
}
