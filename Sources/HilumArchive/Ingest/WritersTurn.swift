import Foundation
import Synchronization

/// One change of an archive at a time; whoever waits for its turn is noticed, so that the one who has it does not rest meanwhile.
///
/// Thread rule: any thread; the thread that locked unlocks.
final class WritersTurn: Sendable {
    private let mutex = NSLock()
    private let waiting = Atomic<Int>(0)

    /// - Parameter patiently: the wait hastens nobody, for work that has all night.
    func lock(patiently: Bool = false) {
        guard !patiently else { return mutex.lock() }
        if mutex.try() { return }
        waiting.add(1, ordering: .relaxed)
        mutex.lock()
        waiting.subtract(1, ordering: .relaxed)
    }

    func unlock() { mutex.unlock() }

    /// Whether somebody waits, and not patiently.
    var isAwaited: Bool { waiting.load(ordering: .relaxed) > 0 }
}
