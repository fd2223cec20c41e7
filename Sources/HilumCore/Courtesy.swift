import Foundation

/// Lets work in the background rest while others wait, so that these get the cores.
///
/// ```
/// piece ─→ does somebody wait? ── no ──→ next piece
///                 └─ yes: rest until nobody does, but at most `restFactor` times as long as the piece took of a core
/// ```
/// So the work goes on whatever others do: it keeps 1 / (1 + `restFactor`) of each of its threads.
///
/// Thread rule: any thread.
public struct Courtesy: Sendable {
    /// For work that waits for nobody.
    public static let none = Courtesy { false }

    /// How long one rest lasts until it is asked again whether somebody waits.
    private static let napInMicroseconds: UInt32 = 500

    private let restFactor: Double
    private let isAsked: @Sendable () -> Bool

    /// - Parameters:
    ///   - restFactor: the longest rest, in times of the piece before it.
    ///   - isWanted: whether somebody waits; called often, on any thread.
    public init(restFactor: Double = 4, isWanted: @escaping @Sendable () -> Bool) {
        self.restFactor = restFactor
        isAsked = isWanted
    }

    /// Whether somebody waits; then pieces should be small.
    public var isWanted: Bool { isAsked() }

    /// The same, but it rests for nobody while `isHurried` says so.
    ///
    /// - Parameter isHurried: called often, on any thread.
    public func unless(_ isHurried: @escaping @Sendable () -> Bool) -> Courtesy {
        Courtesy(restFactor: restFactor) { [isAsked] in isAsked() && !isHurried() }
    }

    /// Does a piece of the work, and rests afterwards while somebody waits.
    public func piece<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = Self.secondsOfThread
        let result = try body()
        if isWanted { rest(forSeconds: restFactor * (Self.secondsOfThread - before)) }
        return result
    }

    private func rest(forSeconds seconds: Double) {
        let end = monotonicSeconds() + seconds
        while isWanted, monotonicSeconds() < end { usleep(Self.napInMicroseconds) }
    }

    /// What this thread has had of a core: a piece that waited for one has cost nobody anything.
    private static var secondsOfThread: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
}
