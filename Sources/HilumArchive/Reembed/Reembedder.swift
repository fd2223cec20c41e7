import Foundation
import HilumCore
import Synchronization

/// Makes new generations of an archive in the background, at low priority, and keeps the one beside up to date.
///
///     driver thread ──► next cases ──► worker that gets idle cores only: decode, encode ──► driver: one transaction, graphs
///          └─ waits: for the pace, for a pause to end, for the time of day, for new cases
///
/// An unfinished generation keeps to its pace. A complete one, and one that is kept, follow new cases at once, because a switch or a
/// rollback has to find them. What was given up is removed here too.
///
/// Thread rule: `start` once, `stop` once, any thread.
public final class Reembedder: Sendable {
    private let archive: Archive
    private let stopped = AtomicFlag()
    private let ended = DispatchGroup()

    /// How long it waits at most before it looks again.
    private static let longestWaitInSeconds = 1.0
    /// After something that failed.
    private static let retryInSeconds = 30.0
    private static let stackByteCount = 8 << 20

    /// - Parameter archive: open for writing; stays open until `stop` has returned.
    public init(_ archive: Archive) { self.archive = archive }

    /// Begins to work whenever there is something to do.
    public func start() {
        let ended = ended
        ended.enter()
        let thread = Thread { [self] in
            work()
            ended.leave()
        }
        thread.name = "hilum-generations"
        thread.stackSize = Self.stackByteCount
        thread.start()
    }

    /// Ends the work after the pass of the model that runs, and waits for that.
    public func stop() {
        stopped.raise()
        archive.noteChanged()
        ended.wait()
    }

    private func work() {
        let worker = LowPriorityWorker()
        while !stopped.isRaised {
            do {
                try archive.removeLeavingGenerations { stopped.isRaised }
                let pause = try step(worker)
                wait(pause.seconds, isPace: pause.isPace)
            } catch {
                if (error as? ArchiveError)?.code == .notReady {
                    Log.debug("re-embedding: \(error)")
                } else {
                    Log.warning("re-embedding waits: \(error)")
                }
                wait(Self.retryInSeconds, isPace: false)
            }
        }
    }

    /// Encodes a batch, if it is time; returns for how many seconds to wait, and whether new cases may not end that.
    private func step(_ worker: LowPriorityWorker) throws -> (seconds: Double, isPace: Bool) {
        let idle = (seconds: Self.longestWaitInSeconds, isPace: false)
        let started = monotonicSeconds()
        guard let record = archive.recordBeside else { return idle }
        var limit = Archive.reembedBatchCount
        var pace: Double?
        if !record.isComplete {
            if record.isPaused || !(record.hours?.isNow ?? true) { return idle }
            pace = record.rate
            // Small steps, so that a slow pace is an even one.
            if let pace { limit = max(1, min(limit, Int(pace))) }
        }
        // Without a lock, which a thread that gets idle cores only might hold for long.
        let orders = archive.orders.current
        let step = try archive.encodeNextBatch(limit, threads: 1, on: worker) { [stopped, archive] in
            stopped.isRaised || archive.orders.current != orders
        }
        guard case .encoded(let count) = step else { return idle }
        guard let pace else { return (0, false) }
        return (max(0, started + Double(count) / pace - monotonicSeconds()), true)
    }

    /// Waits, unless something changes before; to keep a pace only the end, a pause or another pace ends the wait.
    private func wait(_ seconds: Double, isPace: Bool) {
        guard seconds > 0 else { return }
        let end = Date(timeIntervalSinceNow: seconds)
        archive.changed.lock()
        defer { archive.changed.unlock() }
        let before = archive.recordBeside
        while !stopped.isRaised, archive.changed.wait(until: end), isPace {
            let now = archive.recordBeside
            if now?.rate != before?.rate || now?.isPaused != before?.isPaused || now?.number != before?.number {
                return
            }
        }
    }
}

extension Archive {
    /// The generation beside, as stored.
    var recordBeside: GenerationRecord? { generations.withLock { $0.beside == nil ? nil : $0.table.beside } }
}
