import Foundation
import HilumCore
import HilumServer

extension Command {
    static let query = Command(
        name: "query",
        summary: "send requests to a daemon",
        usage: ["--socket PATH [LINE] [--bytes FILE]"],
        operands: ["LINE"],
        optionalOperandCount: 1,
        options: [
            .value("socket", "PATH", "the daemon's socket", letter: "s", environment: "HILUM_SOCKET"),
            .value("bytes", "FILE", "append 'bytes=N' and the bytes of this file to LINE"),
        ],
        details: """
            Sends LINE, or each line of standard input, and prints the replies as they come.
            Exits 1 when any reply is ERR (4 for ERR NOTFOUND), and 5 when no daemon answers at PATH.
            """,
        examples: [
            ("hilum query --socket archive/hilum.sock 'SEARCH text=\"cardiomegaly\" k=3'", "one request"),
            ("hilum query --socket archive/hilum.sock 'SEARCH k=3' --bytes new.png", "cases like an image"),
        ],
        run: runQuery)
}

private func runQuery(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
