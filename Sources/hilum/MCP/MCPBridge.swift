import HilumCore
import HilumReports
import HilumServer

/// The Model Context Protocol on one side, a daemon on the other: what `hilum mcp` makes of each line of standard input.
///
/// ```
///  MCP client ─ a line of JSON-RPC ─→ reply(to:) ─┬─ initialize, ping, tools/list ─→ answered here
///             ←─ a line or nothing ───────────────┴─ tools/call ─ JSON-RPC ─→ daemon (`findings` needs none)
/// ```
/// It offers what reads and nothing that writes. Revisions of the protocol differ in nothing that it uses, so it speaks the
/// one that a client asks for where it knows it, and else its own newest.
///
/// Source: Model Context Protocol specification, revision 2025-06-18, transport stdio.
/// Thread rule: one thread at a time.
final class MCPBridge {
    /// The revisions that it was written against, the newest first.
    static let revisions = ["2025-06-18", "2025-03-26", "2024-11-05"]

    private struct Fault: Error {
        let code: Int
        let text: String
    }

    private let socketPath: String
    private let reader: ReportReader
    private var client: Client?
    private var requestCount = 0

    /// - Parameter socketPath: a daemon's; it need not be there yet.
    init(socketPath: String, reader: ReportReader) {
        self.socketPath = socketPath
        self.reader = reader
    }

    /// The answer to one line of the client, without a line feed; nil where none is due.
    func reply(to line: String) -> String? {
        let message: JSON
        do { message = try JSON(parsing: line) } catch {
            return Self.error(.null, -32700, "this is not JSON: \(error)")
        }
        guard message["jsonrpc"]?.string == "2.0" else {
            return Self.error(.null, -32600, "a message is one JSON object with \"jsonrpc\":\"2.0\"")
        }
        // Answers to what was never asked, and notifications.
        guard let id = message["id"], let method = message["method"]?.string else { return nil }
        do {
            let result = try result(of: method, message["params"] ?? .object([]))
            return JSON.object([("jsonrpc", .string("2.0")), ("id", id), ("result", result)]).text
        } catch let fault as Fault {
            return Self.error(id, fault.code, fault.text)
        } catch {
            return Self.error(id, -32603, "\(error)")
        }
    }

    private static func error(_ id: JSON, _ code: Int, _ text: String) -> String {
        let error = JSON.object([("code", .integer(code)), ("message", .string(text))])
        return JSON.object([("jsonrpc", .string("2.0")), ("id", id), ("error", error)]).text
    }

    private func result(of method: String, _ parameters: JSON) throws -> JSON {
        switch method {
        case "initialize":
            let wanted = parameters["protocolVersion"]?.string ?? ""
            return .object([
                ("protocolVersion", .string(Self.revisions.contains(wanted) ? wanted : Self.revisions[0])),
                ("capabilities", .object([("tools", .object([]))])),
                ("serverInfo", .object([("name", .string("hilum")), ("version", .string(Release.version))])),
                ("instructions", .string(Self.instructions)),
            ])
        case "ping": return .object([])
        case "tools/list": return .object([("tools", .array(MCPTool.all.map(\.json)))])
        case "tools/call":
            guard let name = parameters["name"]?.string, let tool = MCPTool.all.first(where: { $0.name == name }) else {
                let names = MCPTool.all.map(\.name).joined(separator: ", ")
                throw Fault(code: -32602, text: "there is no such tool; there are \(names)")
            }
            return call(tool, parameters["arguments"] ?? .object([]))
        default: throw Fault(code: -32601, text: "this server offers tools only, and no such method")
        }
    }

    private static let instructions =
        "An archive of medical images and reports. search finds cases by words (English or Japanese) and by cases; a bare "
        + "finding means that the report affirms it, 'no' before it that it is denied. It finds similar cases and makes no "
        + "diagnosis. What comes back may hold text of reports."

    /// The result of a tool; what goes wrong within it is a result too, so that a model can read it and try again.
    private func call(_ tool: MCPTool, _ arguments: JSON) -> JSON {
        do {
            if let fault = tool.fault(in: arguments) { return Self.content(fault, isError: true) }
            guard tool.method != nil else { return Self.content(findings(in: arguments["text"]?.string ?? "")) }
            return try ask(tool, arguments)
        } catch {
            client = nil
            return Self.content("\(error)", isError: true)
        }
    }

    private static func content(_ text: String, isError: Bool = false) -> JSON {
        .object([
            ("content", .array([.object([("type", .string("text")), ("text", .string(text))])])),
            ("isError", .bool(isError)),
        ])
    }

    private func findings(in text: String) -> String {
        let line = findingsLine("text", reader.read(text, language: nil))
        return String(line.dropLast())
    }

    private func ask(_ tool: MCPTool, _ arguments: JSON) throws -> JSON {
        requestCount += 1
        let request = JSON.object([
            ("jsonrpc", .string("2.0")), ("id", .integer(requestCount)), ("method", .string(tool.method ?? "")),
            ("params", tool.parameters(arguments)),
        ])
        let answer = try answer(to: request.text)
        if let error = answer["error"] {
            let code = error["data"]?["code"]?.string ?? ""
            return Self.content("\(code): \(error["message"]?.string ?? "")", isError: true)
        }
        return Self.content((answer["result"] ?? .null).text)
    }

    /// A daemon closes a connection that was silent for long, or has been started again: then it is asked once more on a new one.
    private func answer(to request: String) throws -> JSON {
        let isFresh = client == nil
        let client = try self.client ?? Client(socketPath: socketPath)
        self.client = client
        try client.send(request)
        if let line = try client.nextLine() {
            let answer = try JSON(parsing: line)
            if answer["id"]?.integer == requestCount { return answer }
            // A request that cannot be read is answered without its id. On a connection that was there before, the same may be what the
            // daemon said when it closed it.
            if isFresh, case .null? = answer["id"], answer["error"] != nil {
                self.client = nil
                return answer
            }
        }
        self.client = nil
        guard !isFresh else {
            throw ServerError(.closedEarly, "\(socketPath): the daemon closed the connection before it had answered")
        }
        return try answer(to: request)
    }
}
