import Foundation
import HilumCore
import LMDB
import Synchronization

/// What a bulk run did.
public struct IndexSummary: Sendable, Codable, Equatable {
    public struct Refusal: Sendable, Codable, Equatable {
        /// `manifest:line`, or the file.
        public var source: String
        public var reason: String
    }

    /// Cases stored or replaced.
    public var stored = 0
    /// Cases that were there already.
    public var unchanged = 0
    public var refused: [Refusal] = []
    public var notes: [String] = []
    public var seconds = 0.0
    /// Cases stored a second.
    public var casesPerSecond = 0.0
    /// Whether the run was told to stop; the next one goes on where it stopped.
    public var isInterrupted = false

    public init() {}
}

/// Stores the cases of folders and manifests, in bulk.
///
///     scan ──► journal: done already? ──► batches of 64: read, decode, embed (all threads) ──► one transaction ──► links
///                                              the next batch is prepared while the last one is written
///
/// What the journal knows and whose files have their old size and time is neither read nor decoded. A run that is killed is
/// taken up by calling it again: a case and its journal entry are one transaction.
/// Thread rule: one run at a time.
public struct BulkIndexer {
    private let archive: Archive

    public init(archive: Archive) { self.archive = archive }

    /// - Parameters:
    ///   - sources: folders, manifests or single files.
    ///   - manifest: one more manifest.
    ///   - jobs: threads that decode and encode.
    ///   - interrupt: ends the run after the batch it is at.
    /// - Throws: `.notFound` for a source that is not there, `.readOnly`, `.notReady`, `.io`.
    public func run(
        sources: [String], manifest: String? = nil, jobs: Int = defaultThreadCount, isQuiet: Bool = false,
        interrupt: AtomicFlag? = nil
    ) throws -> IndexSummary {
        let started = monotonicSeconds()
        try archive.checkWritable()
        var summary = IndexSummary()
        let open = try withArchiveErrors { try sift(scan(sources, manifest), &summary) }
        let done = summary.unchanged + summary.refused.count
        let progress = Progress(
            "index", total: done + open.count, unit: "cases", done: done, quiet: isQuiet || open.isEmpty)
        if !open.isEmpty {
            let writer = BatchWriter(archive: archive, progress: progress)
            for start in stride(from: 0, to: open.count, by: ArchiveLimits.batchCount) {
                if interrupt?.isRaised == true {
                    summary.isInterrupted = true
                    break
                }
                let batch = Array(open[start..<min(start + ArchiveLimits.batchCount, open.count)])
                let cases = parallelMap(batch, threads: jobs) { source, journal in
                    var prepared = PreparedCase(CaseInput(id: source.id))
                    prepared.journal = journal
                    do { prepared.input = try source.input() } catch { prepared.refusal = .wrapping(error) }
                    return prepared
                }
                let prepared = try archive.prepare(cases, threads: jobs)
                try writer.write(prepared, places: batch.map(\.0.place))
            }
            try writer.finish(&summary)
            progress.finish()
            try archive.writeCheckpoint()
        }
        summary.seconds = monotonicSeconds() - started
        summary.casesPerSecond = summary.seconds > 0 ? Double(summary.stored) / summary.seconds : 0
        return summary
    }

    private func scan(_ sources: [String], _ manifest: String?) throws -> [SourceItem] {
        var items: [SourceItem] = []
        var seen: Set<String> = []
        for source in sources where seen.insert(URL(fileURLWithPath: source).standardizedFileURL.path).inserted {
            items += try SourceScanner.scan(source)
        }
        if let manifest { items += try Manifest.read(manifest) }
        return items
    }

    /// Counts what is done already, and returns the rest.
    private func sift(_ items: [SourceItem], _ summary: inout IndexSummary) throws -> [(SourceCase, JournalEntry)] {
        var open: [(SourceCase, JournalEntry)] = []
        var placeOfID: [String: String] = [:]
        var severalImages = 0
        // A read transaction stays short: other processes' freed pages wait for it.
        for start in stride(from: 0, to: items.count, by: 1000) {
            try archive.store.environment.read { transaction in
                for item in items[start..<min(start + 1000, items.count)] {
                    guard case .found(let source) = item else {
                        if case .refused(let place, let reason) = item {
                            summary.refused.append(.init(source: place, reason: reason))
                        }
                        continue
                    }
                    if let other = placeOfID.updateValue(source.place, forKey: source.id) {
                        placeOfID[source.id] = other
                        summary.refused.append(
                            .init(
                                source: source.place,
                                reason: "the id \(source.id) stands at \(other) too; one id is one case"))
                        continue
                    }
                    if source.imagePaths.count > 1 { severalImages += 1 }
                    let journal = JournalEntry(name: source.name, fingerprint: source.fingerprint)
                    switch try archive.verdict(transaction, journal, id: source.id) {
                    case .open: open.append((source, journal))
                    case .unchanged: summary.unchanged += 1
                    case .refused(let reason): summary.refused.append(.init(source: source.place, reason: reason))
                    }
                }
            }
        }
        if severalImages > 0 {
            summary.notes.append("\(severalImages) cases name several images; the first readable one of each is stored")
        }
        return open
    }
}

/// Writes batches on a thread of its own, at most one ahead of the caller.
private final class BatchWriter: Sendable {
    private struct State {
        var summary = IndexSummary()
        var failure: (any Error)?
    }

    private let archive: Archive
    private let progress: HilumCore.Progress
    private let queue = DispatchQueue(label: "hilum.index.writer")
    private let room = DispatchSemaphore(value: 1)
    private let state = Mutex(State())

    init(archive: Archive, progress: HilumCore.Progress) {
        self.archive = archive
        self.progress = progress
    }

    /// Hands a batch over and returns when the one before is written. Throws what went wrong with that.
    func write(_ prepared: [PreparedCase], places: [String]) throws {
        room.wait()
        if let failure = state.withLock({ $0.failure }) {
            room.signal()
            throw failure
        }
        queue.async { [self] in
            defer { room.signal() }
            do {
                let outcomes = try archive.commit(prepared)
                state.withLock { state in
                    for (outcome, place) in zip(outcomes, places) {
                        switch outcome {
                        case .stored: state.summary.stored += 1
                        case .unchanged: state.summary.unchanged += 1
                        case .refused(let error):
                            state.summary.refused.append(.init(source: place, reason: error.reason))
                        }
                    }
                }
                progress.advance(by: prepared.count)
            } catch {
                state.withLock { $0.failure = error }
            }
        }
    }

    /// Waits for the last batch and adds what all of them came to.
    func finish(_ summary: inout IndexSummary) throws {
        room.wait()
        defer { room.signal() }
        let (counts, failure) = state.withLock { ($0.summary, $0.failure) }
        summary.stored += counts.stored
        summary.unchanged += counts.unchanged
        summary.refused += counts.refused
        if let failure { throw failure }
    }
}
