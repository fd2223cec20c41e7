import Foundation
import HilumCore
import Testing

@testable import hilum

/// How a call is read, and what a wrong one is told.
@Suite("Calls")
struct CallTests {
    private static let verbs = [
        "phantom", "train", "federate", "model", "embed", "init", "index", "search", "serve", "follow", "query", "eval",
        "get",
        "delete",
        "stats", "facet", "view", "import", "export",
        "check", "demo", "pilot", "findings", "help",
    ]

    @Test("Every verb has a page with usage, options and an example", arguments: verbs)
    func everyVerbHasAPage(verb: String) throws {
        let page = try Program.run(["help", verb])
        #expect(page.status == 0)
        #expect(page.text.hasPrefix("usage: hilum \(verb)"))
        #expect(page.text.contains("Options:"))
        #expect(page.text.contains("Example"))
        #expect(page.text.components(separatedBy: "hilum \(verb)").count > 2, "the example calls the verb")
        #expect(page.lines.allSatisfy { $0.count <= 125 })
        let flag = try Program.run([verb, "--help"])
        #expect(flag.status == 0)
        #expect(flag.text == page.text)
    }

    @Test("The overview lists what is there")
    func overviewListsVerbs() throws {
        let overview = try Program.run(["help"])
        #expect(overview.status == 0)
        for verb in Self.verbs { #expect(overview.text.contains("\n  \(verb) "), "\(verb) is not listed") }
    }

    @Test("No call at all shows the overview on standard error and exits 2")
    func emptyCall() throws {
        let result = try Program.run([])
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("usage: hilum"))
    }

    @Test("The version is one line")
    func version() throws {
        let result = try Program.run(["--version"])
        #expect(result.status == 0)
        #expect(result.lines.count == 1)
        #expect(result.text.hasPrefix("hilum "))
    }

    @Test(
        "A wrong call exits 2 with one line that says what is wrong and where help stands",
        arguments: [
            (["serch"], "did you mean 'search'?"),
            (["frobnicate"], "unknown verb 'frobnicate'"),
            (["--frobnicate"], "unknown option '--frobnicate'"),
            (["import"], "ARCHIVE is missing"), (["import", "a"], "SOURCE is missing"),
            (["import", "a", "v.npy", "--kind", "video"], "--kind is one of image, report"),
            (["import", "a", "v.npy", "--name", "x"], "--name needs --generation next"),
            (["import", "a", "v.npy", "--generation", "next"], "--generation needs --name, or --model"),
            (["import", "a", "v.npy", "--generation", "7"], "--generation is one of next"),
            (["import", "a", "v.npy", "--generation", "next", "--name", "x", "--replace"], "exclude each other"),
            (["init", "a", "--space", "x"], "--space needs --dim"),
            (["init", "a", "--dim", "4"], "--dim needs --space"),
            (["init", "a", "--space", "x", "--dim", "4", "--model", "m"], "a space has no model"),
            (["export", "a", "o", "--with", "pixels"], "--with takes fields, report"),
            (["federate"], "init, train or merge is missing"), (["federate", "init"], "ROUND is missing"),
            (["federate", "serve", "r"], "'serve' is no part of a federation"),
            (["federate", "init", "r"], "give either --from or --config"),
            (["federate", "init", "r", "--from", "m", "--config", "mcr-tiny"], "give either --from or --config"),
            (["federate", "init", "r", "--data", "d"], "--data belongs to 'train', not to 'init'"),
            (["federate", "init", "r", "--out", "d"], "--out belongs to 'merge' and 'train', not to 'init'"),
            (["federate", "init", "r", "--from", "m", "--delta", "0.1"], "--delta needs --epsilon"),
            (
                ["federate", "init", "r", "--from", "m", "--epsilon", "0"],
                "--epsilon needs a number from 0.01 to 1000.0"
            ),
            (["federate", "init", "r", "--from", "m", "--group", "1"], "--group needs a whole number from 2"),
            (["federate", "init", "r", "--from", "m", "--steps", "1", "--epochs", "1"], "exclude each other"),
            (["federate", "init", "r", "s"], "'s' is one operand too many"),
            (["federate", "train", "r"], "--data is missing"),
            (["federate", "train", "r", "--data", "d"], "--site is missing"),
            (["federate", "train", "r", "--data", "d", "--site", "a b"], "--site needs 1 to 64 letters"),
            (
                ["federate", "train", "r", "--data", "d", "--site", "a", "--out", "u", "--noise-seed", "x"],
                "--noise-seed needs a whole number"
            ),
            (["federate", "merge", "r", "--out", "n"], "UPDATE is missing"),
            (["federate", "merge", "r", "u"], "--out is missing"),
            (["explain"], "ARCHIVE or --model is missing"),
            (["explain", "a", "--model", "b"], "ARCHIVE and --model exclude each other"),
            (["explain", "a", "--text", "x", "--out", "o.png"], "--image or --id is missing"),
            (["explain", "a", "--image", "i", "--id", "j"], "--image and --id exclude each other"),
            (["explain", "--model", "m", "--id", "j"], "--id needs ARCHIVE"),
            (["explain", "a", "--id", "j", "--reference", "d"], "--reference needs --model"),
            (["explain", "a", "--id", "j", "--text", "x"], "--out is missing"),
            (["explain", "a", "--id", "j", "--text", " ", "--out", "o.png"], "--text is empty"),
            (["eval", "--data", "d", "--mask-image", "100"], "--mask-image needs a whole number from 0 to 95"),
            (["eval", "--data", "d", "--mask-report", "x"], "--mask-report needs a whole number from 0 to 95"),
            (["pilot"], "DIR is missing"),
            (["help", "statz"], "did you mean 'stats'?"),
            (["stats"], "ARCHIVE is missing"),
            (["facet", "--by", "view"], "ARCHIVE is missing"), (["facet", "a"], "--by is missing"),
            (["facet", "a", "--by", "view", "--socket", "s"], "'a' and --socket exclude each other"),
            (["facet", "a", "--by", "view", "-k", "0"], "--count needs a whole number from 1"),
            (["facet", "a", "--by", "view", "--where", "PA"], "--where: "),
            (["search", "a", "--unlike", "x"], "--text, --image, --id or --vec is missing"),
            (["search", "a", "--id", "x", "--mmr", "2"], "--mmr needs a number from 0"),
            (["search", "a", "--id", "x", "--dedup", "x"], "--dedup needs a number from 0"),
            (["search", "a", "--id", "x", "--weights", "text=-1"], "--weights takes parts such as text=2"),
            (["search", "a", "--id", "x", "--weights", "words=1 words=2"], "--weights takes parts such as text=2"),
            (["stats", "a", "b"], "'b' is one operand too many"),
            (["stats", "--bogus", "a"], "unknown option '--bogus'"),
            (["stats", "-z", "a"], "unknown option '-z'"),
            (["stats", "--json=1", "a"], "--json takes no value"),
            (["index", "a", "b", "--jobs"], "--jobs needs a value (N)"),
            (["index", "a", "b", "--jobs", "many"], "--jobs needs a whole number"),
            (["index", "a", "b", "--jbos", "3"], "did you mean '--jobs'?"),
            (["index", "a"], "SOURCE is missing"),
            (["index", "a", "b", "--preset", "x"], "--preset is one of mimic-cxr, openi, chexpert, nih14"),
            (["serve", "a", "--missing", "delete"], "--missing needs --inbox"),
            (["serve", "a", "--inbox", "i", "--missing", "drop"], "--missing is one of keep, delete"),
            (["init", "a", "--precision", "f16"], "--precision is one of f32, bf16"),
            (["embed", "--text", "x", "--out", "v.npy", "--precision", "i8"], "--precision is one of f32, bf16"),
            (["view"], "ARCHIVE is missing"), (["view", "a", "--socket", "s"], "'a' and --socket exclude each other"),
            (["view", "a", "--port", "70000"], "--port needs a whole number from 0 to 65535"),
            (["search", "a"], "--text, --image, --id or --vec is missing"),
            (["search", "--text", "x"], "ARCHIVE is missing"),
            (["search", "a", "--text", "x", "-k", "0"], "needs a whole number"),
            (["search", "a", "--text", "x", "--target", "both"], "--target is one of"),
            (["search", "a", "--text", "x", "--recall", "0"], "--recall needs a number above 0"),
            (["search", "a", "--text", "x", "--recall", "1.2"], "--recall needs a number from 0.0 to 1.0"),
            (["search", "a", "--text", "x", "--recall", "0.9", "--ef", "64"], "--ef and --recall exclude each other"),
            (["check", "a", "--recall", "0"], "--recall needs a whole number from 1"),
            (["check", "a", "--ef", "64"], "--ef needs --recall"),
            (["check", "a", "--recall", "9", "-k", "0"], "--k needs a whole number"),
            (["search", "a", "--text", "x", "--where", "nonsense"], "--where"),
            (["search", "--s", "x"], "--s may mean --socket or --sheet"),
            (["phantom", "out"], "--count is missing"),
            (["phantom", "out", "--count", "-5"], "--count needs a whole number"),
            (["phantom", "out", "--count", "1", "--site", "C"], "--site is one of A, B"),
            (["phantom", "out", "--count", "1", "--seed", "x"], "--seed needs a whole number"),
            (["model", "inspect"], "MODEL is missing"),
            (["model", "inspect", "a", "b"], "'b' is one operand too many"),
            (["model", "average", "a", "--out", "m"], "'average' takes two models"),
            (["model", "average", "a", "b"], "--out is missing"),
            (["model", "burn", "m"], "'burn'"),
            (["train", "--out", "m"], "--data is missing"),
            (["train", "--data", "d"], "--out is missing"),
            (["embed", "--text", "x"], "--out is missing"),
            (["embed", "--out", "x.npy"], "--image, --text or --manifest is missing"),
            (["embed", "--manifest", "m", "--out", "x.npy", "--shard", "3/2"], "--shard"),
            (["eval", "a", "--model", "m", "--data", "d"], "not both"),
            (["eval", "a"], "--data is missing"),
            (["query", "PING"], "--socket is missing"),
            (["get", "a"], "ID is missing"),
        ])
    func wrongCall(words: [String], says: String) throws {
        let result = try Program.run(words)
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.errors.split(separator: "\n").count == 1, "more than one line: \(result.errors)")
        #expect(result.errors.contains(says), "said: \(result.errors)")
        #expect(result.errors.contains("hilum help"), "does not say where help stands: \(result.errors)")
    }

    @Test(
        "A missing file or archive is named, and the call exits 1",
        arguments: [
            ["stats", "/nonexistent/archive"], ["check", "/nonexistent/archive"], ["get", "/nonexistent/archive", "x"],
            ["search", "/nonexistent/archive", "--text", "x"],
            ["index", "/nonexistent/archive", "/nonexistent/source"],
            ["model", "inspect", "/nonexistent/model"],
            ["eval", "--model", "/nonexistent/model", "--data", "/nonexistent/data"],
            ["embed", "--model", "/nonexistent/model", "--text", "x", "--out", "/nonexistent/x.npy"],
            ["train", "--data", "/nonexistent/data", "--out", "/nonexistent/model"], ["serve", "/nonexistent/archive"],
            ["init", "/tmp/x", "--model", "/nonexistent/model"], ["phantom", "/proc/nonexistent/out", "--count", "1"],
        ])
    func missingFile(words: [String]) throws {
        let result = try Program.run(words)
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("nonexistent"), "said: \(result.errors)")
    }

    @Test("A daemon that is not there exits 5 and names the socket")
    func noDaemon() throws {
        for words in [
            ["query", "--socket", "/nonexistent/hilum.sock", "PING"],
            ["search", "--socket", "/nonexistent/hilum.sock", "--text", "x"],
        ] {
            let result = try Program.run(words)
            #expect(result.status == 5)
            #expect(result.errors.contains("/nonexistent/hilum.sock"), "said: \(result.errors)")
        }
    }

    @Test("A setting comes from its option, and from the environment without one")
    func settings() throws {
        let fromEnvironment = try Program.run(
            ["query", "PING"], environment: ["HILUM_SOCKET": "/nonexistent/one.sock"])
        #expect(fromEnvironment.status == 5)
        #expect(fromEnvironment.errors.contains("one.sock"))
        let fromOption = try Program.run(
            ["query", "--socket", "/nonexistent/two.sock", "PING"],
            environment: ["HILUM_SOCKET": "/nonexistent/one.sock"])
        #expect(fromOption.errors.contains("two.sock"))
    }

    @Test("A full disk is a failure, not a success")
    func fullDisk() throws {
        let output = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        let process = try Program.start(["help"], output: output, errors: FileHandle.nullDevice)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
    }
}

/// The parser by itself.
@Suite("Option parser")
struct OptionParserTests {
    private let parser = OptionParser(options: [
        .value("count", "N", "", letter: "n"), .value("text", "T", "", letter: "t"), .value("where", "F", ""),
        .flag("json", ""), .flag("quiet", "", letter: "q"), .value("socket", "S", "", environment: "HILUM_SOCKET"),
    ])

    private func parse(_ words: String...) throws -> Arguments {
        try parser.parse(words, environment: ["HILUM_SOCKET": "from-environment"])
    }

    @Test("Options and operands may mix, in every form getopt_long knows")
    func forms() throws {
        let arguments = try parse("a", "--count=3", "b", "-t", "x y", "-qn7", "--js", "c")
        #expect(arguments.operands == ["a", "b", "c"])
        #expect(try arguments.integer("count") == 7)
        #expect(arguments.texts("text") == ["x y"])
        #expect(arguments.has("quiet"))
        #expect(arguments.has("json"))
    }

    @Test("Two dashes end the options, and one dash is an operand")
    func ends() throws {
        let arguments = try parse("-", "--json", "--", "--count", "-q")
        #expect(arguments.operands == ["-", "--count", "-q"])
        #expect(arguments.has("json"))
        #expect(!arguments.has("quiet"))
    }

    @Test("Values may be empty, look like options, hold an equals sign or any Unicode")
    func values() throws {
        let arguments = try parse("--text=", "--text", "--json", "--where=view=PA a!=b", "-t", "胸水なし")
        #expect(arguments.texts("text") == ["", "--json", "胸水なし"])
        #expect(arguments.text("where") == "view=PA a!=b")
        #expect(!arguments.has("json"))
    }

    @Test("The order of options stays")
    func order() throws {
        let arguments = try parse("-t", "one", "--where", "w", "-t", "two")
        #expect(arguments.given.map(\.name) == ["text", "where", "text"])
    }

    @Test("The option goes before the environment")
    func environment() throws {
        #expect(try parse().text("socket") == "from-environment")
        #expect(try parse("--socket", "here").text("socket") == "here")
    }

    @Test("A NUL character in an argument is refused")
    func nul() {
        #expect(throws: CommandError.self) { try parse("a\u{0}b") }
    }

    @Test(
        "Numbers outside their range are refused, and so is what is no number",
        arguments: ["", "1e3", "0x10", "5 ", "11", "-1"])
    func numbers(text: String) throws {
        let arguments = try parse("--count", text)
        #expect(throws: CommandError.self) { try arguments.integer("count", in: 0...10) }
    }

    @Test("The nearest word is suggested when it is near enough")
    func suggestions() {
        let verbs = ["search", "stats", "serve", "get"]
        #expect(nearest(to: "serch", among: verbs) == "search")
        #expect(nearest(to: "sevre", among: verbs) == "serve")
        #expect(nearest(to: "gte", among: verbs) == "get")
        #expect(nearest(to: "SEARCH", among: verbs) == "search")
        #expect(nearest(to: "frobnicate", among: verbs) == nil)
        #expect(nearest(to: "", among: verbs) == nil)
        #expect(editDistance(Array("".utf8), Array("abc".utf8)) == 3)
        #expect(editDistance(Array("abcd".utf8), Array("acbd".utf8)) == 1)
    }

    @Test("JSON text keeps the order of keys and escapes what must be escaped")
    func json() throws {
        let value = JSON.object([
            ("b", .string("a\"\\\n\t\u{1}é胸")), ("a", .number(0.5, decimals: 4)), ("n", .number(.nan, decimals: 2)),
            ("i", .integer(-3)), ("l", .strings(["x", "y"])), ("t", .bool(true)), ("z", .null),
            ("m", .number(-0.00001, decimals: 3)),
        ])
        #expect(
            value.text
                == "{\"b\":\"a\\\"\\\\\\n\\t\\u0001é胸\",\"a\":0.5,\"n\":null,\"i\":-3,\"l\":[\"x\",\"y\"],\"t\":true,\"z\":null,\"m\":0}"
        )
        let parsed = try JSONSerialization.jsonObject(with: Data(value.text.utf8)) as? [String: Any]
        #expect(parsed?["b"] as? String == "a\"\\\n\t\u{1}é胸")
    }
}
