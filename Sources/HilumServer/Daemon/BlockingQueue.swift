import HilumArchive
import HilumCore
import Synchronization

/// A first-in-first-out queue between threads.
///
/// Thread rule: any thread.
final class BlockingQueue<Element: Sendable>: Sendable {
    private struct State {
        var items: [Element] = []
        var head = 0
        var isClosed = false
    }

    /// Items taken are dropped from the array together, so that taking one costs no shifting.
    private static var takenLimit: Int { 256 }
    /// One wait where there is no end; then the next.
    private static var longWaitInSeconds: Double { 3600 }

    private let state = Mutex(State())
    /// Rings for each item, and when the queue is closed. A wait on it is as long as it says, also where the time of day is set.
    private let bell = ChangeBell()

    /// Adds an item; false once the queue is closed.
    func push(_ item: Element) -> Bool {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.items.append(item) }
            return !state.isClosed
        }
        if isOpen { bell.ringOne() }
        return isOpen
    }

    /// The oldest item; waits for one. Nil when the time is over, or when the queue is closed and empty.
    func take(withinSeconds seconds: Double? = nil) -> Element? {
        let end = seconds.map { monotonicSeconds() + $0 }
        while true {
            // Read before the queue is looked at, so that no item goes unnoticed.
            let rings = bell.current
            let (item, isOver) = state.withLock { (Self.takeFirst(of: &$0), $0.isClosed) }
            if item != nil || isOver { return item }
            let left = end.map { $0 - monotonicSeconds() } ?? Self.longWaitInSeconds
            if left <= 0 { return nil }
            bell.wait(after: rings, forSeconds: left)
        }
    }

    private static func takeFirst(of state: inout State) -> Element? {
        guard state.head < state.items.count else { return nil }
        let item = state.items[state.head]
        state.head += 1
        if state.head == state.items.count || state.head >= takenLimit {
            state.items.removeFirst(state.head)
            state.head = 0
        }
        return item
    }

    /// Takes no further item; what is queued is still handed out.
    func close() {
        state.withLock { $0.isClosed = true }
        bell.ring()
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    var isEmpty: Bool { state.withLock { $0.head == $0.items.count } }
}
