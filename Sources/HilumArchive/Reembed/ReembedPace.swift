/// How fast, and when, a new generation is made.
public struct ReembedPace: Sendable, Equatable {
    /// Cases a second at most; nil for as fast as it goes.
    public var casesPerSecond: Double?
    /// The part of the day in which cases are encoded; nil for all of it.
    public var hours: DailyHours?

    /// As fast as it goes, at any time, unless it is said otherwise.
    public init(casesPerSecond: Double? = nil, hours: DailyHours? = nil) {
        self.casesPerSecond = casesPerSecond
        self.hours = hours
    }
}
