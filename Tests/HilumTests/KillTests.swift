import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

/// `kill -9` at random moments: what was acknowledged is there afterwards.
@Suite("Killed runs", .serialized)
struct KillTests {
    @Test("An index run that is killed again and again loses nothing it had stored, stays sound and can be finished")
    func killedIndexRuns() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        // Several batches, so that a kill may fall before, between and within commits.
        let count = 400
        let phantoms = scratch.path("phantoms")
        let drawn = ["phantom", phantoms, "--count", "\(count)", "--side", "64", "--seed", "31", "--quiet"]
        try #require(try Program.run(drawn).status == 0)
        let first = scratch.path("whole")
        try #require(try Program.run(["init", first, "--model", world.model]).status == 0)
        let started = monotonicSeconds()
        try #require(try Program.run(["index", first, phantoms, "--quiet"]).status == 0)
        let wholeRun = monotonicSeconds() - started

        var generator = SeededGenerator(seed: 20)
        var kills = 0
        var attempt = 0
        while kills < 20 {
            attempt += 1
            try #require(attempt <= 20, "the runs end before they can be killed")
            let archive = scratch.path("archive-\(attempt)")
            #expect(try Program.run(["init", archive, "--model", world.model]).status == 0)
            var stored = 0
            while kills < 20 {
                let process = try Program.start(
                    ["index", archive, phantoms, "--quiet"], output: FileHandle.nullDevice,
                    errors: FileHandle.nullDevice)
                usleep(UInt32(generator.uniform() * wholeRun * 0.7 * 1e6))
                let wasRunning = process.isRunning
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                if wasRunning && process.terminationReason == .uncaughtSignal { kills += 1 }
                let check = try Program.run(["check", archive, "--deep", "--json"])
                #expect(check.status == 0, "after kill \(kills): \(check.text) \(check.errors)")
                let cases = try check.object()["cases"] as? Int ?? -1
                #expect(cases >= stored, "kill \(kills) lost cases: \(stored) before, \(cases) after")
                stored = cases
                if stored == count { break }
            }
            let finished = try Program.run(["index", archive, phantoms, "--json"])
            #expect(finished.status == 0, "\(finished.errors)")
            let summary = try finished.object()
            #expect(summary["stored"] as? Int == count - stored, "finished work was done twice")
            #expect(summary["unchanged"] as? Int == stored)
            #expect(try Program.run(["stats", archive, "--json"]).object()["cases"] as? Int == count)
        }
    }

    @Test("A daemon that is killed amid a stream of PUTs has every case it acknowledged")
    func killedDaemon() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        var generator = SeededGenerator(seed: 21)
        let drawer = PhantomGenerator(seed: 5, site: .a, side: 64)
        let images = try (0..<6).map { try PNGEncoder.encode(drawer.makeCase($0).image) }
        var acknowledged: Set<String> = []
        var next = 0
        // At least twenty; on a busy machine as many as it takes until something was stored.
        var round = 0
        while round < 20 || acknowledged.count <= 20 && round < 100 {
            defer { round += 1 }
            let daemon = try Daemon(archive: archive, in: scratch)
            let session = try daemon.session()
            for id in acknowledged.sorted() {
                #expect(try session.ask("GET id=\(id)").last?.hasPrefix("OK") == true, "round \(round): \(id) is lost")
            }
            let killer = daemon.identifier
            let delay = UInt32(generator.uniform() * 250_000)
            let timer = Thread {
                usleep(delay); Foundation.kill(killer, SIGKILL)
            }
            timer.start()
            var pending: [String] = []
            do {
                while true {
                    // Several in flight, so that the daemon commits them in groups; every third brings an image.
                    while pending.count < 4 {
                        let id = "case-\(next)"
                        let words = "PUT id=\(id) report=\"number \(next), no acute disease\" view=PA"
                        let image = images[next % images.count]
                        if next % 3 == 0 {
                            try session.send(Array("\(words) bytes=\(image.count)\n".utf8) + image)
                        } else {
                            try session.send(words + "\n")
                        }
                        pending.append(id)
                        next += 1
                    }
                    let id = pending.removeFirst()
                    let reply = try session.reply()
                    if reply.last?.hasPrefix("OK id=\(id)") == true { acknowledged.insert(id) }
                }
            } catch {
                // The connection ended with the daemon.
            }
            daemon.kill()
            let check = try Program.run(["check", archive, "--deep", "--json"])
            #expect(check.status == 0, "round \(round): \(check.text) \(check.errors)")
            #expect(try check.object()["cases"] as? Int ?? -1 >= acknowledged.count)
        }
        #expect(acknowledged.count > 20, "the daemon was killed before it did anything")
        let daemon = try Daemon(archive: archive, in: scratch)
        let session = try daemon.session()
        for id in acknowledged.sorted() {
            #expect(try session.ask("GET id=\(id)").last?.hasPrefix("OK") == true, "\(id) is lost")
        }
        #expect(daemon.stop() == 0)
    }
}
