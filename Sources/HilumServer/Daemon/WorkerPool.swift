/// A few threads that run what is submitted, oldest first.
///
/// Thread rule: any thread.
final class WorkerPool: Sendable {
    private let queue = BlockingQueue<@Sendable () -> Void>()
    private let threads: [WorkerThread]

    init(threadCount: Int) {
        let queue = queue
        threads = (0..<max(1, threadCount)).map { number in
            WorkerThread("hilum-work-\(number)") {
                while let task = queue.take() { task() }
            }
        }
    }

    func submit(_ task: @escaping @Sendable () -> Void) -> Bool { queue.push(task) }

    /// Runs what is queued, then ends the threads.
    func stop() {
        queue.close()
        for thread in threads { thread.join() }
    }
}
