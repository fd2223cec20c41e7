import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

/// Whole jobs through the built program.
@Suite("Flow")
struct FlowTests {
    @Test("The same seed draws the same bytes, another seed others")
    func phantomsAreDeterministic() throws {
        let scratch = try Scratch()
        func draw(_ name: String, seed: String) throws -> [String: String] {
            let words = ["phantom", scratch.path(name), "--count", "6", "--side", "64", "--seed", seed, "--quiet"]
            let result = try Program.run(words)
            #expect(result.status == 0, "\(result.errors)")
            var digests: [String: String] = [:]
            for case let file as String in try #require(FileManager.default.enumerator(atPath: scratch.path(name))) {
                let path = scratch.path(name) + "/" + file
                if let bytes = try? FileIO.read(path) { digests[file] = SHA256.hex(bytes) }
            }
            return digests
        }
        let first = try draw("one", seed: "3")
        #expect(first.count == 14, "6 images, 6 reports, cases.jsonl, phantom.json")
        #expect(try draw("two", seed: "3") == first)
        #expect(try draw("three", seed: "4") != first)
    }

    @Test("An archive in bfloat16 is indexed, searched and served by its own model, and no other")
    func archiveInBfloat16() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        let made = try Program.run(["init", archive, "--model", world.model, "--precision", "bf16", "--json"])
        #expect(made.status == 0, "\(made.errors)")
        #expect(try made.object()["precision"] as? String == "bf16")
        let id = try #require(try made.object()["model"] as? String)
        #expect(id.hasPrefix("bf16-"))

        let indexed = try Program.run(["index", archive, world.phantoms, "--json"])
        #expect(try indexed.object()["stored"] as? Int == World.caseCount, "\(indexed.errors)")
        #expect(try Program.run(["stats", archive, "--json"]).object()["model"] as? String == id)
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)

        // A report finds itself: the query is encoded as the archive was.
        let some = try Program.run(["search", archive, "--text", "effusion", "-k", "1", "--json"]).objects()
        let words = try Program.run(["get", archive, try #require(some.first?["id"] as? String), "--json"]).object()
        let report = try #require(words["report"] as? String)
        let found = try Program.run(["search", archive, "--text", report, "-k", "1", "--json"]).objects()
        #expect(try #require(found.first?["score"] as? Double) > 0.9999)

        let daemon = try Daemon(archive: archive, in: scratch)
        let asked = try Program.run(["search", "--socket", daemon.socket, "--text", report, "-k", "1", "--json"])
        #expect(try asked.objects().first?["score"] as? Double == found.first?["score"] as? Double)
        daemon.stop()

        // In f32 the same weights are another model.
        let settings = archive + "/model/inference.json"
        try FileManager.default.removeItem(atPath: settings)
        let refused = try Program.run(["search", archive, "--text", report])
        #expect(refused.status != 0)
        #expect(refused.errors.contains("the vectors belong to the model bf16-"), "\(refused.errors)")
        // A folder hands on what it says, unless something else is asked for.
        try FileIO.writeAtomically(settings, Array("{\"precision\":\"bf16\"}".utf8))
        let vector = [
            "embed", "--model", archive + "/model", "--text", report, "--out", scratch.path("v.npy"), "--json",
        ]
        #expect(try Program.run(vector).object()["model"] as? String == id)
        #expect(try Program.run(vector + ["--precision", "f32", "--force"]).object()["precision"] as? String == "f32")
        let copied = try Program.run(["init", scratch.path("copy"), "--model", archive + "/model", "--json"])
        #expect(try copied.object()["model"] as? String == id)
        let exact = try Program.run(
            ["init", scratch.path("exact"), "--model", archive + "/model", "--precision", "f32", "--json"])
        #expect(try exact.object()["model"] as? String == String(id.dropFirst(5)))
    }

    @Test("A folder is indexed, searched, read, thinned and proven sound")
    func wholeJob() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        #expect(
            try Program.run(["init", archive, "--model", world.model]).status == 1, "an archive is never made twice")
        let nowhere = try Program.run(["init", "/proc/nonexistent/archive", "--model", world.model])
        #expect(nowhere.status == 1)
        #expect(nowhere.errors.contains("/proc/nonexistent"))

        let indexed = try Program.run(["index", archive, world.phantoms, "--json"])
        #expect(indexed.status == 0, "\(indexed.errors)")
        let summary = try indexed.object()
        #expect(summary["stored"] as? Int == World.caseCount)
        #expect(summary["unchanged"] as? Int == 0)
        #expect((summary["refused"] as? [Any])?.isEmpty == true)

        let again = try Program.run(["index", archive, world.phantoms, "--json"])
        #expect(again.status == 0)
        #expect(try again.object()["stored"] as? Int == 0)
        #expect(try again.object()["unchanged"] as? Int == World.caseCount)

        let search = try Program.run(["search", archive, "--text", "left pleural effusion", "-k", "5", "--json"])
        #expect(search.status == 0, "\(search.errors)")
        let hits = try search.objects()
        #expect(hits.count == 5)
        #expect(hits.compactMap { $0["rank"] as? Int } == [1, 2, 3, 4, 5])
        let fused = hits.compactMap { $0["fused"] as? Double }
        #expect(fused.count == 5)
        for key in ["vector", "words"] { #expect(hits.allSatisfy { $0[key] != nil }, "\(key) is missing") }
        let nearest = try Program.run([
            "search", archive, "--text", "left pleural effusion", "-k", "5", "--mode", "vector", "--json",
        ])
        let scores = try nearest.objects().compactMap { $0["score"] as? Double }
        #expect(scores.count == 5 && scores == scores.sorted(by: >))
        #expect(Set(hits.compactMap { $0["id"] as? String }).count == 5)
        for key in ["via", "findings", "view", "patient"] { #expect(hits[0][key] != nil, "\(key) is missing") }

        let id = try #require(hits[0]["id"] as? String)
        let got = try Program.run(["get", archive, id, "--json"])
        #expect(got.status == 0)
        #expect(try got.object()["id"] as? String == id)
        #expect((try got.object()["report"] as? String)?.isEmpty == false)

        let itself = try Program.run(["search", archive, "--id", id, "-k", "1", "--json"])
        #expect(try itself.objects().first?["id"] as? String == id)
        #expect(try Program.run(["search", archive, "--id", "no-such-case"]).status == 4)

        let stats = try Program.run(["stats", archive, "--json"])
        #expect(try stats.object()["cases"] as? Int == World.caseCount)

        #expect(try Program.run(["delete", archive, id]).status == 0)
        #expect(try Program.run(["delete", archive, id]).status == 4)
        #expect(try Program.run(["get", archive, id]).status == 4)
        let after = try Program.run(["search", archive, "--text", "left pleural effusion", "-k", "48", "--json"])
        #expect(try after.objects().count == World.caseCount - 1)
        #expect(try !after.objects().contains { $0["id"] as? String == id })

        let check = try Program.run(["check", archive, "--deep", "--json"])
        #expect(check.status == 0, "\(check.text)")
        #expect(try check.object()["clean"] as? Bool == true)
        #expect(try check.object()["cases"] as? Int == World.caseCount - 1)
        let graphs = try #require(try check.object()["graphs"] as? [String: [String: Any]])
        for kind in ["image", "report"] {
            let figures = try #require(graphs[kind])
            #expect(figures["vectors"] as? Int == World.caseCount - 1 && figures["found_share"] as? Double == 1)
            #expect(figures["found"] as? Int == World.caseCount - 1)
        }
    }

    @Test("An image finds the case it belongs to, and the contact sheet is a picture")
    func imageSearch() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let rows = try FileIO.read(world.phantoms + "/cases.jsonl").split(separator: 10)
        let row = try #require(try JSONSerialization.jsonObject(with: Data(rows[7])) as? [String: Any])
        let image = try #require(row["image"] as? String)
        let sheet = scratch.path("sheet.png")
        let words = ["search", archive, "--image", world.phantoms + "/" + image, "-k", "3", "--sheet", sheet, "--json"]
        let result = try Program.run(words)
        #expect(result.status == 0, "\(result.errors)")
        let best = try #require(try result.objects().first)
        #expect(best["id"] as? String == row["id"] as? String)
        #expect((best["score"] as? Double ?? 0) > 0.999)
        let picture = try ImageDecoder.decode(path: sheet)
        #expect(picture.width > 500 && picture.height > 200)

        let bytes = try FileIO.read(world.phantoms + "/" + image)
        let piped = try Program.run(["search", archive, "--image", "-", "-k", "3", "--json"], input: bytes)
        #expect(piped.text == result.text)
        let table = try Program.run(["search", archive, "--image", world.phantoms + "/" + image, "-k", "3"])
        #expect(table.lines.first?.contains("score") == true)
        #expect(table.lines.count == 4)
    }

    @Test("A contact sheet shows no other film that lies where a stored one lay")
    func sheetOfStoredFilms() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let (folder, archive) = (scratch.path("films"), scratch.path("archive"))
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let films = try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/images").sorted().prefix(2)
        let pictures = try films.map { try FileIO.read(world.phantoms + "/images/" + $0) }
        let film = folder + "/one.png"
        try FileIO.writeAtomically(film, pictures[0])
        try FileIO.writeAtomically(folder + "/one.txt", Array("Left pleural effusion.".utf8))
        #expect(try Program.run(["init", archive]).status == 0 && Program.run(["index", archive, folder]).status == 0)
        func sheet(_ name: String, _ words: [String] = ["--text", "effusion"]) throws -> [UInt8] {
            let result = try Program.run(["search", archive, "--sheet", scratch.path(name)] + words)
            #expect(result.status == 0, "\(result.errors)")
            return try FileIO.read(scratch.path(name))
        }
        let stored = try sheet("stored.png")
        try FileIO.writeAtomically(film, pictures[1])
        let changed = try sheet("changed.png")
        #expect(unlink(film) == 0)
        #expect(try sheet("gone.png") == changed && changed != stored)
    }

    @Test("Filters leave what matches and nothing else")
    func filters() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let rows = try FileIO.read(world.phantoms + "/cases.jsonl").split(separator: 10).map { line in
            try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        }
        let wanted = Set(rows.filter { $0?["view"] as? String == "PA" }.compactMap { $0?["id"] as? String })
        #expect(!wanted.isEmpty)
        let words = ["search", archive, "--text", "effusion", "-k", "48", "--where", "view=PA", "--json"]
        let hits = try Program.run(words).objects()
        #expect(Set(hits.compactMap { $0["id"] as? String }) == wanted)
        let others = try Program.run(
            ["search", archive, "--text", "effusion", "-k", "48", "--where", "view!=PA", "--json"]
        ).objects()
        #expect(others.count == World.caseCount - wanted.count)
        let none = try Program.run(["search", archive, "--text", "effusion", "--where", "view=XX", "--json"])
        #expect(none.status == 0)
        #expect(none.output.isEmpty)
    }

    @Test("What cannot be read is refused by name, the rest is stored, and the status is 3")
    func refusals() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let good = PhantomGenerator(seed: 8, site: .b, side: 64).makeCase(0)
        try FileIO.makeFolder(scratch.path("cases"))
        try FileIO.writeAtomically(scratch.path("cases/good.png"), try PNGEncoder.encode(good.image))
        _ = try scratch.write("cases/good.txt", good.report)
        _ = try scratch.write("cases/text-named.png", "this is no image")
        let bytes = try PNGEncoder.encode(good.image)
        try FileIO.writeAtomically(scratch.path("cases/cut.png"), Array(bytes.prefix(bytes.count / 2)))
        let result = try Program.run(["index", archive, scratch.path("cases"), "--json"])
        #expect(result.status == 3, "\(result.errors)")
        let summary = try result.object()
        #expect(summary["stored"] as? Int == 1)
        let refused = try #require(summary["refused"] as? [[String: Any]])
        let names = refused.compactMap { ($0["source"] as? String).map { ($0 as NSString).lastPathComponent } }
        #expect(names.sorted() == ["cut.png", "text-named.png"])
        #expect(refused.allSatisfy { ($0["reason"] as? String)?.isEmpty == false })
        let plain = try Program.run(["index", archive, scratch.path("cases")])
        #expect(plain.status == 3)
        #expect(plain.text.contains("cut.png") && plain.text.contains("text-named.png"))
    }

    @Test("A broken row of a manifest is refused by itself, and Unicode, empty reports and report-only cases are cases")
    func manifestRows() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let manifest = try scratch.write(
            "cases.jsonl",
            """
            {"id":"報告-1","report":"左胸水あり。","site":"東京"}
            {"id":"two","report":"No acute disease.","findings":["normal"],"scanner":"X1"}
            {"id":"three","image":"missing.png"}
            this is no JSON
            {"id":"five"}
            """)
        let result = try Program.run(["index", archive, "--manifest", manifest, "--json"])
        #expect(result.status == 3, "\(result.errors)")
        #expect(try result.object()["stored"] as? Int == 2)
        #expect((try result.object()["refused"] as? [Any])?.count == 3)
        let got = try Program.run(["get", archive, "報告-1", "--json"])
        #expect(try got.object()["report"] as? String == "左胸水あり。")
        #expect(
            (try Program.run(["get", archive, "two", "--json"]).object()["metadata"] as? [String: Any])?["scanner"]
                as? String == "X1")
    }

    @Test("The recall of searches is measured by check, and reached by search")
    func recall() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let check = try Program.run(["check", archive, "--recall", "20", "-k", "5", "--seed", "9", "--json"])
        #expect(check.status == 0, "\(check.errors)")
        #expect(check.errors.contains("recall: 60/60 queries"), "\(check.errors)")
        let recall = try #require(try check.object()["recall"] as? [String: Any])
        #expect(recall["k"] as? Int == 5 && recall["ef"] as? Int == 128 && recall["seed"] as? Int == 9)
        for graph in ["image", "report", "report_to_image"] {
            let figures = try #require(recall[graph] as? [String: Any], "\(graph) is missing")
            // With fewer vectors than ef, nothing is missed.
            #expect(figures["recall"] as? Double == 1 && figures["queries"] as? Int == 20)
            let interval = try #require(figures["ci95"] as? [Double])
            #expect(interval[0] > 0.8 && interval[0] < 0.9 && interval[1] == 1)
            #expect(try #require(figures["ms"] as? Double) > 0 && #require(figures["exact_ms"] as? Double) > 0)
        }
        let table = try Program.run(["check", archive, "--recall", "20", "-q"])
        #expect(table.status == 0 && table.errors.isEmpty, "\(table.errors)")
        #expect(table.lines.count == 5 && table.lines[1].contains("recall@10"))
        #expect(table.lines[4].hasPrefix("report to image") && table.lines[4].contains("100.0 %"))
        let search = ["search", archive, "--text", "effusion", "--json"]
        let exact = try Program.run(search + ["--exact"])
        #expect(try Program.run(search + ["--recall", "0.95"]).text == exact.text)
    }

    @Test("A damaged store is reported in a sentence by check, whatever the damage")
    func damage() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let store = archive + "/data.mdb"
        let sound = try FileIO.read(store)
        var generator = SeededGenerator(seed: 42)
        for trial in 0..<6 {
            var bytes = sound
            switch trial % 3 {
            case 0: bytes.removeLast(bytes.count / 2 + generator.integer(below: 4096))
            case 1:
                let page = 2 + generator.integer(below: sound.count / 4096 - 2)
                for i in 0..<4096 { bytes[page * 4096 + i] = UInt8(truncatingIfNeeded: generator.next()) }
            default:
                let page = 2 + generator.integer(below: sound.count / 4096 - 2)
                for i in 0..<4096 { bytes[page * 4096 + i] = 0 }
            }
            try FileIO.writeAtomically(store, bytes)
            let result = try Program.run(["check", archive, "--deep"])
            #expect(result.signal == 0, "trial \(trial) ended by signal \(result.signal)")
            // A page that is free holds nothing, so its damage may go unnoticed; it must not crash or corrupt answers.
            if result.status != 0 {
                #expect(result.status == 1)
                #expect(!(result.text + result.errors).isEmpty)
            }
            if trial % 3 == 0 { #expect(result.status == 1, "a store cut in half is no sound store") }
        }
        try FileIO.writeAtomically(store, sound)
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
    }

    @Test("Two runs that index at once do not mix: one of them is told who holds the archive")
    func oneWriter() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        defer { daemon.stop() }
        let result = try Program.run(["index", archive, world.phantoms])
        #expect(result.status == 1)
        #expect(result.errors.contains("\(daemon.identifier)"), "does not name the process: \(result.errors)")
    }
}
