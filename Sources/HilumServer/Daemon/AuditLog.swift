import Foundation
import HilumCore
import Synchronization

/// A file with a line for each change that a client asked for: when, who, what, of which case, and what came of it.
///
/// ```
/// {"time":"2026-05-04T07:12:31Z","user":1000,"process":4711,"verb":"PUT","case":"#1f0c…","outcome":"OK"}
/// ```
/// Cases are named as in the log, by a keyed hash (`LogNames`); nothing of a report is written. A line is one write to a file that is only
/// ever appended to. What a client is told does not wait for the disk.
///
/// A line that cannot be written is lost and counted. The first of a row of them is a warning of the log, and so is the number of all when a
/// line can be written again. A line that was written in part ends where it ends: the next one begins on a line of its own.
///
/// To rotate the file, rename it: the next line, or SIGHUP, makes a new one. The old one is written to no more then.
///
/// Thread rule: any thread.
public final class AuditLog: Sendable {
    /// The open file.
    private struct File {
        var descriptor: Int32
        var device: UInt64
        var inode: UInt64

        /// What stands at the path now.
        func isAt(_ path: String) -> Bool {
            var status = stat()
            return lstat(path, &status) == 0 && UInt64(status.st_dev) == device && UInt64(status.st_ino) == inode
        }
    }

    private struct State {
        var file: File
        /// Whether the file ends within a line.
        var isTorn = false
        /// Lines lost since one was written,
        var lostInARow = 0
        /// and in all.
        var lostCount = 0
        /// Whether the last try to make a new file has failed.
        var isStuck = false
    }

    private let state: Mutex<State>
    private let path: String
    private let names: LogNames
    /// Writes bytes to a descriptor, and says how many.
    private let put: @Sendable (Int32, [UInt8]) -> Int

    /// Opens the file, which is made for its owner alone where it is missing.
    ///
    /// - Throws: `FileError`, also for a link and for what is no plain file.
    public convenience init(path: String, names: LogNames) throws(FileError) {
        try self.init(path: path, names: names) { write($0, $1, $1.count) }
    }

    /// For tests, which have no disk that is full.
    init(path: String, names: LogNames, put: @escaping @Sendable (Int32, [UInt8]) -> Int) throws(FileError) {
        self.path = path
        self.names = names
        self.put = put
        state = Mutex(State(file: try Self.open(path)))
    }

    deinit { state.withLock { _ = close($0.file.descriptor) } }

    private static func open(_ path: String) throws(FileError) -> File {
        let descriptor = Foundation.open(
            path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw FileError(.system(errno: errno), path: path, call: "open") }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FileError(.notRegular, path: path, call: "open")
        }
        return File(descriptor: descriptor, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Makes a new file where the old one was renamed or removed.
    public func reopen() { state.withLock { follow(&$0) } }

    /// Lines that could not be written.
    var lostCount: Int { state.withLock { $0.lostCount } }

    /// What Prometheus reads.
    var family: MetricFamily {
        MetricFamily(
            "hilum_audit_lost_total", .counter, "Lines of the audit log that could not be written.",
            [.init(Double(lostCount))])
    }

    /// Notes the outcome of a change that `peer` asked for; nil stands for OK.
    func note(_ request: Request, _ peer: Peer, _ code: ReplyCode?) {
        var json = JSONWriter()
        json.beginObject()
        json.member("time", Date.now.ISO8601Format())
        json.member("user", Int(peer.user))
        json.member("process", Int(peer.process))
        // Other bare words may be anything, such as a name that stands in the wrong place.
        json.member("verb", request.word + (ReembedVerb.word(of: request).map { " " + $0 } ?? ""))
        if let id = request.value("id") { json.member("case", names.name(id)) }
        json.member("outcome", code?.rawValue ?? "OK")
        json.endObject()
        let line = json.bytes + [10]
        // The lock is held while the line is written: lines of several threads must not be torn by each other.
        state.withLock { state in
            follow(&state)
            append(line, &state)
        }
    }

    /// Goes on in a new file where the old one is not at the path any more.
    private func follow(_ state: inout State) {
        guard !state.file.isAt(path) else {
            state.isStuck = false
            return
        }
        do {
            let file = try Self.open(path)
            close(state.file.descriptor)
            state.file = file
            state.isTorn = false
            state.isStuck = false
        } catch {
            if !state.isStuck { Log.warning("\(error); the audit log goes on in the file that was there before") }
            state.isStuck = true
        }
    }

    private func append(_ line: [UInt8], _ state: inout State) {
        let bytes = state.isTorn ? [10] + line : line
        let count = put(state.file.descriptor, bytes)
        guard count != bytes.count else {
            state.isTorn = false
            if state.lostInARow > 0 {
                Log.warning("\(path): the audit log can be written again; \(state.lostInARow) lines of it are lost")
            }
            state.lostInARow = 0
            return
        }
        let reason = count < 0 ? String(cString: strerror(errno)) : "the disk is full"
        // A lone line feed, written before, ends what was torn.
        state.isTorn = count > 0 ? bytes[count - 1] != 10 : state.isTorn
        state.lostInARow += 1
        state.lostCount += 1
        guard state.lostInARow == 1 else { return }
        Log.warning("\(path): a line of the audit log could not be written: \(reason)")
    }
}
