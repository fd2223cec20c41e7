/// Days of the Gregorian calendar, counted from 1 March of the year 0.
///
/// The arithmetic is that of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
struct CivilDay: Equatable {
    var number: Int

    /// The day before or after by so many days.
    func moved(by days: Int) -> CivilDay { CivilDay(number: number + days) }

    /// Nil for a day that is not in the calendar.
    init?(year: Int, month: Int, day: Int) {
        guard 1...12 ~= month, 1...9999 ~= year, day >= 1, day <= DateText.dayCount(year, month) else { return nil }
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        number = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    }

    private init(number: Int) { self.number = number }

    /// Year, month and day.
    var civil: (year: Int, month: Int, day: Int) {
        let era = number / 146_097
        let dayOfEra = number - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let part = (5 * dayOfYear + 2) / 153
        let month = part < 10 ? part + 3 : part - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1)
    }
}
