import Foundation
import HilumArchive
import HilumCore
import HilumEmbedding
import HilumImaging

/// The archive of a daemon, which is opened again when a write failed in a way that leaves its state unknown.
///
/// ```
/// a change fails ─→ needsReopening? ── no ──→ the client is told; all goes on
///                         └─ yes: running reads end ─→ close ─→ open for writing ─→ all goes on
///                                                                 └─ fails ─→ open for reading: reads go on
/// ```
/// Where opening for writing fails, or the next change fails too, changes are refused for 1, 2, 4 … 60 s.
///
/// A change that failed is never repeated: its client was told so. Opening walks over all pages before the first change
/// (`Archive.init`), so what the failed write left on the disk is verified.
///
/// Thread rule: as `ServedArchive` says; only the writer's thread opens again.
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

    /// Opens the archive, and begins what goes on with it in the background.
    public typealias Opener = @Sendable (Archive.Mode) throws -> Opened

    private static let firstPauseInSeconds = 1.0
    private static let longestPauseInSeconds = 60.0
    /// Reads that run are waited for so long; then it is tried again later.
    private static let longestWaitInSeconds = 30.0

    private let open: Opener
    private let condition = NSCondition()
    /// Nil while it cannot even be read.
    private var opened: Opened?
    private var userCount = 0
    private var isReplacing = false
    private var isClosed = false
    /// Of the writer's thread: whether a change has succeeded since it was opened,
    private var isProven = true
    /// why changes are refused for a while; nil when all is well,
    private var failure: ArchiveError?
    private var pauseInSeconds = firstPauseInSeconds
    /// and until when.
    private var nextTry = 0.0
    /// What `recall` says while there is no archive.
    private let noRecall = RecallEstimator()

    /// Opens for writing.
    ///
    /// - Throws: what `open` throws.
    public init(open: @escaping Opener) throws {
        self.open = open
        opened = try open(.readWrite)
    }

    // MARK: Leases

    /// Lends the archive, which is not replaced meanwhile; waits while it is.
    func withArchive<Result>(_ body: (Archive) throws -> Result) throws -> Result {
        condition.lock()
        while isReplacing { condition.wait() }
        guard let archive = opened?.archive else {
            let wasClosed = isClosed
            condition.unlock()
            throw wasClosed
                ? ArchiveError(.notReady, "the archive is closed")
                : ArchiveError(.io, "the disk failed, and the archive cannot be read; it is tried again")
        }
        userCount += 1
        condition.unlock()
        defer {
            condition.lock()
            userCount -= 1
            condition.unlock()
        }
        return try body(archive)
    }

    /// Carries out a change, on the writer's thread.
    private func change<Result>(_ body: (Archive) throws -> Result) throws -> Result {
        if let failure, monotonicSeconds() < nextTry { throw failure }
        try reopenIfNeeded()
        do {
            let result = try withArchive(body)
            isProven = true
            failure = nil
            pauseInSeconds = Self.firstPauseInSeconds
            return result
        } catch {
            // At once, for reads may not go on in the store as it is.
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
            return isClosed || archive.mode == .readWrite && !archive.needsReopening
        }
        guard !isFit else { return }
        if failure == nil { Log.error("a write failed, and the archive is opened again") }
        guard takeAll() else {
            throw postpone("a write failed, and what still reads keeps the archive from being opened again")
        }
        defer { giveBack() }
        opened?.stop()
        opened?.archive.close()
        opened = nil
        do { opened = try open(.readWrite) } catch {
            opened = try? open(.readOnly)
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

    /// Waits until nobody uses the archive, and keeps others from beginning; false if that takes too long.
    private func takeAll() -> Bool {
        condition.withLock { isReplacing = true }
        let end = monotonicSeconds() + Self.longestWaitInSeconds
        while condition.withLock({ userCount > 0 }) {
            guard monotonicSeconds() < end else {
                giveBack()
                return false
            }
            usleep(1_000)
        }
        return true
    }

    private func giveBack() {
        condition.lock()
        isReplacing = false
        condition.broadcast()
        condition.unlock()
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
        try withArchive { try $0.explain(image, text: text) }
    }
    func count(_ filter: Filter) throws -> Int { try withArchive { try $0.count(filter) } }
    func facet(by key: String, _ filter: Filter, limit: Int) throws -> Facet {
        try withArchive { try $0.facet(by: key, filter, limit: limit) }
    }
    func explain(_ request: SearchRequest) throws -> (response: SearchResponse, plan: SearchPlan) {
        try withArchive { try $0.explain(request) }
    }
    func verdict(of origin: CaseOrigin, id: String) throws -> SourceVerdict {
        try withArchive { try $0.verdict(of: origin, id: id) }
    }
    func sources(below prefix: String) throws -> [(id: String, source: String)] {
        try withArchive { try $0.sources(below: prefix) }
    }
    func reembed(_ order: ReembedOrder) throws -> ReembedStatus { try withArchive { try $0.reembed(order) } }
    func snapshot(to target: String, interrupted: AtomicFlag) throws -> SnapshotSummary {
        try withArchive { try $0.snapshot(to: target, interrupted: interrupted) }
    }

    func forget(id: String, source: String) throws -> Bool { try change { try $0.forget(id: id, source: source) } }
    func put(_ inputs: [CaseInput]) throws -> [PutOutcome] { try change { try $0.put(inputs) } }
    func delete(id: String) throws -> Bool { try change { try $0.delete(id: id) } }
    func clearDeadReaders() throws { try change { try $0.clearDeadReaders() } }

    func estimateRecall(forSeconds seconds: Double, isInterrupted: () -> Bool) throws -> Bool {
        // While nobody changes anything, idle time brings it back.
        if monotonicSeconds() >= nextTry { try? reopenIfNeeded() }
        return try withArchive { try $0.estimateRecall(forSeconds: seconds, isInterrupted: isInterrupted) }
    }

    func close() {
        condition.lock()
        isClosed = true
        let last = opened
        opened = nil
        condition.unlock()
        last?.stop()
        last?.archive.close()
    }
}
