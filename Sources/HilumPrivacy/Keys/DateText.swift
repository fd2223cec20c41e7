/// A date as people, spreadsheets and programs write it.
///
/// | form | read as |
/// | --- | --- |
/// | `2019`, `2019-12`, `2019-12-31`, `2019/12/31`, `2019.12.31`, `20191231`, `2019年12月31日` | they are |
/// | `31 Dec 2019`, `31-DEC-2019`, `31. Dezember 2019`, `Dec 31, 2019`, `December 2019` | by the name of the month, English or German |
/// | `31.12.2019`, `31/12/2019`, `12-31-2019`, `12/2019` | the only way in which the calendar has that day or month |
/// | `05.06.2019` | day, month, year, unless other dates with points say otherwise |
/// | `05/06/2019`, `05-06-2019` | as other dates of the same table say; by itself not at all |
///
/// A time may stand behind a whole day, after a blank or a `T`. A year has four digits. Thread rule: a value.
public struct DateText: Sendable, Equatable {
    /// Which comes first in a date of three numbers that ends with the year.
    public enum Order: Sendable, Hashable {
        /// `31/12/2019`
        case dayFirst
        /// `12/31/2019`
        case monthFirst
    }

    /// Why a text is no date.
    public enum Fault: Error, Equatable {
        /// It has no form of a date, or the calendar has no such day.
        case unreadable
        /// Day and month cannot be told apart.
        case ambiguous
    }

    /// From 1 to 9999.
    public let year: Int
    /// From 1 to 12; nil where the year alone is known.
    public let month: Int?
    /// A day that the month has; nil where it is not known.
    public let day: Int?
    /// What stands behind a whole day, with its blank or `T`; a time of 12 hours as one of 24.
    public let time: String
    /// What the form says of others of its kind; nil for one that has one reading alone.
    public let order: Order?

    /// Reads a date.
    ///
    /// - Parameter orders: what is known of dates whose three numbers stand between this mark (`/`, `-` or `.`).
    /// - Throws: why it is none.
    public init(_ text: String, orders: [UInt8: Order] = [:]) throws(Fault) {
        var reader = Reader(Array(text.utf8)[...])
        let date = try reader.date(orders)
        (year, month, day, order) = (date.year, date.month, date.day, date.order)
        time = try reader.time(mayStand: date.day != nil)
    }

    /// The date as ISO 8601 writes it, with its time.
    public var iso: String {
        var text = Self.digits(year, 4)
        if let month { text += "-" + Self.digits(month, 2) }
        if let day { text += "-" + Self.digits(day, 2) }
        return text + time
    }

    private static func digits(_ value: Int, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }

    /// How many days a month has, from 1 to 12.
    public static func dayCount(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    // MARK: Tables

    /// What the dates of one table say of the order of day and month, by the mark between the numbers. Nothing where they contradict each
    /// other.
    ///
    /// - Complexity: O(bytes).
    public static func orders(of texts: some Sequence<String>) -> [UInt8: Order] {
        var found: [UInt8: Set<Order>] = [:]
        for text in texts {
            guard let mark = mark(of: text), let order = (try? DateText(text))?.order else { continue }
            found[mark, default: []].insert(order)
        }
        return found.compactMapValues { $0.count == 1 ? $0.first : nil }
    }

    /// The mark behind the first number of one or two digits; nil for another beginning.
    private static func mark(of text: String) -> UInt8? {
        let bytes = text.utf8.drop { $0 == 32 }
        let count = bytes.prefix(3).prefix { (48...57).contains($0) }.count
        guard 1...2 ~= count, let mark = bytes.dropFirst(count).first, Reader.marks.contains(mark) else { return nil }
        return mark
    }
}

/// Goes through a text from left to right.
private struct Reader {
    struct Parts {
        var year: Int
        var month: Int?
        var day: Int?
        var order: DateText.Order?
    }

    static let marks: [UInt8] = Array("/-.".utf8)
    private static let months = [
        ["january", "januar", "jan"], ["february", "februar", "feb"], ["march", "märz", "maerz", "mar", "mär", "mrz"],
        ["april", "apr"], ["may", "mai"], ["june", "juni", "jun"], ["july", "juli", "jul"],
        ["august", "aug"], ["september", "sept", "sep"], ["october", "oktober", "oct", "okt"], ["november", "nov"],
        ["december", "dezember", "dec", "dez"],
    ].map { $0.map { Array($0.utf8) } }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
        while rest.last == 32 { rest.removeLast() }
        skipBlanks()
    }

    // MARK: Pieces

    private mutating func skipBlanks() { rest = rest.drop { $0 == 32 } }

    private mutating func take(_ wanted: String) -> Bool {
        guard rest.starts(with: wanted.utf8) else { return false }
        rest = rest.dropFirst(wanted.utf8.count)
        return true
    }

    private mutating func takeMark() -> UInt8? {
        guard let mark = rest.first, Self.marks.contains(mark) else { return nil }
        rest = rest.dropFirst()
        return mark
    }

    /// A number and how many digits it has.
    private mutating func number() -> (value: Int, count: Int)? {
        let digits = rest.prefix { (48...57).contains($0) }
        guard 1...17 ~= digits.count else { return nil }
        rest = rest.dropFirst(digits.count)
        return (digits.reduce(0) { $0 * 10 + Int($1 - 48) }, digits.count)
    }

    private mutating func month() -> Int? {
        let word = rest.prefix { $0 >= 128 || (65...90).contains($0 & 0xDF) }
        let name = Array(String(decoding: word, as: UTF8.self).lowercased().utf8)
        guard let place = Self.months.firstIndex(where: { $0.contains(name) }) else { return nil }
        rest = rest.dropFirst(word.count)
        return place + 1
    }

    // MARK: Dates

    mutating func date(_ orders: [UInt8: DateText.Order]) throws(DateText.Fault) -> Parts {
        if let month = month() { return try named(month) }
        guard let first = number() else { throw .unreadable }
        switch first.count {
        case 14:
            // DICOM writes day and time without anything between them, and a fraction and the zone behind it.
            rest = rest.drop { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "+") || (48...57).contains($0) }
            let day = first.value / 1_000_000
            return try checked(day / 10_000, day / 100 % 100, day % 100)
        case 8: return try checked(first.value / 10_000, first.value / 100 % 100, first.value % 100)
        case 4: return try yearFirst(first.value)
        case 1, 2: return try yearLast(first.value, orders)
        default: throw .unreadable
        }
    }

    private func checked(_ year: Int, _ month: Int, _ day: Int?) throws(DateText.Fault) -> Parts {
        guard 1...9999 ~= year, 1...12 ~= month, 1...DateText.dayCount(year, month) ~= day ?? 1 else {
            throw .unreadable
        }
        return Parts(year: year, month: month, day: day)
    }

    /// `2019-12-31` behind the year.
    private mutating func yearFirst(_ year: Int) throws(DateText.Fault) -> Parts {
        guard !rest.isEmpty else {
            guard year > 0 else { throw .unreadable }
            return Parts(year: year)
        }
        if take("年") {
            guard let month = number(), month.count < 3, take("月") else { throw .unreadable }
            guard !rest.isEmpty else { return try checked(year, month.value, nil) }
            guard let day = number(), day.count < 3, take("日") else { throw .unreadable }
            return try checked(year, month.value, day.value)
        }
        guard let mark = takeMark() else { throw .unreadable }
        if let month = month() {
            guard takeMark() == mark, let day = number(), day.count < 3 else { throw .unreadable }
            return try checked(year, month, day.value)
        }
        // A single digit behind a hyphen may be what is left of two.
        let counts = mark == UInt8(ascii: "-") ? 2...2 : 1...2
        guard let month = number(), counts.contains(month.count) else { throw .unreadable }
        guard !rest.isEmpty else { return try checked(year, month.value, nil) }
        guard takeMark() == mark, let day = number(), counts.contains(day.count) else { throw .unreadable }
        return try checked(year, month.value, day.value)
    }

    /// `31.12.2019` or `31 Dec 2019` behind the first number.
    private mutating func yearLast(
        _ first: Int, _ orders: [UInt8: DateText.Order]
    ) throws(DateText.Fault) -> Parts {
        let mark = takeMark()
        skipBlanks()
        if let month = month() {
            // `31-Dec-2019`, `31 Dec. 2019`, `31 December, 2019`
            if !take(",") { _ = takeMark() }
            skipBlanks()
            return try checked(try year(), month, first)
        }
        guard let mark, let second = number() else { throw .unreadable }
        if second.count == 4, rest.isEmpty { return try checked(second.value, first, nil) }
        guard second.count < 3 else { throw .unreadable }
        skipBlanks()
        guard takeMark() == mark else { throw .unreadable }
        skipBlanks()
        let year = try year()
        let dayFirst = try? checked(year, second.value, first)
        let monthFirst = try? checked(year, first, second.value)
        switch (dayFirst, monthFirst) {
        case (var date?, nil):
            date.order = .dayFirst
            return date
        case (nil, var date?):
            date.order = .monthFirst
            return date
        case (nil, nil): throw .unreadable
        case (let dayFirst?, let monthFirst?):
            if dayFirst.day == dayFirst.month { return dayFirst }
            switch orders[mark] {
            case .dayFirst: return dayFirst
            case .monthFirst: return monthFirst
            case nil where mark == UInt8(ascii: "."): return dayFirst
            case nil: throw .ambiguous
            }
        }
    }

    /// `Dec 31, 2019` or `Dec 2019` behind the month.
    private mutating func named(_ month: Int) throws(DateText.Fault) -> Parts {
        let mark = takeMark()
        skipBlanks()
        guard let first = number() else { throw .unreadable }
        if first.count == 4 { return try checked(first.value, month, nil) }
        guard first.count < 3 else { throw .unreadable }
        if !take(",") { guard takeMark() == mark || rest.first == 32 else { throw .unreadable } }
        skipBlanks()
        return try checked(try year(), month, first.value)
    }

    private mutating func year() throws(DateText.Fault) -> Int {
        guard let year = number(), year.count == 4 else { throw .unreadable }
        return year.value
    }

    // MARK: Times

    /// What is left: nothing, or a time.
    mutating func time(mayStand: Bool) throws(DateText.Fault) -> String {
        guard let sign = rest.first else { return "" }
        guard mayStand, sign == 32 || sign == UInt8(ascii: "T") else { throw .unreadable }
        let text = String(decoding: rest.dropFirst().drop { $0 == 32 }, as: UTF8.self)
        guard let time = Self.time(text) else { throw .unreadable }
        return (sign == 32 ? " " : "T") + time
    }

    /// `14:30`, `2:30:00 PM` and what ISO 8601 allows.
    private static func time(_ text: String) -> String? {
        let lower = text.lowercased()
        for (half, hours) in [("am", 0), ("pm", 12)] where lower.hasSuffix(half) {
            let parts = lower.dropLast(2).trimmingBlanks().split(separator: ":", omittingEmptySubsequences: false)
            guard 1...3 ~= parts.count, let hour = Int(parts[0]), 1...12 ~= hour,
                parts.allSatisfy({ 1...2 ~= $0.utf8.count && $0.utf8.allSatisfy { (48...57).contains($0) } })
            else { return nil }
            let whole = String(hour % 12 + hours)
            let rest = parts.count == 1 ? ["00"] : parts.dropFirst().map { $0.utf8.count == 1 ? "0\($0)" : String($0) }
            return ([whole.utf8.count == 1 ? "0\(whole)" : whole] + rest).joined(separator: ":")
        }
        let signs = Array("0123456789:.+-Z".utf8)
        guard let first = text.utf8.first, (48...57).contains(first), text.utf8.count <= 24,
            text.utf8.allSatisfy(signs.contains)
        else { return nil }
        return text
    }
}

extension Substring {
    fileprivate func trimmingBlanks() -> Substring {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
