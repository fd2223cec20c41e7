import Synchronization

/// A request on its way to a thread that carries it out, and with it the memory that it takes.
///
/// Whoever takes the request has it alone. The event loop takes one back when its client or its time is gone, so that what waits behind a
/// long search holds no memory for nobody.
/// Thread rule: any thread.
final class Errand: Sendable {
    private let request: Mutex<Request?>

    init(_ request: Request) { self.request = Mutex(request) }

    /// The request, for the first who asks.
    func take() -> Request? {
        request.withLock { request in
            defer { request = nil }
            return request
        }
    }

    /// Whether somebody has the request.
    var isTaken: Bool { request.withLock { $0 == nil } }
}
