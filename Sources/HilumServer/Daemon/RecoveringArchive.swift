import Foundation
import HilumArchive
import HilumCore
import HilumEmbedding
import HilumImaging
import Synchronization

/// The archive of a daemon, which is opened again when a write failed in a way that leaves its state unknown.
///
/// ```
/// a change fails ─→ needsReopening? ── no ──→ the client is told; all goes on
///                         └─ yes: running reads end ─→ close ─→ open for writing ─→ all goes on
///                                                                 └─ fails ─→ open for reading: reads go on
/// ```
/// Where opening for writing fails, or the next change fails too, changes are refused for 1, 2, 4 … 60 s.
///
/// Reads go on while running ones are waited for, but for a moment at the end: others are held back for 0.2 s at most, once a second. What
/// takes long (EXPLAIN, SNAPSHOT) is not begun meanwhile; a snapshot that is being made gives up, for it may take hours. If searches leave no
/// such moment within half a minute, they are held back for up to 3 s, as else no change would ever be taken again.
///
/// A change that failed is never repeated: its client was told so. Opening walks over all pages before the first change
/// (`Archive.init`), so what the failed write left on the disk is verified.
///
/// A large archive answers before its graphs are in memory: `open` lends it meanwhile. Changes, and what only the whole archive can tell, wait
/// for these.
///
/// One that is only looked at is opened again by `refresh` where another process has changed it.
///
/// Thread rule: as `ServedArchive` says; only the writer's thread opens again, or, of one that is only looked at, the one that refreshes it.
public final class RecoveringArchive: ServedArchive, @unchecked Sendable {
    // Sendable: `condition` guards what changes; `open` is called on one thread at a time.
    /// An archive, and what ends the work that goes on with it in the background.
    public struct Opened: Sendable {
        let archive: Archive
        let stop: @Sendable () -> Void

        /// - Parameter stop: called before the archive is closed; nothing may use the archive after it has returned.
        public init(_ archive: Archive, stop: @escaping @Sendable () -> Void = {}) {
            self.archive = archive
            self.stop = stop
        }
    }

    /// Opens the archive, and begins what goes on with it in the background. Its second argument may be given an archive that answers
    /// meanwhile, which the first closes.
    public typealias Opener = @Sendable (Archive.Mode, _ lend: @escaping (Archive) -> Void) throws -> Opened

    private static let firstPauseInSeconds = 1.0
    private static let longestPauseInSeconds = 60.0
    /// Reads are held back for so long until those that run have ended; then it is tried again later.
    private static let shortHoldInSeconds = 0.2
    /// The same, once that has been in vain for `patienceInSeconds`.
    private static let longHoldInSeconds = 3.0
    private static let patienceInSeconds = 30.0
    /// Until the next try.
    private static let retryInSeconds = 1.0
    /// What takes long waits so long until the archive is opened again; then its client is told.
    private static let longestWaitInSeconds = 60.0

    private let open: Opener
    private let isForReading: Bool
    private let condition = NSCondition()
    /// Nil while it cannot even be read.
    private var opened: Opened?
    private var userCount = 0
    /// Those of them that take long.
    private var longUserCount = 0
    /// Ends the snapshots that are being made.
    private var snapshots: [AtomicFlag] = []
    private var isReplacing = false
    /// Whether it is to be opened again as soon as its users let it.
    private var isAwaited = false
    private var isClosed = false
    /// Whether `opened` is one that was lent until the whole archive is there.
    private var isLoading = false
    /// Of the writer's thread: whether a change has succeeded since it was opened,
    private var isProven = true
    /// why changes are refused for a while; nil when all is well,
    private var failure: ArchiveError?
    private var pauseInSeconds = firstPauseInSeconds
    /// until when,
    private var nextTry = 0.0
    /// and since when its users have kept it from being opened again.
    private var waitingSince: Double?
    /// What `recall` says while there is no archive.
    private let noRecall = RecallEstimator()

    /// Opens for writing, or, where the archive is only looked at, for reading; then every change is refused.
    ///
    /// - Throws: what `open` throws.
    public init(mode: Archive.Mode = .readWrite, open: @escaping Opener) throws {
        self.open = open
        isForReading = mode == .readOnly
        if isForReading {
            opened = try open(mode) { _ in }
        } else {
            try load()
        }
    }

    // MARK: Loading

    /// Opens for writing on a thread of its own, and returns once anything answers.
    ///
    /// - Throws: what `open` throws before that.
    private func load() throws {
        let answers = DispatchSemaphore(value: 0)
        let failure = Mutex<(any Error)?>(nil)
        let thread = Thread { [self] in
            do {
                let whole = try open(.readWrite) { [self] lent in
                    condition.withLock { (opened, isLoading) = (Opened(lent), true) }
                    answers.signal()
                }
                arrive(whole)
            } catch {
                let hasAnswered = condition.withLock { () -> Bool in
                    defer { (opened, isLoading) = (nil, false) }
                    condition.broadcast()
                    return isLoading
                }
                failure.withLock { $0 = error }
                if hasAnswered { Log.error("the archive cannot be opened for writing: \(error)") }
            }
            answers.signal()
        }
        thread.name = "hilum-open"
        thread.stackSize = Self.stackByteCount
        thread.start()
        answers.wait()
        let isThere = condition.withLock { opened != nil }
        if !isThere, let error = failure.withLock({ $0 }) { throw error }
    }

    private static let stackByteCount = 8 << 20

    /// The whole archive takes the place of the one that was lent. Who uses that goes on with it: both read the same store.
    private func arrive(_ whole: Opened) {
        let isLate = condition.withLock { () -> Bool in
            isLoading = false
            if !isClosed { opened = whole }
            condition.broadcast()
            return isClosed
        }
        guard isLate else { return }
        whole.stop()
        whole.archive.close()
    }

    /// Waits until the whole archive is there.
    ///
    /// - Throws: `.busy` where that takes long.
    private func awaitWhole() throws {
        let end = monotonicSeconds() + Self.longestWaitInSeconds
        condition.lock()
        defer { condition.unlock() }
        while isLoading, !isClosed {
            guard monotonicSeconds() < end else {
                throw ServerError.refused(.busy, "the graphs of the archive are still being read; ask again later")
            }
            _ = condition.wait(until: Date(timeIntervalSinceNow: Self.retryInSeconds))
        }
    }

    /// Lends the whole archive.
    private func withWhole<Result>(isLong: Bool = false, _ body: (Archive) throws -> Result) throws -> Result {
        try awaitWhole()
        return try withArchive(isLong: isLong, body)
    }

    // MARK: Leases

    /// Lends the archive, which is not replaced meanwhile; waits while it is.
    ///
    /// - Parameter isLong: whether it may be needed for seconds.
    func withArchive<Result>(isLong: Bool = false, _ body: (Archive) throws -> Result) throws -> Result {
        let archive = try lend(isLong: isLong)
        defer {
            condition.lock()
            userCount -= 1
            if isLong { longUserCount -= 1 }
            condition.unlock()
        }
        do { return try body(archive) } catch {
            // A generation that another process dropped has no vectors.
            let isDamaged = [.damaged, .stale].contains((error as? ArchiveError)?.code)
            guard isForReading, isDamaged, archive.isOutdated else { throw error }
            throw ServerError.refused(.busy, "another process has changed the archive; ask again in a moment")
        }
    }

    private func lend(isLong: Bool) throws -> Archive {
        condition.lock()
        defer { condition.unlock() }
        let end = monotonicSeconds() + Self.longestWaitInSeconds
        while isReplacing || isLong && isAwaited {
            guard !isLong || monotonicSeconds() < end else {
                let reason = isForReading ? "another process has changed the archive" : "a write failed"
                throw ServerError.refused(
                    .busy, "\(reason), and the archive is to be opened again first; ask again later")
            }
            // Woken by `giveBack`; the time of day, by which this waits, may be set.
            _ = condition.wait(until: Date(timeIntervalSinceNow: Self.retryInSeconds))
        }
        guard let archive = opened?.archive else {
            throw isClosed
                ? ArchiveError(.notReady, "the archive is closed")
                : ArchiveError(
                    .io,
                    isForReading
                        ? "another process has changed the archive, and it cannot be opened again; it is tried again"
                        : "the disk failed, and the archive cannot be read; it is tried again")
        }
        userCount += 1
        if isLong { longUserCount += 1 }
        return archive
    }

    /// Carries out a change, on the writer's thread.
    private func change<Result>(_ body: (Archive) throws -> Result) throws -> Result {
        guard !isForReading else { throw ArchiveError(.readOnly, "the archive is open for reading only") }
        try awaitWhole()
        if let failure, monotonicSeconds() < nextTry { throw failure }
        try reopenIfNeeded()
        do {
            let result = try withArchive(body)
            isProven = true
            failure = nil
            pauseInSeconds = Self.firstPauseInSeconds
            return result
        } catch {
            // At once, so that the next change need not wait for it.
            try? reopenIfNeeded()
            throw error
        }
    }

    // MARK: Recovery

    /// Opens the archive again if it takes no changes as it is.
    ///
    /// - Throws: `.io` when it cannot be written.
    private func reopenIfNeeded() throws {
        let isFit = condition.withLock { () -> Bool in
            guard let archive = opened?.archive else { return isClosed }
            return isClosed || isLoading || archive.mode == .readWrite && !archive.needsReopening
        }
        guard !isFit else { return }
        if failure == nil { Log.error("a write failed, and the archive is opened again") }
        guard takeAll() else { throw waitForUsers() }
        defer { giveBack(isDone: true) }
        closeOpened()
        do { opened = try open(.readWrite) { _ in } } catch {
            opened = try? open(.readOnly) { _ in }
            throw postpone("the disk failed, and the archive cannot be opened for writing: \(error)")
        }
        Log.warning("the archive was opened again")
        // A disk that fails each change would have it opened again at each.
        if !isProven { _ = postpone("the disk failed again") }
        isProven = false
    }

    /// Refuses changes for a while.
    private func postpone(_ reason: String) -> ArchiveError {
        let error = ArchiveError(.io, "\(reason); changes are tried again after \(Int(pauseInSeconds)) s")
        failure = error
        nextTry = monotonicSeconds() + pauseInSeconds
        pauseInSeconds = min(Self.longestPauseInSeconds, 2 * pauseInSeconds)
        Log.error(error.reason)
        return error
    }

    /// Refuses changes until it is tried again whether the archive's users are done.
    private func waitForUsers() -> ArchiveError {
        let reason = "a write failed, and what still reads keeps the archive from being opened again"
        let error = ArchiveError(.io, "\(reason); changes are tried again after \(Int(Self.retryInSeconds)) s")
        // Said once, however long it takes.
        if failure == nil { Log.error(error.reason) }
        failure = error
        nextTry = monotonicSeconds() + Self.retryInSeconds
        return error
    }

    /// Waits until nobody uses the archive, and keeps others from beginning at last; false if that takes too long.
    private func takeAll() -> Bool {
        let now = monotonicSeconds()
        let began = waitingSince ?? now
        waitingSince = began
        condition.withLock {
            isAwaited = true
            for snapshot in snapshots { snapshot.raise() }
        }
        // Those that take long are waited for while others go on.
        guard isReached(within: Self.shortHoldInSeconds, { longUserCount == 0 }) else { return false }
        condition.withLock { isReplacing = true }
        let isPatient = now - began < Self.patienceInSeconds
        if isReached(within: isPatient ? Self.shortHoldInSeconds : Self.longHoldInSeconds, { userCount == 0 }) {
            return true
        }
        giveBack(isDone: false)
        return false
    }

    private func isReached(within seconds: Double, _ state: () -> Bool) -> Bool {
        let end = monotonicSeconds() + seconds
        while !condition.withLock(state) {
            guard monotonicSeconds() < end else { return false }
            usleep(1_000)
        }
        return true
    }

    private func giveBack(isDone: Bool) {
        condition.lock()
        isReplacing = false
        if isDone {
            isAwaited = false
            waitingSince = nil
        }
        condition.broadcast()
        condition.unlock()
    }

    /// Closes the archive that is to be opened again. `close` may come in between: what one of the two takes, the other does not close.
    private func closeOpened() {
        let former = condition.withLock { () -> Opened? in
            defer { opened = nil }
            return opened
        }
        former?.stop()
        former?.archive.close()
    }

    // MARK: Looking on

    /// Opens an archive that is only looked at again, where another process has changed it. Reads go on but for a moment; a writer that commits
    /// all the time has it opened again for a fifth of the time at most.
    ///
    /// Thread rule: one thread at a time.
    public func refresh() {
        guard isForReading, monotonicSeconds() >= nextTry, !condition.withLock({ isClosed }),
            (try? withArchive { $0.isOutdated }) ?? true
        else { return }
        let began = monotonicSeconds()
        nextTry = began + Self.retryInSeconds
        guard takeAll() else { return }
        defer { giveBack(isDone: true) }
        closeOpened()
        do {
            let fresh = try open(.readOnly) { _ in }
            let isLate = condition.withLock { () -> Bool in
                if !isClosed { opened = fresh }
                return isClosed
            }
            if isLate {
                fresh.stop()
                fresh.archive.close()
            }
        } catch { Log.warning("the archive was changed, and cannot be opened again; it is tried again: \(error)") }
        nextTry = monotonicSeconds() + max(Self.retryInSeconds, 4 * (monotonicSeconds() - began))
    }

    // MARK: What the daemon asks

    var modelID: String? { try? withArchive { $0.modelID } }
    var dimension: Int? { try? withArchive { $0.dimension } }
    var recall: RecallEstimator { (try? withArchive { $0.recall }) ?? noRecall }

    func shownID(_ id: String) -> String { (try? withArchive { $0.shownID(id) }) ?? "" }

    var metadataKeys: [String] { (try? withArchive { $0.metadataKeys }) ?? [] }

    func stats() throws -> ArchiveStats { try withArchive { try $0.stats() } }
    func search(_ request: SearchRequest) throws -> SearchResponse { try withArchive { try $0.search(request) } }
    func get(id: String) throws -> CaseRecord? { try withArchive { try $0.get(id: id) } }
    func vectors(id: String) throws -> [VectorKind: [Float]]? { try withArchive { try $0.vectors(id: id) } }
    func imageBytes(of id: String, image place: Int) throws -> [UInt8] {
        try withArchive { try $0.imageBytes(of: id, image: place) }
    }
    func explain(_ image: GrayImage, text: String) throws -> Explanation {
        try withArchive(isLong: true) { try $0.explain(image, text: text) }
    }
    func count(_ filter: Filter, until deadline: Double?) throws -> Int {
        try withArchive { try $0.count(filter, until: deadline) }
    }
    func facet(by key: String, _ filter: Filter, limit: Int, until deadline: Double?) throws -> Facet {
        try withArchive { try $0.facet(by: key, filter, limit: limit, until: deadline) }
    }
    func explain(_ request: SearchRequest) throws -> (response: SearchResponse, plan: SearchPlan) {
        try withArchive { try $0.explain(request) }
    }
    func wordCounts(of text: String) throws -> WordCounts { try withArchive { try $0.wordCounts(of: text) } }
    func vector(of query: Query) throws -> [Float] { try withArchive { try $0.vector(of: query) } }
    func changes(since position: ArchivePosition?, byteCount: Int) throws -> ArchiveChanges {
        try withWhole { try $0.changes(since: position, byteCount: byteCount) }
    }
    func verdict(of origin: CaseOrigin, id: String) throws -> SourceVerdict {
        try withWhole { try $0.verdict(of: origin, id: id) }
    }
    func lostImages(of origin: CaseOrigin) throws -> [LostImage] { try withWhole { try $0.lostImages(of: origin) } }
    func withReports(_ source: SourceCase) throws -> SourceCase {
        try withWhole { try $0.withReports(source) }
    }
    func sources(below prefix: String) throws -> [(id: String, source: String)] {
        try withWhole { try $0.sources(below: prefix) }
    }
    func reembed(_ order: ReembedOrder) throws -> ReembedStatus { try withWhole { try $0.reembed(order) } }
    func snapshot(to target: String, interrupted: AtomicFlag) throws -> SnapshotSummary {
        let isUnwanted = AtomicFlag(orRaisedBy: interrupted)
        do {
            return try withWhole(isLong: true) { archive in
                condition.withLock { snapshots.append(isUnwanted) }
                defer { condition.withLock { snapshots.removeAll { $0 === isUnwanted } } }
                return try archive.snapshot(to: target, interrupted: isUnwanted)
            }
        } catch {
            guard isUnwanted.isRaised, !interrupted.isRaised else { throw error }
            let reason = isForReading ? "another process has changed the archive" : "a write failed meanwhile"
            throw ServerError.refused(
                .busy, "\(reason), and the archive is opened again; no snapshot was made, so ask for it again")
        }
    }

    func forget(id: String, source: String) throws -> Bool { try change { try $0.forget(id: id, source: source) } }
    func put(_ inputs: [CaseInput], courtesy: Courtesy) throws -> [PutOutcome] {
        try change { try $0.put(inputs, courtesy: courtesy) }
    }
    func delete(id: String) throws -> Bool { try change { try $0.delete(id: id) } }
    func erase(id: String) throws -> Bool { try change { try $0.erase(id: id) } }
    func clearDeadReaders() throws { try change { try $0.clearDeadReaders() } }

    func mend() {
        // While nobody changes anything, this brings it back; one that was opened for reading is no failed one.
        if !isForReading, monotonicSeconds() >= nextTry { try? reopenIfNeeded() }
    }

    func estimateRecall(forSeconds seconds: Double, isInterrupted: () -> Bool) throws -> Bool {
        if condition.withLock({ isLoading }) { return false }
        return try withArchive { try $0.estimateRecall(forSeconds: seconds, isInterrupted: isInterrupted) }
    }

    func close() {
        condition.lock()
        isClosed = true
        let last = opened
        opened = nil
        isAwaited = false
        condition.broadcast()
        condition.unlock()
        last?.stop()
        last?.archive.close()
    }
}
