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

/// The watching itself: folders, events and the ledger.
private struct InboxRun {
    let folder: String
    let wake: Int32
    let configuration: InboxConfiguration
    var ledger: InboxLedger
    let inotify: Int32
    var folders: [Int32: String] = [:]
    var dirty: Set<String> = []
    var lastScanInSeconds = 0.0

    init(folder: String, wake: Int32, configuration: InboxConfiguration) {
        self.folder = folder
        self.wake = wake
        self.configuration = configuration
        ledger = InboxLedger(stillInSeconds: configuration.stillInSeconds)
        inotify = configuration.usesKernelEvents ? hilum_inotify_create() : -1
        if inotify < 0 && configuration.usesKernelEvents {
            Log.warning("inbox: no inotify, so changes are found by looking every few seconds")
        }
    }

    mutating func work(
        until stopping: AtomicFlag, _ take: ([InboxLedger.Arrival]) -> [InboxLedger.Verdict]
    ) {
        defer { if inotify >= 0 { close(inotify) } }
        var nextRescan = 0.0
        var nextLook = 0.0
        while !stopping.isRaised {
            let now = monotonicSeconds()
            if now >= nextRescan {
                rescan()
                // A large inbox is not looked at all the time.
                nextRescan = monotonicSeconds() + max(configuration.rescanInSeconds, 20 * lastScanInSeconds)
                nextLook = now + 0.05
            } else if !dirty.isEmpty && now >= nextLook {
                let started = monotonicSeconds()
                for path in dirty { scan(path) }
                dirty = []
                nextLook = monotonicSeconds() + 0.05 + 5 * (monotonicSeconds() - started)
            }
            if hand(take) { continue }
            var until = nextRescan
            if !dirty.isEmpty { until = min(until, nextLook) }
            if let due = ledger.nextDue { until = min(until, due) }
            wait(seconds: until - monotonicSeconds())
        }
    }

    /// Hands out what is due; true if there was something.
    private mutating func hand(_ take: ([InboxLedger.Arrival]) -> [InboxLedger.Verdict]) -> Bool {
        // A write that inotify does not report is seen here.
        let now = monotonicSeconds()
        guard let due = ledger.nextDue, due <= now else { return false }
        let (found, refusals) = ledger.due(now: now, limit: configuration.batchCount)
        for refusal in refusals { Log.warning("inbox: refused \(refusal.path): \(refusal.reason)") }
        var arrivals: [InboxLedger.Arrival] = []
        for arrival in found {
            var isStill = true
            for (path, stamp) in arrival.stamps {
                guard let current = Self.stamp(of: path) else {
                    ledger.lose(path)
                    isStill = false
                    continue
                }
                if current != stamp {
                    ledger.see(path, current, now: now)
                    isStill = false
                }
            }
            if isStill { arrivals.append(arrival) } else { ledger.finish(arrival, .failed(retryAt: now)) }
        }
        if !arrivals.isEmpty {
            for (arrival, result) in zip(arrivals, take(arrivals)) { ledger.finish(arrival, result) }
        }
        return !found.isEmpty || !refusals.isEmpty
    }

    private mutating func wait(seconds: Double) {
        var polls = [
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0), pollfd(fd: inotify, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&polls, inotify >= 0 ? 2 : 1, Int32(max(0, min(60_000, (seconds * 1000).rounded(.up)))))
        guard inotify >= 0 else { return }
        var watches = [Int32](repeating: 0, count: 1024)
        while true {
            var overflow: Int32 = 0
            let count = hilum_inotify_read(inotify, &watches, Int32(watches.count), &overflow)
            if overflow != 0 { dirty.formUnion(folders.values) }
            if count <= 0 { return }
            for watch in watches[..<Int(count)] { if let path = folders[watch] { dirty.insert(path) } }
        }
    }

    private mutating func rescan() {
        let started = monotonicSeconds()
        var seen: Set<String> = []
        scan(folder, recursively: true, &seen)
        for path in ledger.paths where !seen.contains(path) { ledger.lose(path) }
        dirty = []
        lastScanInSeconds = monotonicSeconds() - started
    }

    /// Looks at one folder, and at folders in it that are new.
    private mutating func scan(_ path: String) {
        var seen: Set<String> = []
        scan(path, recursively: false, &seen)
        let prefix = path + "/"
        for known in ledger.paths where known.hasPrefix(prefix) && !seen.contains(known) {
            if !known.utf8.dropFirst(prefix.utf8.count).contains(UInt8(ascii: "/")) { ledger.lose(known) }
        }
    }

    private mutating func scan(_ path: String, recursively: Bool, _ seen: inout Set<String>) {
        // The watch comes before the look: what arrives in between is seen twice rather than not at all.
        if inotify >= 0 {
            let watch = hilum_inotify_watch(inotify, path)
            if watch >= 0 { folders[watch] = path }
        }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return }
        let now = monotonicSeconds()
        for name in names where InboxLedger.isConsidered(name) {
            let child = path + "/" + name
            var status = stat()
            guard lstat(child, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                seen.insert(child)
                ledger.see(child, Self.stamp(status), now: now)
            case S_IFDIR:
                // A folder that was made anew has another watch under the same name.
                let watch = inotify >= 0 ? hilum_inotify_watch(inotify, child) : -1
                if recursively || watch < 0 || folders[watch] != child { scan(child, recursively: true, &seen) }
            default: break
            }
        }
    }

    private static func stamp(of path: String) -> InboxLedger.Stamp? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return stamp(status)
    }

    private static func stamp(_ status: stat) -> InboxLedger.Stamp {
        InboxLedger.Stamp(
            byteCount: Int(status.st_size),
            modifiedInNanoseconds: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
            inode: UInt64(status.st_ino))
    }
}
