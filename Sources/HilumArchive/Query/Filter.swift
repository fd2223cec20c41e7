/// Conditions on metadata that must all hold.
public struct Filter: Sendable, Equatable {
    /// What a value is compared with.
    public enum Value: Sendable, Equatable {
        case equal(String)
        /// From `lower` to `upper`, both included; nil leaves that end open. Compared as numbers when the bounds and the
        /// value are numbers, else as text, so that ISO dates work.
        case range(lower: String?, upper: String?)
    }

    /// One condition: the case has a value under `key` that is one of `values`; negated: it has none such.
    public struct Condition: Sendable, Equatable {
        /// `id`, `patient`, `modality`, `view`, `date`, `site`, `finding` (or `findings`) or any key of the metadata.
        public var key: String
        public var values: [Value]
        public var isNegated: Bool

        public init(key: String, values: [Value], isNegated: Bool = false) {
            self.key = key
            self.values = values
            self.isNegated = isNegated
        }

        /// - Parameter text: `a,b` for one or the other, `a..b`, `a..` and `..b` for ranges.
        public init(key: String, parsing text: String, isNegated: Bool = false) {
            values = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
                guard let dots = part.firstRange(of: "..") else { return .equal(String(part)) }
                let lower = part[..<dots.lowerBound]
                let upper = part[dots.upperBound...]
                return .range(
                    lower: lower.isEmpty ? nil : String(lower), upper: upper.isEmpty ? nil : String(upper))
            }
            self.key = key
            self.isNegated = isNegated
        }
    }

    public var conditions: [Condition]

    public init(_ conditions: [Condition] = []) { self.conditions = conditions }

    /// Reads `view=PA finding=effusion,nodule date=2019-01-01.. site!=B note="two words"`.
    ///
    /// - Throws: `.badRequest`.
    public init(parsing text: String) throws(ArchiveError) {
        conditions = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0.isWhitespace }
            if rest.isEmpty { return }
            guard let sign = rest.firstIndex(of: "="), sign > rest.startIndex else {
                throw ArchiveError(
                    .badRequest, "part \(conditions.count + 1) of the filter is not of the form key=value")
            }
            var key = rest[..<sign]
            let isNegated = key.last == "!"
            if isNegated { key = key.dropLast() }
            guard !key.isEmpty, !key.contains(where: { $0.isWhitespace || $0 == "\"" }) else {
                throw ArchiveError(
                    .badRequest, "part \(conditions.count + 1) of the filter is not of the form key=value")
            }
            rest = rest[rest.index(after: sign)...]
            if rest.first == "\"" {
                let inner = rest.dropFirst()
                guard let end = inner.firstIndex(of: "\"") else {
                    throw ArchiveError(.badRequest, "the filter on \(key) has a quote that is not closed")
                }
                conditions.append(
                    Condition(key: String(key), values: [.equal(String(inner[..<end]))], isNegated: isNegated))
                rest = inner[inner.index(after: end)...]
            } else {
                let end = rest.firstIndex { $0.isWhitespace } ?? rest.endIndex
                conditions.append(Condition(key: String(key), parsing: String(rest[..<end]), isNegated: isNegated))
                rest = rest[end...]
            }
        }
    }

    public var isEmpty: Bool { conditions.isEmpty }
}

extension Filter.Value {
    /// Whether `text` is this value or lies in this range.
    func matches(_ text: String) -> Bool {
        switch self {
        case .equal(let value): return text == value
        case .range(let lower, let upper):
            if let number = Double(text) {
                let low = lower.map { Double($0) }
                let high = upper.map { Double($0) }
                // A bound that is not a number makes it a comparison of texts.
                if low != .some(nil) && high != .some(nil) {
                    if let low = low ?? nil, number < low { return false }
                    if let high = high ?? nil, number > high { return false }
                    return true
                }
            }
            if let lower, text < lower { return false }
            if let upper, text > upper { return false }
            return true
        }
    }
}
