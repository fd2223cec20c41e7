import Foundation
import HilumCore
import Testing

/// `hilum follow`, beside a leader that is killed.
@Suite("hilum follow")
struct FollowCallTests {
    /// A copy that follows, until the test ends.
    private final class Copy {
        let socket: String
        private let process: Process

        init(_ leader: String, _ archive: String, in scratch: Scratch) throws {
            socket = scratch.path("c")
            process = try Program.start(
                ["follow", leader, archive, "--socket", socket, "--every", "0.05"], output: FileHandle.nullDevice,
                errors: try scratch.handle("copy.log"))
        }

        deinit {
            process.terminate()
            process.waitUntilExit()
        }

        func pause(_ isOn: Bool) { kill(process.processIdentifier, isOn ? SIGSTOP : SIGCONT) }

        func ask(_ line: String) throws -> String {
            try #require(try SocketSession(path: socket).ask(line).last)
        }

        /// Waits until a request gets an answer that begins so.
        func wait(_ line: String, _ answer: String, within seconds: Double = 60) throws {
            let end = monotonicSeconds() + seconds
            var last = ""
            while monotonicSeconds() < end {
                last = (try? ask(line)) ?? last
                if last.hasPrefix(answer) { return }
                usleep(20_000)
            }
            Issue.record("\(line): \(last) in place of \(answer)")
        }
    }

    @Test("A copy comes from a snapshot, then by number; the leader's death costs nothing, and a gap starts it anew")
    func follows() throws {
        let scratch = try Scratch()
        let archive = try World.shared().archive(in: scratch)
        var leader = try Daemon(archive: archive, in: scratch)
        #expect(try leader.session().ask(#"PUT id=first report="Left effusion.""#).last?.hasPrefix("OK") == true)
        let copy = try Copy(leader.socket, scratch.path("copy"), in: scratch)
        try copy.wait("GET id=first", "OK")
        try copy.wait("PING", "OK PONG lag=0.")
        #expect(try leader.session().ask(#"PUT id=second report="Right effusion.""#).last?.hasPrefix("OK") == true)
        try copy.wait("GET id=second", "OK")
        #expect(try copy.ask(#"PUT id=third report="Nothing.""#).hasPrefix("ERR READONLY"))
        leader.kill()
        // It answers while its leader is down, and says that it may be behind.
        #expect(try copy.ask("COUNT") == "OK count=2")
        copy.pause(true)
        leader = try Daemon(archive: archive, in: scratch)
        #expect(try leader.session().ask("DELETE id=first").last?.hasPrefix("OK") == true)
        leader.kill()
        leader = try Daemon(archive: archive, in: scratch)
        copy.pause(false)
        try copy.wait("GET id=first", "ERR NOTFOUND")
        #expect(try leader.session().ask(#"PUT id=third report="Nodule.""#).last?.hasPrefix("OK") == true)
        try copy.wait("GET id=third", "OK")
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
        #expect(!names.contains { $0.hasPrefix("copy.") && $0 != "copy.log" }, "\(names)")
    }

    @Test("A folder of snapshots is followed: the newest takes the copy's place")
    func followsSnapshots() throws {
        let scratch = try Scratch()
        let archive = try World.shared().archive(in: scratch)
        try FileIO.makeFolder(scratch.path("snapshots"))
        #expect(try Program.run(["snapshot", archive, scratch.path("snapshots/1"), "-q"]).status == 0)
        let copy = try Copy(scratch.path("snapshots"), scratch.path("copy"), in: scratch)
        try copy.wait("COUNT", "OK count=0")
        let leader = try Daemon(archive: archive, in: scratch)
        #expect(try leader.session().ask(#"PUT id=first report="Left effusion.""#).last?.hasPrefix("OK") == true)
        let target = scratch.path("snapshots/2")
        // By the second in which it was begun.
        sleep(1)
        #expect(try leader.session().ask("SNAPSHOT to=\(target)").last?.hasPrefix("OK") == true)
        try copy.wait("COUNT", "OK count=1")
        try copy.wait("PING", "OK PONG lag=")
    }

    @Test("What cannot be followed is said in a sentence")
    func refusals() throws {
        let scratch = try Scratch()
        // An archive of its own is not replaced by a copy, whatever is followed.
        let own = try World.shared().archive(in: scratch, indexed: true)
        let before = try Program.run(["stats", own, "--json"]).object()["cases"] as? Int
        try FileManager.default.createDirectory(atPath: scratch.path("leader"), withIntermediateDirectories: true)
        let onto = try Program.run(["follow", scratch.path("leader"), own])
        #expect(onto.status == 1 && onto.errors.contains("no copy"), "\(onto.errors)")
        #expect(try Program.run(["stats", own, "--json"]).object()["cases"] as? Int == before && before ?? 0 > 0)
        let nobody = try Program.run(["follow", scratch.path("nobody"), scratch.path("copy")])
        #expect(nobody.status == 1 && nobody.errors.contains("no socket of a daemon and no folder of snapshots"))
        try FileIO.makeFolder(scratch.path("empty"))
        let empty = try Program.run(["follow", scratch.path("empty"), scratch.path("copy")])
        #expect(empty.status == 1 && empty.errors.contains("there is no snapshot here"))
        let often = try Program.run(["follow", scratch.path("empty"), scratch.path("copy"), "--every", "0"])
        #expect(often.status == 2)
    }
}
