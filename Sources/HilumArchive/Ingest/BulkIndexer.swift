import Foundation
import HilumCore
import HilumEmbedding
import HilumPrivacy
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

    /// A case as a dry run found it.
    public struct Pairing: Sendable, Equatable {
        /// What a run would do.
        public enum Fate: String, Sendable {
            /// Store it.
            case store
            /// Store it in place of the stored version.
            case replace
            /// Nothing.
            case leave
            /// Refuse it.
            case refuse
        }

        /// Its id.
        public var id: String
        /// Where its images lie.
        public var images: [String]
        /// Where its report lies; the row itself for one that stands there, nil for none.
        public var report: String?
        /// What a run would do.
        public var fate: Fate
    }

    /// Cases stored that were not there before.
    public var stored = 0
    /// Cases stored in place of another version.
    public var replaced = 0
    /// Cases that were there already.
    public var unchanged = 0
    /// Cases that were deleted before and are left out, because their files hold the same.
    public private(set) var deleted = 0
    /// Where the first of them lie, as `Refusal.source` says it; at most `placeLimit`.
    public private(set) var deletedPlaces: [String] = []
    /// So many places are named.
    static let placeLimit = PassedOver.placeLimit
    /// Stored cases whose report has no vector, because no word of it is known. Their words find them.
    public var reportsWithoutVector = 0
    /// Stored cases of which an image is one even grey, so that nothing can be seen in it, by their ids.
    public var blankImages: [String] = []
    /// Stored cases of which the decoder warned that an image is odd, though every pixel is there, by their ids.
    public var oddImages: [String] = []
    /// Stored cases with an image near whose border text stands, by their ids.
    public var textImages: [String] = []
    /// Images that this run set aside because words may be written into them.
    public var quarantined = 0
    /// What was masked in the cases that were stored or replaced.
    public var masked = MaskCounts()
    /// Cases of which a date was left out, as it cannot be moved.
    public var lostDates = 0
    /// Cases that keep images whose files have left.
    public var keepingImages = 0
    /// Cases that took the place of one that held more, of which nothing was kept, because it may be another patient's.
    public var parted = 0
    /// Stored cases whose text is neither UTF-8 nor marked as UTF-16, and was read as Windows-1252.
    public var guessedTexts = 0
    /// Cases that were not stored.
    public var refused: [Refusal] = []
    /// What the sources hold that is no case.
    public var passedOver = PassedOver()
    /// Cases that are not refused and have an image alone.
    public var imageOnly = 0
    /// Cases that are not refused and have a report alone.
    public var reportOnly = 0
    /// What a dry run found, in the order of the sources.
    public var pairings: [Pairing] = []
    /// What is worth knowing of the sources, a sentence each.
    public var notes: [String] = []
    /// How long the run took.
    public var seconds = 0.0
    /// Cases stored or replaced a second.
    public var casesPerSecond = 0.0
    /// Whether the run was told to stop; the next one goes on where it stopped.
    public var isInterrupted = false

    /// A run that did nothing yet.
    public init() {}

    mutating func addDeleted(_ place: String) {
        deleted += 1
        if deletedPlaces.count < Self.placeLimit { deletedPlaces.append(place) }
    }

    mutating func addDeleted(_ other: IndexSummary) {
        deleted += other.deleted
        deletedPlaces += other.deletedPlaces.prefix(Self.placeLimit - deletedPlaces.count)
    }
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
    ///   - preset: the layout of the sources; nil recognises it.
    ///   - replaces: whether a case may take the place of one that came from another source.
    ///   - again: whether cases that were deleted are taken in again, though their files are the same.
    ///   - jobs: threads that decode and encode.
    ///   - interrupt: ends the run after the batches that are under way.
    /// - Throws: `.notFound` for a source that is not there, `.readOnly`, `.notReady`, `.io`.
    public func run(
        sources: [String], manifest: String? = nil, preset: KnownLayout? = nil, replaces: Bool = false,
        again: Bool = false, jobs: Int = defaultThreadCount, isQuiet: Bool = false, interrupt: AtomicFlag? = nil
    ) throws -> IndexSummary {
        let started = monotonicSeconds()
        let embedder = try archive.writableEmbedder()
        var summary = IndexSummary()
        let items = try withArchiveErrors { try scan(sources, manifest, preset, &summary) }
        var hasWritten = false
        for (number, round) in Self.rounds(items).enumerated() where !round.isEmpty && !summary.isInterrupted {
            func left() -> Int { summary.unchanged + summary.deleted + summary.refused.count }
            let before = left()
            let open = try withArchiveErrors {
                // The images of this run are stored by now.
                try sift(number == 0 ? round : archive.settled(round), replaces, again, &summary)
            }
            guard !open.isEmpty else { continue }
            let done = left() - before
            let progress = Progress("index", total: done + open.count, unit: "cases", done: done, quiet: isQuiet)
            let writer = BatchWriter(archive: archive, progress: progress)
            try prepare(open, replaces, again, embedder, jobs, interrupt, writer, &summary)
            progress.finish()
            hasWritten = true
        }
        if hasWritten {
            follow(jobs, interrupt, &summary)
            try archive.writeCheckpoint()
        }
        summary.seconds = monotonicSeconds() - started
        summary.casesPerSecond = summary.seconds > 0 ? Double(summary.stored + summary.replaced) / summary.seconds : 0
        return summary
    }

    /// What `run` would do, as far as can be told without decoding an image: reads the sources and changes nothing.
    ///
    /// - Parameters:
    ///   - sources: folders, manifests or single files.
    ///   - manifest: one more manifest.
    ///   - preset: the layout of the sources; nil recognises it.
    ///   - replaces: whether a case may take the place of one that came from another source.
    ///   - again: whether cases that were deleted are taken in again, though their files are the same.
    /// - Throws: `.notFound` for a source that is not there, `.io`.
    public func dryRun(
        sources: [String], manifest: String? = nil, preset: KnownLayout? = nil, replaces: Bool = false,
        again: Bool = false
    ) throws -> IndexSummary {
        let started = monotonicSeconds()
        var summary = IndexSummary()
        try archive.privacy.checkLists()
        let items = try withArchiveErrors { try scan(sources, manifest, preset, &summary) }
        let open = try withArchiveErrors { try Self.rounds(items).flatMap { try sift($0, replaces, again, &summary) } }
        let opened = Set(open.map(\.place))
        var fates: [String: IndexSummary.Pairing.Fate] = [:]
        for source in open {
            do {
                let input = try source.input()
                for case .file(let path) in input.images.map(\.source) where access(path, R_OK) != 0 {
                    throw ArchiveError(.badImage, "\(path): the image cannot be read")
                }
                if try !again && archive.wasDeleted(source, input) {
                    summary.addDeleted(source.place)
                    fates[source.place] = .leave
                    continue
                }
                switch try archive.verdict(of: source.origin, id: source.id) {
                case .foreign(let reason, _) where !replaces: throw ArchiveError(.exists, reason)
                case .foreign, .own: fates[source.place] = .replace
                default: fates[source.place] = .store
                }
                count(source, &summary)
            } catch {
                fates[source.place] = .refuse
                summary.refused.append(.init(source: source.place, reason: ArchiveError.wrapping(error).reason))
            }
        }
        let refused = Set(summary.refused.map(\.source))
        for case .found(let source) in items {
            let fate = fates[source.place] ?? (refused.contains(source.place) ? .refuse : .leave)
            guard opened.contains(source.place) || fate != .store else { continue }
            if fate == .store { summary.stored += 1 }
            if fate == .replace { summary.replaced += 1 }
            summary.pairings.append(
                .init(
                    id: source.id, images: source.imagePaths,
                    report: source.leads.last?.path ?? source.reportPath
                        ?? (source.report == nil ? nil : source.place), fate: fate))
        }
        summary.seconds = monotonicSeconds() - started
        return summary
    }

    /// Encodes for the generation that is kept, too, as long as the files are there.
    private func follow(_ jobs: Int, _ interrupt: AtomicFlag?, _ summary: inout IndexSummary) {
        do {
            try archive.followBeside(threads: jobs) { interrupt?.isRaised == true }
        } catch {
            // What was asked for is stored; a rollback tries again.
            summary.notes.append(
                "the other generation of vectors did not get these cases: \(ArchiveError.wrapping(error))")
        }
    }

    /// Counts a half case.
    private func count(_ source: SourceCase, _ summary: inout IndexSummary) {
        if source.imagePaths.isEmpty { summary.reportOnly += 1 } else if !source.hasReport { summary.imageOnly += 1 }
    }

    private func prepare(
        _ cases: [SourceCase], _ replaces: Bool, _ again: Bool, _ embedder: any Embedder, _ jobs: Int,
        _ interrupt: AtomicFlag?, _ writer: BatchWriter, _ summary: inout IndexSummary
    ) throws {
        let preparer = CasePreparer(
            embedder: embedder, count: cases.count, batchCount: ArchiveLimits.batchCount,
            open: { [archive] index in
                let source = cases[index]
                var bare = CaseInput(id: source.id)
                bare.origin = source.origin
                bare.origin?.mayReplace = replaces
                bare.origin?.mayReturn = again
                do {
                    var input = try source.input()
                    input.origin?.mayReplace = replaces
                    input.origin?.mayReturn = again
                    if source.isPart || source.isReportAlone || !replaces { try archive.complete(&input, of: source) }
                    return PreparedCase(input)
                } catch {
                    var refused = PreparedCase(bare)
                    refused.refusal = .wrapping(error)
                    return refused
                }
            },
            isStored: archive.isStored, storedImages: archive.storedImages, hasOther: archive.hasPicture,
            patientKey: archive.patientKey, privacy: archive.privacy, knownImages: archive.knownImages,
            recognise: archive.recognise,
            isInterrupted: { interrupt?.isRaised == true },
            deliver: { range, batch, preparer in writer.write(batch, of: Array(cases[range]), preparer) })
        var failure: (any Error)?
        do { try preparer.run(threads: jobs) } catch { failure = error }
        // What was handed on is written, whatever became of the rest.
        writer.finish(&summary)
        if let failure { throw failure }
        summary.isInterrupted = preparer.begunCount < cases.count
        if summary.keepingImages > 0 {
            summary.notes.append(
                "\(summary.keepingImages) cases keep images whose files have left; --replace takes what is there alone")
        }
        if summary.guessedTexts > 0 {
            summary.notes.append(
                "\(summary.guessedTexts) texts are not UTF-8 and were read as Windows-1252 (Latin-1); see that their letters are right"
            )
        }
        if summary.lostDates > 0 {
            summary.notes.append(
                "\(summary.lostDates) cases have a date that was left out, as dates are shifted here: "
                    + "it cannot be read, or nothing says whose case it is")
        }
        if summary.parted > 0 {
            summary.notes.append(
                "\(summary.parted) cases have a new image, and kept neither report nor images whose files have left: "
                    + "nothing shows that those are the same patient's, and of the same exam")
        }
    }

    private func scan(
        _ sources: [String], _ manifest: String?, _ preset: KnownLayout?, _ summary: inout IndexSummary
    ) throws -> [SourceItem] {
        var items: [SourceItem] = []
        var seen: Set<String> = []
        for source in sources where seen.insert(SourceScanner.realPath(source) ?? source).inserted {
            let scan = try SourceScanner.scan(source, preset: preset)
            items += scan.items
            summary.passedOver.add(scan.passedOver)
            summary.notes += scan.notes
        }
        items = try archive.settled(items)
        if let manifest { items += try Manifest.read(manifest) }
        for path in summary.passedOver.twins {
            summary.notes.append("\(path): another file has this name in another Unicode spelling, and is taken")
        }
        for file in summary.passedOver.lost { summary.notes.append("\(file.place): \(file.reason)") }
        for path in summary.passedOver.brokenRecords {
            summary.refused.append(
                .init(source: path, reason: "the record is no JSON object that can be read; its case goes without it"))
        }
        for folder in summary.passedOver.unreadable { summary.notes.append("\(folder): the folder cannot be read") }
        if archive.privacySettings.dates != .drop { summary.notes += Self.dateNotes(items) }
        return items
    }

    /// What no filter of dates will find, a sentence for each kind.
    private static func dateNotes(_ items: [SourceItem]) -> [String] {
        var found: [(fault: DateText.Fault, count: Int, first: String)] = []
        for case .found(let source) in items {
            guard let fault = source.fields.dateFault else { continue }
            if let place = found.firstIndex(where: { $0.fault == fault }) {
                found[place].count += 1
            } else {
                found.append((fault, 1, source.place))
            }
        }
        return found.map { fault, count, first in
            // A row is `PATH:LINE`.
            let parts = first.split(separator: ":", omittingEmptySubsequences: false)
            let line = parts.last.flatMap { Int($0) }
            let place = line.map { "line \($0) of \(parts.dropLast().joined(separator: ":"))" } ?? first
            let cases = count == 1 ? "1 case has" : "\(count) cases have"
            return "\(cases) a date \(fault.reason), \(count == 1 ? "" : "first ")in \(place)"
        }
    }

    /// The items in two rounds: reports that stand alone come last, as they may be of images from another source of the same run.
    private static func rounds(_ items: [SourceItem]) -> [[SourceItem]] {
        func isLater(_ item: SourceItem) -> Bool {
            guard case .found(let source) = item else { return false }
            return source.isReportAlone
        }
        return [items.filter { !isLater($0) }, items.filter(isLater)]
    }

    /// Counts what is done already, and returns the rest.
    private func sift(
        _ items: [SourceItem], _ replaces: Bool, _ again: Bool, _ summary: inout IndexSummary
    ) throws -> [SourceCase] {
        var open: [SourceCase] = []
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
                    var verdict = try archive.verdict(transaction, source.origin, id: source.id)
                    // A message that has joined a case has its id, and is no second one.
                    let hasJoined = source.isReportAlone && verdict == .unchanged
                    if !hasJoined, let other = placeOfID.updateValue(source.place, forKey: source.id) {
                        placeOfID[source.id] = other
                        summary.refused.append(
                            .init(
                                source: source.place,
                                reason: "the id \(source.id) stands at \(other) too; one id is one case"))
                        continue
                    }
                    if source.imagePaths.count > 1 { severalImages += 1 }
                    // What has left goes where that is asked for.
                    if replaces, verdict == .unchanged, try archive.holdsMore(transaction, than: source) {
                        verdict = .own(isTied: true)
                    }
                    switch verdict {
                    case .deleted where !again: summary.addDeleted(source.place)
                    // A report of a message that had joined its case left no row of its own when that was deleted.
                    case .gone where !again && source.isReportAlone: summary.addDeleted(source.place)
                    case .open, .own, .foreign, .deleted, .gone: open.append(source)
                    case .unchanged:
                        summary.unchanged += 1
                        count(source, &summary)
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
    func write(_ prepared: [PreparedCase], of sources: [SourceCase], _ preparer: CasePreparer) {
        queue.async { [self] in
            if hasFailed.isRaised { return }
            do {
                let outcomes = try archive.commit(prepared)
                counts.withLock { counts in
                    for ((outcome, source), item) in zip(zip(outcomes, sources), prepared) {
                        if item.refusal == nil || item.isHeldBack { counts.quarantined += item.setAside.count }
                        switch outcome {
                        case .stored:
                            counts.stored += 1
                            note(item, &counts)
                        case .replaced:
                            counts.replaced += 1
                            note(item, &counts)
                        case .unchanged: counts.unchanged += 1
                        case .deleted:
                            counts.addDeleted(source.place)
                            continue
                        case .refused(let error):
                            counts.refused.append(.init(source: source.place, reason: error.reason))
                            continue
                        }
                        if source.imagePaths.isEmpty {
                            counts.reportOnly += 1
                        } else if !source.hasReport {
                            counts.imageOnly += 1
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

    /// Counts what is worth knowing of a case that was stored.
    private func note(_ item: PreparedCase, _ counts: inout IndexSummary) {
        counts.masked += item.maskCounts
        counts.reportsWithoutVector += item.lacksReportVector ? 1 : 0
        let keepsImages = item.input.keepsImages || !item.keptPlaces.isEmpty
        // The images of a case that a report joins are none of the report's files.
        if keepsImages, let origin = item.input.origin, !origin.isPart, !origin.joins { counts.keepingImages += 1 }
        if item.leavesRest { counts.parted += 1 }
        if item.input.origin?.hasGuessedText == true { counts.guessedTexts += 1 }
        if item.hasLostDate { counts.lostDates += 1 }
        if item.imageNotes.contains(.blank) { counts.blankImages.append(archive.shownID(item.input.id)) }
        if item.imageNotes.contains(where: { if case .warning = $0 { true } else { false } }) {
            counts.oddImages.append(archive.shownID(item.input.id))
        }
        if item.imageNotes.contains(where: { if case .text = $0 { true } else { false } }) {
            counts.textImages.append(archive.shownID(item.input.id))
        }
    }

    /// Waits for the last batch and adds what all of them came to.
    func finish(_ summary: inout IndexSummary) {
        queue.sync {}
        counts.withLock { counts in
            summary.stored += counts.stored
            summary.replaced += counts.replaced
            summary.imageOnly += counts.imageOnly
            summary.reportOnly += counts.reportOnly
            summary.unchanged += counts.unchanged
            summary.addDeleted(counts)
            summary.reportsWithoutVector += counts.reportsWithoutVector
            summary.keepingImages += counts.keepingImages
            summary.parted += counts.parted
            summary.guessedTexts += counts.guessedTexts
            summary.lostDates += counts.lostDates
            summary.masked += counts.masked
            summary.blankImages += counts.blankImages
            summary.oddImages += counts.oddImages
            summary.textImages += counts.textImages
            summary.quarantined += counts.quarantined
            summary.refused += counts.refused
        }
    }
}
