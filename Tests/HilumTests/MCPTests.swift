import Foundation
import HilumCore
import Testing

@Suite("hilum mcp")
struct MCPTests {
    private func message(_ id: Int, _ method: String, _ parameters: String = "{}") -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":\#(parameters)}"#
    }

    private func call(_ id: Int, _ tool: String, _ arguments: String) -> String {
        message(id, "tools/call", #"{"name":"\#(tool)","arguments":\#(arguments)}"#)
    }

    /// What the program answers to these messages, by id.
    private func answers(_ socket: String, _ lines: [String]) throws -> [Int: JSON] {
        let input = lines.joined(separator: "\n") + "\n"
        let done = try Program.run(["mcp", "--socket", socket], input: Array(input.utf8))
        #expect(done.status == 0, "\(done.errors)")
        var answers: [Int: JSON] = [:]
        for line in String(decoding: done.output, as: UTF8.self).split(separator: "\n") {
            let answer = try JSON(parsing: String(line))
            #expect(answer["jsonrpc"]?.string == "2.0")
            answers[answer["id"]?.integer ?? -1] = answer
        }
        return answers
    }

    private func text(_ answer: JSON?) throws -> String {
        try #require(answer?["result"]?["content"]?.array?.first?["text"]?.string)
    }

    @Test("A client is greeted, sees four tools that read, and finds, reads and explains cases with them")
    func session() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let listed = try daemon.session().ask("SEARCH text=effusion k=1")
        let id = try #require(try JSON(parsing: listed[0])["id"]?.string)
        let found = try answers(
            daemon.socket,
            [
                message(
                    1, "initialize",
                    #"{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"t","version":"1"}}"#),
                #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
                message(2, "tools/list"),
                call(3, "search", #"{"text":"effusion","k":2}"#),
                call(4, "get", #"{"id":"\#(id)"}"#),
                call(5, "explain", #"{"id":"\#(id)","text":"effusion"}"#),
                call(6, "findings", #"{"text":"No effusion. Small left pneumothorax."}"#),
                message(7, "ping"),
            ])
        #expect(found.count == 7, "a notification has no answer")
        #expect(found[1]?["result"]?["protocolVersion"]?.string == "2025-03-26")
        #expect(found[1]?["result"]?["serverInfo"]?["name"]?.string == "hilum")
        let tools = found[2]?["result"]?["tools"]?.array ?? []
        #expect(tools.compactMap { $0["name"]?.string } == ["search", "findings", "explain", "get"])
        for tool in tools {
            #expect(tool["inputSchema"]?["type"]?.string == "object")
            #expect(tool["inputSchema"]?["properties"] != nil)
        }
        let hits = try JSON(parsing: text(found[3]))["objects"]?.array ?? []
        #expect(hits.count == 2 && hits.first?["id"]?.string == id)
        #expect(hits.first?["report"]?.string?.isEmpty == false)
        #expect(try JSON(parsing: text(found[4]))["objects"]?.array?.first?["id"]?.string == id)
        #expect(try JSON(parsing: text(found[5]))["objects"]?.array?.isEmpty == false)
        let read = try JSON(parsing: text(found[6]))["findings"]?.array ?? []
        #expect(read.compactMap { $0["assertion"]?.string } == ["absent", "present"])
        #expect(found[7]?["error"] == nil)
    }

    @Test("What is wrong comes back as a result that says what to do, or as an error of the protocol")
    func faults() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let found = try answers(
            daemon.socket,
            [
                "no JSON",
                message(1, "tools/call", #"{"name":"delete","arguments":{"id":"x"}}"#),
                message(2, "resources/list"),
                call(3, "search", #"{"texts":"effusion"}"#),
                call(4, "search", #"{"text":"effusion","k":"two"}"#),
                call(5, "get", #"{"id":"nobody"}"#),
                call(6, "get", "{}"),
                call(7, "search", #"{"text":"effusion","where":{"viewed":"PA"}}"#),
            ])
        #expect(found[-1]?["error"]?["code"]?.integer == -32700)
        #expect(found[1]?["error"]?["code"]?.integer == -32602)
        #expect(found[2]?["error"]?["code"]?.integer == -32601)
        for (id, part) in [
            (3, "did you mean text"), (4, "a whole number"), (5, "NOTFOUND"), (6, "needs id"), (7, "BADREQ"),
        ] {
            let answer = try text(found[id])
            #expect(answer.contains(part), "\(id): \(answer)")
            guard case .bool(true)? = found[id]?["result"]?["isError"] else {
                Issue.record("answer \(id) is no error")
                continue
            }
        }
    }

    @Test("A condition is a key of the metadata: no option passes as one, and what the daemon cannot read is said")
    func conditions() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let hostile = [
            #"{"with":"path"}"#, #"{"image":"/etc/hostname"}"#, #"{"k":5}"#, #"{"bytes":"AAAA"}"#,
            #"{"deadline_ms":1}"#,
            #"{"id":"x"}"#, #"{"w.text":2}"#, #"{"cursor":"start"}"#, #"{"View":"PA"}"#, #"{"view":{"a":1}}"#,
            #"{"view":[]}"#, #"{"view":true}"#, #"{"k!":5}"#, #"{"by":"view"}"#, #"{"":"x"}"#,
        ]
        var lines = hostile.enumerated().map { call($0, "search", #"{"text":"effusion","where":\#($1)}"#) }
        let long = String(repeating: "x", count: 70_000)
        lines += [
            call(100, "search", #"{"text":"effusion","k":1,"where":{"view":["PA","AP"],"site!":"X"}}"#),
            call(101, "search", #"{"text":"effusion","where":{"view":"\#(long)"}}"#),
            call(102, "search", #"{"text":"effusion","k":1}"#),
        ]
        let found = try answers(daemon.socket, lines)
        func isFault(_ id: Int) -> Bool {
            if case .bool(true)? = found[id]?["result"]?["isError"] { true } else { false }
        }
        for (id, line) in hostile.enumerated() {
            #expect(isFault(id), "\(line)")
            let said = try text(found[id])
            #expect(said.hasPrefix("where: "), "\(line): \(said)")
        }
        #expect(try text(found[2]).contains("an argument of search itself"))
        #expect(!isFault(100) && !isFault(102))
        #expect(try isFault(101) && text(found[101]).hasPrefix("LIMIT: a line of JSON-RPC has at most"))
        #expect(daemon.isRunning)
    }

    @Test("Without a daemon each tool says so, and findings works")
    func unreachable() throws {
        let scratch = try Scratch()
        let found = try answers(
            scratch.path("none"), [call(1, "search", #"{"text":"x"}"#), call(2, "findings", #"{"text":"Clear."}"#)])
        #expect(try text(found[1]).contains("there is no socket here"))
        #expect(try JSON(parsing: text(found[2]))["language"]?.string == "en")
    }
}
