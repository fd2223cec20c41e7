import HilumPrivacy

/// The days that a date stands for: one day, or all of a month or a year where it is no more exact.
///
/// Read are `2019`, `2019-06`, `2019-06-15` and `20190615` (DICOM), also with `/` or a point between the parts, and with a time behind a
/// space or a `T`, or behind eight digits, and all other forms of `DateText` that have one reading. Days are compared as the number yyyymmdd.
struct DatePeriod: Equatable {
    let firstDay: Int
    let lastDay: Int

    private static let separators: Set<UInt8> = Set("-/.".utf8)

    /// nil for what is no date.
    init?(_ text: String) {
        if let standard = DatePeriod(standard: text) {
            self = standard
            return
        }
        // Values of all keys come here, and few have the length and the digits of a date.
        guard 7...40 ~= text.utf8.count, text.utf8.count(where: Self.isDigit) > 3, let date = try? DateText(text) else {
            return nil
        }
        firstDay = date.year * 10_000 + (date.month ?? 1) * 100 + (date.day ?? 1)
        lastDay = date.year * 10_000 + (date.month ?? 12) * 100 + (date.day ?? 31)
    }

    /// Whether a text has the year first and hyphens, as ISO 8601 has it, or is written as DICOM does.
    static func isStandard(_ text: String) -> Bool {
        guard DatePeriod(standard: text) != nil else { return false }
        let mark = text.utf8.dropFirst(4).first
        return mark != UInt8(ascii: "/") && mark != UInt8(ascii: ".")
    }

    /// The year first, two digits for months and days.
    private init?(standard text: String) {
        var bytes = Array(text.utf8)[...]
        if let end = bytes.firstIndex(where: { $0 == UInt8(ascii: "T") || $0 == UInt8(ascii: " ") }) {
            // A time only follows a whole day.
            guard end - bytes.startIndex >= 8 else { return nil }
            bytes = bytes[..<end]
        }
        // DICOM writes date and time as 14 digits.
        if bytes.count == 14, bytes.allSatisfy(Self.isDigit) { bytes = bytes.prefix(8) }
        guard let year = Self.number(bytes.prefix(4), in: 1...9999, digits: 4) else { return nil }
        var rest = bytes.dropFirst(4)
        if rest.isEmpty {
            (firstDay, lastDay) = (year * 10_000 + 101, year * 10_000 + 1231)
            return
        }
        let isSeparated = rest.first.map(Self.separators.contains) ?? false
        if isSeparated { rest = rest.dropFirst() }
        guard let month = Self.number(rest.prefix(2), in: 1...12, digits: 2) else { return nil }
        rest = rest.dropFirst(2)
        if rest.isEmpty && isSeparated {
            (firstDay, lastDay) = (year * 10_000 + month * 100 + 1, year * 10_000 + month * 100 + 31)
            return
        }
        if isSeparated {
            guard rest.first == bytes.dropFirst(4).first else { return nil }
            rest = rest.dropFirst()
        }
        guard rest.count == 2, let day = Self.number(rest, in: 1...31, digits: 2) else { return nil }
        firstDay = year * 10_000 + month * 100 + day
        lastDay = firstDay
    }

    /// Whether all days of `other` are among these.
    func contains(_ other: DatePeriod) -> Bool { firstDay <= other.firstDay && other.lastDay <= lastDay }

    /// Whether at most `days` lie between both.
    func isWithin(days: Int, of other: DatePeriod) -> Bool {
        Self.dayNumber(other.firstDay) - Self.dayNumber(lastDay) <= days
            && Self.dayNumber(firstDay) - Self.dayNumber(other.lastDay) <= days
    }

    /// Days since a day long ago, in the Gregorian calendar; a day that a month does not have is one of the next.
    private static func dayNumber(_ day: Int) -> Int {
        // Years that begin in March have their leap day at the end.
        let (year, month) = (day / 10_000, day / 100 % 100)
        let shifted = month > 2 ? year : year - 1
        return 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * ((month + 9) % 12) + 2) / 5
            + day % 100
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

    private static func number(_ bytes: ArraySlice<UInt8>, in range: ClosedRange<Int>, digits: Int) -> Int? {
        guard bytes.count == digits, bytes.allSatisfy(isDigit) else { return nil }
        let number = bytes.reduce(0) { $0 * 10 + Int($1 - 48) }
        return range.contains(number) ? number : nil
    }
}
