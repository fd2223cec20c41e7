/// What lies in the inbox and what became of it; pure: it sees stamps and times, not files.
///
/// ```
/// see(path, stamp) ─→ settling ─ still long enough ─→ due() hands out the case of a stem ─→ finish(): taken or refused
///                        ↑ any later change of the stamp brings a file back here
/// ```
/// Files of equal stem, wherever they lie, are one case: at most one image and one report; the stem is its id.
/// Thread rule: a value type; one owner at a time.
struct InboxLedger: Sendable {
    /// Tells a file from what it was before.
    struct Stamp: Sendable, Equatable {
        var byteCount: Int
        var modifiedInNanoseconds: Int64
        var inode: UInt64

        init(byteCount: Int, modifiedInNanoseconds: Int64, inode: UInt64) {
            self.byteCount = byteCount
            self.modifiedInNanoseconds = modifiedInNanoseconds
            self.inode = inode
        }
    }

    /// A case that is ready: files of one stem, all of them still.
    struct Arrival: Sendable, Equatable {
        var id: String
        var image: String?
        var report: String?
        var stamps: [String: Stamp]
    }

    enum Verdict: Sendable {
        /// Stored or unchanged.
        case taken
        /// Not before the file changes.
        case refused
        /// Once more after a while.
        case failed(retryAt: Double)
    }

    enum Role: Sendable, Equatable { case image, report, foreign }

    private enum State: Equatable {
        case settling
        case handedOut
        case taken
        case refused
    }

    private struct Entry {
        var stamp: Stamp
        /// It counts from this time on.
        var dueAt: Double
        var state: State
    }

    let stillInSeconds: Double
    private var entries: [String: Entry] = [:]
    /// Paths by stem, sorted.
    private var stems: [String: [String]] = [:]
    /// Stems with a file that settles.
    private var unsettled: Set<String> = []

    init(stillInSeconds: Double) { self.stillInSeconds = stillInSeconds }

    var paths: [String] { Array(entries.keys) }

    /// Whether a file or folder of this name is looked at: no dot files, nothing half-way (`.tmp`, `.part` …).
    static func isConsidered(_ name: String) -> Bool {
        if name.isEmpty || name.hasPrefix(".") || name.hasSuffix("~") { return false }
        let lower = name.lowercased()
        return ![".tmp", ".part", ".partial", ".crdownload", ".swp"].contains { lower.hasSuffix($0) }
            && !lower.contains(".tmp-")
    }

    /// What a file is taken for, by its name; whether an image is one is decided by its content.
    static func role(of path: String) -> Role {
        switch fileExtension(of: path).lowercased() {
        case "txt": .report
        case "png", "jpg", "jpeg", "dcm", "dicom", "": .image
        default: .foreign
        }
    }

    /// The name without folder and extension.
    static func stem(of path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
        return String(name[..<dot])
    }

    private static func fileExtension(of path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return String(name[name.index(after: dot)...])
    }

    /// A file is there, and looks so.
    mutating func see(_ path: String, _ stamp: Stamp, now: Double) {
        if let entry = entries[path], entry.stamp == stamp { return }
        let stem = Self.stem(of: path)
        if entries[path] == nil {
            var paths = stems[stem] ?? []
            paths.insert(path, at: paths.firstIndex { $0 > path } ?? paths.count)
            stems[stem] = paths
        }
        entries[path] = Entry(stamp: stamp, dueAt: now + stillInSeconds, state: .settling)
        unsettled.insert(stem)
    }

    /// A file is gone; its case stays in the archive.
    mutating func lose(_ path: String) {
        guard entries.removeValue(forKey: path) != nil else { return }
        let stem = Self.stem(of: path)
        let rest = (stems[stem] ?? []).filter { $0 != path }
        stems[stem] = rest.isEmpty ? nil : rest
        if !rest.contains(where: { entries[$0]?.state == .settling }) { unsettled.remove(stem) }
    }

    /// When `due` may have something; nil if nothing settles.
    var nextDue: Double? {
        unsettled.compactMap { stem in dueAt(stem) }.min()
    }

    private func dueAt(_ stem: String) -> Double? {
        (stems[stem] ?? []).compactMap { entries[$0] }.filter { $0.state == .settling }.map(\.dueAt).max()
    }

    /// The cases that are ready, at most `limit`, and the files refused at once with the reason.
    mutating func due(now: Double, limit: Int) -> (
        arrivals: [Arrival], refusals: [(path: String, reason: String)]
    ) {
        var arrivals: [Arrival] = []
        var refusals: [(path: String, reason: String)] = []
        for stem in unsettled.filter({ dueAt($0).map { $0 <= now } ?? true }).sorted() {
            if arrivals.count >= limit { break }
            unsettled.remove(stem)
            var arrival = Arrival(id: stem, stamps: [:])
            var isFresh = false
            let paths = stems[stem] ?? []
            for path in paths {
                guard let entry = entries[path] else { continue }
                let reason = place(path, among: paths, in: &arrival)
                if let reason {
                    if entry.state == .settling { refusals.append((path, reason)) }
                    entries[path]?.state = .refused
                } else if entry.state == .refused {
                    // Still what was refused before: the case is tried without it.
                    if arrival.image == path { arrival.image = nil }
                    if arrival.report == path { arrival.report = nil }
                } else {
                    arrival.stamps[path] = entry.stamp
                    if entry.state == .settling { isFresh = true }
                    entries[path]?.state = .handedOut
                }
            }
            if isFresh { arrivals.append(arrival) }
        }
        return (arrivals, refusals)
    }

    /// Why `path` has no place in the case; nil if it was given one.
    private func place(_ path: String, among paths: [String], in arrival: inout Arrival) -> String? {
        let role = Self.role(of: path)
        if role == .foreign { return Self.foreignReason(path) }
        // Whoever was taken first keeps the name.
        let rivals = paths.filter { Self.role(of: $0) == role }
        let owner = rivals.first { entries[$0]?.state == .taken || entries[$0]?.state == .handedOut } ?? rivals.first
        if let owner, owner != path {
            return "\(owner) has the same name already; the name without its ending is the id of the case"
        }
        if role == .image { arrival.image = path } else { arrival.report = path }
        return nil
    }

    private static func foreignReason(_ path: String) -> String {
        switch fileExtension(of: path).lowercased() {
        case "jsonl", "csv": "a manifest is read by `hilum index`, not from the inbox"
        default: "neither an image (png, jpg, dcm) nor a report (txt) by its name"
        }
    }

    /// What became of a case that `due` handed out. Files that changed meanwhile are not touched: they settle again.
    mutating func finish(_ arrival: Arrival, _ verdict: Verdict) {
        for (path, stamp) in arrival.stamps {
            guard let entry = entries[path], entry.stamp == stamp, entry.state == .handedOut else { continue }
            switch verdict {
            case .taken: entries[path]?.state = .taken
            case .refused: entries[path]?.state = .refused
            case .failed(let retryAt):
                entries[path]?.state = .settling
                entries[path]?.dueAt = retryAt
                unsettled.insert(arrival.id)
            }
        }
    }
}
