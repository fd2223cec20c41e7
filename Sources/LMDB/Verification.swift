import Foundation

/// A walk over all pages on a thread of its own, and its result.
///
/// Thread rule: any thread.
final class Verification: @unchecked Sendable {
    // Sendable: everything is read and written under `condition` alone.

    private enum State {
        case waiting, running
        case ended(Result<String?, any Error>)
    }

    private let condition = NSCondition()
    private var state: State
    private var isCancelled = false

    /// - Parameter isNeeded: false where it counts as done from the start.
    init(isNeeded: Bool) { state = isNeeded ? .waiting : .ended(.success(nil)) }

    /// Runs `walk`, which returns the first finding, unless it was begun before. `walk` is asked to end early by its argument.
    ///
    /// One that threw has proven nothing, so it is made again: there may have been no descriptor for it.
    func start(_ walk: @escaping @Sendable (_ isCancelled: () -> Bool) throws -> String?) {
        condition.lock()
        defer { condition.unlock() }
        switch state {
        case .waiting, .ended(.failure): guard !isCancelled else { return }
        case .running, .ended(.success): return
        }
        state = .running
        Thread.detachNewThread { [self] in
            let result = Result { try walk(wasCancelled) }
            condition.lock()
            state = .ended(result)
            condition.broadcast()
            condition.unlock()
        }
    }

    /// Waits for the end of the walk.
    ///
    /// - Throws: `.damaged` with the finding, `.closed` after `cancel`, what the walk threw.
    func await(_ path: String) throws {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if isCancelled { throw LMDBError(.closed, call: "verify", path: path) }
            switch state {
            case .waiting: return
            case .running: condition.wait()
            case .ended(let result):
                if let finding = try result.get() { throw LMDBError(.damaged(finding), call: "verify", path: path) }
                return
            }
        }
    }

    /// Makes the walk end, and waits until it has.
    func cancel() {
        condition.lock()
        defer { condition.unlock() }
        isCancelled = true
        condition.broadcast()
        while case .running = state { condition.wait() }
    }

    private func wasCancelled() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        return isCancelled
    }
}
