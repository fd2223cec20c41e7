import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

/// The daemon as a client meets it.
@Suite("Daemon")
struct DaemonTests {
    @Test("PING, SEARCH and QUIT in one write answer as the protocol says")
    func session() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let session = try daemon.session()
        try session.send("PING\nSEARCH text=\"cardiomegaly\" k=3\nQUIT\n")
        let lines = try session.rest()
        #expect(lines.count == 6)
        #expect(lines[0] == "OK PONG")
        let hits = try lines[1...3].map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        #expect(hits.compactMap { $0["rank"] as? Int } == [1, 2, 3])
        #expect(lines[4].hasPrefix("OK hits=3 "))
        for key in ["gen=", "ef=", "visited=", "us="] { #expect(lines[4].contains(key)) }
        #expect(lines[5] == "OK BYE")
        #expect(daemon.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: daemon.socket), "the socket goes with the daemon")
    }

    @Test("Bad input gets what the protocol says, and the daemon goes on")
    func badInput() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let session = try daemon.session()
        #expect(try session.ask("SEARCH text=\"open").last?.hasPrefix("ERR BADREQ") == true)
        #expect(try session.ask("FROBNICATE").last?.hasPrefix("ERR UNKNOWN") == true)
        try session.send([0x50, 0xFF, 0xFE, 0x0A])
        #expect(try session.reply().last?.hasPrefix("ERR BADREQ") == true)
        #expect(try session.ask("GET id=no-such-case").last?.hasPrefix("ERR NOTFOUND") == true)
        #expect(try session.ask("@t7 PING") == ["@t7 OK PONG"])
        try session.send("PUT id=x bytes=4\nnope\n")
        #expect(try session.reply().last?.hasPrefix("ERR BADIMAGE") == true)
        #expect(try session.ask("PING") == ["OK PONG"])

        let long = try daemon.session()
        try long.send([UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20))
        let said = (try? long.rest()) ?? []
        #expect(said.isEmpty || said.last?.hasPrefix("ERR LIMIT") == true)

        let half = try daemon.session()
        try half.send("SEARCH text=\"card")
        half.halfClose()
        _ = try? half.rest()
        #expect(try session.ask("PING") == ["OK PONG"])
        #expect(daemon.isRunning)
    }

    @Test("A case that is put is found, counted, read and deleted, with the program as client")
    func putAndFind() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let drawn = PhantomGenerator(seed: 99, site: .b, side: 64).makeCase(3)
        let image = scratch.path("new.png")
        try FileIO.writeAtomically(image, try PNGEncoder.encode(drawn.image))
        func query(_ words: String...) throws -> Program.Result {
            try Program.run(["query", "--socket", daemon.socket] + words)
        }
        let put = try query("PUT id=new report=\"a new case\" view=PA findings=effusion", "--bytes", image)
        #expect(put.status == 0, "\(put.text) \(put.errors)")
        #expect(put.lines.last == "OK id=new vectors=2")
        let found = try query("SEARCH k=1", "--bytes", image)
        #expect(try JSONSerialization.jsonObject(with: Data(found.lines[0].utf8)) is [String: Any])
        #expect(found.lines[0].contains("\"id\":\"new\""))
        #expect(try query("COUNT").lines.last?.contains("\(World.caseCount + 1)") == true)
        let viaProgram = try Program.run(["search", "--socket", daemon.socket, "--image", image, "-k", "1", "--json"])
        #expect(viaProgram.status == 0, "\(viaProgram.errors)")
        #expect(try viaProgram.objects().first?["id"] as? String == "new")
        #expect(try query("DELETE id=new").status == 0)
        #expect(try query("GET id=new").status == 4)
        #expect(try query("NONSENSE").status == 1)
        let piped = try Program.run(["query", "--socket", daemon.socket], input: Array("PING\nCOUNT\n".utf8))
        #expect(piped.status == 0)
        #expect(piped.lines.count >= 2)
        #expect(piped.lines.first == "OK PONG")
    }

    @Test(
        "Who deletes while a daemon serves is told the line that does it, and the line does it",
        arguments: [false, true])
    func deleteBeside(forgets: Bool) throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        let put = try Program.run(["query", "--socket", daemon.socket, "PUT id=\"o'hara 1\" report=\"Left effusion.\""])
        #expect(put.status == 0, "\(put.text)")
        let refused = try Program.run(["delete", archive, "o'hara 1"] + (forgets ? ["--forget"] : []))
        #expect(refused.status == 1 && refused.errors.contains("process \(daemon.identifier) has this archive open"))
        // The daemon of a test listens elsewhere than where one is looked for.
        let start = try #require(refused.errors.range(of: "hilum query --socket SOCKET "), "\(refused.errors)")
        let word = refused.errors[start.upperBound...].trimmingCharacters(in: .whitespacesAndNewlines)
        let said = try Program.run(
            ["-c", "\"$0\" query --socket \"$1\" \(word)", Program.path, daemon.socket], program: "/bin/sh")
        #expect(
            said.status == 0 && said.lines.last?.hasPrefix("OK id=") == true, "\(word): \(said.text) \(said.errors)")
        #expect(try Program.run(["get", archive, "o'hara 1"]).status == 4)
    }

    @Test("A daemon measures the queries it answered, and the program can ask for a recall")
    func recall() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        func search(_ recall: String) throws -> Program.Result {
            try Program.run([
                "search", "--socket", daemon.socket, "--text", "effusion", "-k", "3", "--recall", recall, "--json",
            ])
        }
        let early = try search("0.9")
        #expect(early.status == 0 && early.lines.count == 3, "\(early.errors)")
        #expect(early.errors.contains("(ef 128, recall not known yet)"), "\(early.errors)")
        let session = try daemon.session()
        for number in 0..<40 { _ = try session.ask("SEARCH text=\"nodule \(number)\" k=1") }
        let end = monotonicSeconds() + 120
        var samples = 0
        while samples < 2 * 41 && monotonicSeconds() < end {
            let metrics = try session.ask("METRICS").joined()
            samples = metrics.matches(of: /hilum_recall_samples_total\{kind=\\"[a-z]+\\"\} ([0-9]+)/).reduce(0) {
                $0 + (Int($1.output.1) ?? 0)
            }
            // A daemon that is asked without a rest has no idle time.
            usleep(20_000)
        }
        #expect(samples == 2 * 41)
        let later = try search("0.9")
        #expect(later.errors.contains(/\(ef [0-9]+, recall 0\.9[0-9]+\)/), "\(later.errors)")
        #expect(later.status == 0 && later.lines.count == 3)
    }

    @Test("A second daemon on the same archive is refused in words, and the first goes on")
    func secondDaemon() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        for socket in [daemon.socket, scratch.path("other")] {
            let second = try Program.run(["serve", archive, "--socket", socket])
            #expect(second.status == 1)
            #expect(second.errors.contains("\(daemon.identifier)"), "does not name the holder: \(second.errors)")
        }
        #expect(try daemon.session().ask("PING") == ["OK PONG"])
        daemon.kill()
        let third = try Daemon(archive: archive, in: scratch)
        #expect(try third.session().ask("PING") == ["OK PONG"], "a stale socket is no obstacle")
    }

    @Test("What is dropped into the inbox is found two seconds after it stopped changing")
    func inbox() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let inbox = scratch.path("inbox")
        try FileIO.makeFolder(inbox)
        let daemon = try Daemon(archive: world.archive(in: scratch), in: scratch, inbox: inbox)
        let session = try daemon.session()
        #expect(try session.ask("GET id=dropped").last?.hasPrefix("ERR NOTFOUND") == true)
        let drawn = PhantomGenerator(seed: 77, site: .a, side: 64).makeCase(1)
        _ = try scratch.write("inbox/dropped.txt", drawn.report)
        try FileIO.writeAtomically(inbox + "/dropped.png", try PNGEncoder.encode(drawn.image))
        let written = monotonicSeconds()
        var waited = 0.0
        // A case is on disk, where GET sees it, a moment before it is in the graphs, where a search does.
        func isFound() throws -> Bool { try session.ask("SEARCH id=dropped k=1")[0].contains("\"id\":\"dropped\"") }
        while try !isFound() {
            waited = monotonicSeconds() - written
            try #require(waited < 60, "the inbox was not read: \(daemon.errors)")
            usleep(20_000)
        }
        // Two seconds on a machine that does nothing else; tests run side by side, so the bound here is wider.
        #expect(waited < 6)
        #expect(try isFound())
        #expect(try session.ask("GET id=dropped")[0].contains("\"id\":\"dropped\""))
    }

    @Test("Thirty clients that never read and one that does: the one is answered")
    func slowClients() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let silent = try (0..<30).map { _ in try daemon.session() }
        for session in silent { try session.send("SEARCH text=\"effusion\" k=40\n") }
        let session = try daemon.session()
        for _ in 0..<20 { #expect(try session.ask("PING") == ["OK PONG"]) }
        withExtendedLifetime(silent) {}
    }
}
