import Foundation

/// A thread that can be waited for.
final class WorkerThread: Sendable {
    /// As much as the main thread has.
    private static let stackByteCount = 8 << 20

    private let group = DispatchGroup()

    /// Starts a thread.
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let group = group
        group.enter()
        let thread = Thread {
            // The name that the system shows; `Thread.name` is Foundation's own. At most 15 bytes.
            pthread_setname_np(pthread_self(), name)
            body()
            group.leave()
        }
        thread.stackSize = Self.stackByteCount
        thread.start()
    }

    func join() { group.wait() }
}
