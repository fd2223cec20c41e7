import Foundation
import HilumCore
import HilumMCR
import HilumPhantom
import Testing

/// `hilum reembed`, and REEMBED of the daemon, through the built program.
@Suite("Re-embedding")
struct ReembedTests {
    /// A second tiny model, of other weights.
    private func secondModel(in scratch: Scratch) throws -> String {
        let reports = (0..<World.caseCount).map { PhantomGenerator(seed: 11, site: .a, side: 64).makeCase($0).report }
        let vocabulary = try VocabularyBuilder.build(texts: reports, terms: [], size: 600)
        let path = scratch.path("second")
        try MCRModel(untrained: .micro, vocabulary: vocabulary, seed: 6).save(to: path)
        return path
    }

    private func status(_ archive: String) throws -> [String: Any] {
        try Program.run(["reembed", archive, "--status", "--json"]).object()
    }

    @Test("An archive is encoded again, switched, rolled back and dropped")
    func wholeRun() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let model = try secondModel(in: scratch)
        #expect(try status(archive)["state"] as? String == "none")
        let made = try Program.run(["reembed", archive, "--model", model, "--json"])
        #expect(made.status == 0, "\(made.errors)")
        let object = try made.object()
        #expect(object["state"] as? String == "ready" && object["done"] as? Int == World.caseCount)
        #expect(object["missing"] as? Int == 0 && object["generation"] as? Int == 1)
        let again = try Program.run(["reembed", archive, "--model", model, "--json"])
        #expect(try again.status == 0 && again.object()["state"] as? String == "ready")
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)

        let switched = try Program.run(["reembed", archive, "--switch"])
        #expect(switched.status == 0 && switched.text.hasPrefix("generation 2 is searched"), "\(switched.errors)")
        #expect(switched.text.contains("generation 1 is kept"))
        let stats = try Program.run(["stats", archive, "--json"]).object()
        #expect(stats["generation"] as? Int == 2 && stats["model"] as? String == object["next_model"] as? String)
        #expect(try Program.run(["search", archive, "--text", "effusion", "-k", "1"]).status == 0)
        let done = try Program.run(["reembed", archive, "--model", model])
        #expect(done.status == 0 && done.errors.contains("already"), "a timer may call it again")

        let back = try Program.run(["reembed", archive, "--rollback", "--json"])
        #expect(try back.status == 0 && back.object()["generation"] as? Int == 1, "\(back.errors)")
        #expect(try Program.run(["reembed", archive, "--switch"]).status == 0)
        let dropped = try Program.run(["reembed", archive, "--drop", "--json"])
        #expect(try dropped.status == 0 && dropped.object()["state"] as? String == "none", "\(dropped.errors)")
        #expect(!FileManager.default.fileExists(atPath: archive + "/model"))
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
        let indexed = try Program.run(["index", archive, world.phantoms, "--json"])
        #expect(try indexed.status == 0 && indexed.object()["unchanged"] as? Int == World.caseCount)
        let refused = try Program.run(["reembed", archive, "--rollback"])
        #expect(refused.status == 1 && refused.errors.contains("no former generation is kept"))
    }

    @Test("An archive whose model cannot be used any more is encoded by another one, and switched to it")
    func withoutTheFormerModel() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let question = ["search", archive, "--text", "effusion", "-k", "1"]
        // As of a release whose models this one does not read.
        let file = archive + "/model/config.json"
        try Data("{}".utf8).write(to: URL(fileURLWithPath: file))
        #expect(try Program.run(question).errors.contains("this model cannot be used"))
        #expect(try Program.run(["reembed", archive, "--model", secondModel(in: scratch)]).status == 0)
        let switched = try Program.run(["reembed", archive, "--switch"])
        #expect(switched.status == 0 && switched.text.hasPrefix("generation 2 is searched"), "\(switched.errors)")
        #expect(try Program.run(["reembed", archive, "--drop"]).status == 0)
        #expect(try Program.run(question).status == 0)
    }

    @Test("Ctrl-C ends a run with 130, and the next call goes on from there")
    func interrupted() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let model = try secondModel(in: scratch)
        let process = try Program.start(
            ["reembed", archive, "--model", model, "--rate", "8", "--quiet"], output: FileHandle.nullDevice,
            errors: FileHandle.nullDevice)
        let end = monotonicSeconds() + 60
        while monotonicSeconds() < end, (try? status(archive)["done"] as? Int) ?? 0 < 8 { usleep(20_000) }
        kill(process.processIdentifier, SIGINT)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        let left = try status(archive)
        let done = try #require(left["done"] as? Int)
        #expect(left["state"] as? String == "building" && done >= 8 && done < World.caseCount)
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
        let early = try Program.run(["reembed", archive, "--switch"])
        #expect(early.status == 1 && early.errors.contains("\(done) of \(World.caseCount) cases"), "\(early.errors)")
        #expect(try Program.run(["reembed", archive, "--model", model]).status == 0)
        #expect(try Program.run(["reembed", archive, "--abort"]).status == 0)
        #expect(try status(archive)["state"] as? String == "none")
        #expect(!FileManager.default.fileExists(atPath: archive + "/model.2"))
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
    }

    @Test("Outside of its hours a run waits and lets others write")
    func waiting() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let model = try secondModel(in: scratch)
        var now = time(nil)
        var local = tm()
        localtime_r(&now, &local)
        let hour = (Int(local.tm_hour) + 6) % 24
        let process = try Program.start(
            ["reembed", archive, "--model", model, "--between", String(format: "%02d:00-%02d:30", hour, hour)],
            output: FileHandle.nullDevice, errors: FileHandle.nullDevice)
        let end = monotonicSeconds() + 60
        while monotonicSeconds() < end, try status(archive)["state"] as? String != "waiting" { usleep(20_000) }
        var indexed = try Program.run(["index", archive, world.phantoms, "--json"])
        while monotonicSeconds() < end, indexed.status != 0 {
            usleep(20_000)
            indexed = try Program.run(["index", archive, world.phantoms, "--json"])
        }
        #expect(try indexed.object()["unchanged"] as? Int == World.caseCount, "\(indexed.errors)")
        #expect(process.isRunning)
        kill(process.processIdentifier, SIGINT)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(try status(archive)["done"] as? Int == 0)
        #expect(try Program.run(["reembed", archive, "--model", model, "--quiet"]).status == 0)
        #expect(try status(archive)["state"] as? String == "ready")
    }

    @Test("An image that is gone is named, the call exits 3, and the switch needs --partial")
    func missingImage() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let cases = scratch.path("cases")
        try FileManager.default.copyItem(atPath: world.phantoms, toPath: cases)
        #expect(try Program.run(["index", archive, cases, "--quiet"]).status == 0)
        let image = try #require(
            try FileManager.default.contentsOfDirectory(atPath: cases + "/images").sorted().first)
        try FileManager.default.removeItem(atPath: "\(cases)/images/\(image)")
        let made = try Program.run(["reembed", archive, "--model", try secondModel(in: scratch)])
        #expect(made.status == 3 && made.text.contains("1 images could not be read: "), "\(made.errors)")
        let refused = try Program.run(["reembed", archive, "--switch"])
        #expect(refused.status == 1 && refused.errors.contains("1 images could not be read"))
        #expect(try Program.run(["reembed", archive, "--switch", "--partial"]).status == 0)
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
    }

    /// Two models of random weights cannot be told from each other.
    @Test("--if-better never switches when the intervals say nothing")
    func ifBetter() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let early = try Program.run(["reembed", archive, "--switch", "--if-better", "--data", world.phantoms])
        #expect(early.status == 1 && early.errors.contains("no new generation is complete"))
        #expect(try Program.run(["reembed", archive, "--model", try secondModel(in: scratch)]).status == 0)
        let words = ["reembed", archive, "--switch", "--if-better", "--data", world.phantoms]
        let compared = try Program.run(words + ["--json"])
        let object = try compared.object()
        let change = try #require((object["change"] as? [String: Any])?["ci95"] as? [Double])
        let isBetter = change[0] > 0
        #expect(object["switched"] as? Bool == isBetter && compared.status == (isBetter ? 0 : 1))
        #expect(object["n"] as? Int == World.caseCount && object["present"] != nil && object["new"] != nil)
        #expect(try status(archive)["generation"] as? Int == (isBetter ? 2 : 1))
    }

    @Test(
        "Calls that make no sense are refused",
        arguments: [
            (["--switch", "--rollback"], "two calls"), (["--status", "--model", "m"], "two calls"),
            (["--drop", "--rate", "3"], "--rate goes with --model"), (["--partial"], "--partial needs --switch"),
            (["--rollback", "--if-better"], "--if-better needs --switch"),
            (["--switch", "--if-better"], "go together"), (["--switch", "--data", "d"], "go together"),
            ([], "--model is missing"), (["--model", "m", "--between", "1-2"], "--between needs a part of the day"),
            (["--model", "m", "--rate", "0"], "--rate"),
        ])
    func usage(_ words: [String], _ text: String) throws {
        let result = try Program.run(["reembed", "/nowhere/archive"] + words)
        #expect(result.status == 2 && result.errors.contains(text), "\(result.errors)")
    }

    @Test("A daemon makes a generation in the background while it answers, and switches")
    func daemon() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let model = try secondModel(in: scratch)
        let daemon = try Daemon(archive: archive, in: scratch)
        let session = try daemon.session()
        #expect(try session.ask("REEMBED status").last == "OK state=none gen=1 done=0 total=\(World.caseCount)")
        #expect(try session.ask("REEMBED start model=/nowhere").last?.hasPrefix("ERR BADREQ") == true)
        #expect(try session.ask("REEMBED switch").last?.hasPrefix("ERR NOTFOUND") == true)
        #expect(try session.ask("REEMBED start model=\(model)").last?.hasPrefix("OK state=") == true)
        #expect(try session.ask("PUT id=late report=\"small effusion on the left\"").last?.hasPrefix("OK") == true)
        let busy = try Program.run(["reembed", archive, "--switch"])
        #expect(busy.status == 1 && busy.errors.contains("process \(daemon.identifier)"), "\(busy.errors)")
        #expect(busy.errors.contains("REEMBED"), "\(busy.errors)")
        #expect(try Program.run(["reembed", archive, "--status"]).status == 0)
        let end = monotonicSeconds() + 120
        while try session.ask("REEMBED status").last?.hasPrefix("OK state=ready") != true, monotonicSeconds() < end {
            usleep(10_000)
        }
        #expect(try session.ask("REEMBED switch").last == "OK state=kept gen=2 done=49 total=49")
        #expect(try session.ask("SEARCH text=\"small effusion on the left\" k=1").last?.contains("gen=2") == true)
        #expect(try session.ask("HELLO").first?.contains("\"generation\":2") == true)
        #expect(try session.ask("REEMBED rollback").last?.hasPrefix("OK state=ready gen=1") == true)
        #expect(try session.ask("REEMBED switch").last?.hasPrefix("OK state=kept gen=2") == true)
        daemon.kill()
        let again = try Daemon(archive: archive, in: scratch)
        let other = try again.session()
        #expect(try other.ask("GET id=late").last?.hasPrefix("OK") == true)
        #expect(try other.ask("SEARCH text=effusion k=1").last?.contains("gen=2") == true)
        #expect(try other.ask("REEMBED drop").last?.hasPrefix("OK state=none gen=2") == true)
        #expect(again.stop() == 0)
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
    }
}
