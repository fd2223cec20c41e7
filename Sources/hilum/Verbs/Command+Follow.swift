import Foundation
import HilumArchive
import HilumCore
import HilumServer

extension Command {
    static let follow = Command(
        name: "follow",
        summary: "serve a copy of another archive, and keep it current",
        usage: ["(LEADER-SOCKET | SNAPSHOT-DIR) ARCHIVE [--socket PATH] [--every SECONDS]"],
        operands: ["LEADER", "ARCHIVE"],
        options: [
            .value("socket", "PATH", "where to listen (default ARCHIVE/hilum.sock)", environment: "HILUM_SOCKET"),
            .value("every", "SECONDS", "ask the leader so often (default 0.5)"),
            .value(
                "image-root", "DIR", "let requests name images below this folder; may be given more than once"),
            .value("writer-uid", "UID", "let this user follow this copy in turn; may be given more than once"),
        ],
        details: """
            Where ARCHIVE does not stand yet, the leader's daemon is asked for a snapshot beside it, so both see the same disk; otherwise bring
            a snapshot here and 'hilum restore --copy' it. An archive that is no copy is left alone. Then what is stored, changed and deleted at the leader comes by number, and is searched
            here about half a second later. What the leader knows of files that it read or refused, and of pictures that wait for a decision, stays
            as the snapshot had it. A copy that missed too much (a gap), or whose leader switched to another model, starts anew from a
            snapshot while it goes on answering. In place of a socket, a folder of snapshots works too: the newest one takes the copy's place.
            A copy takes no changes of its own. PING answers 'OK PONG lag=0.42 behind=0', and HELLO and METRICS say the same. lag counts the seconds
            for which the leader may have had changes that are not here, also while it is down. The user needs the rights of a writer at the
            leader. Images that lie outside of the leader's archive have to lie at the same place here. To make a leader of a copy, stop this,
            and 'hilum serve' it.
            """,
        examples: [
            ("hilum follow /run/hilum/hilum.sock copy --socket copy.sock", "a second daemon that answers the same"),
            ("hilum follow /mnt/snapshots copy", "the newest snapshot of a shared folder"),
        ],
        run: runFollow)
}

private func runFollow(_ arguments: Arguments) throws -> ExitStatus {
    Interruption.outliveHangup()
    let (leader, given) = (arguments.operands[0], arguments.operands[1])
    let here = FileManager.default.currentDirectoryPath
    let path = FilePath.isAbsolute(given) ? given : "\(here)/\(given)"
    var interval = 0.5
    if let text = arguments.text("every") {
        guard let value = Double(text), (0.05...86_400).contains(value) else {
            throw CommandError.usage("--every needs seconds from 0.05 to 86400, not '\(text)'")
        }
        interval = value
    }
    var configuration = ServerConfiguration()
    configuration.imageRoots = arguments.texts("image-root")
    configuration.writerUsers = try identifiers(arguments, "writer-uid")
    if let socket = arguments.text("socket") { try checkSocket(socket) }
    var status = stat()
    guard stat(leader, &status) == 0 else {
        throw CommandError(.failed, "\(leader): there is no socket of a daemon and no folder of snapshots")
    }
    configuration.serviceManager = ServiceManager(environment: ProcessInfo.processInfo.environment)
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    if isFolder, access(leader + "/data.mdb", F_OK) == 0, access(leader + "/snapshot.json", F_OK) != 0 {
        throw CommandError(.failed, "\(leader): this is an archive; name the socket of its daemon, or a snapshot")
    }
    let follower = Follower(
        of: isFolder ? .snapshots(leader) : .socket(leader), at: path,
        socketPath: arguments.text("socket") ?? path + "/hilum.sock", intervalInSeconds: interval,
        configuration: configuration
    ) { path, mode in try openArchive(path, mode, withModel: true, followsLeader: true, keepsGraphs: true) }
    try follower.run()
    return .done
}
