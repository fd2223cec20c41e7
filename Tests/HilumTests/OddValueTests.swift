import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

@testable import hilum

/// No argument may crash the program, hang it, or make it say more than a sentence.
///
/// The options come from the program's own tables, so a new one is tried too.
@Suite("Odd values")
struct OddValueTests {
    /// Ends a call that hangs; far more than any of them needs.
    private static let limitInSeconds = 120.0

    /// A call of a verb that works, or comes far, to which an option is added. OUT stands for a new name each time.
    private static let calls: [String: [String]] = [
        "phantom": ["OUT", "--count", "1", "--side", "64", "--quiet"],
        "train": ["--data", "p", "--out", "OUT", "--init", "m", "--steps", "1", "--batch", "2", "--quiet"],
        "federate": ["init", "OUT", "--from", "m", "--steps", "1"],
        "model": ["import", "--report", "m", "--out", "OUT"],
        "embed": ["--model", "m", "--text", "effusion", "--out", "OUT", "--quiet"],
        "init": ["OUT", "--model", "m"],
        "index": ["b", "p", "--quiet"],
        "search": ["a", "--text", "effusion"],
        "report": ["a", "--text", "effusion", "--no-heat", "-k", "2", "--out", "OUT"], "quarantine": ["a"],
        "serve": ["b", "--socket", "s"],
        // Refused after its options were read, as there is no leader.
        "follow": ["no-socket", "OUT"],
        "query": ["--socket", "no-socket", "PING"], "view": ["b"],
        "eval": ["--model", "m", "--data", "p", "--limit", "4", "--quiet"],
        "explain": ["--model", "m", "--image", "x.png", "--text", "effusion", "--out", "OUT"],
        "pilot": ["p", "--out", "OUT", "--model", "m", "--steps", "1", "--folds", "2", "--limit", "8", "--quiet"],
        "findings": ["--text", "no effusion"],
        "get": ["a", "no-case"], "delete": ["b", "no-case"], "facet": ["a", "--by", "view"], "stats": ["a"],
        "check": ["a", "--quiet"], "reembed": ["a", "--status"], "compact": ["b"],
        // Refused after their options were read: something stands there already, and a folder is no snapshot.
        "snapshot": ["a", "p"], "restore": ["p", "OUT"],
        // Refused after its options were read, as the folder holds other files.
        "demo": ["--dir", "folder"],
        // Refused after its options were read, as the folder holds no vectors.
        "import": ["b", "p", "--quiet"],
        "export": ["a", "OUT"], "mcp": ["--socket", "no-socket"],
        "help": [],
    ]

    /// Calls for options that the one above would refuse before it reads them.
    private static let otherCalls: [String: [String]] = [
        "train --config": ["--data", "p", "--out", "OUT", "--steps", "1", "--batch", "1"],
        "train --align": ["--data", "p", "--out", "OUT", "--steps", "1", "--batch", "1"],
        "train --decoder": ["--data", "p", "--out", "OUT", "--steps", "1", "--batch", "1"],
        "train --epochs": ["--data", "p", "--out", "OUT", "--init", "m", "--batch", "1"],
        "federate --config": ["init", "OUT", "--steps", "1"],
        "federate --epochs": ["init", "OUT", "--from", "m"],
        "federate --delta": ["init", "OUT", "--from", "m", "--epsilon", "1"],
        "federate --data": ["train", "r", "--site", "a", "--out", "OUT"],
        "federate --site": ["train", "r", "--data", "p", "--out", "OUT"],
        "federate --out": ["train", "r", "--data", "p", "--site", "a"],
        "federate --ledger": ["train", "r", "--data", "p", "--site", "a", "--out", "OUT"],
        "federate --noise-seed": ["train", "r", "--data", "p", "--site", "a", "--out", "OUT"],
        "model --share": ["average", "m", "m", "--out", "OUT"],
        "explain --id": ["a", "--text", "effusion", "--out", "OUT"],
        "explain --reference": ["--model", "m", "--image", "x.png", "--text", "effusion", "--out", "OUT"],
        "search --socket": ["--text", "effusion"], "view --socket": [], "facet --socket": ["--by", "view"],
        "search --recall": ["a", "--text", "effusion"],
        "report --socket": ["--text", "effusion", "--out", "OUT"],
        "report --heat": ["a", "--text", "effusion", "-k", "1", "--out", "OUT"],
        "report --recall": ["a", "--text", "effusion", "--no-heat", "-k", "1", "--out", "OUT"],
        "check --k": ["a", "--recall", "2", "--quiet"], "check --ef": ["a", "--recall", "2", "--quiet"],
        "check --seed": ["a", "--recall", "2", "--quiet"],
        "findings --file": [], "findings --manifest": [],
        "pilot --epochs": ["p", "--out", "OUT", "--model", "m", "--folds", "2", "--limit", "8", "--batch", "1"],
        "embed --manifest": ["--model", "m", "--out", "OUT"],
        "import --name": ["b", "p", "--quiet", "--generation", "next"],
        "import --model": ["b", "p", "--quiet", "--generation", "next"],
        "import --precision": ["b", "p", "--quiet", "--generation", "next", "--model", "m"],
        "import --generation": ["b", "p", "--quiet", "--name", "x"],
        "init --space": ["OUT", "--dim", "4"], "init --dim": ["OUT", "--space", "x"],
        "embed --shard": ["--model", "m", "--out", "OUT", "--manifest", "p/cases.jsonl"],
        "embed --with": ["--model", "m", "--out", "OUT", "--manifest", "p/cases.jsonl"],
    ]

    /// Where the root of the file system would be read or written as a whole.
    private static let notTheRoot: Set<String> = [
        "phantom OUT", "train --data", "train --out", "embed --manifest", "index SOURCE", "index --manifest",
        "serve --inbox",
        "eval --data", "eval --plots", "explain --reference", "pilot DIR", "pilot --work", "pilot --keep",
        "pilot --plots",
        "federate --data", "federate --out", "federate --ledger", "federate ROUND",
        "pilot --out", "findings --manifest", "model --out", "init ARCHIVE", "demo --dir",
    ]

    /// What a verb says once it goes on until it is stopped.
    private static let markers = ["serve": " started: ", "view": "http://", "demo": "==> "]

    @Test("No value of any option or operand crashes a verb", arguments: Command.all.map(\.name))
    func noValueCrashes(verb: String) throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let command = try #require(Command.named(verb))
        let base = try #require(Self.calls[verb], "a call of \(verb) for this test is missing")
        let folder = scratch.path("outer/inner")
        try OddValues.makeFolder(folder)
        try FileManager.default.createSymbolicLink(atPath: folder + "/m", withDestinationPath: world.model)
        try FileManager.default.createSymbolicLink(atPath: folder + "/p", withDestinationPath: world.phantoms)
        let image = PhantomGenerator(seed: 3, site: .a, side: 64).makeCase(1).image
        try FileIO.writeAtomically(folder + "/x.png", try PNGEncoder.encode(image))
        for name in ["a", "b"] {
            let made = try Program.run(["init", folder + "/" + name, "--model", world.model])
            try #require(made.status == 0, "\(made.errors)")
        }
        if verb == "federate" {
            let begun = try Program.run(
                ["federate", "init", folder + "/r", "--from", world.model, "--steps", "1", "--batch", "2"])
            try #require(begun.status == 0, "\(begun.errors)")
        }
        let filled = try Program.run(["index", folder + "/a", world.phantoms, "--quiet"])
        try #require(filled.status == 0, "\(filled.errors)")

        var count = 0
        func attempt(_ words: [[UInt8]], _ what: String) throws {
            count += 1
            let name = Array("out-\(count)".utf8)
            let call = try SpawnedCall(
                [Array(verb.utf8)] + words.map { $0 == Array("OUT".utf8) ? name : $0 }, in: folder,
                seconds: Self.limitInSeconds, stopAt: Self.markers[verb])
            judge(call, "\(what): hilum \(verb) \(words.map { String(decoding: $0.prefix(60), as: UTF8.self) })", verb)
        }
        for option in command.options {
            let known = "\(verb) --\(option.name)"
            let words = (Self.otherCalls[known] ?? base).map { Array($0.utf8) }
            guard option.value != nil else {
                try attempt(words + [Array("--\(option.name)".utf8)], known)
                continue
            }
            for (what, value) in OddValues.some(for: known)
            where !(what == "the root" && Self.notTheRoot.contains(known)) {
                try attempt(words + [Array("--\(option.name)=".utf8) + value], "\(known), \(what)")
            }
        }
        for (place, operand) in command.operands.enumerated() where place < base.count {
            let known = "\(verb) \(operand)"
            for (what, value) in OddValues.some(for: known)
            where !(what == "the root" && Self.notTheRoot.contains(known)) {
                var words = base.map { Array($0.utf8) }
                // Options come before, so that an operand may begin with a dash.
                let given = base.prefix { !$0.hasPrefix("--") }.count
                guard place < given else { continue }
                words[place] = value
                words = Array(words[given...]) + [Array("--".utf8)] + Array(words[..<given])
                try attempt(words, "\(known), \(what)")
            }
        }
    }

    @Test("Files of one letter in a folder are read, or refused by name")
    func filesOfOneLetter() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let image = try PNGEncoder.encode(PhantomGenerator(seed: 3, site: .a, side: 64).makeCase(1).image)
        try FileIO.makeFolder(scratch.path("cases"))
        try FileIO.writeAtomically(scratch.path("cases/j"), image)
        _ = try scratch.write("cases/k", "no image")
        _ = try scratch.write("cases/é.txt", "a small effusion")
        for source in [scratch.path("cases"), scratch.path("cases/j")] {
            let result = try Program.run(["index", archive, source, "--quiet"])
            #expect(result.signal == 0 && [0, 3].contains(result.status), "\(result.status): \(result.errors)")
        }
    }

    private func judge(_ call: SpawnedCall, _ what: String, _ verb: String) {
        #expect(!call.isLate, "\(what) did not end: \(call.errors)")
        if call.isLate { return }
        #expect(call.signal == 0 || (call.wasStopped && call.signal == SIGTERM), "\(what): signal \(call.signal)")
        guard let status = call.status else { return }
        guard let known = ExitStatus(rawValue: status) else {
            Issue.record("\(what): exit status \(status)")
            return
        }
        for word in ["Fatal error", "fatalError", "Stack dump", "Thread 0", "Optional("]
        where call.errors.contains(word) {
            Issue.record("\(what): \(call.errors)")
        }
        guard [.failed, .usage, .notFound, .unreachable].contains(known) else { return }
        // One sentence says why; what comes before it are notes of the work so far.
        let sentences = call.errors.split(separator: "\n").filter { $0.hasPrefix("hilum") }
        let isSaidOnOutput = known == .failed && (verb == "check" || verb == "model") && !call.output.isEmpty
        #expect(sentences.count == 1 || (sentences.isEmpty && isSaidOnOutput), "\(what) (\(status)): \(call.errors)")
        #expect(call.errors.hasSuffix("\n") || call.errors.isEmpty, "\(what): \(call.errors)")
        #expect(
            !call.errors.unicodeScalars.contains {
                $0 != "\n" && $0 != "\r" && $0.properties.generalCategory == .control
            },
            "\(what): \(call.errors.debugDescription)")
    }
}
