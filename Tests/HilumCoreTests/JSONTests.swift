import Foundation
import Testing

@testable import HilumCore

@Suite struct JSONTests {
    @Test func aValueIsReadAndWrittenInItsOrderAndSpelling() throws {
        let text =
            #"{"b":[1,-2.50,3e+9,0],"a":{"x":null,"y":true,"z":false},"t":"é\n\t\"\\/ 胸","empty":{},"none":[],"deep":[[["x"]]]}"#
        #expect(try JSON(parsing: text).text == text)
        #expect(try JSON(parsing: " \r\n\t[ 1 , { \"a\" : \"b\" } ] \n").text == #"[1,{"a":"b"}]"#)
        #expect(try JSON(parsing: #""\u0041\ud83d\ude00\b\f\/\u00e9""#).string == "A😀\u{8}\u{c}/é")
    }

    @Test func membersAreFoundByKeyAndKind() throws {
        let json = try JSON(parsing: #"{"n":3,"x":0.25,"s":"t","l":["a","b"],"big":99999999999999999999}"#)
        #expect(json["n"]?.integer == 3 && json["n"]?.double == 3 && json["x"]?.double == 0.25)
        #expect(json["s"]?.string == "t" && json["l"]?.array?.compactMap(\.string) == ["a", "b"])
        #expect(json["x"]?.integer == nil && json["n"]?.string == nil && json["big"]?.integer == nil)
        #expect(json["none"] == nil && json["s"]?["t"] == nil && json["s"]?.array == nil)
    }

    @Test(
        "what is not strict JSON is an error in words",
        arguments: [
            ("", "value is missing"), ("{", "\" is missing"), ("{\"a\"}", ": is missing"),
            ("{\"a\":}", "value is missing"),
            ("{\"a\":1,}", "\" is missing"), ("[1,]", "value is missing"), ("[1 2]", "comma"),
            ("{\"a\":1 \"b\":2}", "comma"),
            ("{\"a\":1,\"a\":2}", "stands twice"), ("{\"a\":1,\"\\u0061\":2}", "stands twice"),
            ("[{\"k\":1,\"b\":{\"k\":1,\"k\":2}}]", "stands twice"),
            ("{} {}", "follows"), ("1x", "follows"), ("nul", "null is missing"), ("tru", "true or false"),
            ("01", "begins with 0"), ("-", "number is missing"), ("1.", "digit"), ("1e", "digit"),
            ("+1", "value is missing"),
            (".5", "value is missing"), ("NaN", "value is missing"), ("'a'", "value is missing"),
            ("\"a", "closing quote"), ("\"a\\", "closing quote"), ("\"\\x\"", "unknown escape"),
            ("\"\\u12\"", "hexadecimal"),
            ("\"\\ud800\"", "surrogate"), ("\"\\udc00\"", "surrogate"), ("\"\\ud800\\u0041\"", "surrogate"),
            ("\"\\u0000\"", "NUL"), ("\"a\u{1}b\"", "control characters"), ("\"a\nb\"", "control characters"),
        ])
    func refusesWhatIsNotJSON(_ text: String, _ reason: String) {
        let error = #expect(throws: JSONReader.Malformed.self, "\(text)") { try JSON(parsing: text) }
        #expect(error?.reason.contains(reason) == true, "\(text): \(String(describing: error))")
        var reader = JSONReader(Array(text.utf8)[...])
        #expect(throws: JSONReader.Malformed.self, "\(text)") {
            try reader.skip()
            try reader.finish()
        }
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        for bytes in [[0x22, 0xFF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0xFF]] as [[UInt8]] {
            #expect(throws: JSONReader.Malformed.self) { try JSON(parsing: bytes[...]) }
        }
    }

    @Test func nestingHasALimitAndDoesNotCrash() throws {
        let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(try JSON(parsing: deepest).text == deepest)
        for bracket in ["[", "{\"a\":"] {
            let error = #expect(throws: JSONReader.Malformed.self) {
                try JSON(parsing: String(repeating: bracket, count: 100_000))
            }
            #expect(error?.reason.contains("64 levels") == true)
        }
    }

    @Test("a number is written with as many decimals as it needs") func numbers() {
        #expect(JSON.number(0.5, decimals: 3).text == "0.5" && JSON.number(2, decimals: 3).text == "2")
        #expect(JSON.number(-0.0001, decimals: 3).text == "0" && JSON.number(.nan, decimals: 3).text == "null")
        #expect(JSON.integer(-7).text == "-7" && JSON.optional(nil).text == "null")
    }

    @Test("a number is written with the fewest digits that give it back, as Foundation writes it")
    func shortestNumbers()
        throws
    {
        #expect(
            [0.1, 3, -0.5, 1e-6, 1e21, 0].map { JSON.number($0).text } == ["0.1", "3", "-0.5", "1e-06", "1e+21", "0"])
        #expect(JSON.number(Float(0.1)).text == "0.1" && JSON.number(Float(1e-6)).text == "1e-06")
        #expect(JSON.number(Double.nan).text == "null" && JSON.number(-Float.infinity).text == "null")
        #expect(UInt64.max.json.text == "18446744073709551615" && Int.min.json.text == "-9223372036854775808")
        var generator = SeededGenerator(seed: 9)
        for _ in 0..<2_000 {
            let double = Double(bitPattern: generator.next())
            let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            guard double.isFinite, float.isFinite else { continue }
            #expect(try [Double](parsing: "[\(double.json.text)]".utf8) == [double])
            #expect(try [Float](parsing: "[\(float.json.text)]".utf8) == [float])
            #expect(try Array(JSONEncoder().encode([double])) == Array("[\(double.json.text)]".utf8))
            #expect(try Array(JSONEncoder().encode([float])) == Array("[\(float.json.text)]".utf8))
        }
    }

    @Test func indentedTextHasALineForEachMember() throws {
        let json = try JSON(parsing: #"{"b":1,"a":{"x":[1,[],{}],"y":{"z":"t"}},"c":[]}"#)
        let text = """
            {
              "b" : 1,
              "a" : {
                "x" : [
                  1,
                  [],
                  {}
                ],
                "y" : {
                  "z" : "t"
                }
              },
              "c" : []
            }
            """
        #expect(json.indentedText == text)
        #expect(try JSON(parsing: text).text == json.text)
        #expect(JSON.integer(1).indentedText == "1" && JSON.array([]).indentedText == "[]")
        #expect(json.sorted.text == #"{"a":{"x":[1,[],{}],"y":{"z":"t"}},"b":1,"c":[]}"#)
    }

    @Test func membersThatAreNilAreLeftOutAndNamesCanBeInSnakeCase() {
        let nothing: Int? = nil
        let json = JSON(members: [
            "imageNodes": 3, "none": nothing, "null": JSON.null, "list": [1.5, 2], "isDeep": true,
            "byKey": ["b": 1, "a": 2],
        ])
        #expect(json.text == #"{"imageNodes":3,"null":null,"list":[1.5,2],"isDeep":true,"byKey":{"a":2,"b":1}}"#)
        #expect(
            json.snakeCased.text
                == #"{"image_nodes":3,"null":null,"list":[1.5,2],"is_deep":true,"by_key":{"a":2,"b":1}}"#)
        #expect(
            JSON(members: ["r1": 1]).adding("imageToReportR10", "x").snakeCased.text
                == #"{"r1":1,"image_to_report_r10":"x"}"#)
    }

    /// A record with members of every kind.
    private struct Record: JSONReadable {
        enum Kind: String, JSONReadable { case large, small }
        struct Size: JSONReadable {
            let width: Int
            init(json: JSON) throws(JSON.Mismatch) { width = try json.member("width") }
        }

        let sizes: [Size]
        let kind: Kind?
        let seed: UInt64?
        let share: Float?
        let isDeep: Bool?
        let named: [String: Double]?

        init(json: JSON) throws(JSON.Mismatch) {
            sizes = try json.member("sizes")
            kind = try json.optionalMember("kind")
            seed = try json.optionalMember("seed")
            share = try json.optionalMember("share")
            isDeep = try json.optionalMember("isDeep")
            named = try json.optionalMember("named")
        }
    }

    @Test func aTypeIsReadFromItsMembers() throws {
        let record = try Record(
            parsing: """
                {"sizes":[{"width":3,"height":4}],"kind":"small","seed":18446744073709551615,"share":0.25,"isDeep":true,
                 "named":{"a":1,"b":2e3},"new":[]}
                """.utf8)
        #expect(record.sizes.map(\.width) == [3] && record.kind == .small && record.seed == .max)
        #expect(record.share == 0.25 && record.isDeep == true && record.named == ["a": 1, "b": 2000])
        let bare = try Record(parsing: #"{"sizes":[],"kind":null}"#.utf8)
        #expect(bare.sizes.isEmpty && bare.kind == nil && bare.seed == nil && bare.named == nil)
    }

    @Test(
        "a member that is missing or of another kind is named",
        arguments: [
            ("{}", "sizes is missing"), (#"{"sizes":null}"#, "sizes is missing"), ("3", "the value is not an object"),
            (#"{"sizes":{}}"#, "sizes is not a list"), (#"{"sizes":[3]}"#, "sizes[0] is not an object"),
            (#"{"sizes":[{"width":1},{"width":1.5}]}"#, "sizes[1].width is not a whole number"),
            (#"{"sizes":[{"width":1},{}]}"#, "sizes[1].width is missing"),
            (#"{"sizes":[],"kind":"other"}"#, "kind is none of the known values"),
            (#"{"sizes":[],"seed":-1}"#, "seed is not a whole number from 0 on"),
            (#"{"sizes":[],"share":1e99}"#, "share is not a number"),
            (#"{"sizes":[],"isDeep":1}"#, "isDeep is neither true nor false"),
            (#"{"sizes":[],"named":{"a":1,"b":"x"}}"#, "named.b is not a number"),
        ])
    func aMismatchIsNamed(_ text: String, _ words: String) {
        let error = #expect(throws: JSON.Mismatch.self) { try Record(parsing: text.utf8) }
        #expect(error?.description == words)
    }

    @Test func whateverIsWrittenIsReadByFoundationToo() throws {
        var generator = SeededGenerator(seed: 5)
        func value(_ depth: Int) -> JSON {
            switch generator.integer(below: depth > 3 ? 5 : 7) {
            case 0: return .null
            case 1: return .bool(generator.chance(0.5))
            case 2: return .integer(generator.integer(below: 1 << 40))
            case 3: return .number(generator.normal(), decimals: 6)
            case 4:
                let pieces = ["a", "é", "胸", "😀", "\"", "\\", "\n", "\u{1}", "\u{7f}", "/", "\u{2028}"]
                return .string((0..<generator.integer(below: 9)).map { _ in generator.pick(pieces) }.joined())
            case 5: return .array((0..<generator.integer(below: 4)).map { _ in value(depth + 1) })
            default:
                return .object((0..<generator.integer(below: 4)).map { ("key \($0) \"", value(depth + 1)) })
            }
        }
        for _ in 0..<300 {
            let text = JSON.array([value(0)]).text
            #expect(try JSON(parsing: text).text == text)
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(text.utf8)) }
            #expect(!text.utf8.contains(10))
            let indented = try JSON(parsing: text).indentedText
            #expect(try JSON(parsing: indented).text == text)
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(indented.utf8)) }
        }
    }

    @Test func damagedTextNeverCrashes() {
        let text = Array(#"{"a":[1,-2.5e3,{"b":"x\u00e9\ud83d\ude00"}],"c":null,"d":true}"#.utf8)
        var generator = SeededGenerator(seed: 6)
        for _ in 0..<5_000 {
            var bytes = text
            for _ in 0..<(1 + generator.integer(below: 3)) {
                let place = generator.integer(below: bytes.count)
                bytes[place] = UInt8(generator.integer(below: 256))
            }
            _ = try? JSON(parsing: bytes[..<generator.integer(below: bytes.count + 1)])
        }
    }
}

@Suite struct ArgumentTests {
    private func items(_ text: String) -> [ArgumentReader.Item] {
        var reader = ArgumentReader(Array(text.utf8)[...])
        var items: [ArgumentReader.Item] = []
        while let item = reader.next() { items.append(item) }
        return items
    }

    @Test func argumentsAreReadInTheirOrder() {
        #expect(
            items(#" view=PA  site!="A B" bare note="a,\"b\"" w.x_1=2 "#) == [
                .argument(Argument(key: "view", value: "PA")),
                .argument(Argument(key: "site", value: "A B", isNegated: true)),
                .argument(Argument(key: "", value: "bare")),
                .argument(Argument(key: "note", value: "a,\"b\"")),
                .argument(Argument(key: "w.x_1", value: "2")),
            ])
    }

    @Test func readingGoesOnBehindAFaultUnlessAQuoteIsOpen() {
        let after = items(#"View=PA a= b="x"y c=1 c=2 d="\q" e=1"#)
        #expect(after.count == 7)
        #expect(after.last == .argument(Argument(key: "e", value: "1")))
        let faults = after.filter { if case .fault = $0 { true } else { false } }
        #expect(faults.count == 5)
        #expect(items(#"a="open b=1"#).count == 1)
    }

    @Test func aQuotedTextIsReadAsItWas() {
        for text in ["", "a b", "a\"b\\", "é\n\t\u{1}", "a,b..c!=d"] {
            #expect(items("k=\(Argument.quoted(text))") == [.argument(Argument(key: "k", value: text))])
        }
    }
}
