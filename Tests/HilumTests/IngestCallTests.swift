import Foundation
import HilumCore
import Testing

/// What `index` and `check` say of sources, as a person and a program see it.
@Suite("Ingest", .enabled(if: Program.isThere, "the program is not built"))
struct IngestCallTests {
    @Test("A dry run prints what a run prints, shows the pairing and changes nothing")
    func dryRun() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let image = try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/images").sorted()[0]
        for folder in ["patA", "images/7"] {
            try FileIO.makeFolder(scratch.path("in/" + folder))
            try FileManager.default.copyItem(
                atPath: world.phantoms + "/images/" + image, toPath: scratch.path("in/\(folder)/1.png"))
        }
        _ = try scratch.write("in/patB/1.txt", "left effusion")
        _ = try scratch.write("in/reports/7/1.txt", "clear lungs")
        _ = try scratch.write("in/README.txt", "no case")
        let dry = try Program.run(["index", archive, scratch.path("in"), "--dry-run", "--json"])
        let real = try Program.run(["index", archive, scratch.path("in"), "--json", "--quiet"])
        #expect(dry.status == 0 && real.status == 0)
        for result in [try dry.object(), try real.object()] {
            #expect(result["stored"] as? Int == 3 && result["replaced"] as? Int == 0)
            #expect(result["image_only"] as? Int == 1 && result["report_only"] as? Int == 1)
            #expect(result["passed_over"] as? [String: Int] == ["document": 1])
        }
        let cases = try #require(try dry.object()["cases"] as? [[String: Any]])
        #expect(cases.map { $0["id"] as? String } == ["images/7/1", "patA/1", "patB/1"])
        #expect(cases[0]["report"] as? String == scratch.path("in/reports/7/1.txt"))
        let again = try Program.run(["index", archive, scratch.path("in"), "--quiet"])
        #expect(again.text.contains("0 stored, 0 replaced, 3 unchanged, 0 refused"))
        let got = try Program.run(["get", archive, "images/7/1", "--json"]).object()
        #expect((got["source"] as? String)?.hasSuffix("/in/images/7/1") == true)
    }

    @Test("Another source is refused by name and exits 3; with --replace it is counted as replaced")
    func replace() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        _ = try scratch.write("jan/001.txt", "left effusion")
        _ = try scratch.write("feb/001.txt", "right effusion")
        #expect(try Program.run(["index", archive, scratch.path("jan"), "--quiet"]).status == 0)
        let refused = try Program.run(["index", archive, scratch.path("feb"), "--quiet"])
        #expect(refused.status == 3 && refused.text.contains("/jan/001") && refused.text.contains("--replace"))
        let replaced = try Program.run(["index", archive, scratch.path("feb"), "--replace", "--json", "--quiet"])
        #expect(try replaced.status == 0 && replaced.object()["replaced"] as? Int == 1)
    }

    @Test("A deleted case is left out of the next run, which says so and how to undo it", arguments: [false, true])
    func again(forgets: Bool) throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        for name in ["a", "b"] { _ = try scratch.write("in/\(name).txt", "left effusion \(name)") }
        #expect(try Program.run(["index", archive, scratch.path("in"), "--quiet"]).status == 0)
        let gone = try Program.run(["delete", archive, "a"] + (forgets ? ["--forget"] : []))
        #expect(gone.status == 0 && gone.errors.contains("'hilum index --again'"), "\(gone.errors)")
        let left = try Program.run(["index", archive, scratch.path("in"), "--quiet"])
        #expect(left.status == 0 && left.text.contains("note: 1 deleted before, and left out"), "\(left.text)")
        let place = scratch.path("in/a.txt")
        #expect(left.text.contains("note: \(place): a deleted case\n"), "\(left.text)")
        #expect(left.text.contains("--again") && left.text.contains("0 stored, 0 replaced, 1 unchanged, 0 refused"))
        for option in ["--dry-run", "--quiet"] {
            let result = try Program.run(["index", archive, scratch.path("in"), "--json", option])
            #expect(try result.object()["deleted"] as? Int == 1 && result.object()["stored"] as? Int == 0)
            #expect(try result.object()["deleted_places"] as? [String] == [place])
        }
        let back = try Program.run(["index", archive, scratch.path("in"), "--again", "--json", "--quiet"])
        #expect(try back.object()["deleted"] as? Int == 0 && back.object()["stored"] as? Int == 1)
    }

    @Test("Dates that cannot be read are counted and named by a run and a dry run, as text and as JSON")
    func dates() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let table = try scratch.write(
            "cases.csv",
            "id,date,report\na,31.12.2019,left effusion\nb,2019-13-45,left effusion\nc,05/06/2019,left effusion\n")
        let notes = [
            "1 case has a date that cannot be read, in line 3 of \(table)",
            "1 case has a date of which day and month cannot be told apart, in line 4 of \(table)",
        ]
        for option in ["--dry-run", "--quiet"] {
            let text = try Program.run(["index", archive, table, option])
            #expect(text.status == 0, "\(text.errors)")
            for note in notes { #expect(text.text.contains("note: \(note)\n"), "\(text.text)") }
            #expect(
                try Program.run(["index", archive, table, option, "--json"]).object()["notes"] as? [String] == notes)
        }
        let found = try Program.run(["search", archive, "--text", "effusion", "--where", "date=2019", "--json"])
            .objects()
        #expect(found.map { $0["id"] as? String } == ["a"])
    }

    @Test("A patient's number finds the report that came as a message")
    func patientNumber() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let message = [
            "MSH|^~\\&|RIS|HOSP|||20260102101500||ORU^R01|M1|P|2.5", "PID|1||PAT1^^^HOSP^MR||Inventado^Alba",
            "OBR|1||ACC-1|71020^XR CHEST", "OBX|1|TX|R^Report||Left effusion.||||||F",
        ]
        _ = try scratch.write("in/m.hl7", message.joined(separator: "\r"))
        _ = try scratch.write("in/t.txt", "Left effusion.")
        #expect(try Program.run(["index", archive, scratch.path("in"), "--quiet"]).status == 0)
        func count(_ filter: String) throws -> Int {
            try Program.run(["search", archive, "--text", "effusion", "--where", filter, "--json"]).objects().count
        }
        #expect(try count("patient=PAT1") == 1 && count("patient!=PAT1") == 1 && count("patient=PAT2") == 0)
    }

    @Test("A record that cannot be read is refused by name and exits 3, and its case goes without it")
    func brokenRecord() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        _ = try scratch.write("in/a.txt", "left effusion")
        let record = try scratch.write("in/a.json", "{\"patient\": ")
        for option in ["--dry-run", "--quiet"] {
            let result = try Program.run(["index", archive, scratch.path("in"), option])
            #expect(result.status == 3 && result.text.contains("refused: \(record): the record"), "\(result.text)")
            #expect(result.text.contains("1 stored, 0 replaced, 0 unchanged, 1 refused"), "\(result.text)")
        }
    }

    @Test("A manifest without rows exits 1 and says so")
    func noRows() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        for (name, text) in [("cases.csv", "id;report\n"), ("cases.jsonl", "\n")] {
            let result = try Program.run(["index", archive, try scratch.write(name, text)])
            #expect(result.status == 1 && result.errors.contains("no rows"), "\(name): \(result.errors)")
        }
    }

    @Test("Whoever reads a folder says what was passed over, as index does")
    func passedOver() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        try FileIO.makeFolder(scratch.path("in"))
        let images = try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/images").sorted()
        for (number, image) in images.prefix(6).enumerated() {
            try FileManager.default.copyItem(
                atPath: world.phantoms + "/images/" + image, toPath: scratch.path("in/\(number).png"))
            _ = try scratch.write("in/\(number).txt", "left effusion \(number)")
        }
        try FileManager.default.copyItem(
            atPath: world.phantoms + "/images/" + images[6], toPath: scratch.path("in/lonely.png"))
        for name in ["README.txt", "a.pdf", "b.pdf", "c.webp", "report-only.txt"] {
            _ = try scratch.write("in/" + name, "clear")
        }
        let folder = scratch.path("in")
        let expected = [
            "passed over: other kind (.pdf): 2", "passed over: document: 1",
            "passed over: WEBP picture; convert it to PNG or JPEG: 1",
        ]
        let calls = [
            ["embed", "--manifest", folder, "--model", world.model, "--out", scratch.path("v.npy"), "--quiet"],
            ["eval", "--model", world.model, "--data", folder, "--quiet"],
            [
                "pilot", folder, "--out", scratch.path("trial.html"), "--model", world.model, "--folds", "2",
                "--steps", "1", "--quiet",
            ],
            [
                "train", "--data", folder, "--init", world.model, "--steps", "1", "--batch", "2", "--hold-out", "2",
                "--out", scratch.path("model"), "--quiet",
            ],
        ]
        for call in calls {
            let result = try Program.run(call)
            let lines = result.errors.split(separator: "\n").map(String.init)
            for line in expected { #expect(lines.contains(line), "\(call[0]): \(result.errors)") }
            if call[0] == "train" || call[0] == "eval" {
                #expect(lines.contains("passed over: case without an image: 1"), "\(call[0]): \(result.errors)")
                #expect(lines.contains("passed over: case without a report: 1"), "\(call[0]): \(result.errors)")
            }
        }
    }

    @Test("Check lists the cases whose image is gone, and calls the archive sound")
    func missingImages() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let image = try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/images").sorted()[0]
        try FileIO.makeFolder(scratch.path("in"))
        try FileManager.default.copyItem(
            atPath: world.phantoms + "/images/" + image, toPath: scratch.path("in/a.png"))
        #expect(try Program.run(["index", archive, scratch.path("in"), "--quiet"]).status == 0)
        try FileManager.default.removeItem(atPath: scratch.path("in/a.png"))
        let result = try Program.run(["check", archive])
        #expect(result.status == 0 && result.lines.contains { $0.hasPrefix("missing image: a: ") })
        let json = try Program.run(["check", archive, "--json"]).object()
        #expect((json["missing_images"] as? [[String: String]])?.first?["id"] == "a")
        #expect(json["missing_count"] as? Int == 1 && json["clean"] as? Bool == true)
    }
}
