import Foundation
import HilumCore
import Synchronization

/// What the log and METRICS say of an inbox.
///
/// Each batch that was taken is one line, and so is each refusal. Files and cases appear by their hash (`LogNames`) only, as their
/// names often are those of patients. A refusal is remembered in a file, so that a daemon that starts again does not repeat it; a file
/// that has changed meanwhile is named again. Thread rule: any thread.
final class InboxLog: Sendable {
    private struct State {
        var taken = 0
        var refused = 0
        var waiting = 0
        /// Hashes of the refusals that were logged.
        var known: Set<String> = []
        /// The reason why a case could not be taken, where none was taken since.
        var lastPostponed: String?
    }

    /// More refusals than this are not remembered; the file is begun anew.
    private static let memoryCount = 100_000
    private static let memoryByteCount = 8 << 20

    /// Why a case is refused whose id another one has.
    static let isElsewhere =
        "a case from elsewhere, or perhaps of another patient, has this id; name this one otherwise, bring back what has left, "
        + "or replace that one with `hilum index --replace`"

    /// What is said of cases that have a new image, and may be another patient's than the version before.
    static let leftRest =
        "a new image took the place of another one, and what had left the inbox of the case before was not kept: "
        + "nothing shows that it is the same patient's, and of the same exam"

    /// Why a file is refused whose name another one has in another spelling.
    static let isTwin =
        "another file has this name in another Unicode spelling, and is taken; give one of them another name"

    /// What is said of a DICOM file whose tags end too far behind.
    static let hasUnreadTags = "its tags cannot be read to their end, so it is a case by its path, not by its study"

    /// Why a row is refused that names a file elsewhere.
    static let isOutside =
        "it names a file outside of the inbox; put the file there, or name its folder with --image-root"

    /// Why a manifest is refused as a whole.
    static let isNoTable = "it has no header with known columns, or no rows; `hilum index --dry-run` says more"

    private let names: LogNames
    private let memory: String?
    private let state: Mutex<State>

    /// - Parameter memory: the file that keeps refusals; nil keeps them while this value lives.
    init(names: LogNames = LogNames(), memory: String? = nil) {
        self.names = names
        self.memory = memory
        let bytes = memory.flatMap { try? FileIO.read($0, limitInBytes: Self.memoryByteCount) } ?? []
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        state = Mutex(State(known: Set(lines.suffix(Self.memoryCount))))
    }

    /// Cases of a batch were stored.
    ///
    /// - Parameter leaving: how many of them took nothing over from the version before, which held more.
    func took(_ count: Int, unchanged: Int, leaving: Int = 0, seconds: Double) {
        state.withLock { state in
            state.taken += count + unchanged
            if count > 0 { state.lastPostponed = nil }
        }
        if unchanged > 0 { Log.debug("inbox: \(unchanged) cases are stored already") }
        guard count > 0 else { return }
        if leaving > 0 {
            Log.warning("inbox: in \(leaving) \(leaving == 1 ? "case" : "cases") \(InboxLog.leftRest)")
        }
        Log.info("inbox: took \(count) \(count == 1 ? "case" : "cases") in \(String(format: "%.2f", seconds)) s")
    }

    /// Cases were left out, as they were deleted and their files hold the same.
    func left(_ count: Int) {
        guard count > 0 else { return }
        Log.info(
            "inbox: left out \(count) deleted \(count == 1 ? "case whose files are" : "cases whose files are") there still"
        )
    }

    /// Files were refused, and are not looked at again before they change.
    ///
    /// - Parameters:
    ///   - id: of the case, where they are one.
    ///   - stamps: tell the files from what they may be later.
    func refused(_ paths: [String], id: String? = nil, stamps: [InboxLedger.Stamp], _ reason: String) {
        let hash = names.name("\(paths) \(stamps) \(reason)")
        let isNew = state.withLock { state in
            state.refused += 1
            return state.known.insert(hash).inserted
        }
        guard isNew else { return }
        Log.warning("inbox: refused \(hashed(paths)): \(scrubbed(reason, paths, id))")
        remember(hash)
    }

    /// A file is taken, but not as it might be; said once while it is the same.
    func noted(_ path: String, stamps: [InboxLedger.Stamp], _ note: String) {
        let hash = names.name("\([path]) \(stamps) \(note)")
        guard state.withLock({ $0.known.insert(hash).inserted }) else { return }
        Log.warning("inbox: \(hashed([path])): \(note)")
        remember(hash)
    }

    /// Files that an earlier daemon refused are still the same.
    func refusedAgain() { state.withLock { $0.refused += 1 } }

    /// A case could not be stored for a passing reason.
    ///
    /// - Parameter isFirst: whether it happens for the first time. A reason that many cases have one after the other is said once.
    func postponed(_ paths: [String], id: String?, _ reason: String, isFirst: Bool) {
        let said = scrubbed(reason, paths, id)
        let isNews = state.withLock { state in
            defer { state.lastPostponed = said }
            return isFirst && state.lastPostponed != said
        }
        let line = "inbox: could not take \(hashed(paths)) (tried again later): \(said)"
        if isNews { Log.warning(line) } else { Log.debug(line) }
    }

    /// So many cases have come that are not taken or refused yet.
    func wait(_ count: Int) { state.withLock { $0.waiting = count } }

    /// The figures for METRICS.
    var families: [MetricFamily] {
        let (taken, refused, waiting) = state.withLock { ($0.taken, $0.refused, $0.waiting) }
        return [
            MetricFamily("hilum_inbox_taken_total", .counter, "Cases taken from the inbox.", [.init(Double(taken))]),
            MetricFamily(
                "hilum_inbox_refused_total", .counter, "Files or cases of the inbox that were refused.",
                [.init(Double(refused))]),
            MetricFamily(
                "hilum_inbox_waiting", .gauge, "Cases in the inbox that are not taken or refused yet.",
                [.init(Double(waiting))]),
        ]
    }

    private func hashed(_ paths: [String]) -> String {
        paths.map { names.name($0) }.joined(separator: " and ")
    }

    /// The reason without the names of files and cases.
    private func scrubbed(_ reason: String, _ paths: [String], _ id: String?) -> String {
        let longNames = paths + paths.map { FilePath.name(of: $0) } + [id].compactMap { $0 }
        return names.replacing(longNames, in: reason)
    }

    private func remember(_ hash: String) {
        guard let memory else { return }
        let isFull = state.withLock { state in
            let isFull = state.known.count > Self.memoryCount
            if isFull { state.known = [hash] }
            return isFull
        }
        let descriptor = open(
            memory, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | (isFull ? O_TRUNC : 0), 0o640)
        guard descriptor >= 0 else {
            return Log.debug("inbox: refusals are not remembered: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        let line = Array((hash + "\n").utf8)
        _ = write(descriptor, line, line.count)
    }
}
