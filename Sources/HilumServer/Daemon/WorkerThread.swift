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
            body()
            group.leave()
        }
        thread.name = name
        thread.stackSize = Self.stackByteCount
        thread.start()
    }

    func join() { group.wait() }
}
