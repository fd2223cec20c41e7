/// How the values of cases are compared with a condition.
extension Filter.Condition {
    /// Whether values of this key are dates.
    var isDate: Bool { Self.isDate(key) }

    static func isDate(_ key: String) -> Bool { key == "date" || key.hasSuffix("_date") || key.hasSuffix(".date") }

    /// Whether a case with `text` under the key has `value`.
    ///
    /// A key of dates compares days: `2019-06` takes all of June, also as a bound, and a value that is no date matches no range. Other keys
    /// compare a range of numbers with numbers only, so that `NA` and `nan` are in none; a range of dates with dates; and else texts.
    func matches(_ value: Filter.Value, _ text: String) -> Bool {
        switch value {
        case .equal(let wanted):
            if text == wanted { return true }
            guard isDate, let period = DatePeriod(wanted), let date = DatePeriod(text) else { return false }
            return period.contains(date)
        case .range(let lower, let upper):
            let bounds = [lower, upper].compactMap { $0 }
            let numbers = bounds.map(Self.number)
            let areNumbers = numbers.allSatisfy { $0 != nil }
            if areNumbers, !isDate, let number = Self.number(text) {
                if let lower, let low = Self.number(lower), number < low { return false }
                if let upper, let high = Self.number(upper), number > high { return false }
                return true
            }
            let areDates = bounds.allSatisfy { DatePeriod($0) != nil }
            if areDates, let date = DatePeriod(text) {
                if let lower, let low = DatePeriod(lower), date.firstDay < low.firstDay { return false }
                if let upper, let high = DatePeriod(upper), date.firstDay > high.lastDay { return false }
                return true
            }
            if areNumbers || areDates { return false }
            if let lower, text < lower { return false }
            if let upper, text > upper { return false }
            return true
        }
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
