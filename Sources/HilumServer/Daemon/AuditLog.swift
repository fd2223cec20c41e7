import Foundation
import HilumCore

/// A file with a line for each change that a client asked for: when, who, what, of which case, and what came of it.
///
/// ```
/// {"time":"2026-05-04T07:12:31Z","user":1000,"process":4711,"verb":"PUT","case":"#1f0c…","outcome":"OK"}
/// ```
/// Cases are named as in the log, by a keyed hash (`LogNames`); nothing of a report is written. A line is one write to a file that is only
/// ever appended to. What a client is told does not wait for the disk. A line that cannot be written is a warning of the log.
///
/// Thread rule: any thread.
public final class AuditLog: Sendable {
    private let descriptor: Int32
    private let path: String
    private let names: LogNames
    private let hasFailed = AtomicFlag()

    /// Opens the file, which is made for its owner alone where it is missing.
    ///
    /// - Throws: `FileError`, also for a link and for what is no plain file.
    public init(path: String, names: LogNames) throws(FileError) {
        self.path = path
        self.names = names
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw FileError(.system(errno: errno), path: path, call: "open") }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw FileError(.notRegular, path: path, call: "open")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

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
        guard write(descriptor, line, line.count) != line.count, !hasFailed.isRaised else { return }
        hasFailed.raise()
        Log.warning("\(path): a line of the audit log could not be written; this is said once")
    }
}
