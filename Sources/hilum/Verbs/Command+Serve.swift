import Foundation
import HilumArchive
import HilumCore
import HilumServer

extension Command {
    static let serve = Command(
        name: "serve",
        summary: "the daemon: answers queries and takes in new cases",
        usage: ["ARCHIVE [--socket PATH] [--inbox DIR [--missing keep|delete]]"],
        operands: ["ARCHIVE"],
        options: [
            .value("socket", "PATH", "where to listen (default ARCHIVE/hilum.sock)", environment: "HILUM_SOCKET"),
            .value("inbox", "DIR", "store what is dropped into this folder", environment: "HILUM_INBOX"),
            .value(
                "missing", "RULE", "what becomes of a case whose files leave the inbox: keep (default) or delete",
                environment: "HILUM_MISSING"),
            .reportFilter,
            .value(
                "image-root", "DIR",
                "let requests and rows in the inbox name files below this folder; may be given more than once"),
            .value(
                "audit", "FILE",
                "append a line to this file for each change that a client asks for: when, who, which case",
                environment: "HILUM_AUDIT"),
            .value("writer-uid", "UID", "let this user change the archive too; may be given more than once"),
            .value("writer-gid", "GID", "let members of this group change it too; may be given more than once"),
        ],
        details: """
            Serves an archive over a Unix socket in the line protocol of the README; 'hilum query' and 'nc -U' can talk to it.
            A file in the inbox is taken in once it has stopped changing. Its case has the id that 'hilum index' would give it, and a
            cases.jsonl is read row by row. A case that was deleted stays deleted until one of its files changes. With --missing delete,
            a case goes with the last of its files. One daemon serves an archive at a time.
            SIGTERM and SIGINT end it cleanly: running requests are answered first. SIGHUP reads the level of the log again, from the
            file that HILUM_LOG names, and begins a new audit file where the old one was renamed. Under systemd it says when it is ready and alive, and takes a socket that was made for it in
            place of --socket (tools/systemd). The log names cases and files by a hash; 'hilum stats ARCHIVE --logged NAME' prints that of a name.
            """,
        examples: [("hilum serve archive --inbox inbox", "serves ./archive at archive/hilum.sock and watches ./inbox")],
        run: runServe)
}

private func runServe(_ arguments: Arguments) throws -> ExitStatus {
    Interruption.outliveHangup()
    let path = arguments.operands[0]
    var configuration = ServerConfiguration()
    let rules = MissingFileRule.allCases.map(\.rawValue)
    if let rule = try arguments.choice("missing", among: rules).flatMap(MissingFileRule.init) {
        guard arguments.text("inbox") != nil else { throw CommandError.usage("--missing needs --inbox") }
        configuration.missing = rule
    }
    configuration.imageRoots = arguments.texts("image-root")
    configuration.writerUsers = try identifiers(arguments, "writer-uid")
    configuration.writerGroups = try identifiers(arguments, "writer-gid")
    if let inbox = arguments.text("inbox") { try checkInbox(inbox, archive: path) }
    if let socket = arguments.text("socket") { try checkSocket(socket) }
    if let audit = arguments.text("audit") { try OutputFolder.checkOutsideArchives(FilePath.folder(of: audit)) }
    let archive = try openServedArchive(path, filter: arguments.text("report-filter"))
    configuration.serviceManager = ServiceManager(environment: ProcessInfo.processInfo.environment)
    configuration.logNames = try Archive.logNames(at: path)
    configuration.refusalMemory = path + "/inbox.refused"
    if let audit = arguments.text("audit") {
        let log = try AuditLog(path: audit, names: configuration.logNames)
        Interruption.onHangup { log.reopen() }
        configuration.auditLog = log
    }
    let server = Server(
        archive: archive, socketPath: arguments.text("socket") ?? path + "/hilum.sock", inbox: arguments.text("inbox"),
        configuration: configuration)
    try server.run()
    return .done
}

/// Opens an archive for a daemon, with the work that goes on beside requests.
///
/// - Parameter mode: for reading where nothing is to be changed.
func openServedArchive(
    _ path: String, _ mode: Archive.Mode = .readWrite, filter: String? = nil
) throws -> RecoveringArchive {
    try RecoveringArchive(mode: mode) { mode, lend in
        let archive = try openArchive(
            path, mode, withModel: true, filter: filter, keepsGraphs: true, lending: lend)
        guard mode == .readWrite else { return .init(archive) }
        return .init(archive, stop: workInBackground(archive))
    }
}

/// Begins what goes on beside requests: reading reports of older releases, and re-embedding.
///
/// - Returns: what ends both.
private func workInBackground(_ archive: Archive) -> @Sendable () -> Void {
    let isEnding = AtomicFlag()
    let ended = DispatchGroup()
    ended.enter()
    let old = Thread {
        readOldReports(archive, isEnding)
        ended.leave()
    }
    old.qualityOfService = .background
    old.start()
    let reembedder = Reembedder(archive)
    reembedder.start()
    return {
        isEnding.raise()
        reembedder.stop()
        ended.wait()
    }
}

/// Refuses an inbox whose parent is not there, as a mistyped path would be made and watched in vain, and one inside the archive.
private func checkInbox(_ inbox: String, archive: String) throws {
    let parent = FilePath.folder(of: inbox)
    guard FileManager.default.fileExists(atPath: parent) else {
        throw CommandError(.failed, "\(inbox): there is no folder \(parent); make it, or name another inbox")
    }
    try OutputFolder.checkOutsideArchives(inbox)
}

/// Refuses a socket whose path, or the path of whose lock, is a file of an archive.
func checkSocket(_ socket: String) throws {
    let ownFiles: Set<String> = [
        "data.mdb", "lock.mdb", "writer.lock", "model", "images", "log.key", "inbox.refused",
    ]
    guard FileManager.default.fileExists(atPath: FilePath.folder(of: socket) + "/data.mdb") else { return }
    for file in [socket, socket + ".lock"] {
        let name = FilePath.name(of: file)
        guard ownFiles.contains(name) || name.hasPrefix("model.") else { continue }
        throw CommandError(
            .failed, "\(file) is a file of an archive, which no socket or its lock may replace; choose another --socket"
        )
    }
}

/// Reads the reports of an older release into the table of words, while the daemon serves.
private func readOldReports(_ archive: Archive, _ isEnding: AtomicFlag) {
    do {
        let count = try archive.unreadReportCount()
        guard count > 0 else { return }
        Log.info("\(count) older reports are not found by their words yet; they are read now")
        let started = monotonicSeconds()
        while !isEnding.isRaised, try archive.readOldReports() > 0 {
            // Changes and the end of the daemon come first.
            usleep(5_000)
        }
        guard !isEnding.isRaised else { return }
        Log.info("read \(count) older reports in \(Int(monotonicSeconds() - started)) s")
    } catch let error as ArchiveError where error.code == .notReady {
        // The archive was closed meanwhile; the next daemon goes on.
    } catch { Log.warning("older reports are not found by their words yet: \(error)") }
}

func identifiers(_ arguments: Arguments, _ name: String) throws -> Set<UInt32> {
    Set(
        try arguments.texts(name).map { text in
            guard let number = UInt32(text) else { throw CommandError.usage("--\(name) needs a number, not '\(text)'") }
            return number
        })
}
