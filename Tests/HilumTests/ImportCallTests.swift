import Foundation
import HilumCore
import Testing

@testable import hilum

/// `hilum import`, `hilum export` and `hilum embed --shard` through the built program.
@Suite("hilum import")
struct ImportCallTests {
    /// A search by a stored case, as ids and scores.
    private func hits(_ archive: String, _ id: String) throws -> [String] {
        let found = try Program.run(["search", archive, "--id", id, "-k", "10", "--json", "--exact"])
        try #require(found.status == 0, "\(found.errors)")
        return try found.objects().map { "\($0["id"] ?? "") \($0["score"] ?? "") \($0["via"] ?? "")" }
    }

    private func phantomIDs(_ world: World) throws -> [String] {
        try String(contentsOfFile: world.phantoms + "/cases.jsonl", encoding: .utf8).split(separator: "\n").compactMap {
            try JSON(parsing: String($0))["id"]?.string
        }
    }

    @Test(
        "What is exported and imported into a new archive gives the same ten hits", arguments: ["npy", "fvecs", "clip"])
    func roundTrip(_ format: String) throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let out = scratch.path("out")
        let done = try Program.run(["export", archive, out, "--format", format, "--with", "fields,report", "-q"])
        try #require(done.status == 0, "\(done.errors)")
        let copy = scratch.path("copy")
        #expect(try Program.run(["init", copy, "--model", world.model]).status == 0)
        let made = try Program.run(["import", copy, out, "--json", "-q"])
        try #require(made.status == 0, "\(made.errors) \(made.text)")
        #expect(try made.object()["stored"] as? Int == World.caseCount)
        for id in try phantomIDs(world).prefix(12) { #expect(try hits(copy, id) == hits(archive, id), "\(id)") }
        for words in [["--text", "effusion", "--mode", "words"], ["--text", "nodule", "--where", "finding=nodule"]] {
            let (first, second) = try (
                Program.run(["search", archive] + words + ["--json"]),
                Program.run(["search", copy] + words + ["--json"])
            )
            let (left, right) = try (first.objects(), second.objects())
            #expect(left.map { $0["id"] as? String } == right.map { $0["id"] as? String } && !left.isEmpty)
        }
        let again = try Program.run(["import", copy, out, "--json", "-q"])
        #expect(try again.status == 0 && again.object()["unchanged"] as? Int == World.caseCount)
        let back = scratch.path("back")
        #expect(try Program.run(["export", copy, back, "--format", format, "-q"]).status == 0)
        let file = format == "clip" ? "img_emb/img_emb_0.npy" : "images.\(format)"
        #expect(try FileIO.read("\(out)/\(file)") == FileIO.read("\(back)/\(file)"), "byte for byte")
        #expect(try Program.run(["check", copy, "--deep"]).status == 0)
    }

    @Test("Vectors of another model are refused, and damage of an exported file is noticed")
    func refusals() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let out = scratch.path("out")
        #expect(try Program.run(["export", archive, out, "-q"]).status == 0)
        let foreign = scratch.path("foreign")
        #expect(try Program.run(["init", foreign]).status == 0)
        let refused = try Program.run(["import", foreign, out + "/images.npy"])
        #expect(refused.status == 1 && refused.errors.contains("make an archive of their own"), "\(refused.errors)")
        var bytes = try FileIO.read(out + "/images.npy")
        bytes[bytes.count - 7] ^= 1
        try FileIO.writeAtomically(out + "/images.npy", bytes)
        let copy = scratch.path("copy")
        #expect(try Program.run(["init", copy, "--model", world.model]).status == 0)
        let damaged = try Program.run(["import", copy, out, "--json", "-q"])
        #expect(damaged.status == 3)
        let list = try #require(try damaged.object()["refused"] as? [[String: Any]])
        #expect(list.count == 1 && (list[0]["reason"] as? String)?.contains("damaged") == true)
        #expect((list[0]["source"] as? String)?.hasSuffix("/images.npy") == true)
        let foreignCase = try Program.run(["import", archive, out + "/reports.npy", "--json", "-q"])
        #expect(foreignCase.status == 3, "they came from a folder")
        #expect(try Program.run(["import", copy, scratch.path("none.npy")]).status == 1)
        #expect(try Program.run(["import", scratch.path("none"), out]).status == 1)
        #expect(try Program.run(["import", copy]).status == 2)
    }

    @Test("Parts depend on ids alone, are made once, and join to what one run makes")
    func shards() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let manifest = world.phantoms + "/cases.jsonl"
        let base = ["embed", "--model", world.model, "--manifest", manifest, "--quiet"]
        func part(_ number: Int) -> String { scratch.path("part-\(number)") }
        var ids: Set<String> = []
        var rows = 0
        for number in 1...3 {
            let made = try Program.run(base + ["--shard", "\(number)/3", "--out", part(number), "--json"])
            try #require(made.status == 0, "\(made.errors)")
            rows += try made.object()["rows"] as? Int ?? 0
            let lines = try String(contentsOfFile: part(number) + ".jsonl", encoding: .utf8).split(separator: "\n")
            let own = Set(try lines.compactMap { try JSON(parsing: String($0))["id"]?.string })
            #expect(ids.isDisjoint(with: own) && !own.isEmpty)
            ids.formUnion(own)
        }
        #expect(ids.count == World.caseCount && rows == 2 * World.caseCount)
        // Again: nothing is made.
        let before = try FileIO.read(part(1))
        let again = try Program.run(base + ["--shard", "1/3", "--out", part(1), "--json"])
        #expect(try again.status == 0 && again.object()["unchanged"] as? Bool == true, "\(again.errors)")
        // A damaged part is made again, bit for bit.
        var bytes = before
        bytes[bytes.count - 1] ^= 1
        try FileIO.writeAtomically(part(1), bytes)
        let mended = try Program.run(base + ["--shard", "1/3", "--out", part(1), "--json"])
        #expect(try mended.status == 0 && mended.object()["unchanged"] as? Bool == false)
        #expect(try FileIO.read(part(1)) == before)
        // Another part, or somebody's own file, is not written over.
        let other = try Program.run(base + ["--shard", "2/3", "--out", part(1)])
        #expect(other.status == 1 && other.errors.contains("stands here already"))

        let archive = try world.archive(in: scratch)
        let joined = try Program.run(["import", archive, part(3), part(1), part(2), "--json", "-q"])
        #expect(try joined.status == 0 && joined.object()["stored"] as? Int == World.caseCount, "\(joined.errors)")
        let twice = try Program.run(["import", archive, part(2), part(1), part(3), part(1), "--json", "-q"])
        #expect(try twice.status == 0 && twice.object()["unchanged"] as? Int == World.caseCount)
        let missing = try Program.run(["import", archive, part(2), part(3), "--json", "-q"])
        #expect(missing.status == 3 && missing.text.contains("part 1/3"))
        // One run of all gives the same vectors.
        let whole = scratch.path("whole.npy")
        #expect(try Program.run(base + ["--out", whole]).status == 0)
        let single = scratch.path("single")
        #expect(try Program.run(["init", single, "--model", world.model]).status == 0)
        #expect(try Program.run(["import", single, whole, "-q"]).status == 0)
        for (from, to) in [(archive, "a"), (single, "b")] {
            #expect(try Program.run(["export", from, scratch.path(to), "-q"]).status == 0)
        }
        for name in ["images.npy", "images.jsonl", "reports.npy", "reports.jsonl"] {
            #expect(try FileIO.read(scratch.path("a/\(name)")) == FileIO.read(scratch.path("b/\(name)")), "\(name)")
        }
        // One case more moves none.
        let more =
            try String(contentsOfFile: manifest, encoding: .utf8)
            + "{\"id\":\"one-more\",\"report\":\"An effusion.\"}\n"
        let grown = try scratch.write("grown/cases.jsonl", more)
        for name in ["images", "reports"] {
            try FileManager.default.createSymbolicLink(
                atPath: scratch.path("grown/\(name)"), withDestinationPath: "\(world.phantoms)/\(name)")
        }
        var changed = 0
        for number in 1...3 {
            let path = scratch.path("grown-\(number).npy")
            let made = try Program.run(
                ["embed", "--model", world.model, "--manifest", grown, "--shard", "\(number)/3", "--out", path, "-q"])
            try #require(made.status == 0, "\(made.errors)")
            if try FileIO.read(path) != FileIO.read(part(number)) { changed += 1 }
        }
        #expect(changed == 1)
    }

    @Test("Vectors of another encoder are searched by vec= in an archive of their own, by the daemon too")
    func space() throws {
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        let made = try Program.run(["init", archive, "--space", "biovil-t", "--dim", "4", "--json"])
        #expect(try made.status == 0 && made.object()["model"] as? String == "space:biovil-t", "\(made.errors)")
        let vectors: [[Float]] = [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0.5, 0.5], [.nan, 0, 0, 0]]
        var bytes = NumpyFile.bytes(vectors.flatMap { $0 }, columns: 4)
        _ = try scratch.write(
            "ids.jsonl", (0..<4).map { "{\"id\":\"c\($0)\",\"report\":\"Word w\($0), effusion.\"}\n" }.joined())
        try FileIO.writeAtomically(scratch.path("v.npy"), bytes)
        let done = try Program.run([
            "import", archive, scratch.path("v.npy"), scratch.path("ids.jsonl"), "--json", "-q",
        ])
        #expect(try done.status == 3 && done.object()["stored"] as? Int == 3, "\(done.errors)")
        #expect(done.text.contains("ids.jsonl:4") && done.text.contains("NaN"))
        for words in [["index", archive, scratch.path("")], ["eval", archive, "--data", scratch.path("")]] {
            let refused = try Program.run(words)
            #expect(refused.status == 1 && refused.errors.contains("space biovil-t"), "\(words[0]): \(refused.errors)")
        }
        let text = try Program.run(["search", archive, "--text", "effusion"])
        #expect(text.status == 1 && text.errors.contains("mode=words"), "\(text.errors)")
        let words = try Program.run(["search", archive, "--text", "w1", "--mode", "words", "--json"])
        #expect(try words.status == 0 && words.objects().map { $0["id"] as? String } == ["c1"], "\(words.errors)")
        bytes = NumpyFile.bytes([0, 3, 0.1, 0], columns: 4)
        try FileIO.writeAtomically(scratch.path("q.npy"), bytes)
        let byVector = try Program.run(["search", archive, "--vec", scratch.path("q.npy"), "-k", "1", "--json"])
        #expect(try byVector.status == 0 && byVector.objects().first?["id"] as? String == "c1", "\(byVector.errors)")

        let daemon = try Daemon(archive: archive, in: scratch)
        let session = try daemon.session()
        let query = Data(
            [Float](arrayLiteral: 0, 0, 1, 1).flatMap { value in withUnsafeBytes(of: value) { Array($0) } })
        let reply = try session.ask("SEARCH vec=f32:\(query.base64EncodedString()) k=1")
        #expect(reply.first?.contains("\"id\":\"c2\"") == true, "\(reply)")
        let asked = try session.ask("SEARCH text=\"effusion\"")
        #expect(asked.last?.hasPrefix("ERR NOTREADY") == true && asked.last?.contains("vec=") == true, "\(asked)")
        let put = try session.ask("PUT id=x report=\"An effusion.\"")
        #expect(put.last?.hasPrefix("ERR NOTREADY") == true && put.last?.contains("hilum import") == true, "\(put)")
        #expect(try session.ask("HELLO").first?.contains("space:biovil-t") == true)
        let busy = try Program.run(["import", archive, scratch.path("v.npy"), scratch.path("ids.jsonl")])
        #expect(busy.status == 1 && busy.errors.contains("stop it for the import"), "\(busy.errors)")
        let asker = try Program.run([
            "search", "--socket", daemon.socket, "--vec", scratch.path("q.npy"), "-k", "1", "--json",
        ])
        #expect(try asker.objects().first?["id"] as? String == "c1", "\(asker.errors)")
        daemon.stop()
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
    }

    @Test("A generation is made of vectors from files, switched to, rolled back and dropped")
    func generation() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let ids = try phantomIDs(world)
        func vector(_ index: Int) -> [Float] { (0..<7).map { Float(1 + (index * 31 + $0 * $0 * 17) % 101) - 50 } }
        try FileIO.writeAtomically(
            scratch.path("v.npy"), NumpyFile.bytes((0..<(2 * ids.count)).flatMap(vector), columns: 7))
        let lines = ["image", "report"].flatMap { kind in ids.map { "{\"id\":\"\($0)\",\"kind\":\"\(kind)\"}\n" } }
        _ = try scratch.write("v.jsonl", lines.joined())
        let words = ["import", archive, scratch.path("v.npy"), "--generation", "next", "--name", "m7", "-q", "--json"]
        let made = try Program.run(words)
        #expect(try made.status == 0 && made.object()["stored"] as? Int == ids.count, "\(made.errors)")
        #expect(try Program.run(words).object()["unchanged"] as? Int == ids.count)
        let status = try Program.run(["reembed", archive, "--status"])
        #expect(status.text.contains("model space:m7, 7 dimensions"), "\(status.text)")
        let compared = try Program.run(["reembed", archive, "--switch", "--if-better", "--data", world.phantoms])
        #expect(compared.status == 1 && compared.errors.contains("space m7"), "\(compared.errors)")
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
        let before = try hits(archive, ids[3])
        #expect(try Program.run(["reembed", archive, "--switch"]).status == 0)
        try FileIO.writeAtomically(scratch.path("q.npy"), NumpyFile.bytes(vector(5), columns: 7))
        let found = try Program.run(["search", archive, "--vec", scratch.path("q.npy"), "-k", "1", "--json"])
        #expect(try found.objects().first?["id"] as? String == ids[5], "\(found.errors)")
        let back = try Program.run(["reembed", archive, "--rollback", "--json"])
        #expect(back.status == 0, "\(back.errors)")
        #expect(try hits(archive, ids[3]) == before)
        #expect(try Program.run(["reembed", archive, "--switch"]).status == 0)
        #expect(try Program.run(["reembed", archive, "--drop"]).status == 0)
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
        // A snapshot holds a space as it holds a model.
        #expect(try Program.run(["snapshot", archive, scratch.path("snap")]).status == 0)
        #expect(try Program.run(["restore", scratch.path("snap"), scratch.path("restored")]).status == 0)
        let restored = try Program.run([
            "search", scratch.path("restored"), "--vec", scratch.path("q.npy"), "-k", "1", "--json",
        ])
        #expect(try restored.objects().first?["id"] as? String == ids[5], "\(restored.errors)")
    }

    @Test("A generation that lacks vectors exits 3, and its switch has to be told to accept that")
    func gaps() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let ids = try phantomIDs(world)
        try FileIO.writeAtomically(scratch.path("v.npy"), NumpyFile.bytes([1, 2, 3, 4, 5, 6], columns: 3))
        _ = try scratch.write("v.jsonl", "{\"id\":\"\(ids[0])\"}\n{\"id\":\"stranger\"}\n")
        let made = try Program.run(
            ["import", archive, scratch.path("v.npy"), "--generation", "next", "--name", "x", "-q", "--json"])
        #expect(made.status == 3 && made.text.contains("there is no case stranger"), "\(made.errors)")
        let refused = try Program.run(["reembed", archive, "--switch"])
        #expect(refused.status == 1 && refused.errors.contains("have no vector in the space x"), "\(refused.errors)")
        let status = try Program.run(["reembed", archive, "--status", "--json"]).object()
        #expect(status["missing"] as? Int == 2 * ids.count - 1 && (status["missing_ids"] as? [String])?.first == ids[0])
        #expect(try Program.run(["reembed", archive, "--switch", "--partial"]).status == 0)
        #expect(try Program.run(["reembed", archive, "--rollback"]).status == 0)
        #expect(try Program.run(["reembed", archive, "--abort"]).status == 0)
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
    }
}
