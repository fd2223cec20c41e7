import Foundation
import HilumCore
import HilumMCR
import HilumPhantom
import Testing

/// What a daemon goes through in one night, by the built program.
@Suite("One night")
struct NightTests {
    private func secondModel(in scratch: Scratch) throws -> String {
        let reports = (0..<World.caseCount).map { PhantomGenerator(seed: 11, site: .a, side: 64).makeCase($0).report }
        let path = scratch.path("second")
        let vocabulary = try VocabularyBuilder.build(texts: reports, terms: [], size: 600)
        try MCRModel(untrained: .micro, vocabulary: vocabulary, seed: 6).save(to: path)
        return path
    }

    private func object(_ session: SocketSession, _ line: String) throws -> JSON {
        try JSON(parsing: try #require(try session.ask(line).first))
    }

    /// Ten hits by vectors, with their scores, and the generation that they come from.
    private func hits(_ daemon: Daemon) throws -> (lines: [String], generation: String) {
        let answer = try daemon.session().ask("SEARCH id=phantom-A-11-000000 k=10 exact=1 self=0")
        try #require(answer.count == 11, "\(answer)")
        let generation = answer[10].split(separator: " ").first { $0.hasPrefix("gen=") }
        return (Array(answer.dropLast()), generation.map(String.init) ?? "")
    }

    private func waitFor(_ what: String, within seconds: Double = 120, _ condition: () throws -> Bool) throws {
        let end = monotonicSeconds() + seconds
        while try !condition() {
            try #require(monotonicSeconds() < end, "\(what)")
            usleep(20_000)
        }
    }

    @Test("Ingest, re-embed, kill, resume, switch, roll back, snapshot, restore elsewhere: the same ten hits")
    func night() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let inbox = scratch.path("inbox")
        let archive = try world.archive(in: scratch)
        try FileManager.default.copyItem(atPath: world.phantoms, toPath: inbox)
        var daemon = try Daemon(archive: archive, in: scratch, inbox: inbox)
        try waitFor("the inbox is taken in, both halves of each case") {
            let stats = try object(daemon.session(), "STATS")
            return stats["images"]?.integer == World.caseCount && stats["reports"]?.integer == World.caseCount
        }
        // What is stored is counted a moment before it is linked.
        try waitFor("they are found") {
            try daemon.session().ask("SEARCH id=phantom-A-11-000000 k=48 exact=1 self=0").count == World.caseCount
        }
        let before = try hits(daemon)
        #expect(before.generation == "gen=1")

        // Re-embed, and kill the daemon half way.
        let model = try secondModel(in: scratch)
        #expect(try object(daemon.session(), "REEMBED start model=\(model) rate=12")["state"]?.string != nil)
        var done = 0
        try waitFor("a part is encoded") {
            done = try object(daemon.session(), "REEMBED status")["done"]?.integer ?? 0
            return done >= 8
        }
        daemon.kill()
        daemon = try Daemon(archive: archive, in: scratch, inbox: inbox)
        let resumed = try object(daemon.session(), "REEMBED status")
        #expect(resumed["done"]?.integer ?? 0 >= done, "what was committed is not done again")
        #expect(try hits(daemon).lines == before.lines, "the former generation answers as before")

        // A case that comes meanwhile goes into both.
        let late = PhantomGenerator(seed: 77, site: .a, side: 64).makeCase(0)
        _ = try scratch.write("inbox/late.txt", late.report)
        _ = try object(daemon.session(), "REEMBED pace rate=1000")
        try waitFor("all is encoded") {
            let status = try object(daemon.session(), "REEMBED status")
            return status["state"]?.string == "ready" && status["done"]?.integer == World.caseCount + 1
        }
        let first = try hits(daemon)
        #expect(first.generation == "gen=1")
        #expect(try daemon.session().ask("REEMBED switch").last?.hasPrefix("OK") == true)
        let second = try hits(daemon)
        #expect(second.generation == "gen=2" && second.lines != first.lines, "another model, other hits")
        #expect(try daemon.session().ask("REEMBED rollback").last?.hasPrefix("OK") == true)
        let back = try hits(daemon)
        #expect(back.generation == "gen=1" && back.lines == first.lines)
        #expect(try daemon.session().ask("REEMBED switch").last?.hasPrefix("OK") == true)

        // A copy elsewhere answers the same.
        let copy = scratch.path("copy")
        #expect(try daemon.session().ask("SNAPSHOT to=\(copy)").last?.hasPrefix("OK bytes=") == true)
        #expect(daemon.stop() == 0)
        let restored = scratch.path("elsewhere")
        let restore = try Program.run(["restore", copy, restored])
        #expect(restore.status == 0, "\(restore.errors)")
        for place in [archive, restored] {
            let check = try Program.run(["check", place, "--deep"])
            #expect(check.status == 0, "\(place): \(check.errors)")
        }
        let other = try Daemon(archive: restored, in: scratch, socket: scratch.path("t"))
        let again = try hits(other)
        #expect(again.generation == "gen=2" && again.lines == second.lines)
        #expect(other.stop() == 0)
    }
}
