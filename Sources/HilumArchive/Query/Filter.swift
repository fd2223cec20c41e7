import HilumCore

/// Conditions on metadata that must all hold.
public struct Filter: Sendable, Hashable {
    /// What a value is compared with.
    public enum Value: Sendable, Hashable {
        case equal(String)
        /// From `lower` to `upper`, both included; nil leaves that end open. Compared as numbers, dates or texts, whatever the bounds
        /// are; the bound of a date covers its whole period.
        case range(lower: String?, upper: String?)
    }

    /// One condition: the case has one of `values` under `key`; negated: it has none of them.
    public struct Condition: Sendable, Hashable {
        /// `id`, `patient`, `modality`, `view`, `date`, `site`, `finding` (or `findings`) or any key of the metadata.
        public var key: String
        /// One of them has to match.
        public var values: [Value]
        /// Whether none of them may match.
        public var isNegated: Bool

        /// A condition.
        public init(key: String, values: [Value], isNegated: Bool = false) {
            self.key = key
            self.values = values
            self.isNegated = isNegated
        }

        /// Reads the value of a condition: `a,b` for one or the other, `a..b`, `a..` and `..b` for ranges, both ends
        /// included.
        ///
        /// However the value was quoted, a comma and two points in it mean this.
        /// - Throws: `.badRequest` for an empty value, a range without ends, a date range whose bounds are no dates, and a second
        ///   condition behind a comma.
        public init(_ argument: Argument) throws(ArchiveError) {
            key = argument.key
            isNegated = argument.isNegated
            values = []
            if let other = argument.keyWithinValue {
                throw ArchiveError(
                    .badRequest,
                    "\(key)=: conditions are separated by spaces, not by commas; write \(key)=… \(other)=…")
            }
            for part in argument.value.split(separator: ",", omittingEmptySubsequences: false) {
                values.append(try Self.value(part, of: argument.key))
            }
        }

        private static func value(_ part: Substring, of key: String) throws(ArchiveError) -> Value {
            guard let dots = part.firstRange(of: "..") else {
                if part.isEmpty { throw ArchiveError(.badRequest, "\(key)=: an empty value cannot be searched for") }
                return .equal(String(part))
            }
            let lower = String(part[..<dots.lowerBound])
            let upper = String(part[dots.upperBound...])
            guard !(lower.isEmpty && upper.isEmpty), upper.firstRange(of: "..") == nil else {
                throw ArchiveError(.badRequest, "\(key)=: a range is a..b, a.. or ..b")
            }
            if key == "date", [lower, upper].contains(where: { !$0.isEmpty && DatePeriod($0) == nil }) {
                throw ArchiveError(.badRequest, "date=: a bound is 2019, 2019-06, 2019-06-30 or 20190630")
            }
            return .range(lower: lower.isEmpty ? nil : lower, upper: upper.isEmpty ? nil : upper)
        }
    }

    /// All of them must hold.
    public var conditions: [Condition]

    /// A filter of these conditions; by default everything matches.
    public init(_ conditions: [Condition] = []) { self.conditions = conditions }

    /// Reads `view=PA finding=effusion,nodule date=2019-01-01.. site!=B note="two words"`, in the grammar of requests.
    ///
    /// - Throws: `.badRequest`, which names keys and no values.
    public init(parsing text: String) throws(ArchiveError) {
        var reader = ArgumentReader(Array(text.utf8)[...])
        var arguments: [Argument] = []
        while let item = reader.next() {
            switch item {
            case .fault(let text): throw ArchiveError(.badRequest, text)
            case .argument(let argument) where argument.key.isEmpty:
                let place = "part \(arguments.count + 1) of the filter"
                let advice = argument.advice ?? "conditions are written key=value and separated by spaces"
                throw ArchiveError(.badRequest, "\(place) is not of the form key=value; \(advice)")
            case .argument(let argument): arguments.append(argument)
            }
        }
        try self.init(arguments: arguments)
    }

    /// A condition for each argument.
    ///
    /// - Throws: `.badRequest`, which names keys and no values; `.limit` for more than `ArchiveLimits.filterValueCount` values.
    public init(arguments: [Argument]) throws(ArchiveError) {
        conditions = []
        var valueCount = 0
        for argument in arguments {
            let condition = try Condition(argument)
            valueCount += condition.values.count
            guard valueCount <= ArchiveLimits.filterValueCount else {
                throw ArchiveError(
                    .limit,
                    "\(condition.key)=: a filter has at most \(ArchiveLimits.filterValueCount) values; ask in parts")
            }
            conditions.append(condition)
        }
    }

    /// Whether everything matches.
    public var isEmpty: Bool { conditions.isEmpty }
}
