import HilumCore

/// A value and how many cases have it.
public struct FacetValue: Sendable, Equatable {
    /// As it is stored.
    public let value: String
    /// Cases.
    public let count: Int

    init(_ value: String, _ count: Int) {
        self.value = value
        self.count = count
    }

    /// The more frequent first, then by the text.
    private static func precedes(_ left: FacetValue, _ right: FacetValue) -> Bool {
        left.count != right.count ? left.count > right.count : left.value < right.value
    }

    /// The `limit` most frequent of the values that `each` calls its argument with.
    static func best(_ limit: Int, _ each: ((String, Int) -> Void) -> Void) -> [FacetValue] {
        var best: [FacetValue] = []
        var last: FacetValue?
        each { value, count in
            let item = FacetValue(value, count)
            // Sorted now and then, so that most values cost one comparison.
            if let last, !precedes(item, last) { return }
            best.append(item)
            guard best.count >= 2 * limit else { return }
            best.sort(by: precedes)
            best.removeLast(best.count - limit)
            last = best.last
        }
        best.sort(by: precedes)
        return Array(best.prefix(limit))
    }
}

/// How often the values of a key occur.
public struct Facet: Sendable {
    /// The most frequent first; equal counts by the text.
    public var values: [FacetValue]
    /// How many values some matching case has, also those that were left off.
    public var distinctCount: Int
    /// Cases that match the filter.
    public var caseCount: Int
    /// The values as JSON, an object a line, as far as somebody has made that: a facet that is asked for again and again is written once.
    package var lines: [UInt8]?
}

extension Facet: Equatable {
    /// Whether both tell the same, written or not.
    public static func == (left: Facet, right: Facet) -> Bool {
        left.values == right.values && left.distinctCount == right.distinctCount && left.caseCount == right.caseCount
    }
}

extension Facet {
    /// The values as JSON, an object a line.
    package func written() -> [UInt8] {
        if let lines { return lines }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(48 * values.count)
        for value in values {
            var json = JSONWriter(continuing: bytes)
            bytes = []
            json.beginObject()
            json.member("value", value.value)
            json.member("count", value.count)
            json.endObject()
            bytes = json.bytes
            bytes.append(10)
        }
        return bytes
    }
}

extension Facet {
    /// So many values where nothing else is asked for.
    public static let standardLimit = 100
}
