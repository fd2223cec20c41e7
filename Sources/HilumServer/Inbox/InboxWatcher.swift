import CHilumSystem
import Foundation
import HilumArchive
import HilumCore
import Synchronization

/// Takes cases from a folder: what is dropped into it becomes searchable once it has been still for half a second.
///
/// inotify says where to look, and a look at every folder now and then finds what it did not report (other file systems,
/// lost events). Folders within are watched too; symbolic links are not followed. Files stay where they are. What belongs together
/// and what a case is called is said by `CaseFinder`, as for `hilum index`. A case that the inbox stored is updated, not replaced: what
/// has left the inbox stays. A case from elsewhere is left alone.
///
/// Thread rule: `start` and `stop` once each, from any thread; the rest on the watcher's own thread.
final class InboxWatcher: Sendable {
    let folder: String
    let configuration: InboxConfiguration
    let log: InboxLog
    let archive: any ServedArchive
    private let writer: WriterQueue
    let stopping = AtomicFlag()
    private let wake: Int32
    private let thread: Mutex<WorkerThread?> = Mutex(nil)
    let memory = Mutex(InboxMemory())
    /// Where the rows of manifests may name files: the inbox, and the roots; absolute and resolved.
    private let readable: [String]

    /// - Parameters:
    ///   - folder: made if it is not there.
    ///   - roots: folders in which rows of manifests may name files too.
    /// - Throws: `FileError` when it cannot be made, `ServerError` without descriptors.
    init(
        folder: String, archive: any ServedArchive, writer: WriterQueue, configuration: InboxConfiguration,
        log: InboxLog = InboxLog(), roots: [String] = []
    ) throws {
        self.log = log
        try FileIO.makeFolder(folder)
        let own = Self.absolute(folder)
        self.folder = own
        readable = [own] + roots.map(Self.absolute)
        self.archive = archive
        self.writer = writer
        self.configuration = configuration
        wake = hilum_eventfd_create()
        guard wake >= 0 else {
            throw ServerError(.system(call: "eventfd", errno: errno), "eventfd: no file descriptor is left")
        }
    }

    deinit { close(wake) }

    /// Whether every file of a case lies where the inbox may read. A row could name any file of this machine otherwise, and whoever may write
    /// into the inbox would read it as a report.
    private func mayRead(_ source: SourceCase) -> Bool {
        source.paths.allSatisfy { path in
            let plain = FilePath.withoutDots(path)
            return readable.contains { FilePath.isBeneath(plain, $0) }
        }
    }

    func start() {
        for path in readable { FencedFolders.add(path) { hilum_open_beneath($0, $1) } }
        let thread = WorkerThread("hilum-inbox") { [self] in
            var run = InboxRun(folder: folder, wake: wake, configuration: configuration, log: log)
            run.work(until: stopping, { arrivals in self.take(arrivals) }, sweep: { self.sweep($0, $1) })
        }
        self.thread.withLock { $0 = thread }
    }

    /// Ends after the cases that are under way.
    func stop() {
        stopping.raise()
        hilum_eventfd_raise(wake)
        guard let thread = thread.withLock({ $0 }) else { return }
        thread.join()
        for path in readable { FencedFolders.remove(path) }
    }

    private static func absolute(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// What became of an arrival.
    struct Taken: Sendable {
        var verdict: InboxLedger.Verdict
        /// The files that a manifest or an XML file names, absolute, and its group.
        var claims: [(group: String, paths: [String])] = []
    }

    /// Reads arrivals, hands their cases to the writer and waits for what becomes of them.
    private func take(_ arrivals: [InboxLedger.Arrival]) -> [Taken] {
        var sources: [(arrival: Int, source: SourceCase)] = []
        var taken = arrivals.map { _ in Taken(verdict: .taken) }
        // What a row names is no case of its own, also where both have come at once.
        var claimed: Set<String> = []
        for (index, arrival) in arrivals.enumerated() {
            guard let manifest = arrival.manifest, manifest.role == .manifest else { continue }
            taken[index] = takeManifest(manifest)
            for claim in taken[index].claims { claimed.formUnion(claim.paths) }
        }
        takeMarkup(arrivals, &taken, &claimed)
        for (index, arrival) in arrivals.enumerated() where arrival.manifest == nil {
            var finder = CaseFinder(root: folder)
            let files = arrival.files.filter { !claimed.contains("\(folder)/\($0.path)") }
            let study = StudyGroups.study(ofGroup: arrival.group)
            let cases = finder.cases(ofGroup: files, study: study)
            for path in finder.passedOver.twins {
                log.refused([path], stamps: [InboxRun.stamp(of: path)].compactMap(\.self), InboxLog.isTwin)
            }
            for path in finder.unreadTags {
                log.noted(path, stamps: [InboxRun.stamp(of: path)].compactMap(\.self), InboxLog.hasUnreadTags)
            }
            for source in cases {
                do {
                    if let own = try known(source) { sources.append((index, own)) }
                } catch {
                    let refusal = WriterQueue.refusal(error)
                    taken[index].verdict = refuse(Self.names(source), id: source.id, .io, refusal.text)
                }
            }
        }
        let parted = SourceCase.withoutContestedReports(sources.map(\.source))
        for ((index, _), verdict) in zip(sources, store(parted)) {
            taken[index].verdict = Self.worse(taken[index].verdict, verdict)
        }
        takeReports(arrivals, &taken)
        return taken
    }

    /// Reads a manifest and stores its rows, some at once.
    private func takeManifest(_ manifest: FoundFile) -> Taken {
        let path = "\(folder)/\(manifest.path)"
        var taken = Taken(verdict: .taken)
        do {
            let rows = try CaseFinder.rows(of: path, root: folder)
            for refusal in rows.refused {
                // Another row is named by its line.
                let reason = refusal.reason.replacing(path + ":", with: "line ")
                log.refused([refusal.source], stamps: [InboxRun.stamp(of: path)].compactMap(\.self), reason)
            }
            taken.claims = [(InboxLedger.group(ofNaming: manifest), rows.claimed)]
            remembering { $0.note(path, cases: rows.cases) }
            for start in stride(from: 0, to: rows.cases.count, by: configuration.batchCount) {
                if stopping.isRaised {
                    taken.verdict = .failed(retryAt: 0)
                    return taken
                }
                let batch = rows.cases[start..<min(start + configuration.batchCount, rows.cases.count)].map(Self.plain)
                for verdict in store(batch) {
                    // A row that was refused is tried again when one of its files changes.
                    if case .failed = verdict { taken.verdict = verdict }
                }
            }
        } catch {
            // What is wrong with a table is told by its first row, which is a case where the header is missing.
            let reason = error.code == .badRequest ? InboxLog.isNoTable : error.reason
            taken.verdict = refuse([path], id: nil, ReplyCode(error.code), reason)
        }
        return taken
    }

    /// A case whose paths go up nowhere, as they are opened beneath a folder.
    private static func plain(_ source: SourceCase) -> SourceCase {
        var source = source
        source.imagePaths = source.imagePaths.map(FilePath.withoutDots)
        source.reportPath = source.reportPath.map(FilePath.withoutDots)
        return source
    }

    static func worse(
        _ left: InboxLedger.Verdict, _ right: InboxLedger.Verdict
    ) -> InboxLedger.Verdict {
        switch (left, right) {
        case (.failed, _), (.refusedAsCase, .taken), (.refusedAsCase, .refused), (.refused, .taken): left
        default: right
        }
    }

    /// Hands cases to the writer and waits for what becomes of them.
    func store(_ sources: [SourceCase]) -> [InboxLedger.Verdict] {
        let began = monotonicSeconds()
        var verdicts = sources.map { _ in InboxLedger.Verdict.taken }
        let outcomes = Mutex([Result<WriterQueue.Outcome, ServerError>?](repeating: nil, count: sources.count))
        let unread = Mutex(Set<Int>())
        let done = DispatchSemaphore(value: 0)
        var submitted: [Int] = []
        var deleted = 0
        for (index, source) in sources.enumerated() {
            guard mayRead(source) else {
                verdicts[index] = refuse([source.place], id: source.id, .denied, InboxLog.isOutside)
                continue
            }
            let known: SourceVerdict
            do { known = try archive.verdict(of: source.origin, id: source.id) } catch {
                let error = WriterQueue.refusal(error)
                verdicts[index] = refuse(Self.names(source), id: source.id, .io, error.text)
                continue
            }
            switch known {
            case .unchanged:
                nameLost(of: source)
                continue
            // Deleted stays deleted until a file changes.
            case .deleted, .gone:
                deleted += 1
                continue
            case .refused, .foreign(_, isKnown: true):
                log.refusedAgain()
                verdicts[index] = .refused
            case .open, .own, .foreign:
                let change = WriterQueue.Change.put { [self] in
                    try makeCase(source, known) { _ = unread.withLock { $0.insert(index) } }
                }
                let isQueued = writer.submit(change) { outcome in
                    outcomes.withLock { $0[index] = outcome }
                    done.signal()
                }
                if isQueued { submitted.append(index) } else { verdicts[index] = soon }
            }
        }
        for _ in submitted { done.wait() }
        let results = outcomes.withLock { $0 }
        let unreadable = unread.withLock { $0 }
        for index in submitted {
            verdicts[index] = judge(sources[index], results[index], isUnreadable: unreadable.contains(index))
        }
        var (stored, unchanged, leaving, undated) = (0, 0, 0, 0)
        for case .success(.put(_, let outcome))? in results {
            switch outcome {
            case .stored(_, let notes), .replaced(_, let notes):
                stored += 1
                if notes.contains(CarriedFields.leavesNote) { leaving += 1 }
                if notes.contains(where: DateNote.isOne) { undated += 1 }
            case .unchanged: unchanged += 1
            case .deleted: deleted += 1
            case .refused: break
            }
        }
        log.left(deleted)
        log.took(stored, unchanged: unchanged, leaving: leaving, undated: undated, seconds: monotonicSeconds() - began)
        return verdicts
    }

    private static func names(_ source: SourceCase) -> [String] {
        source.paths.isEmpty ? [source.place] : source.paths
    }

    private func judge(
        _ source: SourceCase, _ outcome: Result<WriterQueue.Outcome, ServerError>?, isUnreadable: Bool
    ) -> InboxLedger.Verdict {
        let names = Self.names(source)
        switch outcome {
        case .none: return soon
        case .success(.put(_, .refused(let error))) where source.isReportAlone && error.code == .exists:
            return refuseReport(source, error)
        case .success(.put(_, .refused(let error))):
            return refuse(names, id: source.id, ReplyCode(error.code), error.reason, isOfCase: true)
        case .success:
            remembering { memory in
                memory.forgetFailures(of: names)
                if let waiting = source.waitingID { memory.moveReports(of: waiting, to: source.id) }
            }
            nameLost(of: source)
            return .taken
        case .failure(let error):
            guard case .refused(let code) = error.code else {
                return refuse(names, id: source.id, .internal, error.text)
            }
            return refuse(names, id: source.id, code, error.text, isOfCase: isUnreadable)
        }
    }

    /// Says which images of a stored case cannot be read.
    private func nameLost(of source: SourceCase) {
        guard source.imagePaths.count > 1 else { return }
        // Where the archive cannot be read, the case itself says so.
        for image in (try? archive.lostImages(of: source.origin)) ?? [] {
            let stamps = [InboxRun.stamp(of: image.path)].compactMap(\.self)
            log.refused([image.path], id: source.id, stamps: stamps, image.reason)
        }
    }

    private var soon: InboxLedger.Verdict { .failed(retryAt: monotonicSeconds() + configuration.retryInSeconds) }

    /// - Parameter isOfCase: whether the case failed by itself, and not with all that were stored with it.
    func refuse(
        _ paths: [String], id: String?, _ code: ReplyCode, _ reason: String, isOfCase: Bool = false
    ) -> InboxLedger.Verdict {
        let stamps = paths.compactMap { InboxRun.stamp(of: $0) }
        switch code {
        case .io, .busy, .notReady, .internal, .deadline:
            let count = remembering { $0.noteFailure(of: paths, stamps) }
            if isOfCase, code == .io, count >= configuration.retryCount {
                log.refused(paths, id: id, stamps: stamps, "\(reason); it was tried \(count) times")
                return .refused
            }
            log.postponed(paths, id: id, reason, isFirst: count == 1)
            let growth = min(pow(2, Double(count - 1)), configuration.retryGrowth)
            return .failed(retryAt: monotonicSeconds() + configuration.retryInSeconds * growth)
        case .exists:
            // The archive says from where the other case came, which is a name too.
            log.refused(paths, id: id, stamps: stamps, InboxLog.isElsewhere)
            return .refusedAsCase
        default:
            log.refused(paths, id: id, stamps: stamps, reason)
            return .refused
        }
    }

    /// The case as it should be now. Files of a case that the inbox stored before update it: what has left the inbox stays, be it the
    /// image, the report or what was known beside them. Runs on the writer's thread.
    ///
    /// - Parameter noteUnreadable: hears that its own files cannot be read now.
    private func makeCase(
        _ source: SourceCase, _ verdict: SourceVerdict, noteUnreadable: () -> Void
    ) throws -> CaseInput {
        var input: CaseInput
        do throws(ArchiveError) {
            input = try source.input()
            guard input.report?.contains(where: { !$0.isWhitespace }) ?? true else {
                throw ArchiveError(.badRequest, "the report is empty")
            }
        } catch {
            guard ![.io, .notReady].contains(error.code) else {
                noteUnreadable()
                throw error
            }
            // The archive remembers it, so that the next daemon does not try it again.
            input = CaseInput(id: source.id)
            input.origin = source.origin
            input.refusal = error
            return input
        }
        if let waiting = source.waitingID, try archive.get(id: source.id) == nil,
            let known = try archive.get(id: waiting)
        {
            source.complete(&input, from: known, isTied: true, keeping: .gone, keepsFields: true)
            return input
        }
        // A row says all of its case.
        guard case .own(let isTied) = verdict, !source.isRow, let known = try archive.get(id: source.id) else {
            return input
        }
        source.complete(
            &input, from: known, isTied: isTied, keeping: configuration.missing == .keep ? .gone : .none,
            keepsFields: true)
        return input
    }

    /// Removes the cases that came from this inbox and whose files are all gone.
    private func sweep(_ ledger: InboxLedger, _ sight: InboxSight) {
        do {
            let places = ledger.places
            for (id, source) in try archive.sources(below: folder + "/") {
                guard isOfInbox(id, source, ledger, places), try isGone(id, source, sight) else { continue }
                _ = writer.submit(.forget(id: id, source: source)) { outcome in
                    if case .failure(let error) = outcome { Log.warning("inbox: a case stays: \(error.text)") }
                }
            }
        } catch { Log.warning("inbox: the cases could not be read: \(type(of: error))") }
    }

    /// Whether a case came from this inbox, and no file is left of those that may be a case with it. What somebody indexed from a folder
    /// of the inbox has another source, and is not the inbox's to remove.
    private func isOfInbox(_ id: String, _ source: String, _ ledger: InboxLedger, _ places: Set<String>) -> Bool {
        guard !remembering({ $0.reportFiles(of: id) }).contains(where: ledger.holds) else { return false }
        // A name of images may look like that of a report in a file.
        if source != "\(folder)/\(id)", let path = ReportLead.path(ofSource: source) {
            return FilePath.isBeneath(path, folder) && !ledger.holds(path)
        }
        if source == "\(folder)/\(id)" { return !places.contains(FilePlace.group(ofID: id)) && !ledger.holdsStudy(id) }
        // `MANIFEST#ID`, where the id may hold that mark too.
        guard source.hasSuffix("#" + id) else { return false }
        let manifest = String(source.dropLast(id.count + 1))
        return FileRole(name: FilePath.name(of: manifest)) == .manifest && !ledger.holds(manifest)
    }

    /// Whether the files of a case are gone from the disk too, not only from what the inbox has seen.
    private func isGone(_ id: String, _ source: String, _ sight: InboxSight) throws -> Bool {
        guard let known = try archive.get(id: id), known.source == source else { return false }
        if source != "\(folder)/\(id)", let path = ReportLead.path(ofSource: source) { return sight.isGone(path) }
        let isRow = source.hasSuffix("#" + id)
        // The text of a study lies beside an image of it.
        let besides = known.images.map { FilePath.withoutEnding($0.path) + ".txt" }
        let own =
            isRow ? [String(source.dropLast(id.count + 1))] : ["\(source).txt", "\(source)/report.txt"] + besides
        return (own + known.images.map(\.path)).allSatisfy(sight.isGone)
    }
}
