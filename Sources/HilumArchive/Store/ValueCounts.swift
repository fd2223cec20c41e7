/// How many cases have each value of a key, and which values are the most frequent.
///
/// Thread rule: a value; `Postings` owns it.
struct ValueCounts: Sendable {
    /// So many of the most frequent values are kept in order.
    static let topCount = 1_000

    private(set) var byValue: [String: Int]
    /// The most frequent values, at most `topCount`; nil since the last change.
    private(set) var top: [FacetValue]?

    init(_ byValue: [String: Int]) {
        self.byValue = byValue
        top = FacetValue.best(Self.topCount) { body in for (value, count) in byValue { body(value, count) } }
    }

    mutating func add(_ amount: Int, to value: String) {
        top = nil
        let count = (byValue[value] ?? 0) + amount
        byValue[value] = count > 0 ? count : nil
    }

    /// The most frequent values; nil where a change made the order unknown or more are wanted than are kept.
    func best(_ limit: Int) -> [FacetValue]? {
        guard let top, limit <= Self.topCount || top.count == byValue.count else { return nil }
        return Array(top.prefix(limit))
    }
}
