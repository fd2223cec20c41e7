import Foundation
import HilumCore
import HilumEmbedding
import LMDB
import Synchronization

/// What a bulk run did.
public struct IndexSummary: Sendable, Equatable {
    /// A case that was not stored, and why.
    public struct Refusal: Sendable, Equatable {
        /// `manifest:line`, or the file.
        public var source: String
        /// What is wrong.
        public var reason: String
    }

    /// Cases stored or replaced.
    public var stored = 0
    /// Cases that were there already.
    public var unchanged = 0
    /// Stored cases whose report has no vector, because no word of it is known. Their words find them.
    public var reportsWithoutVector = 0
    /// Cases that were not stored.
    public var refused: [Refusal] = []
    /// What is worth knowing of the sources, a sentence each.
    public var notes: [String] = []
    /// How long the run took.
    public var seconds = 0.0
    /// Cases stored a second.
    public var casesPerSecond = 0.0
    /// Whether the run was told to stop; the next one goes on where it stopped.
    public var isInterrupted = false

    /// A run that did nothing yet.
    public init() {}
}

/// Stores the cases of folders and manifests, in bulk.
///
///     scan ──► journal: done already? ──► CasePreparer: read, decode, embed (all threads) ──► 64 cases: one transaction ──► links
///                                         goes on while the last batch is written
///
/// A source that is in the journal and whose files have the same size and time is neither read nor decoded. A run that was killed is
/// continued by calling it again, because a case and its journal entry are one transaction.
/// Thread rule: one run at a time.
public struct BulkIndexer {
    private let archive: Archive

    /// Stores into `archive`, which is open for writing and has an embedder.
    public init(archive: Archive) { self.archive = archive }

    /// Stores what the sources hold and the archive lacks, then writes a checkpoint.
    ///
    /// - Parameters:
    ///   - sources: folders, manifests or single files.
    ///   - manifest: one more manifest.
    ///   - jobs: threads that decode and encode.
    ///   - interrupt: ends the run after the batches that are under way.
    /// - Throws: `.notFound` for a source that is not there, `.readOnly`, `.notReady`, `.io`.
    public func run(
        sources: [String], manifest: String? = nil, jobs: Int = defaultThreadCount, isQuiet: Bool = false,
        interrupt: AtomicFlag? = nil
    ) throws -> IndexSummary {
        let started = monotonicSeconds()
        let embedder = try archive.writableEmbedder()
        var summary = IndexSummary()
        let open = try withArchiveErrors { try sift(scan(sources, manifest), &summary) }
        let done = summary.unchanged + summary.refused.count
        let progress = Progress(
            "index", total: done + open.count, unit: "cases", done: done, quiet: isQuiet || open.isEmpty)
        if !open.isEmpty {
            let writer = BatchWriter(archive: archive, progress: progress)
            try prepare(open, embedder, jobs, interrupt, writer, &summary)
            progress.finish()
            try archive.writeCheckpoint()
        }
        summary.seconds = monotonicSeconds() - started
        summary.casesPerSecond = summary.seconds > 0 ? Double(summary.stored) / summary.seconds : 0
        return summary
    }

    private func prepare(
        _ cases: [(SourceCase, JournalEntry)], _ embedder: any Embedder, _ jobs: Int, _ interrupt: AtomicFlag?,
        _ writer: BatchWriter, _ summary: inout IndexSummary
    ) throws {
        let preparer = CasePreparer(
            embedder: embedder, count: cases.count, batchCount: ArchiveLimits.batchCount,
            open: { index in
                let (source, journal) = cases[index]
                var prepared = PreparedCase(CaseInput(id: source.id))
                prepared.journal = journal
                do { prepared.input = try source.input() } catch { prepared.refusal = .wrapping(error) }
                return prepared
            },
            isStored: archive.isStored, isInterrupted: { interrupt?.isRaised == true },
            deliver: { range, batch, preparer in
                writer.write(batch, places: cases[range].map(\.0.place), preparer)
            })
        var failure: (any Error)?
        do { try preparer.run(threads: jobs) } catch { failure = error }
        // What was handed on is written, whatever became of the rest.
        writer.finish(&summary)
        if let failure { throw failure }
        summary.isInterrupted = preparer.begunCount < cases.count
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
            summary.notes.append(
                "\(severalImages) cases name several images; those that can be read are stored, each with a vector")
        }
        return open
    }
}

/// Writes batches on a thread of its own, in order.
private final class BatchWriter: Sendable {
    private let archive: Archive
    private let progress: HilumCore.Progress
    private let queue = DispatchQueue(label: "hilum.index.writer")
    private let counts = Mutex(IndexSummary())
    private let hasFailed = AtomicFlag()

    init(archive: Archive, progress: HilumCore.Progress) {
        self.archive = archive
        self.progress = progress
    }

    /// Returns at once; `preparer` hears when the batch is written, or what went wrong.
    func write(_ prepared: [PreparedCase], places: [String], _ preparer: CasePreparer) {
        queue.async { [self] in
            if hasFailed.isRaised { return }
            do {
                let outcomes = try archive.commit(prepared)
                counts.withLock { counts in
                    for ((outcome, place), item) in zip(zip(outcomes, places), prepared) {
                        switch outcome {
                        case .stored:
                            counts.stored += 1
                            counts.reportsWithoutVector += item.lacksReportVector ? 1 : 0
                        case .unchanged: counts.unchanged += 1
                        case .refused(let error): counts.refused.append(.init(source: place, reason: error.reason))
                        }
                    }
                }
                progress.advance(by: prepared.count)
                preparer.hasWritten()
            } catch {
                hasFailed.raise()
                preparer.stop(error)
            }
        }
    }

    /// Waits for the last batch and adds what all of them came to.
    func finish(_ summary: inout IndexSummary) {
        queue.sync {}
        counts.withLock { counts in
            summary.stored += counts.stored
            summary.unchanged += counts.unchanged
            summary.reportsWithoutVector += counts.reportsWithoutVector
            summary.refused += counts.refused
        }
    }
}
