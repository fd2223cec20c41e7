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
    /// How often it has looked whether there is something to do, and done it.
    let turns = AtomicCounter()

    /// How long it waits at most before it looks again.
    private static let longestWaitInSeconds = 1.0
    /// After something that failed.
    private static let retryInSeconds = 30.0
    private static let stackByteCount = 8 << 20

    /// - Parameter archive: open for writing; once it is closed, nothing is done any more.
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

    /// Ends the work. What the model was at is dropped: a thread that gets idle cores only may not end soon.
    public func stop() {
        stopped.raise()
        archive.changed.ring()
        ended.wait()
    }

    private func work() {
        let worker = LowPriorityWorker()
        var complaints = (removal: "", step: "")
        var nextRemoval = 0.0
        while !stopped.isRaised {
            // Read before anything is looked at, so that no change goes unnoticed.
            let rings = archive.changed.current
            let orders = archive.orders.current
            if monotonicSeconds() >= nextRemoval {
                do { try archive.removeLeavingGenerations { stopped.isRaised } } catch {
                    complain(error, &complaints.removal)
                    nextRemoval = monotonicSeconds() + Self.retryInSeconds
                }
            }
            do {
                let pause = try step(worker, orders)
                complaints.step = ""
                turns.increment()
                wait(pause.seconds, after: rings, orders: pause.isPace ? orders : nil)
            } catch {
                complain(error, &complaints.step)
                wait(Self.retryInSeconds, after: rings, orders: orders)
            }
        }
    }

    /// Says once what keeps the work from going on, however often it is tried.
    private func complain(_ error: any Error, _ last: inout String) {
        let text = "\(error)"
        if text == last || (error as? ArchiveError)?.code == .notReady {
            Log.debug("re-embedding: \(text)")
        } else {
            Log.warning("re-embedding waits: \(text)")
        }
        last = text
    }

    /// Encodes a batch, if it is time; returns for how many seconds to wait, and whether new cases may not end that.
    private func step(_ worker: LowPriorityWorker, _ orders: Int) throws -> (seconds: Double, isPace: Bool) {
        let idle = (seconds: Self.longestWaitInSeconds, isPace: false)
        let started = monotonicSeconds()
        guard let record = archive.recordBeside else { return idle }
        var limit = Archive.reembedBatchCount
        var pace: Double?
        if !record.isComplete {
            // Its vectors come from files, by somebody else.
            if record.space != nil { return idle }
            if record.isPaused || !(record.hours?.isNow ?? true) { return idle }
            pace = record.rate
            // Small steps, so that a slow pace is an even one.
            if let pace { limit = max(1, min(limit, Int(pace))) }
        }
        // Without a lock, which a thread that gets idle cores only might hold for long.
        let step = try archive.encodeNextBatch(limit, threads: 1, on: worker) { [stopped, archive] in
            stopped.isRaised || archive.orders.current != orders
        }
        guard case .encoded(let count) = step else { return idle }
        guard let pace else { return (0, false) }
        return (max(0, started + Double(count) / pace - monotonicSeconds()), true)
    }

    /// Waits, unless something changes before.
    ///
    /// - Parameters:
    ///   - rings: of the archive's bell, from before it was looked at.
    ///   - orders: only another order ends the wait, as for a pace; nil: new cases do too.
    private func wait(_ seconds: Double, after rings: Int, orders: Int?) {
        let end = monotonicSeconds() + seconds
        var rings = rings
        while !stopped.isRaised {
            let left = end - monotonicSeconds()
            if left <= 0 { return }
            let now = archive.changed.wait(after: rings, forSeconds: left)
            guard now > rings, orders == archive.orders.current else { return }
            rings = now
        }
    }
}

extension Archive {
    /// The generation beside, as stored.
    var recordBeside: GenerationRecord? { generations.withLock { $0.beside == nil ? nil : $0.table.beside } }
}
