import Foundation

/// Tells threads that wait that something changed. They wait by a clock that nobody sets, so a wait is as long as it says.
///
/// Thread rule: any thread. Whoever reads `current` before it looks at what may change misses no ring.
package final class ChangeBell: @unchecked Sendable {
    // Sendable: `rings` is read and written under `mutex` alone; the two pointers never change.
    // Safety: both are initialised in `init` and freed in `deinit`, which no waiting thread can outlive: it holds a reference.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var rings = 0

    /// A bell that has not rung.
    package init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// How often it rang.
    package var current: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return rings
    }

    /// Wakes whoever waits.
    package func ring() {
        pthread_mutex_lock(mutex)
        rings += 1
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Wakes one of those who wait, where it does not matter which.
    package func ringOne() {
        pthread_mutex_lock(mutex)
        rings += 1
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Waits until it has rung more than `count` times, for so many seconds at most.
    ///
    /// - Returns: how often it rang.
    @discardableResult
    package func wait(after count: Int, forSeconds seconds: Double) -> Int {
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let nanoseconds = Double(end.tv_nsec) + max(0, min(seconds, 1e9)) * 1e9
        end.tv_sec += Int(nanoseconds / 1e9)
        end.tv_nsec = Int(nanoseconds.truncatingRemainder(dividingBy: 1e9))
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while rings <= count, pthread_cond_timedwait(condition, mutex, &end) == 0 {}
        return rings
    }
}
