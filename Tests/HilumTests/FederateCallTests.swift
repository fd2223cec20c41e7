import Foundation
import HilumCore
import HilumMCR
import Testing

/// `hilum federate` as the sites call it.
@Suite("Federate calls")
struct FederateCallTests {
    private func call(_ words: [String], in scratch: Scratch, status: Int32 = 0) throws -> Program.Result {
        let result = try Program.run(["federate"] + words, environment: ["HILUM_THREADS": "2"], folder: scratch.folder)
        #expect(result.status == status, "hilum federate \(words): \(result.errors)")
        return result
    }

    /// Makes a round 0 in `scratch` from the small model, two steps a round.
    private func begin(_ name: String, _ options: [String] = [], in scratch: Scratch) throws {
        _ = try call(
            ["init", name, "--from", World.shared().model, "--rounds", "2", "--steps", "2", "--batch", "8", "--quiet"]
                + options, in: scratch)
    }

    @Test("Two sites train one model in two rounds, and nothing of their cases is in what they give away")
    func twoSites() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        try begin("r0", in: scratch)
        for round in 0..<2 {
            for site in ["north", "south"] {
                let trained = try call(
                    [
                        "train", "r\(round)", "--data", world.phantoms, "--site", site, "--out", "\(site)-\(round)",
                        "--json", "--quiet",
                    ], in: scratch
                ).object()
                #expect(trained["count"] as? Int == World.caseCount)
                #expect(trained["round"] as? Int == round)
                #expect(trained["new"] as? Bool == true)
                #expect(trained["contrast"] as? Double ?? 0 > 0)
            }
            let merged = try call(
                ["merge", "r\(round)", "south-\(round)", "north-\(round)", "--out", "r\(round + 1)", "--json"],
                in: scratch
            ).object()
            #expect(merged["round"] as? Int == round + 1)
            #expect(merged["cases"] as? Int == 2 * World.caseCount)
            let sites = try #require(merged["sites"] as? [[String: Any]])
            #expect(sites.compactMap { $0["site"] as? String } == ["north", "south"])
        }
        // Equal cases, equal sites: what was averaged are equal weights, and a round is a model.
        let model = try MCRModel(directory: scratch.path("r2"))
        #expect(try model.modelID != MCRModel(directory: world.model).modelID)
        let measured = try Program.run(
            ["eval", "--model", scratch.path("r2"), "--data", world.phantoms, "--limit", "8", "--json", "--quiet"])
        #expect(measured.status == 0, "\(measured.errors)")
        let reports = try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/reports")
        #expect(reports.count == World.caseCount)
        let object = String(decoding: try FileIO.read(scratch.path("north-0/update.json")), as: UTF8.self)
        #expect(!object.contains("phantom") && !object.contains(world.phantoms))
    }

    @Test("A call that has been done changes nothing, and another one is refused")
    func callsAreRepeated() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        try begin("r0", in: scratch)
        let train = ["train", "r0", "--data", world.phantoms, "--site", "a", "--quiet"]
        _ = try call(train + ["--out", "u"], in: scratch)
        let before = try FileIO.digest(scratch.path("u/update.json"))
        #expect(try call(train + ["--out", "u"], in: scratch).text.contains("it stood here already"))
        #expect(try FileIO.digest(scratch.path("u/update.json")) == before)
        let unasked = try call(train + ["--out", "v", "--ledger", "l.json"], in: scratch, status: 2)
        #expect(unasked.errors.contains("--ledger needs a round with a budget"))
        _ = try call(["merge", "r0", "u", "--out", "r1"], in: scratch)
        #expect(try call(["merge", "r0", "u", "--out", "r1"], in: scratch).text.contains("it stood here already"))
        // An update of another site stands there; a round does; a folder with other files does.
        let other = ["train", "r0", "--data", world.phantoms, "--site", "b", "--quiet", "--out"]
        #expect(try call(other + ["u"], in: scratch, status: 1).errors.contains("another update stands here"))
        #expect(try call(other + ["r1"], in: scratch, status: 1).errors.contains("a model stands here already"))
        _ = try scratch.write("full/note", "a file\n")
        #expect(try call(other + ["full"], in: scratch, status: 1).errors.contains("holds other files"))
        #expect(
            try call(["merge", "r0", "u", "u", "--out", "x"], in: scratch, status: 1).errors.contains("is here twice"))
        #expect(
            try call(["merge", "r1", "u", "--out", "x"], in: scratch, status: 1).errors.contains("this is round 1"))
        #expect(
            try call(["init", "r0", "--from", "r1"], in: scratch, status: 1).errors.contains("a model stands here"))
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
        #expect(!names.contains { $0.hasSuffix(".hilum-new") }, "\(names)")
    }

    @Test("With a budget each site keeps a ledger, and the epsilon that is spent is printed")
    func budgets() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        try begin("r0", ["--epsilon", "3", "--delta", "0.001", "--group", "4", "--parts", "heads"], in: scratch)
        let train = ["train", "r0", "--data", world.phantoms, "--site", "a", "--quiet", "--out"]
        #expect(try call(train + ["u"], in: scratch, status: 2).errors.contains("--ledger is missing"))
        let result = try call(train + ["u", "--ledger", "ledger.json"], in: scratch)
        #expect(result.text.contains(" of 3 spent at delta 0.001 by patient, "), "\(result.text)")
        #expect(result.text.contains(" if left out altogether"), "\(result.text)")
        #expect(result.errors.contains("a new ledger begins at ledger.json"), "\(result.errors)")
        #expect(!result.text.contains("contrast"), "a loss tells of the cases")
        let seeded = try call(train + ["s", "--ledger", "other.json", "--noise-seed", "4", "--json"], in: scratch)
            .object()
        let privacy = try #require(seeded["privacy"] as? [String: Any])
        #expect(privacy["seeded"] as? Bool == true)
        let spent = try #require(privacy["epsilon"] as? Double)
        #expect(spent > 0.5 && spent < 3)
        #expect(try #require(privacy["epsilon_left_out"] as? Double) > spent)
        #expect(seeded["unnamed"] as? Int == 0)
        #expect(seeded["contrast"] == nil)
        let merged = try call(["merge", "r0", "s", "--out", "r1"], in: scratch)
        #expect(merged.errors.contains("its noise comes from a seed"))
        let ledger = try FileIO.read(scratch.path("ledger.json"))
        #expect(!ledger.isEmpty)
        // Asked again, nothing is spent.
        _ = try call(train + ["u", "--ledger", "ledger.json"], in: scratch)
        #expect(try FileIO.read(scratch.path("ledger.json")) == ledger)
    }

    @Test("With a budget, cases that name no patient are counted aloud")
    func casesWithoutPatient() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        try begin("r0", ["--epsilon", "3", "--delta", "0.001", "--group", "4", "--parts", "heads"], in: scratch)
        let text = String(decoding: try FileIO.read(world.phantoms + "/cases.jsonl"), as: UTF8.self)
        func lines(_ count: Int) throws -> String {
            let lines = try text.split(separator: "\n").enumerated().map { number, line in
                var object = try #require(
                    try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                for key in ["image", "report_file"] {
                    if let name = object[key] as? String { object[key] = world.phantoms + "/" + name }
                }
                if number < count { object["patient"] = nil }
                return String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
            }
            return lines.joined(separator: "\n") + "\n"
        }
        for (count, unit) in [(2, " by patient, for 2 cases by case,"), (World.caseCount, " by case,")] {
            let name = "m\(count)"
            _ = try scratch.write("\(name)/cases.jsonl", try lines(count))
            let result = try call(
                [
                    "train", "r0", "--data", "\(name)/cases.jsonl", "--site", "a", "--out", "u\(count)", "--ledger",
                    "l\(count)",
                ],
                in: scratch)
            #expect(result.errors.contains("\(count) of \(World.caseCount) cases name no patient"), "\(result.errors)")
            #expect(result.text.contains(unit), "\(result.text)")
        }
    }

    @Test("Spellings of one patient's name are one patient")
    func patientsBySpelling() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        try begin("r0", ["--epsilon", "3", "--delta", "0.001", "--group", "2", "--parts", "heads"], in: scratch)
        let text = String(decoding: try FileIO.read(world.phantoms + "/cases.jsonl"), as: UTF8.self)
        let spellings = ["MRN 7", " mrn 7", "Mrn  7 ", "ＭＲＮ　7", "mrn7", "MRN-7", "  "]
        let lines = try text.split(separator: "\n").enumerated().map { number, line in
            var object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            for key in ["image", "report_file"] {
                if let name = object[key] as? String { object[key] = world.phantoms + "/" + name }
            }
            object["patient"] = spellings.indices.contains(number) ? spellings[number] : "p\(number)"
            return String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
        }
        #expect(lines.count > spellings.count)
        _ = try scratch.write("m/cases.jsonl", lines.joined(separator: "\n") + "\n")
        let result = try call(
            ["train", "r0", "--data", "m/cases.jsonl", "--site", "a", "--out", "u", "--ledger", "l", "--json"],
            in: scratch
        ).object()
        // Four spellings of one name are joined; two more names and a blank one are others.
        #expect(result["patients"] as? Int == lines.count - 3)
        #expect(result["unnamed"] as? Int == 1)
    }

    @Test("A federation may begin without a model: its vocabulary holds no site's words")
    func beginsWithoutAModel() throws {
        let scratch = try Scratch()
        _ = try call(["init", "r0", "--config", "mcr-micro", "--steps", "1", "--seed", "3"], in: scratch)
        _ = try call(["init", "s0", "--config", "mcr-micro", "--steps", "1", "--seed", "3"], in: scratch)
        let files = ["round.json", "weights.safetensors", "vocab.txt"]
        for file in files {
            #expect(try FileIO.read(scratch.path("r0/" + file)) == FileIO.read(scratch.path("s0/" + file)), "\(file)")
        }
    }
}
