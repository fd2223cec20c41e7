import HilumArchive
import HilumCore
import Synchronization

/// The one way into the archive for changes: a single thread that gathers what waits into one commit.
///
/// ```
/// submit ─→ queue ─→ up to 64 cases or 5 ms ─→ ServedArchive.put (one durable commit) ─→ each request's completion
/// ```
/// While requests come side by side, changes make room for them (`Courtesy`): searches are answered first, and changes take longer.
///
/// While no change waits, an archive that a failed write has left unfit is mended. While no search runs either, a tenth of the thread's time at most goes to
/// `ServedArchive.estimateRecall`, a few milliseconds at once. A case that comes alone is not kept waiting longer than
/// that. Changes take effect in the order in which they were submitted.
/// Thread rule: any thread; completions run on the writer thread and must not block.
final class WriterQueue: Sendable {
    enum Change: Sendable {
        /// Makes the case on the writer thread (it may read a file); throws what the client is told.
        case put(@Sendable () throws -> CaseInput)
        case delete(id: String, forgets: Bool)
        /// Removes the case if it came from `source`; its files are gone.
        case forget(id: String, source: String)
    }

    enum Outcome: Sendable, Equatable {
        case put(id: String, PutOutcome)
        case deleted(Bool)
    }

    typealias Completion = @Sendable (Result<Outcome, ServerError>) -> Void

    struct Item: Sendable {
        let change: Change
        /// True when nobody waits for the change any more; asked before it begins.
        let isCancelled: @Sendable () -> Bool
        let completion: Completion
    }

    struct Limits: Sendable {
        var batchCount = ArchiveLimits.batchCount
        var gatherInSeconds = 0.005
        var maintenanceInSeconds = 60.0
        /// Idle time is used for so long at once,
        var idleWorkInSeconds = 0.005
        /// and again after a pause,
        var idlePauseInSeconds = 0.045
        /// or, when nothing is left to do, after a longer one.
        var idleLookInSeconds = 1.0
        /// After idle work that failed.
        var idleRetryInSeconds = 60.0
        /// One piece of idle work is done after so long, idle or not: what is measured of searches must not be missing because there are many.
        var busyPauseInSeconds = 5.0
    }

    private let queue = BlockingQueue<Item>()
    private let archive: any ServedArchive
    private let limits: Limits
    /// Whether no request runs on another thread.
    private let isIdle: @Sendable () -> Bool
    private let courtesy: Courtesy
    private let thread: Mutex<WorkerThread?> = Mutex(nil)

    init(
        archive: any ServedArchive, limits: Limits = Limits(), courtesy: Courtesy = .none,
        isIdle: @escaping @Sendable () -> Bool = { true }
    ) {
        self.archive = archive
        self.limits = limits
        self.courtesy = courtesy
        self.isIdle = isIdle
    }

    func start() {
        let thread = WorkerThread("hilum-writer") { [self] in work() }
        self.thread.withLock { $0 = thread }
    }

    /// False once the queue is stopped; the completion is not called then.
    func submit(
        _ change: Change, isCancelled: @escaping @Sendable () -> Bool = { false }, _ completion: @escaping Completion
    ) -> Bool {
        queue.push(Item(change: change, isCancelled: isCancelled, completion: completion))
    }

    /// Does what is queued, then ends the thread.
    func stop() {
        queue.close()
        thread.withLock { $0 }?.join()
    }

    private func work() {
        // Whether the last batch had company: then it pays to wait a moment for the next one's.
        var isCrowded = false
        var lastMaintenance = monotonicSeconds()
        var lastIdleWork = lastMaintenance
        while let first = next(&lastIdleWork) {
            var items = [first]
            let end = monotonicSeconds() + limits.gatherInSeconds
            while items.count < limits.batchCount {
                let left = isCrowded ? max(0, end - monotonicSeconds()) : 0
                guard let next = queue.take(withinSeconds: left) else { break }
                items.append(next)
            }
            isCrowded = items.count > 1
            perform(items)
            if monotonicSeconds() - lastMaintenance >= limits.maintenanceInSeconds {
                lastMaintenance = monotonicSeconds()
                do { try archive.clearDeadReaders() } catch { Log.warning("maintenance: \(type(of: error))") }
            }
        }
    }

    /// The next change; until it comes, idle time is used. Nil when the queue is closed and empty.
    ///
    /// - Parameter lastWork: when idle time was last used.
    private func next(_ lastWork: inout Double) -> Item? {
        var pause = limits.idlePauseInSeconds
        while true {
            if let item = queue.take(withinSeconds: pause) { return item }
            // What was queued before the end is still handed out.
            if queue.isClosed { return queue.take() }
            pause = limits.idlePauseInSeconds
            archive.mend()
            guard isIdle() || monotonicSeconds() - lastWork >= limits.busyPauseInSeconds else { continue }
            defer { lastWork = monotonicSeconds() }
            do {
                let isMoreLeft = try archive.estimateRecall(forSeconds: limits.idleWorkInSeconds) {
                    !isIdle() || !queue.isEmpty
                }
                if !isMoreLeft { pause = limits.idleLookInSeconds }
            } catch {
                Log.warning("idle work: \(type(of: error))")
                pause = limits.idleRetryInSeconds
            }
        }
    }

    /// Runs of puts of different cases are one commit each; a delete, or a case that is in the run, ends a run.
    private func perform(_ items: [Item]) {
        var cases: [CaseInput] = []
        var completions: [Completion] = []
        var ids: Set<String> = []
        func flush() {
            commit(cases, completions)
            cases = []
            completions = []
            ids = []
        }
        for item in items {
            if item.isCancelled() {
                item.completion(
                    .failure(.refused(.deadline, "the time was over before the change began; nothing changed")))
                continue
            }
            switch item.change {
            case .put(let make):
                do {
                    let value = try courtesy.piece { try make() }
                    if ids.contains(value.id) { flush() }
                    ids.insert(value.id)
                    cases.append(value)
                    completions.append(item.completion)
                } catch {
                    item.completion(.failure(Self.refusal(error)))
                }
            case .forget(let id, let source):
                flush()
                item.completion(
                    Result { .deleted(try archive.forget(id: id, source: source)) }.mapError(Self.refusal))
            case .delete(let id, let forgets):
                flush()
                item.completion(
                    Result { .deleted(try forgets ? archive.erase(id: id) : archive.delete(id: id)) }
                        .mapError(Self.refusal))
            }
        }
        flush()
    }

    private func commit(_ cases: [CaseInput], _ completions: [Completion]) {
        guard !cases.isEmpty else { return }
        do {
            let outcomes = try archive.put(cases, courtesy: courtesy)
            guard outcomes.count == cases.count else {
                throw ServerError.refused(.internal, "the archive answered for another number of cases")
            }
            for (index, input) in cases.enumerated() {
                let outcome = Outcome.put(id: archive.shownID(input.id), outcomes[index])
                completions[index](.success(outcome))
            }
        } catch {
            let refusal = Self.refusal(error)
            if cases.count > 1, case .refused(let code) = refusal.code, Self.isFaultOfOneCase(code) {
                // One case must not take its neighbours with it.
                for index in cases.indices { commit([cases[index]], [completions[index]]) }
            } else {
                for completion in completions { completion(.failure(refusal)) }
            }
        }
    }

    private static func isFaultOfOneCase(_ code: ReplyCode) -> Bool {
        switch code {
        case .badRequest, .badImage, .badVector, .limit, .exists, .notFound: true
        default: false
        }
    }

    /// What a client is told about an error of the archive.
    static func refusal(_ error: any Error) -> ServerError {
        if let error = error as? ArchiveError { return ServerError(error) }
        if let error = error as? ServerError {
            if case .refused = error.code { return error }
            return .refused(.io, error.text)
        }
        Log.error("internal error of type \(type(of: error))")
        return .refused(.internal, "an error inside the daemon (\(type(of: error))); its log has the time")
    }
}
