import Dispatch
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

    private let state = Mutex(State())
    /// One signal an item, and one more that goes round when the queue is closed.
    private let semaphore = DispatchSemaphore(value: 0)

    /// Adds an item; false once the queue is closed.
    func push(_ item: Element) -> Bool {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.items.append(item) }
            return !state.isClosed
        }
        if isOpen { semaphore.signal() }
        return isOpen
    }

    /// The oldest item; waits for one. Nil when the time is over, or when the queue is closed and empty.
    func take(withinSeconds seconds: Double? = nil) -> Element? {
        let deadline = seconds.map { DispatchTime.now() + $0 } ?? .distantFuture
        guard semaphore.wait(timeout: deadline) == .success else { return nil }
        let item: Element? = state.withLock { state in
            guard state.head < state.items.count else { return nil }
            let item = state.items[state.head]
            state.head += 1
            if state.head == state.items.count || state.head >= Self.takenLimit {
                state.items.removeFirst(state.head)
                state.head = 0
            }
            return item
        }
        if item == nil { semaphore.signal() }
        return item
    }

    /// Takes no further item; what is queued is still handed out.
    func close() {
        let wasOpen = state.withLock { state in
            let wasOpen = !state.isClosed
            state.isClosed = true
            return wasOpen
        }
        if wasOpen { semaphore.signal() }
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    var isEmpty: Bool { state.withLock { $0.head == $0.items.count } }
}
