import HilumCore

/// What an archive knows of its generations while it is open.
///
/// Thread rule: a value; the archive guards it, and whoever changes it holds `writing`.
struct Generations: Sendable {
    /// As stored.
    var table = GenerationTable()
    /// Nil when there is none, when the archive is open for reading, and when it cannot be used.
    var beside: Beside?
    /// Cases with images that could not be read and are tried once more, ascending.
    var retries: [UInt32] = []
    /// Cases that were encoded for `beside` by this process, and when, over the last minute; the newest last.
    private(set) var strides: [(seconds: Double, count: Int)] = []

    /// The memory of `strides`.
    private static let windowInSeconds = 60.0

    init(table: GenerationTable = GenerationTable(), beside: Beside? = nil) {
        self.table = table
        self.beside = beside
    }

    /// Notes that work on `count` cases ended now.
    mutating func note(_ count: Int, at seconds: Double = monotonicSeconds()) {
        strides.append((seconds, count))
        strides.removeAll { $0.seconds < seconds - Self.windowInSeconds }
    }

    /// Work begins or goes on now; what was before says nothing about its pace.
    mutating func startClock(at seconds: Double = monotonicSeconds()) { strides = [(seconds, 0)] }

    /// Cases a second over the last minute; nil while nothing is known, and when nothing was done for a minute.
    func casesPerSecond(at seconds: Double = monotonicSeconds()) -> Double? {
        guard let first = strides.first, let last = strides.last, strides.count > 1,
            seconds - last.seconds < Self.windowInSeconds, last.seconds > first.seconds
        else { return nil }
        // The first only says when counting began.
        return Double(strides.dropFirst().reduce(0) { $0 + $1.count }) / (last.seconds - first.seconds)
    }
}
