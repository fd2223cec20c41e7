import Foundation
import HilumArchive
import HilumCore
import HilumServer

extension Command {
    static let serve = Command(
        name: "serve",
        summary: "the daemon: answers queries and takes in new cases",
        usage: ["ARCHIVE [--socket PATH] [--inbox DIR]"],
        operands: ["ARCHIVE"],
        options: [
            .value("socket", "PATH", "where to listen (default ARCHIVE/hilum.sock)", environment: "HILUM_SOCKET"),
            .value("inbox", "DIR", "store what is dropped into this folder", environment: "HILUM_INBOX"),
        ],
        details: """
            Serves an archive over a Unix socket in the line protocol of the README; 'hilum query' and 'nc -U' can talk to it.
            A file in the inbox is taken in once it has stopped changing. One daemon serves an archive at a time.
            SIGTERM and SIGINT end it cleanly: running requests are answered first.
            """,
        examples: [("hilum serve archive --inbox inbox", "serves ./archive at archive/hilum.sock and watches ./inbox")],
        run: runServe)
}

private func runServe(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
