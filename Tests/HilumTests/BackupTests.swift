import Foundation
import Testing

/// `hilum snapshot`, `restore` and `compact`, and SNAPSHOT of the daemon, through the built program.
@Suite("Backup")
struct BackupTests {
    private func ids(_ archive: String) throws -> [String] {
        let found = try Program.run(["search", archive, "--text", "effusion", "-k", "10", "--json"])
        #expect(found.status == 0, "\(found.errors)")
        return found.text.split(separator: "\n").map(String.init)
    }

    @Test("A night's copy, restored elsewhere and in place, answers the same")
    func snapshotAndRestore() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let copy = scratch.path("copy")
        let made = try Program.run(["snapshot", archive, copy, "--json"])
        #expect(made.status == 0, "\(made.errors)")
        let object = try made.object()
        #expect(object["cases"] as? Int == World.caseCount && (object["sha256"] as? String)?.count == 64)
        let wanted = try ids(archive)
        #expect(wanted.count == 10)

        let elsewhere = scratch.path("elsewhere")
        let restored = try Program.run(["restore", copy, elsewhere])
        #expect(restored.status == 0 && restored.text.contains("\(World.caseCount) cases"), "\(restored.errors)")
        #expect(try ids(elsewhere) == wanted)
        #expect(try Program.run(["check", elsewhere, "--deep"]).status == 0)

        #expect(try Program.run(["snapshot", archive, copy]).status == 1)
        let refused = try Program.run(["restore", copy, archive])
        #expect(refused.status == 1 && refused.errors.contains("--replace"))
        let replaced = try Program.run(["restore", copy, archive, "--replace", "--json"])
        #expect(replaced.status == 0, "\(replaced.errors)")
        #expect(try (replaced.object()["former"] as? String)?.hasSuffix(".before-restore-1") == true)
        #expect(try ids(archive) == wanted)

        let small = try Program.run(["compact", archive, "--json"])
        #expect(small.status == 0, "\(small.errors)")
        let sizes = try small.object()
        let (before, after) = (sizes["before"] as? Int ?? 0, sizes["after"] as? Int ?? 0)
        #expect(after > 0 && after <= before)
        #expect(try ids(archive) == wanted)
        #expect(try Program.run(["compact", scratch.path("none")]).status == 1)
        #expect(try Program.run(["restore", scratch.path("none"), archive, "--replace"]).status == 1)
        #expect(try Program.run(["snapshot", archive]).status == 2)
    }

    @Test("Nothing changes a snapshot, so that it can be restored; whoever only reads it may")
    func snapshotsStay() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let copy = scratch.path("copy")
        #expect(try Program.run(["snapshot", archive, copy]).status == 0)
        let wanted = try ids(archive)
        let id = try #require(try Program.run(["search", copy, "--text", "effusion", "--json"]).objects().first?["id"])
        for call in [
            ["compact", copy], ["index", copy, world.phantoms], ["delete", copy, "\(id)"],
            ["serve", copy, "--socket", scratch.path("s")], ["reembed", copy, "--model", world.model],
        ] {
            let refused = try Program.run(call)
            #expect(refused.status == 1 && refused.errors.contains("hilum restore"), "\(call): \(refused.errors)")
        }
        #expect(try ids(copy) == wanted)
        #expect(try Program.run(["check", copy]).status == 0)
        #expect(try Program.run(["restore", copy, scratch.path("again")]).status == 0)
        // One that an earlier release has written to is an archive, and goes on as one.
        let (file, kept) = (copy + "/snapshot.json", scratch.path("snapshot.json"))
        try FileManager.default.moveItem(atPath: file, toPath: kept)
        #expect(try Program.run(["delete", copy, "\(id)"]).status == 0)
        try FileManager.default.moveItem(atPath: kept, toPath: file)
        let indexed = try Program.run(["index", copy, world.phantoms, "--again", "--quiet"])
        #expect(indexed.status == 0, "\(indexed.errors)")
        #expect(try Program.run(["get", copy, "\(id)"]).status == 0)
    }

    @Test("A model that is missing or another one is found by check, snapshot and restore")
    func models() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let other = try World.otherModel(in: scratch)
        for (number, name) in ["vocab.txt", "weights.safetensors"].enumerated() {
            let (file, kept) = ("\(archive)/model/\(name)", scratch.path("kept"))
            try FileManager.default.moveItem(atPath: file, toPath: kept)
            if number == 1 { try FileManager.default.copyItem(atPath: "\(other)/\(name)", toPath: file) }
            let checked = try Program.run(["check", archive])
            #expect(checked.status == 1 && checked.text.contains("the model cannot be used"), "\(checked.text)")
            let (copy, again) = (scratch.path("copy\(number)"), scratch.path("again\(number)"))
            for call in [["snapshot", archive, copy], ["restore", copy, again]] {
                let warned = try Program.run(call)
                #expect(warned.status == 3 && warned.errors.contains("its model cannot be used"), "\(warned.errors)")
            }
            if number == 1 { try FileManager.default.removeItem(atPath: file) }
            try FileManager.default.moveItem(atPath: kept, toPath: file)
        }
        #expect(try Program.run(["check", archive]).status == 0)
    }

    @Test("A daemon makes a snapshot while it serves, and keeps its archive from being compacted")
    func fromTheDaemon() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        defer { daemon.stop() }
        let copy = scratch.path("copy")
        let reply = try Program.run(["query", "--socket", daemon.socket, "SNAPSHOT to=\(copy)"])
        #expect(reply.status == 0 && reply.text.hasPrefix("OK bytes="), "\(reply.text)\(reply.errors)")
        #expect(reply.text.contains(" cases=\(World.caseCount) "))
        let second = try Program.run(["query", "--socket", daemon.socket, "SNAPSHOT to=\(copy)"])
        #expect(second.text.hasPrefix("ERR EXISTS "))
        let beside = try Program.run(["snapshot", archive, scratch.path("beside")])
        #expect(beside.status == 0, "also beside the daemon: \(beside.errors)")
        #expect(try Program.run(["compact", archive]).status == 1)
        #expect(try Program.run(["restore", copy, archive, "--replace"]).status == 1)
        let restored = try Program.run(["restore", copy, scratch.path("again")])
        #expect(restored.status == 0, "\(restored.errors)")
        #expect(try ids(scratch.path("again")).count == 10)
    }
}
