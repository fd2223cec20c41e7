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
