import Dispatch
import Foundation

/// How many threads Hilum uses when nothing else is said: `HILUM_THREADS`, else the cores this process may run on.
public let defaultThreadCount: Int = {
    if let text = ProcessInfo.processInfo.environment["HILUM_THREADS"], let count = Int(text), count > 0 {
        return count
    }
    return max(1, ProcessInfo.processInfo.activeProcessorCount)
}()

/// Cuts `0..<count` into `threads` contiguous ranges and runs `body` on each, side by side; returns when all are done.
///
/// The cut depends on `count` and `threads` alone, so a computation that sums within a range and joins the ranges in
/// order gives the same bits for the same thread count.
///
/// - Parameter body: called once per non-empty range with the range and the number of the worker (`0..<threads`).
public func parallelRanges(_ count: Int, threads: Int = defaultThreadCount, _ body: @Sendable (Range<Int>, Int) -> Void)
{
    guard count > 0 else { return }
    let workers = max(1, min(threads, count))
    if workers == 1 {
        body(0..<count, 0)
        return
    }
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
        body((count * worker / workers)..<(count * (worker + 1) / workers), worker)
    }
}

/// Runs `body` for every index of `0..<count`, handing out indices one by one (for work of uneven size).
public func parallelFor(_ count: Int, threads: Int = defaultThreadCount, _ body: @Sendable (Int) -> Void) {
    guard count > 0 else { return }
    if threads <= 1 || count == 1 {
        for index in 0..<count { body(index) }
        return
    }
    let next = AtomicCounter()
    DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
        while true {
            let index = next.increment()
            if index >= count { return }
            body(index)
        }
    }
}
