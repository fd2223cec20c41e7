import CHilumSystem
import Foundation
import HilumArchive
import HilumCore
import Synchronization

/// Takes cases from a folder: what is dropped into it becomes searchable once it has been still for half a second.
///
/// inotify says where to look, and a look at every folder now and then finds what it did not report (other file systems,
/// lost events). Folders within are watched too; symbolic links are not followed. Files stay where they are. A case is
/// updated, not replaced: what the archive knows beside the image and the report stays.
///
/// Thread rule: `start` and `stop` once each, from any thread; the rest on the watcher's own thread.
final class InboxWatcher: Sendable {
    let folder: String
    let configuration: InboxConfiguration
    private let archive: any ServedArchive
    private let writer: WriterQueue
    private let stopping = AtomicFlag()
    private let wake: Int32
    private let thread: Mutex<WorkerThread?> = Mutex(nil)

    /// - Parameter folder: made if it is not there.
    /// - Throws: `FileError` when it cannot be made, `ServerError` without descriptors.
    init(folder: String, archive: any ServedArchive, writer: WriterQueue, configuration: InboxConfiguration) throws {
        try FileIO.makeFolder(folder)
        self.folder = Self.absolute(folder)
        self.archive = archive
        self.writer = writer
        self.configuration = configuration
        wake = hilum_eventfd_create()
        guard wake >= 0 else {
            throw ServerError(.system(call: "eventfd", errno: errno), "eventfd: no file descriptor is left")
        }
    }

    deinit { close(wake) }

    func start() {
        let thread = WorkerThread("hilum-inbox") { [self] in
            var run = InboxRun(folder: folder, wake: wake, configuration: configuration)
            run.work(until: stopping) { arrivals in self.take(arrivals) }
        }
        self.thread.withLock { $0 = thread }
    }

    /// Ends after the cases that are under way.
    func stop() {
        stopping.raise()
        hilum_eventfd_raise(wake)
        thread.withLock { $0 }?.join()
    }

    private static func absolute(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Hands cases to the writer and waits for what becomes of them.
    private func take(_ arrivals: [InboxLedger.Arrival]) -> [InboxLedger.Verdict] {
        let outcomes = Mutex([Result<WriterQueue.Outcome, ServerError>?](repeating: nil, count: arrivals.count))
        let done = DispatchSemaphore(value: 0)
        var submitted = 0
        for (index, arrival) in arrivals.enumerated() {
            let isQueued = writer.submit(.put { [self] in try makeCase(arrival) }) { outcome in
                outcomes.withLock { $0[index] = outcome }
                done.signal()
            }
            if isQueued { submitted += 1 }
        }
        for _ in 0..<submitted { done.wait() }
        return outcomes.withLock { outcomes in
            zip(arrivals, outcomes).map { arrival, outcome in judge(arrival, outcome) }
        }
    }

    private func judge(
        _ arrival: InboxLedger.Arrival, _ outcome: Result<WriterQueue.Outcome, ServerError>?
    ) -> InboxLedger.Verdict {
        let paths = [arrival.image, arrival.report].compactMap { $0 }.joined(separator: " and ")
        let later = monotonicSeconds() + configuration.retryInSeconds
        switch outcome {
        case .none: return .failed(retryAt: later)
        case .success(.put(_, _, .refused(let error))):
            return refuse(paths, ReplyCode(error.code), error.reason, retryAt: later)
        case .success:
            Log.debug("inbox: took \(paths)")
            return .taken
        case .failure(let error):
            guard case .refused(let code) = error.code else {
                return refuse(paths, .internal, error.text, retryAt: later)
            }
            return refuse(paths, code, error.text, retryAt: later)
        }
    }

    private func refuse(_ paths: String, _ code: ReplyCode, _ reason: String, retryAt: Double) -> InboxLedger.Verdict {
        switch code {
        case .io, .busy, .notReady, .internal, .deadline:
            Log.warning("inbox: could not take \(paths) (tried again later): \(reason)")
            return .failed(retryAt: retryAt)
        default:
            Log.warning("inbox: refused \(paths): \(reason)")
            return .refused
        }
    }

    /// The case as it should be now: its files, and what the archive already knows. Runs on the writer's thread.
    private func makeCase(_ arrival: InboxLedger.Arrival) throws -> CaseInput {
        try CaseID.check(arrival.id)
        var result = CaseInput(id: arrival.id)
        if let path = arrival.image { result.image = .file(path) }
        if let path = arrival.report { result.report = try readReport(path) }
        guard let known = try archive.get(id: arrival.id) else { return result }
        result.fields = known.fields
        if result.report == nil { result.report = known.report }
        if result.image == nil && known.hasImage {
            // As bytes: the archive then keeps the images itself, wherever the files go.
            result.images = try known.images.map { image in
                guard let bytes = try? FileIO.read(image.path, limitInBytes: ArchiveLimits.imageByteCount) else {
                    throw ServerError.refused(
                        .stale,
                        "the archive's image of this case cannot be read any more; put the image into the inbox as well"
                    )
                }
                return CaseImage(.bytes(bytes), view: image.view)
            }
        }
        return result
    }

    private func readReport(_ path: String) throws(ServerError) -> String {
        let bytes: [UInt8]
        do { bytes = try FileIO.read(path, limitInBytes: configuration.reportByteCount) } catch {
            switch error.code {
            case .tooLarge(let limit): throw .refused(.limit, "the report has more than \(limit) bytes")
            case .notFound, .notRegular: throw .refused(.notFound, error.description)
            case .system: throw .refused(.io, error.description)
            }
        }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        guard let text = String(validating: bytes.starts(with: mark) ? bytes.dropFirst(3) : bytes[...], as: UTF8.self)
        else {
            throw .refused(.badRequest, "the report is not UTF-8")
        }
        guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }), !text.utf8.contains(0) else {
            throw .refused(.badRequest, "the report is empty or holds a NUL")
        }
        return text
    }
}
