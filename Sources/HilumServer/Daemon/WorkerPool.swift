import HilumArchive
import Synchronization

/// The threads that answer reading requests. What takes long keeps nobody waiting who asks for little.
///
/// | lane | for | threads |
/// | --- | --- | --- |
/// | light | what neither decodes nor encodes, such as COUNT and GET | the workers, and one more that takes nothing else |
/// | heavy | searches and pictures | the workers |
/// | long | large pictures, EXPLAIN | one; users, and then the processes of a user, take turns |
/// | snapshot | SNAPSHOT | one; a second one is refused |
///
/// A picture of 80 megapixels takes seconds to decode. Two of them would hold up every search of a machine with two cores; so they wait
/// for each other instead.
///
/// Thread rule: any thread.
final class WorkerPool: Sendable {
    /// Which threads carry out a task.
    enum Lane: Sendable, Equatable { case light, heavy, long, snapshot }

    private typealias Task = @Sendable () -> Void

    private struct State {
        /// Numbers the light and heavy tasks, so that workers take them in the order in which they came.
        var nextNumber = 0
        var light = ArrivalQueue<Task>()
        var heavy = ArrivalQueue<Task>()
        var long = TurnQueue<Task>()
        var snapshot: Task?
        var isMakingSnapshot = false
        var isClosed = false
        /// Workers that wait for a task, or are on their way to one for which they were woken.
        var idleWorkerCount = 0
    }

    /// Who takes tasks from where.
    private enum Thread { case worker, light, long, snapshot }

    /// One wait where there is no end; then the next.
    private static let longWaitInSeconds = 3600.0

    private let shared: Shared
    private let threads: [WorkerThread]

    /// What the threads share; they hold no pool, so that the pool can end.
    private final class Shared: Sendable {
        let state = Mutex(State())
        let workBell = ChangeBell()
        let lightBell = ChangeBell()
        let longBell = ChangeBell()
        let snapshotBell = ChangeBell()

        func bell(of thread: Thread) -> ChangeBell {
            switch thread {
            case .worker: workBell
            case .light: lightBell
            case .long: longBell
            case .snapshot: snapshotBell
            }
        }
    }

    init(threadCount: Int) {
        let shared = Shared()
        self.shared = shared
        func thread(_ name: String, _ kind: Thread) -> WorkerThread {
            WorkerThread(name) {
                while let task = Self.next(kind, shared) { task() }
            }
        }
        threads =
            (0..<max(1, threadCount)).map { thread("hilum-work-\($0)", .worker) }
            + [thread("hilum-light", .light), thread("hilum-long", .long), thread("hilum-snapshot", .snapshot)]
    }

    /// False once the pool is stopped, and for a snapshot while another one is made.
    ///
    /// - Parameter peer: who asks, for a lane in which clients take turns.
    func submit(_ lane: Lane, for peer: Peer, _ task: @escaping @Sendable () -> Void) -> Bool {
        let idleCounts: (workers: Int, tasks: Int)? = shared.state.withLock { state in
            if state.isClosed || lane == .snapshot && (state.isMakingSnapshot || state.snapshot != nil) { return nil }
            switch lane {
            case .light: state.light.append(task, number: state.nextNumber)
            case .heavy: state.heavy.append(task, number: state.nextNumber)
            case .long: state.long.append(task, of: peer)
            case .snapshot: state.snapshot = task
            }
            state.nextNumber += 1
            return (state.idleWorkerCount, state.light.count + state.heavy.count)
        }
        guard let idleCounts else { return false }
        switch lane {
        case .light, .heavy:
            // Who has work looks at the queue when it is done. The thread for light tasks is woken where no worker is left for this one.
            if idleCounts.workers > 0 { shared.workBell.ringOne() }
            if lane == .light, idleCounts.workers < idleCounts.tasks { shared.lightBell.ringOne() }
        case .long: shared.longBell.ringOne()
        case .snapshot: shared.snapshotBell.ringOne()
        }
        return true
    }

    /// A task of a lane that takes one at a time has done its work. Called before its reply goes out, so that whoever reads that may ask for
    /// the next one.
    func release(_ lane: Lane) {
        guard lane == .snapshot else { return }
        shared.state.withLock { $0.isMakingSnapshot = false }
    }

    /// The next task of a thread; waits for one. Nil once the pool is stopped and nothing is left.
    private static func next(_ thread: Thread, _ shared: Shared) -> Task? {
        let bell = shared.bell(of: thread)
        var isIdle = false
        while true {
            // Read before the queues are looked at, so that no task goes unnoticed.
            let rings = bell.current
            let (task, isOver) = shared.state.withLock { state in
                let task = take(thread, &state)
                let waits = thread == .worker && task == nil && !state.isClosed
                state.idleWorkerCount += (waits ? 1 : 0) - (isIdle ? 1 : 0)
                isIdle = waits
                return (task, state.isClosed)
            }
            if let task { return task }
            if isOver { return nil }
            bell.wait(after: rings, forSeconds: longWaitInSeconds)
        }
    }

    private static func take(_ thread: Thread, _ state: inout State) -> Task? {
        switch thread {
        case .light: return state.light.take()
        case .long: return state.long.take()
        case .worker:
            let isLightFirst = (state.light.firstNumber ?? Int.max) < (state.heavy.firstNumber ?? Int.max)
            return isLightFirst ? state.light.take() : state.heavy.take()
        case .snapshot:
            // Asked for the next one, its thread has none any more.
            state.isMakingSnapshot = state.snapshot != nil
            defer { state.snapshot = nil }
            return state.snapshot
        }
    }

    /// Runs what is queued, then ends the threads.
    func stop() {
        shared.state.withLock { $0.isClosed = true }
        for thread in [Thread.worker, .light, .long, .snapshot] { shared.bell(of: thread).ring() }
        for thread in threads { thread.join() }
    }
}
