import HilumCore
import Synchronization

/// Notices when so many requests are under way that all workers have one: then other work should make room.
///
/// Under a steady load there are fewer for moments, as clients read their answers; so it stays noticed for a while.
///
/// Thread rule: any thread.
final class Crowd: Sendable {
    private static let memoryInSeconds = 0.02

    private let size: Int
    private let underWay = Atomic<Int>(0)
    /// When it was last seen, in microseconds of the monotonic clock.
    private let seen = Atomic<Int>(Int.min / 2)
    private let now: @Sendable () -> Double

    /// - Parameters:
    ///   - size: so many requests make a crowd; at least two, as one alone leaves a core or comes to a machine that has one.
    ///   - now: for tests.
    init(size: Int, now: @escaping @Sendable () -> Double = monotonicSeconds) {
        self.size = max(2, size)
        self.now = now
    }

    /// A request waits for a worker from now on.
    func enter() { underWay.add(1, ordering: .relaxed) }

    /// It was answered.
    func leave() {
        guard underWay.subtract(1, ordering: .relaxed).oldValue >= size else { return }
        seen.store(Int(1e6 * now()), ordering: .relaxed)
    }

    /// Whether there is one, or was a moment ago.
    var isThere: Bool {
        underWay.load(ordering: .relaxed) >= size
            || Int(1e6 * now()) - seen.load(ordering: .relaxed) < Int(1e6 * Self.memoryInSeconds)
    }
}
