import HilumCore
import Testing

@testable import HilumServer

/// What a stream of bytes is cut into, delivered in chunks of `chunk` bytes and then ended.
func items(_ bytes: [UInt8], chunk: Int = Int.max, limits: RequestParser.Limits = .init()) -> [ParsedItem] {
    var parser = RequestParser(limits: limits)
    var items: [ParsedItem] = []
    var index = 0
    while index < bytes.count {
        let end = index + min(chunk, bytes.count - index)
        parser.append(Array(bytes[index..<end]))
        while let item = parser.next() { items.append(item) }
        index = end
    }
    if let item = parser.finish() { items.append(item) }
    return items
}

func items(_ text: String, chunk: Int = Int.max) -> [ParsedItem] { items(Array(text.utf8), chunk: chunk) }

private func request(_ text: String) -> Request? {
    guard case .request(let request) = items(text + "\n").first else { return nil }
    return request
}

@Suite struct GrammarTests {
    @Test("a well-formed line is a request", arguments: wellFormed)
    func readsWellFormedLines(_ line: String, _ expected: Request) {
        #expect(items(line + "\n") == [.request(expected)])
        #expect(items(line + "\r\n") == [.request(expected)])
    }

    static let wellFormed: [(String, Request)] = [
        ("PING", Request(verb: "PING")),
        ("ping", Request(verb: "PING")),
        ("  PING  ", Request(verb: "PING")),
        ("@7 PiNg", Request(tag: "7", verb: "PING")),
        ("@a=b! COUNT", Request(tag: "a=b!", verb: "COUNT")),
        ("SEARCH text=\"left pleural effusion\" k=5", search([("text", "left pleural effusion"), ("k", "5")])),
        ("SEARCH text=effusion", search([("text", "effusion")])),
        ("SEARCH  text=胸水   k=1", search([("text", "胸水"), ("k", "1")])),
        ("SEARCH text=\"\"", search([("text", "")])),
        ("SEARCH text=\"a \\\"b\\\" \\\\ \\/ \\n\\t\\r\\b\\f\"", search([("text", "a \"b\" \\ / \n\t\r\u{8}\u{c}")])),
        ("SEARCH text=\"\\u00e9\\u80f8\"", search([("text", "é胸")])),
        ("SEARCH text=\"\\uD83D\\uDE00\"", search([("text", "😀")])),
        ("SEARCH vec=f32:AAAA== w.text=0.5", search([("vec", "f32:AAAA=="), ("w.text", "0.5")])),
        ("SEARCH text=a view!=AP", negated("view", "AP")),
        ("SEARCH text=a view!=\"A P\"", negated("view", "A P")),
        ("SEARCH date=2019..2020 date!=2019-05-05", range),
        (
            "REEMBED start model=x",
            Request(verb: "REEMBED", arguments: [bare("start"), Argument(key: "model", value: "x")])
        ),
        ("SEARCH a!b", Request(verb: "SEARCH", arguments: [bare("a!b")])),
        ("SEARCH text=a=b", search([("text", "a=b")])),
        ("SEARCH id=a id=b text=c text=c", search([("id", "a"), ("id", "b"), ("text", "c"), ("text", "c")])),
    ]

    private static let range = Request(
        verb: "SEARCH",
        arguments: [
            Argument(key: "date", value: "2019..2020"), Argument(key: "date", value: "2019-05-05", isNegated: true),
        ])

    private static func bare(_ word: String) -> Argument { Argument(key: "", value: word) }

    private static func search(_ pairs: [(String, String)]) -> Request {
        Request(verb: "SEARCH", arguments: pairs.map { Argument(key: $0.0, value: $0.1) })
    }

    private static func negated(_ key: String, _ value: String) -> Request {
        Request(
            verb: "SEARCH",
            arguments: [Argument(key: "text", value: "a"), Argument(key: key, value: value, isNegated: true)])
    }

    @Test("a malformed line is refused as BADREQ with a reason, and the stream goes on", arguments: malformed)
    func refusesMalformedLines(_ line: String, _ tag: String?, _ part: String) throws {
        let result = items(line + "\nPING\n")
        #expect(result.count == 2)
        guard case .malformed(let foundTag, let code, let text, let closes) = result.first else {
            Issue.record("\(result)")
            return
        }
        #expect(code == .badRequest)
        #expect(foundTag == tag)
        #expect(!closes)
        #expect(text.contains(part), "\(text)")
        #expect(result.last == .request(Request(verb: "PING")))
    }

    static let malformed: [(String, String?, String)] = [
        ("PING2", nil, "verb"),
        ("123", nil, "verb"),
        ("@1", "1", "verb"),
        ("@ PING", nil, "tag"),
        ("@\u{1} PING", nil, "tag"),
        ("@\(String(repeating: "x", count: 65)) PING", nil, "tag"),
        ("PING\tx", nil, "verb"),
        ("PING a\tb", nil, "control"),
        ("PING\0", nil, "verb"),
        ("SEARCH text=a\0b", nil, "control"),
        ("SEARCH text=a\u{7f}", nil, "control"),
        ("SEARCH text=a\u{85}b", nil, "control"),
        ("SEARCH text=\"a\u{1}\"", nil, "escapes"),
        ("SEARCH text=\"a\\u0000\"", nil, "NUL"),
        ("SEARCH text=", nil, "no value"),
        ("SEARCH text=a\"b", nil, "quote"),
        ("SEARCH \"abc\"", nil, "quote"),
        ("@t SEARCH text=\"abc", "t", "closing quote"),
        ("SEARCH text=\"abc\"k=1", nil, "space"),
        ("SEARCH text=\"\\x\"", nil, "escape"),
        ("SEARCH text=\"\\u12\"", nil, "hexadecimal"),
        ("SEARCH text=\"\\ud800\"", nil, "surrogate"),
        ("SEARCH text=\"\\udc00\\ud800\"", nil, "surrogate"),
        ("SEARCH text=\"\\ud800\\u0041\"", nil, "surrogate"),
        ("SEARCH text=\"\\ud800\\\" k=3", nil, "closing quote"),
        ("SEARCH Text=a", nil, "key"),
        ("SEARCH 1a=b", nil, "key"),
        ("SEARCH a-b=c", nil, "key"),
        ("SEARCH =c", nil, "key"),
        ("SEARCH k=1 k=2", nil, "twice"),
        ("SEARCH view!=a view!=b", nil, "twice"), ("SEARCH text!=a text!=b", nil, "twice"),
        ("PUT id=a id=b", nil, "twice"), ("COUNT id=a id=b", nil, "twice"),
        ("PUT bytes=", nil, "no value"),
        ("PUT bytes=-1", nil, "bytes="),
        ("PUT bytes=+1", nil, "bytes="),
        ("PUT bytes=0x10", nil, "bytes="),
        ("PUT bytes!=4", nil, "bytes="),
    ]

    @Test func blankLinesAndCommentsAreNotAnswered() {
        #expect(items("\n\r\n   \n# a comment \" that is not closed\nPING\n#\n") == [.request(Request(verb: "PING"))])
        #expect(items("\n# no line feed at the end") == [])
        #expect(items(String(repeating: "\n", count: 1_000_000)) == [])
    }

    @Test func invalidUTF8IsRefusedAndTheStreamGoesOn() {
        for bad in [
            [0xFF], [0xC3, 0x28], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC0, 0x80],
        ] as [[UInt8]] {
            let bytes = Array("@a SEARCH text=".utf8) + bad + Array("\nPING\n".utf8)
            let result = items(bytes)
            #expect(result.count == 2)
            #expect(
                result.first
                    == .malformed(tag: "a", code: .badRequest, text: "the line is not valid UTF-8", closes: false))
            #expect(result.last == .request(Request(verb: "PING")))
        }
    }

    @Test func aLiteralFollowsItsLine() {
        let octets: [UInt8] = [0, 10, 13, 255, 34]
        let bytes = Array("PUT id=a bytes=5\n".utf8) + octets + Array("\nPING\n".utf8)
        let put = Request(verb: "PUT", arguments: [Argument(key: "id", value: "a")], literal: octets)
        for chunk in [1, 2, 3, 7, 1000] {
            #expect(items(bytes, chunk: chunk) == [.request(put), .request(Request(verb: "PING"))])
        }
        let empty = Request(verb: "PUT", arguments: [Argument(key: "id", value: "a")], literal: [])
        #expect(items("PUT id=a bytes=0\r\n\r\nPING\r\n") == [.request(empty), .request(Request(verb: "PING"))])
    }

    @Test func aLiteralThatIsCompleteWhenTheStreamEndsCounts() {
        #expect(items("PUT bytes=3\nabc") == [.request(Request(verb: "PUT", literal: Array("abc".utf8)))])
    }

    @Test func theLiteralOfARefusedLineIsSkipped() {
        for line in ["@q PUT id=a id=b bytes=6", "@q PUT Bad=1 bytes=6", "@q PUT x=\"\\q\" bytes=6", "@q 12 bytes=6"] {
            for chunk in [1, 5, 1000] {
                let result = items("\(line)\nPING\nX\nPING\n", chunk: chunk)
                #expect(result.count == 2, "\(line)")
                guard case .malformed("q", .badRequest, _, false) = result.first else {
                    Issue.record("\(line): \(result)")
                    continue
                }
                #expect(result.last == .request(Request(verb: "PING")))
            }
        }
        let invalid = Array("PUT id=".utf8) + [0xFF] + Array(" bytes=4\nPING\nQUIT\n".utf8)
        #expect(items(invalid).last == .request(Request(verb: "QUIT")))
        #expect(items(invalid).count == 2)
    }

    @Test func aLiteralWithoutItsLineFeedIsRefusedAndTheStreamFindsTheNextLine() {
        let result = items("@1 PUT bytes=3\nabcdef\nPING\n")
        #expect(result.count == 2)
        guard case .malformed("1", .badRequest, _, false) = result.first else {
            Issue.record("\(result)")
            return
        }
        #expect(result.last == .request(Request(verb: "PING")))
    }

    @Test func aLineBeyondTheLimitEndsTheStream() {
        let longest = "SEARCH text=" + String(repeating: "a", count: 65_536 - 12)
        #expect(request(longest) != nil)
        #expect(request(longest + "\r") != nil)
        for chunk in [1, 1000, 65_536, 65_537, Int.max] {
            for end in ["", "\n", "\nPING\n"] {
                let result = items("@big " + longest + end, chunk: chunk)
                #expect(result.count == 1)
                guard case .malformed("big", .limit, _, true) = result.first else {
                    Issue.record("chunks of \(chunk): \(result)")
                    continue
                }
            }
        }
    }

    @Test func aLiteralBeyondTheLimitEndsTheStream() {
        for count in ["67108865", "9223372036854775808", "99999999999999999999"] {
            let found = items("@x PUT bytes=\(count)\nPING\n")
            guard case .malformed("x", .limit, _, true) = found.first, found.count == 1 else {
                Issue.record("\(count) is not refused: \(found)")
                continue
            }
        }
    }

    @Test func aRequestThatIsCutOffIsNotCarriedOut() {
        for text in ["DELETE id=ab", "@1 DELETE id=ab", "PUT id=a bytes=5\nab"] {
            let result = items(text)
            #expect(result.count == 1)
            guard case .malformed(_, .badRequest, _, true) = result.first else {
                Issue.record("\(text): \(result)")
                continue
            }
        }
    }
}
