/// How the values of cases are compared with a condition.
extension Filter.Condition {
    /// Whether values of this key are dates.
    var isDate: Bool { Self.isDate(key) }

    static func isDate(_ key: String) -> Bool { key == "date" || key.hasSuffix("_date") || key.hasSuffix(".date") }

    /// Whether a case with `text` under the key has `value`; `test(_:)` does it for many texts.
    func matches(_ value: Filter.Value, _ text: String) -> Bool { test(value).accepts(stored(text)) }

    /// A value that a case has under the key.
    func stored(_ text: String) -> Filter.StoredValue { Filter.StoredValue(text, isDate: isDate) }

    /// What a value of the condition asks of the values of cases, read once.
    func test(_ value: Filter.Value) -> Filter.ValueTest { Filter.ValueTest(value, isDate: isDate) }
}

extension Filter {
    /// A value of a case, with what it means as a number and as a date; read once for all values of a condition.
    struct StoredValue {
        let text: String
        let number: Double?
        let date: DatePeriod?

        /// - Parameter isDate: whether the key is one of dates, which are compared as nothing else.
        init(_ text: String, isDate: Bool) {
            self.text = text
            number = isDate ? nil : Self.number(text)
            date = DatePeriod(text)
        }

        private static let signs: [UInt8] = Array("+-.eE".utf8)

        /// A number in decimal digits; `nan`, `inf`, `0x10` and what is too large are texts.
        static func number(_ text: String) -> Double? {
            guard text.utf8.allSatisfy({ ($0 >= 48 && $0 <= 57) || signs.contains($0) }), let number = Double(text),
                number.isFinite
            else { return nil }
            return number
        }
    }

    /// What one value of a condition asks of the values of cases.
    ///
    /// A key of dates compares days: `2019-06` takes all of June, also as a bound, and a value that is no date matches no range. Other keys
    /// compare a range of numbers with numbers only, so that `NA` and `nan` are in none; a range of dates with dates; and else texts.
    struct ValueTest {
        private enum Kind {
            /// The period is that of a key of dates.
            case equal(String, DatePeriod?)
            case range(Bounds)
        }

        /// The ends of a range; an open end is nil.
        private struct Bounds {
            let lower: String?
            let upper: String?
            let isDate: Bool
            /// Whether each end that is there is a number, and whether each is a date.
            let areNumbers: Bool
            let areDates: Bool
            let lowest: Double?
            let highest: Double?
            let firstDay: Int?
            let lastDay: Int?

            init(_ lower: String?, _ upper: String?, isDate: Bool) {
                (self.lower, self.upper, self.isDate) = (lower, upper, isDate)
                (lowest, highest) = (lower.flatMap(StoredValue.number), upper.flatMap(StoredValue.number))
                firstDay = lower.flatMap { DatePeriod($0)?.firstDay }
                lastDay = upper.flatMap { DatePeriod($0)?.lastDay }
                areNumbers = (lower == nil) == (lowest == nil) && (upper == nil) == (highest == nil)
                areDates = (lower == nil) == (firstDay == nil) && (upper == nil) == (lastDay == nil)
            }

            func contains(_ value: StoredValue) -> Bool {
                if areNumbers, !isDate, let number = value.number {
                    return Self.lies(number, from: lowest, to: highest)
                }
                if areDates, let date = value.date { return Self.lies(date.firstDay, from: firstDay, to: lastDay) }
                if areNumbers || areDates { return false }
                return Self.lies(value.text, from: lower, to: upper)
            }

            private static func lies<Place: Comparable>(_ place: Place, from lower: Place?, to upper: Place?) -> Bool {
                if let lower, place < lower { return false }
                if let upper, place > upper { return false }
                return true
            }
        }

        private let kind: Kind

        init(_ value: Value, isDate: Bool) {
            kind =
                switch value {
                case .equal(let wanted): .equal(wanted, isDate ? DatePeriod(wanted) : nil)
                case .range(let lower, let upper): .range(Bounds(lower, upper, isDate: isDate))
                }
        }

        func accepts(_ value: StoredValue) -> Bool {
            switch kind {
            case .equal(let wanted, let period):
                if value.text == wanted { return true }
                guard let period, let date = value.date else { return false }
                return period.contains(date)
            case .range(let bounds): return bounds.contains(value)
            }
        }
    }
}
