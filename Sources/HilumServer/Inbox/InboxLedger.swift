import HilumArchive
import HilumCore

/// What lies in the inbox and what became of it; pure: it sees stamps and times, not files.
///
/// ```
/// see(path, stamp) ─→ settling ─ still long enough ─→ due() hands out the files of a group ─→ finish(): taken or refused
///                        ↑ any later change of the stamp brings a file back here
/// ```
/// Files of one group (`StudyGroups.group`) may be one case and are handed out together, to `CaseFinder`, which says what belongs
/// together. A manifest is a group with all files that lie below its folder or that its rows name; so is an XML file with the images that
/// it names. A file of messages or a structured report is a group by itself: it says by its content which cases its reports join.
/// Thread rule: a value type; one owner at a time.
struct InboxLedger: Sendable {
    /// Tells a file from what it was before.
    struct Stamp: Sendable, Equatable {
        var byteCount: Int
        var modifiedInNanoseconds: Int64
        var inode: UInt64
        /// When its content, its rights or its name changed: a file that could not be read may be readable since.
        var changedInNanoseconds: Int64

        init(byteCount: Int, modifiedInNanoseconds: Int64, inode: UInt64, changedInNanoseconds: Int64 = 0) {
            self.byteCount = byteCount
            self.modifiedInNanoseconds = modifiedInNanoseconds
            self.inode = inode
            self.changedInNanoseconds = changedInNanoseconds
        }
    }

    /// The files of a group, all of them still.
    struct Arrival: Sendable, Equatable {
        var group: String
        /// Below the inbox; without those that were refused and are the same.
        var files: [FoundFile] = []
        /// The manifest or the XML file whose group it is.
        var manifest: FoundFile?
        /// By path below the inbox.
        var stamps: [String: Stamp] = [:]
    }

    enum Verdict: Sendable {
        /// Stored or unchanged.
        case taken
        /// Not before the file changes.
        case refused
        /// Not before the file changes or another one comes: the case is refused, and no file of it goes on without the others.
        case refusedAsCase
        /// Once more after a while.
        case failed(retryAt: Double)
    }

    private enum State: Equatable {
        case settling
        case handedOut
        case taken
        case refused
        /// Refused with others: which of them is at fault is not known, so a change of one offers all.
        case refusedTogether
    }

    private struct Entry {
        let file: FoundFile
        var group: String
        var stamp: Stamp
        /// It counts from this time on.
        var dueAt: Double
        var state: State
    }

    /// Absolute, without a slash at the end.
    let root: String
    let stillInSeconds: Double
    /// By path below the inbox.
    private var entries: [String: Entry] = [:]
    /// Paths by group, sorted.
    private var groups: [String: [String]] = [:]
    /// Groups with a file that settles.
    private var unsettled: Set<String> = []
    /// Some of those that were due at `queuedAt`, the next one last: not each batch looks at all of a full inbox.
    private var queue: [String] = []
    private var queuedAt = 0.0
    /// From then on a manifest may be due that is not in `queue` and goes before it.
    private var queueEndsAt = Double.infinity
    /// How many groups were looked at to find those that are due.
    private(set) var lookCount = 0
    /// The group of the manifest that answers for a folder, by the folder's path with a slash; not for the inbox itself.
    private var coveredFolders: [String: String] = [:]
    /// The group of the manifest that names a file.
    private var claimed: [String: String] = [:]
    private var studies = StudyGroups()

    init(root: String, stillInSeconds: Double) {
        self.root = root
        self.stillInSeconds = stillInSeconds
    }

    /// Absolute.
    var paths: [String] { entries.keys.map { "\(root)/\($0)" } }

    /// The groups that the files have by their places, whatever manifest answers for them.
    var places: Set<String> {
        Set(entries.values.map { FilePlace(path: $0.file.path, role: $0.file.role).group })
    }

    /// Whether another file has the name of this one in another spelling.
    func hasTwin(_ path: String) -> Bool { entries[below(path)]?.file.hasTwin ?? false }

    /// Whether a file lies in the inbox.
    func holds(_ path: String) -> Bool { entries[below(path)] != nil }

    /// Whether a file of a study lies in the inbox.
    func holdsStudy(_ uid: String) -> Bool { groups[StudyGroups.group(ofStudy: uid)] != nil }

    private func below(_ path: String) -> String { FilePath.relative(path, to: root) ?? path }

    /// A file is there, and looks so.
    ///
    /// - Parameters:
    ///   - path: absolute.
    ///   - hasTwin: whether another file has its name in another spelling.
    ///   - glance: looks at the content of a file; asked when the file is new or has changed.
    mutating func see(
        _ path: String, _ stamp: Stamp, hasTwin: Bool = false, now: Double,
        glance: (FoundFile) -> FileGlance = { _ in FileGlance() }
    ) {
        let path = below(path)
        // Swift takes two spellings of a name for equal, and they are two files.
        if let known = entries[path]?.file.path, !known.utf8.elementsEqual(path.utf8) { lose("\(root)/\(known)") }
        if let entry = entries[path], entry.stamp == stamp, entry.file.hasTwin == hasTwin { return }
        var file = FoundFile(path: path, hasTwin: hasTwin)
        let seen = glance(file)
        if seen.holdsReports { file = FoundFile(path: path, hasTwin: hasTwin, role: .message) }
        regroup(studies.note(seen.study, of: file), offersAgain: true)
        let group = group(of: file)
        if let old = entries[path]?.group, old != group { remove(path, from: old) }
        if entries[path]?.group != group { insert(path, into: group) }
        if entries[path] == nil, file.role == .manifest { cover(by: file) }
        entries[path] = Entry(
            file: file, group: group, stamp: stamp, dueAt: now + stillInSeconds, state: .settling)
        settle(group, dueAt: now + stillInSeconds)
    }

    /// Gives the files of these groups the groups that they belong to now.
    ///
    /// - Parameter offersAgain: whether cases that change by it are read again. What a file that has gone leaves behind stays as it is.
    private mutating func regroup(_ touched: Set<String>, offersAgain: Bool = false) {
        for group in touched { for path in groups[group] ?? [] { move(path, offersAgain: offersAgain) } }
    }

    /// A file is gone.
    ///
    /// - Parameter path: absolute.
    mutating func lose(_ path: String) {
        let path = below(path)
        guard let entry = entries.removeValue(forKey: path) else { return }
        remove(path, from: entry.group)
        regroup(studies.note(nil, of: entry.file))
        for other in groups[entry.group] ?? [] where entries[other]?.state == .refusedTogether {
            entries[other]?.state = .settling
            settle(entry.group, dueAt: 0)
        }
        if Self.namesFiles(entry.file) {
            coveredFolders = coveredFolders.filter { $0.value != entry.group }
            claimed = claimed.filter { $0.value != entry.group }
            for other in groups[entry.group] ?? [] { move(other) }
        }
    }

    /// The files that the rows of a manifest name are no cases of their own.
    ///
    /// - Parameter paths: absolute.
    mutating func claim(_ paths: [String], for group: String) {
        for path in paths.compactMap({ FilePath.relative($0, to: root) }) {
            guard claimed.updateValue(group, forKey: path) != group, let entry = entries[path] else { continue }
            move(path)
            // What was settled stays so: its manifest has just been read.
            if entry.state != .settling { entries[path]?.state = .taken }
        }
    }

    // MARK: Groups

    /// The group of a file that names others.
    static func group(ofNaming file: FoundFile) -> String { "manifest \(file.path)" }

    /// Whether a file says by its content which others make a case with it.
    private static func namesFiles(_ file: FoundFile) -> Bool { file.role == .manifest || file.role == .markup }

    private func group(of file: FoundFile) -> String {
        if file.role == .manifest { return Self.group(ofNaming: file) }
        if let group = claimed[file.path] { return group }
        var folder = file.path
        while !coveredFolders.isEmpty, let slash = folder.utf8.dropLast().lastIndex(of: UInt8(ascii: "/")) {
            folder = String(Substring(folder.utf8[...slash]))
            if let group = coveredFolders[folder] { return group }
        }
        // What lies below a manifest is that one's business.
        if file.role == .markup { return Self.group(ofNaming: file) }
        if file.role == .message { return "reports \(file.path)" }
        return studies.group(of: file)
    }

    /// Puts what lies below the folder of a manifest into its group.
    private mutating func cover(by manifest: FoundFile) {
        guard let slash = manifest.path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return }
        let folder = String(Substring(manifest.path.utf8[...slash]))
        coveredFolders[folder] = Self.group(ofNaming: manifest)
        for path in Array(entries.keys) where FilePath.isBeneath(path, folder) { move(path) }
    }

    private mutating func insert(_ path: String, into group: String) {
        var paths = groups[group] ?? []
        paths.insert(path, at: paths.firstIndex { $0 > path } ?? paths.count)
        groups[group] = paths
    }

    private mutating func remove(_ path: String, from group: String) {
        let rest = (groups[group] ?? []).filter { $0 != path }
        groups[group] = rest.isEmpty ? nil : rest
        if !rest.contains(where: { entries[$0]?.state == .settling }) { unsettled.remove(group) }
    }

    /// Gives a file the group that it belongs to now.
    private mutating func move(_ path: String, offersAgain: Bool = false) {
        guard let entry = entries[path] else { return }
        let group = group(of: entry.file)
        guard group != entry.group else { return }
        remove(path, from: entry.group)
        entries[path]?.group = group
        insert(path, into: group)
        if entry.state == .handedOut { entries[path]?.state = .settling }
        // A file that went from one study to another case, or the other way, changes both: they are read again.
        let isStudys = StudyGroups.study(ofGroup: entry.group) != nil || StudyGroups.study(ofGroup: group) != nil
        if offersAgain && isStudys && entry.state == .taken {
            entries[path]?.state = .settling
            for other in groups[entry.group] ?? [] where entries[other]?.state == .taken {
                entries[other]?.state = .settling
                settle(entry.group, dueAt: 0)
            }
        }
        if entries[path]?.state == .settling { settle(group, dueAt: 0) }
    }

    /// A file of a group settles.
    private mutating func settle(_ group: String, dueAt: Double) {
        unsettled.insert(group)
        if Self.goesFirst(group) { queueEndsAt = min(queueEndsAt, dueAt) }
    }

    /// Whether a group has a manifest: the files that its rows name are no cases of their own.
    private static func goesFirst(_ group: String) -> Bool { group.hasPrefix("manifest ") }

    // MARK: What is due

    /// Cases with a file that is not taken or refused yet.
    var waitingCount: Int { unsettled.count }

    /// When `due` may have something; nil if nothing settles.
    ///
    /// - Complexity: O(groups that settle), O(1) while some are queued.
    var nextDue: Double? {
        if !queue.isEmpty { return queuedAt }
        return unsettled.compactMap { group in dueAt(group) }.min()
    }

    private func dueAt(_ group: String) -> Double? {
        (groups[group] ?? []).compactMap { entries[$0] }.filter { $0.state == .settling }.map(\.dueAt).max()
    }

    /// Queues an eighth of the groups that are due, or `limit` if that is more. So each look at all of them is worth as many batches as
    /// it takes time, and emptying an inbox costs O(n log n).
    private mutating func enqueue(now: Double, limit: Int) {
        lookCount += unsettled.count
        // Manifests first: the files that their rows name are no cases of their own.
        let ready = unsettled.filter { dueAt($0).map { $0 <= now } ?? true }.sorted {
            (Self.goesFirst($0) ? 0 : 1, $0) < (Self.goesFirst($1) ? 0 : 1, $1)
        }
        queue = ready.prefix(max(limit, ready.count / 8)).reversed()
        queuedAt = now
        queueEndsAt = .infinity
        for group in unsettled where Self.goesFirst(group) {
            if let dueAt = dueAt(group), dueAt > now { queueEndsAt = min(queueEndsAt, dueAt) }
        }
    }

    /// The groups that are ready, at most `limit`, and the files refused at once with the reason.
    mutating func due(now: Double, limit: Int) -> (
        arrivals: [Arrival], refusals: [(path: String, reason: String)]
    ) {
        var arrivals: [Arrival] = []
        var refusals: [(path: String, reason: String)] = []
        if queue.isEmpty || now >= queueEndsAt { enqueue(now: now, limit: limit) }
        while arrivals.count < limit, let group = queue.popLast() {
            // It may have changed, or gone, since it was queued.
            guard unsettled.contains(group), dueAt(group).map({ $0 <= now }) ?? true else { continue }
            unsettled.remove(group)
            var arrival = Arrival(group: group)
            var isFresh = false
            let manifest = (groups[group] ?? []).first { group == "manifest \($0)" }
            for path in groups[group] ?? [] {
                guard let entry = entries[path] else { continue }
                let reason = manifest == nil ? Self.reasonToRefuse(entry.file) : nil
                if let reason {
                    if entry.state == .settling { refusals.append(("\(root)/\(path)", reason)) }
                    entries[path]?.state = .refused
                } else if entry.state != .refused || manifest != nil {
                    arrival.stamps[path] = entry.stamp
                    if path == manifest { arrival.manifest = entry.file } else { arrival.files.append(entry.file) }
                    if entry.state == .settling { isFresh = true }
                    entries[path]?.state = .handedOut
                }
            }
            if isFresh { arrivals.append(arrival) }
        }
        return (arrivals, refusals)
    }

    /// Why a file is no part of a case, by its name; nil if it may be one.
    private static func reasonToRefuse(_ file: FoundFile) -> String? {
        switch file.role {
        case .image, .text, .record, .manifest, .message: nil
        case .table: "a table of another name is read by `hilum index`; the inbox reads cases.jsonl and cases.csv"
        case .markup, .passedOver: "neither an image (png, jpg, dcm) nor a report (txt, hl7, dcm) by its name"
        }
    }

    /// What became of a group that `due` handed out. Files that changed meanwhile are not touched: they settle again.
    mutating func finish(_ arrival: Arrival, _ verdict: Verdict) {
        for (path, stamp) in arrival.stamps {
            guard let entry = entries[path], entry.stamp == stamp, entry.state == .handedOut else { continue }
            switch verdict {
            case .taken: entries[path]?.state = .taken
            case .refusedAsCase: entries[path]?.state = .refusedTogether
            case .refused: entries[path]?.state = arrival.stamps.count > 1 ? .refusedTogether : .refused
            case .failed(let retryAt):
                entries[path]?.state = .settling
                entries[path]?.dueAt = retryAt
                settle(entry.group, dueAt: retryAt)
            }
        }
    }
}
