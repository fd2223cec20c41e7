import Foundation
import Synchronization

/// A thread that gets a core only while nobody else wants it, and runs what it is given while the caller waits.
///
/// What holds a lock must not run on it: whoever waits for the lock would wait for an idle core.
///
/// Thread rule: one caller at a time.
final class LowPriorityWorker: Sendable {
    private typealias Job = @Sendable () -> Void

    private let jobs = Mutex<[Job]>([])
    private let wake = DispatchSemaphore(value: 0)
    private static let stackByteCount = 8 << 20

    init() {
        let thread = Thread { [weak self, wake] in
            Self.lowerPriority()
            while true {
                wake.wait()
                // Without a job, the worker is gone.
                guard let job = self?.jobs.withLock({ $0.popLast() }) else { return }
                job()
            }
        }
        thread.name = "hilum-reembed"
        thread.stackSize = Self.stackByteCount
        thread.start()
    }

    deinit { wake.signal() }

    /// The result of `body`, which runs on the thread.
    ///
    /// - Parameter isAbandoned: asked now and then; ends the wait for a thread that may get no core for long. What `body` comes to is
    ///   dropped then.
    /// - Returns: nil when it was abandoned.
    func run<Result: Sendable>(
        unless isAbandoned: () -> Bool, _ body: @escaping @Sendable () -> Result
    ) -> Result? {
        let box = Box<Result>()
        let done = ChangeBell()
        jobs.withLock {
            $0.append {
                box.set(body())
                done.ring()
            }
        }
        wake.signal()
        while done.wait(after: 0, forSeconds: Self.patienceInSeconds) == 0 { if isAbandoned() { return nil } }
        return box.take()
    }

    private static let patienceInSeconds = 0.1

    private final class Box<Result: Sendable>: Sendable {
        private let result = Mutex<Result?>(nil)

        func set(_ value: Result) { result.withLock { $0 = value } }

        func take() -> Result? { result.withLock { $0 } }
    }

    /// Both are rights that every thread has; where the system refuses them, the work is done all the same.
    private static func lowerPriority() {
        var parameters = sched_param()
        let idlePolicy: Int32 = 5
        _ = sched_setscheduler(0, idlePolicy, &parameters)
        // On Linux this is the thread alone.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
    }
}
