import CHilumSystem
import Foundation
import HilumArchive
import HilumCore

/// The watching itself: folders, events and the ledger.
struct InboxRun {
    /// Between two looks at what inotify reported, so that a burst of events is one look.
    private static let lookPauseInSeconds = 0.05
    /// Looking takes at most about one part in so many of the thread's time: at what inotify reported,
    private static let lookShare = 5.0
    /// and at every folder.
    private static let rescanShare = 20.0
    private static let longestWaitInMilliseconds = 60_000.0
    /// Events taken from inotify at once.
    private static let eventCount = 1024

    let folder: String
    let wake: Int32
    let configuration: InboxConfiguration
    private let log: InboxLog
    var ledger: InboxLedger
    let inotify: Int32
    var folders: [Int32: String] = [:]
    var dirty: Set<String> = []
    var lastScanInSeconds = 0.0
    private var sight: InboxSight
    /// Folders that could not be read; what lies below them is not gone.
    private var unreadable: Set<String> = []
    /// The device and number of the inbox when it was first seen: an empty folder in its place means that it is not mounted.
    private let identity: [UInt64]?
    /// Files and folders that were passed over because another one has their name in another spelling, by their bytes.
    private var twins: [[UInt8]: InboxLedger.Stamp] = [:]
    /// When files have been gone for long enough; nil while none are.
    private var sweepAt: Double?
    private var lastSweepInSeconds = 0.0

    init(folder: String, wake: Int32, configuration: InboxConfiguration, log: InboxLog = InboxLog()) {
        self.log = log
        self.folder = folder
        self.wake = wake
        self.configuration = configuration
        ledger = InboxLedger(root: folder, stillInSeconds: configuration.stillInSeconds)
        sight = InboxSight(root: folder)
        identity = Self.identity(of: folder)
        inotify = configuration.usesKernelEvents ? hilum_inotify_create() : -1
        if inotify < 0 && configuration.usesKernelEvents {
            Log.warning("inbox: no inotify, so changes are found by looking every few seconds")
        }
    }

    mutating func work(
        until stopping: AtomicFlag, _ take: ([InboxLedger.Arrival]) -> [InboxWatcher.Taken],
        sweep: (InboxLedger, InboxSight) -> Void
    ) {
        defer { if inotify >= 0 { close(inotify) } }
        var nextRescan = 0.0
        var nextLook = 0.0
        while !stopping.isRaised {
            let now = monotonicSeconds()
            if now >= nextRescan {
                rescan()
                // A large inbox is not looked at all the time.
                nextRescan =
                    monotonicSeconds() + max(configuration.rescanInSeconds, Self.rescanShare * lastScanInSeconds)
                nextLook = now + Self.lookPauseInSeconds
            } else if !dirty.isEmpty && now >= nextLook {
                let started = monotonicSeconds()
                for path in dirty { scan(path) }
                dirty = []
                let took = monotonicSeconds() - started
                nextLook = monotonicSeconds() + Self.lookPauseInSeconds + Self.lookShare * took
            }
            log.wait(ledger.waitingCount)
            if hand(take) { continue }
            if let due = sweepAt, due <= monotonicSeconds() { sweepOnce(sweep) }
            var until = nextRescan
            if let sweepAt { until = min(until, sweepAt) }
            if !dirty.isEmpty { until = min(until, nextLook) }
            if let due = ledger.nextDue { until = min(until, due) }
            wait(seconds: until - monotonicSeconds())
        }
    }

    /// Lets the cases go whose files have gone, if what was seen of the inbox can be trusted.
    private mutating func sweepOnce(_ sweep: (InboxLedger, InboxSight) -> Void) {
        sweepAt = nil
        guard unreadable.isEmpty, identity != nil, Self.identity(of: folder) == identity else {
            Log.warning("inbox: a folder cannot be read or is not mounted, so no case goes with its files")
            return
        }
        let started = monotonicSeconds()
        sweep(ledger, sight)
        lastSweepInSeconds = monotonicSeconds() - started
    }

    private static func identity(of folder: String) -> [UInt64]? {
        var status = stat()
        guard stat(folder, &status) == 0 else { return nil }
        return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }

    /// Notes that a file has gone, unless it is only out of sight.
    private mutating func lose(_ path: String) {
        guard sight.isGone(path) else { return }
        ledger.lose(path)
        guard configuration.missing == .delete else { return }
        // A sweep reads every case, so it does not come all the time.
        sweepAt = monotonicSeconds() + max(configuration.missingInSeconds, Self.rescanShare * lastSweepInSeconds)
    }

    /// Hands out what is due; true if there was something.
    private mutating func hand(_ take: ([InboxLedger.Arrival]) -> [InboxWatcher.Taken]) -> Bool {
        // A write that inotify does not report is seen here.
        let now = monotonicSeconds()
        guard let due = ledger.nextDue, due <= now else { return false }
        let (found, refusals) = ledger.due(now: now, limit: configuration.batchCount)
        for (path, reason) in refusals {
            log.refused([path], stamps: [Self.stamp(of: path)].compactMap { $0 }, reason)
        }
        var arrivals: [InboxLedger.Arrival] = []
        for arrival in found {
            var isStill = true
            var retryAt = now
            for (name, stamp) in arrival.stamps {
                let path = "\(folder)/\(name)"
                guard let current = Self.stamp(of: path) else {
                    lose(path)
                    // A file out of sight is looked for again.
                    if ledger.holds(path) { retryAt = now + configuration.retryInSeconds }
                    isStill = false
                    continue
                }
                if current != stamp {
                    ledger.see(path, current, hasTwin: ledger.hasTwin(path), now: now) { [folder] file in
                        FileGlance(of: file, root: folder)
                    }
                    isStill = false
                }
            }
            if isStill { arrivals.append(arrival) } else { ledger.finish(arrival, .failed(retryAt: retryAt)) }
        }
        if !arrivals.isEmpty {
            for (arrival, result) in zip(arrivals, take(arrivals)) {
                ledger.finish(arrival, result.verdict)
                for claim in result.claims { ledger.claim(claim.paths, for: claim.group) }
            }
        }
        return !found.isEmpty || !refusals.isEmpty
    }

    private mutating func wait(seconds: Double) {
        var polls = [
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0), pollfd(fd: inotify, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = max(0, min(Self.longestWaitInMilliseconds, (seconds * 1000).rounded(.up)))
        _ = poll(&polls, inotify >= 0 ? 2 : 1, Int32(milliseconds))
        guard inotify >= 0 else { return }
        var watches = [Int32](repeating: 0, count: Self.eventCount)
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
        let isFirst = lastScanInSeconds == 0
        unreadable = []
        scan(folder, recursively: true, &seen)
        for path in ledger.paths where !seen.contains(path) && !isHidden(path) { lose(path) }
        // Files may have gone while no daemon watched.
        if isFirst && configuration.missing == .delete { sweepAt = started + configuration.missingInSeconds }
        dirty = []
        lastScanInSeconds = monotonicSeconds() - started
    }

    /// Whether a file lies below a folder that could not be read.
    private func isHidden(_ path: String) -> Bool {
        unreadable.contains { FilePath.isBeneath(path, $0) }
    }

    /// Looks at one folder, and at folders in it that are new.
    private mutating func scan(_ path: String) {
        var seen: Set<String> = []
        scan(path, recursively: false, &seen)
        for known in ledger.paths where !seen.contains(known) && !isHidden(known) {
            guard let name = FilePath.relative(known, to: path) else { continue }
            if !name.utf8.contains(UInt8(ascii: "/")) { lose(known) }
        }
    }

    private mutating func scan(_ path: String, recursively: Bool, _ seen: inout Set<String>) {
        // The watch comes before the look: what arrives in between is seen twice rather than not at all.
        if inotify >= 0 {
            let watch = hilum_inotify_watch(inotify, path)
            if watch >= 0 { folders[watch] = path }
        }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            // A folder that has gone takes its files with it; one that is there hides them.
            if access(path, F_OK) == 0 || path == folder { unreadable.insert(path) }
            return
        }
        unreadable.remove(path)
        let now = monotonicSeconds()
        var device: UInt64?
        let found = NameTwins(names.filter { FileRole.reasonToSkip($0) == nil })
        for name in found.others { passOverTwin(path + "/" + name) }
        for name in found.names {
            let child = path + "/" + name
            var status = stat()
            guard lstat(child, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                seen.insert(child)
                device = UInt64(status.st_dev)
                ledger.see(child, Self.stamp(status), hasTwin: found.hasTwin(name), now: now) { [folder] file in
                    FileGlance(of: file, root: folder)
                }
            case S_IFDIR:
                // A folder that was made anew has another watch under the same name.
                let watch = inotify >= 0 ? hilum_inotify_watch(inotify, child) : -1
                if recursively || watch < 0 || folders[watch] != child { scan(child, recursively: true, &seen) }
            default: break
            }
        }
        if let device { sight.saw(path, device: device) }
    }

    /// Says of a file once that another one has its name.
    private mutating func passOverTwin(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        let stamp = Self.stamp(status)
        guard twins.updateValue(stamp, forKey: Array(path.utf8)) != stamp else { return }
        log.refused([path], stamps: [stamp], InboxLog.isTwin)
    }

    static func stamp(of path: String) -> InboxLedger.Stamp? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return stamp(status)
    }

    private static func stamp(_ status: stat) -> InboxLedger.Stamp {
        InboxLedger.Stamp(
            byteCount: Int(status.st_size),
            // A time far off wraps around: it only tells one version of a file from another.
            modifiedInNanoseconds: nanoseconds(status.st_mtim), inode: UInt64(status.st_ino),
            changedInNanoseconds: nanoseconds(status.st_ctim))
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
