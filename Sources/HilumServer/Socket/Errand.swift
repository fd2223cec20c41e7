import Synchronization

/// A request on its way to a thread that carries it out, and with it the memory that it takes.
///
/// Whoever takes the request has it alone. The event loop cancels one when its client or its time is gone, so that what waits behind a
/// long search holds no memory for nobody.
/// Thread rule: any thread.
final class Errand: Sendable {
    private enum State {
        case waiting(Request)
        case taken
        case cancelled
    }

    private let state: Mutex<State>

    init(_ request: Request) { state = Mutex(.waiting(request)) }

    /// The request, for the first who asks.
    func take() -> Request? {
        state.withLock { state in
            guard case .waiting(let request) = state else { return nil }
            state = .taken
            return request
        }
    }

    /// Puts a request that was taken back, for another thread; false when nobody waits for it any more.
    func giveBack(_ request: Request) -> Bool {
        state.withLock { state in
            guard case .taken = state else { return false }
            state = .waiting(request)
            return true
        }
    }

    /// Nobody waits for the answer any more.
    func cancel() { state.withLock { $0 = .cancelled } }

    /// Whether the request is there no more.
    var isTaken: Bool { state.withLock { if case .waiting = $0 { false } else { true } } }
}
