import HilumCore
import HilumReports

extension Command {
    static let mcp = Command(
        name: "mcp",
        summary: "offer a daemon's archive to a program that speaks the Model Context Protocol",
        usage: ["--socket PATH"],
        operands: [],
        options: [.value("socket", "PATH", "the daemon's socket", letter: "s", environment: "HILUM_SOCKET")],
        details: """
            Reads JSON-RPC from standard input and writes it to standard output, a message a line, until the input ends. Its tools
            are search, findings, explain and get; none changes the archive. The program that starts it gets what the tools find,
            text of reports included: start it only from programs that keep that on the premises.
            """,
        examples: [("hilum mcp --socket archive/hilum.sock", "what a client's settings name as the server's command")],
        run: runMCP)
}

private func runMCP(_ arguments: Arguments) throws -> ExitStatus {
    let bridge = MCPBridge(
        socketPath: try arguments.required("socket"), reader: ReportReader(lexicon: try Lexicon.shared()))
    while let line = readLine(strippingNewline: true) {
        if line.allSatisfy(\.isWhitespace) { continue }
        if let reply = bridge.reply(to: line) { standardOutputLine(reply) }
    }
    return .done
}
