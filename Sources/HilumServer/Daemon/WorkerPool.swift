/// A few threads that run what is submitted, oldest first, and one more for what takes long.
///
/// A picture of 80 megapixels takes seconds to decode. Two of them would hold up every search of a machine with two cores; so they wait
/// for each other instead.
///
/// Thread rule: any thread.
final class WorkerPool: Sendable {
    private typealias Queue = BlockingQueue<@Sendable () -> Void>

    private let queue = Queue()
    private let longQueue = Queue()
    private let threads: [WorkerThread]

    init(threadCount: Int) {
        let (queue, longQueue) = (queue, longQueue)
        threads =
            (0..<max(1, threadCount)).map { Self.thread("hilum-work-\($0)", queue) }
            + [Self.thread("hilum-long", longQueue)]
    }

    private static func thread(_ name: String, _ queue: Queue) -> WorkerThread {
        WorkerThread(name) {
            while let task = queue.take() { task() }
        }
    }

    /// False once the pool is stopped.
    ///
    /// - Parameter isLong: whether others should not wait for it.
    func submit(isLong: Bool = false, _ task: @escaping @Sendable () -> Void) -> Bool {
        (isLong ? longQueue : queue).push(task)
    }

    /// Runs what is queued, then ends the threads.
    func stop() {
        queue.close()
        longQueue.close()
        for thread in threads { thread.join() }
    }
}
