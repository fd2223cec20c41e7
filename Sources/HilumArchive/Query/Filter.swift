import HilumCore

/// Conditions on metadata that must all hold.
public struct Filter: Sendable, Equatable {
    /// What a value is compared with.
    public enum Value: Sendable, Equatable {
        case equal(String)
        /// From `lower` to `upper`, both included; nil leaves that end open. Compared as numbers when the bounds and the
        /// value are numbers, else as text, so that ISO dates work.
        case range(lower: String?, upper: String?)
    }

    /// One condition: the case has one of `values` under `key`; negated: it has none of them.
    public struct Condition: Sendable, Equatable {
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
        /// - Throws: `.badRequest` for an empty value or a range without ends.
        public init(_ argument: Argument) throws(ArchiveError) {
            key = argument.key
            isNegated = argument.isNegated
            values = []
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
                throw ArchiveError(
                    .badRequest, "part \(arguments.count + 1) of the filter is not of the form key=value")
            case .argument(let argument): arguments.append(argument)
            }
        }
        try self.init(arguments: arguments)
    }

    /// A condition for each argument.
    ///
    /// - Throws: `.badRequest`, which names keys and no values.
    public init(arguments: [Argument]) throws(ArchiveError) {
        conditions = []
        for argument in arguments { conditions.append(try Condition(argument)) }
    }

    /// Whether everything matches.
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
