import Foundation
import HilumCore
import Testing

@testable import HilumServer

@Suite("JSON-RPC says on the socket what lines say")
struct RPCTests {
    /// The request of a line, without its form.
    private func request(_ line: String) throws -> Request {
        guard case .request(var request)? = items(line + "\n").first else {
            throw Malformed(what: "\(items(line + "\n"))")
        }
        request.form = .lines
        return request
    }

    private struct Malformed: Error { let what: String }

    private func answers(_ text: String) throws -> [JSON] {
        var machine = Machine()
        machine.feed(text)
        return try String(decoding: machine.output, as: UTF8.self).split(separator: "\n").map {
            try JSON(parsing: String($0))
        }
    }

    @Test(
        "a line of JSON is the request that the same words are in the line protocol",
        arguments: [
            (
                #"{"jsonrpc":"2.0","id":1,"method":"search","params":{"text":"left effusion","k":5}}"#,
                #"SEARCH text="left effusion" k=5"#
            ),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"SEARCH","params":{"text":["a","b, c"],"view":["PA","AP"]}}"#,
                #"SEARCH text=a text="b, c" view=PA,AP"#
            ),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"count","params":{"site!":"B","date":"2019.."}}"#,
                "COUNT site!=B date=2019.."
            ),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"search","params":{"id":"c1","self":false,"mmr":0.5,"ef":null}}"#,
                "SEARCH id=c1 self=0 mmr=0.5"
            ),
            (#"{"jsonrpc":"2.0","id":1,"method":"reembed.status"}"#, "REEMBED status"),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"put","params":{"id":"症例","report":"line\nbreak \"q\""}}"#,
                #"PUT id=症例 report="line\nbreak \"q\"""#
            ),
        ])
    func sameRequest(_ json: String, _ line: String) throws {
        #expect(try request(json) == request(line))
    }

    @Test("octets come in base64, and are those of bytes=N")
    func octets() throws {
        let line = #"{"jsonrpc":"2.0","id":1,"method":"search","params":{"bytes":"AAEC/w=="}}"#
        #expect(try request(line).literal == [0, 1, 2, 255])
    }

    /// A line with a picture of so many octets.
    private func pictured(_ count: Int, _ spelling: (String) -> String = { $0 }) -> (line: String, octets: [UInt8]) {
        let octets = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        let text = spelling(VectorText.encodeBase64(octets))
        return (
            #"{"jsonrpc":"2.0","id":1,"method":"search","params":{"k":3,"bytes" : "\#(text)","view":["PA","AP"]}}"#,
            octets
        )
    }

    @Test("a large picture is decoded where it is needed, and is the same")
    func largeOctets() throws {
        for spelling in [{ $0 }, { $0.replacingOccurrences(of: "/", with: "\\/") }] as [@Sendable (String) -> String] {
            let (line, octets) = pictured(300_000, spelling)
            var found = try request(line)
            #expect(found.literal == nil && found.encodedLiteral != nil && found.byteCount > 400_000)
            try found.decodeLiteral()
            #expect(found.literal == octets && found.encodedLiteral == nil)
            var small = try request(pictured(30_000).line)
            #expect(small.literal != nil && found.arguments == small.arguments)
            try small.decodeLiteral()
            #expect(small.literal?.count == 30_000)
        }
        let wrong =
            #"{"jsonrpc":"2.0","id":1,"method":"search","params":{"bytes":""#
            + String(repeating: "?", count: 100_000) + "\"}}"
        let found = try answers(wrong + "\n" + #"{"jsonrpc":"2.0","id":9,"method":"ping"}"# + "\n")
        #expect(found.first?["error"]?["message"]?.string?.contains("base64") == true && found.count == 2)
    }

    @Test("a large picture can be stored, and only params.bytes is one")
    func placesOfOctets() throws {
        let text = String(repeating: "AAAA", count: 30_000)
        let put = #"{"jsonrpc":"2.0","id":1,"method":"put","params":{"id":"a","bytes":"iVBO\#(text)"}}"#
        #expect(try answers(put + "\n").first?["result"]?["status"]?["vectors"]?.integer == 1)
        let elsewhere =
            #"{"jsonrpc":"2.0","id":1,"bytes":"\#(text)","method":"search","params":{"text":"x","bytes":"AAEC"}}"#
        var found = try request(elsewhere)
        try found.decodeLiteral()
        #expect(found.literal == [0, 1, 2] && found.value("text") == "x")
        let asKey = #"{"jsonrpc":"2.0","id":1,"method":"search","params":{"text":"bytes","bytes":"\#(text)"}}"#
        #expect(try request(asKey).encodedLiteral?.count == 120_000)
    }

    @Test(
        "a line of much else than a picture is refused, the connection goes on, and neither costs more than a moment",
        arguments: [
            (String(repeating: "0,", count: 4 << 20), false), (String(repeating: "\"\",", count: 2 << 20), false),
            (String(repeating: "[", count: 8 << 20), false),
            (String(repeating: "\"\\\"\\\"\\\"", count: 1 << 20), false),
            (String(repeating: " ", count: 8 << 20), false), (String(repeating: "A", count: 8_000_000), true),
        ])
    func cost(_ text: String, _ isPicture: Bool) throws {
        let value = isPicture ? "\"\(text)\"" : "[\(text)"
        let head = #"{"jsonrpc":"2.0","id":1,"method":"search","params":{"bytes":"#
        let line =
            Array((isPicture ? head : head.replacingOccurrences(of: "bytes", with: "view")).utf8)
            + Array((value + "}}").utf8).prefix(RPCRequest.longestLineInBytes - 100) + [10]
        var parser = RequestParser()
        var found: [ParsedItem] = []
        // As the event loop gets it.
        let seconds = threadSeconds {
            for start in stride(from: 0, to: line.count, by: 16 << 10) {
                line.withUnsafeBytes {
                    parser.append(UnsafeRawBufferPointer(rebasing: $0[start..<min(line.count, start + 16 << 10)]))
                }
                while let item = parser.next() { found.append(item) }
            }
        }
        try #require(found.count == 1)
        switch found[0] {
        case .request(let request): #expect(isPicture && request.encodedLiteral?.count == 8_000_000)
        case .rpcFault(_, _, let code, _, let closes): #expect(!isPicture && code == .limit && !closes)
        case .malformed: Issue.record("\(found)")
        }
        #expect(seconds < 0.1, "\(seconds) s")
    }

    @Test("a reply is one object with the id, the objects and the status")
    func reply() throws {
        let found = try answers(
            #"{"jsonrpc":"2.0","id":"a b","method":"search","params":{"text":"x","k":2}}"# + "\n"
                + #"{"jsonrpc":"2.0","id":7,"method":"ping"}"# + "\n")
        try #require(found.count == 2)
        #expect(found[0]["jsonrpc"]?.string == "2.0" && found[0]["id"]?.string == "a b")
        #expect(found[0]["result"]?["objects"]?.array?.count == 2)
        #expect(found[0]["result"]?["status"]?["hits"]?.integer == 2)
        #expect(found[0]["result"]?["objects"]?.array?.first?["rank"]?.integer == 1)
        #expect(found[1]["id"]?.integer == 7 && found[1]["result"]?["status"]?["text"]?.string == "PONG")
    }

    @Test("both forms share a connection, and replies keep the order of the requests")
    func mixed() throws {
        var machine = Machine()
        machine.feed("@1 PING\n" + #"{"jsonrpc":"2.0","id":2,"method":"ping"}"# + "\n@3 PING\n")
        let lines = String(decoding: machine.output, as: UTF8.self).split(separator: "\n")
        try #require(lines.count == 3)
        #expect(lines[0] == "@1 OK PONG" && lines[1].hasPrefix("{") && lines[2] == "@3 OK PONG")
    }

    @Test("a notification is carried out and not answered")
    func notification() throws {
        let found = try answers(
            #"{"jsonrpc":"2.0","method":"put","params":{"id":"quiet","report":"clear"}}"# + "\n"
                + #"{"jsonrpc":"2.0","id":1,"method":"get","params":{"id":"quiet"}}"# + "\n")
        try #require(found.count == 1)
        #expect(found[0]["id"]?.integer == 1)
        #expect(found[0]["result"]?["objects"]?.array?.first?["id"]?.string == "quiet")
    }

    @Test("ids and cursors of a status stay text though they look like numbers")
    func textFields() throws {
        let found = try answers(
            #"{"jsonrpc":"2.0","id":1,"method":"put","params":{"id":"0012","report":"clear"}}"# + "\n")
        #expect(found.first?["result"]?["status"]?["id"]?.string == "0012")
    }

    @Test(
        "what is wrong has the code of JSON-RPC and of the protocol, and the connection goes on",
        arguments: [
            ("{", -32700, "BADREQ"), (#"{"jsonrpc":"2.0","id":1,"#, -32700, "BADREQ"),
            (#"{"id":1,"method":"ping"}"#, -32600, "BADREQ"), (#"{"jsonrpc":"2.0","id":1}"#, -32600, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, -32600, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"fly"}"#, -32601, "UNKNOWN"),
            (#"{"jsonrpc":"2.0","id":1,"method":"pi ng"}"#, -32600, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, -32602, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"search","params":{"text":{}}}"#, -32602, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"search","params":{"Text":"x"}}"#, -32602, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"search","params":{"bytes":"?"}}"#, -32602, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"count","params":{"view":["a,b","c"]}}"#, -32602, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"search","params":{"k":0,"text":"x"}}"#, -32602, "BADREQ"),
            (#"{"jsonrpc":"2.0","id":1,"method":"get","params":{"id":"nobody"}}"#, -32002, "NOTFOUND"),
        ])
    func faults(_ line: String, _ number: Int, _ code: String) throws {
        let found = try answers(line + "\n" + #"{"jsonrpc":"2.0","id":9,"method":"ping"}"# + "\n")
        try #require(found.count == 2)
        #expect(found[0]["error"]?["code"]?.integer == number)
        #expect(found[0]["error"]?["data"]?["code"]?.string == code)
        #expect(found[0]["error"]?["message"]?.string?.isEmpty == false)
        #expect(found[1]["id"]?.integer == 9)
    }

    @Test("a line that is too long is told so in the same form, and the connection closes")
    func tooLong() throws {
        var limits = RequestParser.Limits()
        limits.rpcByteCount = 100
        let found = items(Array("{\"jsonrpc\":\"\(String(repeating: "x", count: 200))\"}\n".utf8), limits: limits)
        guard case .rpcFault(_, -32600, .limit, _, true)? = found.first else {
            Issue.record("\(found)")
            return
        }
    }

    @Test("whatever the bytes, a line of JSON gets an item and never a signal", arguments: [1, 2, 3])
    func fuzz(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let model = Array(#"{"jsonrpc":"2.0","id":1,"method":"search","params":{"text":["a"],"k":5,"x!":null}}"#.utf8)
        for _ in 0..<3_000 {
            var line = model
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let place = Int.random(in: 1..<line.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: line[place] = UInt8.random(in: 11...255, using: &generator)
                case 1: line.remove(at: place)
                default: line.insert(UInt8.random(in: 32...126, using: &generator), at: place)
                }
            }
            #expect(items(line + [10]).count == 1)
        }
    }
}
