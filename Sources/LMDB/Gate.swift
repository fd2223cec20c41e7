import Foundation

/// Lets transactions pass, and now and then stops them all so that the map can be moved.
///
/// LMDB may change the map's size only while this process has no live transaction.
/// Thread rule: any thread; a thread inside the gate must not enter it again.
final class Gate: @unchecked Sendable {
    // Sendable: `live` and `isClosed` are read and written under `condition` alone.
    private let condition = NSCondition()
    private var live = 0
    private var isClosed = false

    func enter() {
        condition.lock()
        while isClosed { condition.wait() }
        live += 1
        condition.unlock()
    }

    func leave() {
        condition.lock()
        live -= 1
        if live == 0 { condition.broadcast() }
        condition.unlock()
    }

    /// Waits until nobody is inside, and keeps everybody out while `body` runs.
    func exclusively<Result>(_ body: () throws -> Result) rethrows -> Result {
        condition.lock()
        while isClosed { condition.wait() }
        isClosed = true
        while live > 0 { condition.wait() }
        condition.unlock()
        defer {
            condition.lock()
            isClosed = false
            condition.broadcast()
            condition.unlock()
        }
        return try body()
    }
}
