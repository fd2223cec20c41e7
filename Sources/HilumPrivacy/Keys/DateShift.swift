import HilumCore

/// What becomes of the dates of cases: they stay, move, or go.
///
/// A shift moves all dates of a patient by the same number of days into the past, 1 to 365, which the archive's key and the patient's
/// number decide. So the time between two studies of a patient stays exact, and the day on which they were made cannot be told.
/// Thread rule: a value.
public struct DateShift: Sendable {
    /// What becomes of dates.
    public enum Mode: String, Sendable, CaseIterable {
        /// They stay as they are.
        case keep
        /// They move, by days that are the patient's.
        case shift
        /// They go.
        case drop
    }

    /// The largest shift.
    public static let dayLimit = 365

    /// What becomes of dates.
    public let mode: Mode
    private let key: PseudonymKey

    /// Shifts by the key of an archive.
    public init(_ mode: Mode, key: PseudonymKey) {
        self.mode = mode
        self.key = key
    }

    /// By how many days the dates of a patient move: −365 to −1.
    public func days(of patient: String) -> Int {
        let code = key.dates.code(patient).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return -1 - Int(code % UInt64(Self.dayLimit))
    }

    /// A date as it may be kept; nil when it must go.
    ///
    /// | form | moves |
    /// | --- | --- |
    /// | `2019-03-12`, `20190312`, either with a time behind it | by the days of the patient; the time stays |
    /// | `2019-03`, `201903` | as the 15th of the month does |
    /// | `2019` | as 1 July does |
    ///
    /// A date of another form, or of no day of the calendar, cannot be moved, and goes. So does one whose patient is not known.
    public func apply(to date: String, of patient: String?) -> String? {
        switch mode {
        case .keep: return date
        case .drop: return nil
        case .shift:
            guard let patient, !patient.isEmpty else { return nil }
            return Self.moved(date, by: days(of: patient))
        }
    }

    static func moved(_ date: String, by days: Int) -> String? {
        let bytes = Array(date.utf8)
        guard let year = number(bytes, 0, 4) else { return nil }
        let hyphen = bytes.count > 4 && bytes[4] == UInt8(ascii: "-") ? 1 : 0
        let hyphenText = hyphen == 1 ? "-" : ""
        if bytes.count == 4 {
            return CivilDay(year: year, month: 7, day: 1).flatMap { valid($0.moved(by: days)) }.map {
                digits($0.year, 4)
            }
        }
        guard let month = number(bytes, 4 + hyphen, 2) else { return nil }
        if bytes.count == 6 + hyphen {
            return CivilDay(year: year, month: month, day: 15).flatMap { valid($0.moved(by: days)) }.map {
                digits($0.year, 4) + hyphenText + digits($0.month, 2)
            }
        }
        if hyphen == 1 && bytes[7] != UInt8(ascii: "-") { return nil }
        guard let day = number(bytes, 6 + 2 * hyphen, 2) else { return nil }
        let rest = bytes[(8 + 2 * hyphen)...]
        guard isTime(rest, hyphenated: hyphen == 1),
            let moved = CivilDay(year: year, month: month, day: day).flatMap({ valid($0.moved(by: days)) })
        else { return nil }
        return digits(moved.year, 4) + hyphenText + digits(moved.month, 2) + hyphenText + digits(moved.day, 2)
            + String(decoding: rest, as: UTF8.self)
    }

    private static func valid(_ day: CivilDay) -> (year: Int, month: Int, day: Int)? {
        let civil = day.civil
        return 1...9999 ~= civil.year ? civil : nil
    }

    /// Whether what follows a day is a time, and nothing that could hold another date: digits, colons, a point, an offset.
    private static func isTime(_ rest: ArraySlice<UInt8>, hyphenated: Bool) -> Bool {
        guard let first = rest.first else { return true }
        if hyphenated {
            guard first == UInt8(ascii: "T") || first == UInt8(ascii: " ") else { return false }
        } else {
            guard first == UInt8(ascii: "T") || (48...57).contains(first) else { return false }
        }
        let signs = Array("0123456789:.+-Z".utf8)
        // The longest has a time of the day of 12 characters with microseconds and colons, and an offset.
        return rest.count <= 24 && rest.dropFirst().allSatisfy(signs.contains)
    }

    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int? {
        guard start + count <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[start..<(start + count)] {
            guard (48...57).contains(byte) else { return nil }
            value = value * 10 + Int(byte - 48)
        }
        return value
    }

    private static func digits(_ value: Int, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
}
