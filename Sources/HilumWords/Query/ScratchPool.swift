import Synchronization

/// Lends scratch to questions; there is as much of it as there were ever questions at once.
///
/// Thread rule: any thread.
final class ScratchPool: Sendable {
    private let free = Mutex<[SearchScratch]>([])

    /// Lends scratch for documents below `count`, wiped if `body` throws.
    func withScratch<Result>(_ count: Int, _ body: (SearchScratch) throws -> Result) rethrows -> Result {
        let scratch = free.withLock { $0.popLast() } ?? SearchScratch()
        scratch.reserve(count)
        defer { free.withLock { $0.append(scratch) } }
        do {
            return try body(scratch)
        } catch {
            scratch.wipe()
            throw error
        }
    }
}
