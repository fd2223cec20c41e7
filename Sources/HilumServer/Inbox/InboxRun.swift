import CHilumSystem
import Foundation
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
