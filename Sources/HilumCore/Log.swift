import Foundation

/// One line on standard error for each message, with a UTC time: `2026-01-31T12:00:00Z info message`.
///
/// Messages never hold report text, pixels or patient identifiers. Thread rule: any thread.
public enum Log {
    /// How much a message matters.
    public enum Level: Int, Comparable, Sendable {
        case debug, info, warning, error

        /// Whether `left` matters less.
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// The lowest level that is written, from `HILUM_LOG` (debug, info, warning, error); info otherwise.
    public static let threshold: Level = {
        switch ProcessInfo.processInfo.environment["HILUM_LOG"]?.lowercased() {
        case "debug": .debug
        case "warning", "warn": .warning
        case "error": .error
        default: .info
        }
    }()

    /// Writes a message that only a developer wants.
    public static func debug(_ message: @autoclosure () -> String) { write(.debug, message) }
    /// Writes a message about ordinary work.
    public static func info(_ message: @autoclosure () -> String) { write(.info, message) }
    /// Writes a message about something that may need a look.
    public static func warning(_ message: @autoclosure () -> String) { write(.warning, message) }
    /// Writes a message about something that failed.
    public static func error(_ message: @autoclosure () -> String) { write(.error, message) }

    private static func write(_ level: Level, _ message: () -> String) {
        guard level >= threshold else { return }
        var seconds = time(nil)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let stamp = String(
            format: "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
            parts.tm_hour,
            parts.tm_min, parts.tm_sec)
        standardError("\(stamp) \(level) \(message())\n")
    }
}

/// Writes text to standard error in one system call, so that lines of several threads do not mix.
public func standardError(_ text: String) {
    var copy = text
    copy.withUTF8 { bytes in
        guard let base = bytes.baseAddress else { return }
        _ = write(STDERR_FILENO, base, bytes.count)
    }
}
