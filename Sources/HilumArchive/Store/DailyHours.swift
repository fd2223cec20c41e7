import Foundation

/// A part of each day in local time, such as 01:00-05:00; it may pass midnight.
public struct DailyHours: Sendable, Equatable, CustomStringConvertible {
    /// The minute of the day at which it begins.
    public let start: Int
    /// The minute of the day at which it ends.
    public let end: Int

    /// Reads `HH:MM-HH:MM`; nil for anything else, and for a part that is empty.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let start = Self.minute(parts[0]), let end = Self.minute(parts[1]), start != end else {
            return nil
        }
        self.start = start
        self.end = end
    }

    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.utf8.allSatisfy { 48...57 ~= $0 } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { return nil }
        return 60 * hour + minute
    }

    /// Whether a minute of the day lies in it; the end does not.
    public func contains(minute: Int) -> Bool {
        start < end ? start <= minute && minute < end : minute >= start || minute < end
    }

    /// Whether it is that time now, by this machine's clock and time zone.
    public var isNow: Bool {
        var now = time(nil)
        var local = tm()
        localtime_r(&now, &local)
        return contains(minute: Int(60 * local.tm_hour + local.tm_min))
    }

    /// As `init` reads it.
    public var description: String {
        String(format: "%02d:%02d-%02d:%02d", start / 60, start % 60, end / 60, end % 60)
    }
}
