import Foundation
import Synchronization

/// One line on standard error for each message, with a UTC time: `2026-01-31T12:00:00Z info message`.
///
/// A message stays on its line: control characters in it, such as a line feed in the name of a file, become blanks.
/// Where standard error is a pipe that nobody reads, messages are lost rather than waited for (`LineSink`).
/// Messages never hold report text, pixels or patient identifiers. Thread rule: any thread.
public enum Log {
    /// How much a message matters.
    public enum Level: Int, Comparable, Sendable {
        case debug, info, warning, error

        /// Whether `left` matters less.
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    private static let level = Mutex(Level.info)
    private static let isRead = AtomicFlag()
    private static let sink = LineSink(descriptor: STDERR_FILENO)

    /// The lowest level that is written.
    ///
    /// `HILUM_LOG` names it (debug, info, warning, error), or a file that does: a path with a `/` in it. It is info otherwise.
    public static var threshold: Level {
        if !isRead.isRaised { reload() }
        return level.withLock { $0 }
    }

    /// Reads the lowest level again. A daemon does so after SIGHUP, so that its level can be changed while it runs.
    @discardableResult
    public static func reload() -> Level {
        var word = ProcessInfo.processInfo.environment["HILUM_LOG"] ?? ""
        if word.contains("/") {
            let bytes = try? FileIO.read(word, limitInBytes: 4096)
            word = bytes.map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        let found: Level =
            switch word.trimmingCharacters(in: .whitespacesAndNewlines).lowercased() {
            case "debug": .debug
            case "warning", "warn": .warning
            case "error": .error
            default: .info
            }
        level.withLock { $0 = found }
        isRead.raise()
        return found
    }

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
        sink.write("\(stamp) \(level) \(onOneLine(message()))\n")
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
