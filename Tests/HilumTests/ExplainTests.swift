import Foundation
import HilumCore
import HilumImaging
import Testing

/// `hilum explain`, `EXPLAIN` and masked evaluation, run as a person runs them.
@Suite("Explain and missing information")
struct ExplainTests {
    @Test("A stored case and a file are explained as JSON and as a picture, the same at each call")
    func explains() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let image = world.phantoms + "/images/phantom-A-11-000000.png"
        let base = ["explain", archive, "--text", "left pleural effusion", "--json"]
        let picture = scratch.path("heat.png")
        let byFile = try Program.run(base + ["--image", image, "--out", picture])
        #expect(byFile.status == 0, "\(byFile.errors)")
        let byID = try Program.run(base + ["--id", "phantom-A-11-000000"])
        #expect(byID.output == byFile.output)
        let object = try byFile.object()
        #expect(object["rows"] as? Int == 6 && object["columns"] as? Int == 6)
        #expect((object["heat"] as? [Double])?.count == 36)
        #expect(object["reference_images"] as? Int == 48 && object["contrasted"] as? Bool == true)
        let words = try #require(object["words"] as? [[String: Any]])
        #expect(words.compactMap { $0["word"] as? String } == ["left", "pleural", "effusion"])
        #expect(words.map { $0["start"] as? Int } == [0, 5, 13])
        for word in words { #expect((word["heat"] as? [Double])?.count == 36) }
        let hottest = try #require(object["hottest"] as? [String: Any])
        let x = try #require(hottest["x"] as? Int)
        let width = try #require(hottest["width"] as? Int)
        #expect(width > 0 && x >= 0 && x + width <= World.imageSide)
        let sheet = try ImageDecoder.decode(path: picture)
        #expect(sheet.width > 512 && sheet.height > 512)
        #expect(scratch.rights("heat.png") == 0o600)
        let byModel = try Program.run([
            "explain", "--model", world.model, "--reference", world.phantoms, "--image", image, "--text", "effusion",
            "--json",
        ])
        #expect(byModel.status == 0, "\(byModel.errors)")
        #expect(try byModel.object()["reference_images"] as? Int == 48)
    }

    @Test("A missing case exits 4, a missing archive or image 1, each with a sentence")
    func failures() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let tail = ["--text", "effusion", "--json"]
        #expect(try Program.run(["explain", archive, "--id", "nobody"] + tail).status == 4)
        #expect(try Program.run(["explain", archive, "--image", "/nowhere.png"] + tail).status == 1)
        let noArchive = try Program.run(["explain", scratch.path("none"), "--id", "x"] + tail)
        #expect(noArchive.status == 1 && noArchive.errors.contains("archive"))
        let text = try scratch.write("text.png", "no picture")
        let noImage = try Program.run(["explain", archive, "--image", text] + tail)
        #expect(noImage.status == 1 && noImage.errors.contains("text.png"))
    }

    @Test("A mask of 0 leaves every figure as it is, and a sweep begins with the unmasked figures")
    func masks() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let base = ["eval", "--model", world.model, "--data", world.phantoms, "--quiet", "--json"]
        let whole = try Program.run(base)
        let zero = try Program.run(base + ["--mask-image", "0", "--mask-report", "0"])
        #expect(zero.status == 0, "\(zero.errors)")
        let stated = "\"mask\":{\"image\":0,\"report\":0},"
        #expect(zero.text.contains(stated))
        #expect(zero.text.replacingOccurrences(of: stated, with: "") == whole.text)
        let masked = try Program.run(base + ["--mask-image", "50", "--mask-sweep", "--plots", scratch.path("plots")])
        #expect(masked.status == 0, "\(masked.errors)")
        let object = try masked.object()
        let rows = try #require(object["missing_information"] as? [[String: Any]])
        #expect(rows.compactMap { $0["hidden"] as? Double } == [0, 0.25, 0.5, 0.75])
        let plain = try #require(try whole.object()["image_to_report"] as? [String: Any])
        #expect(rows[0]["image_to_report_r10"] as? Double == plain["r10"] as? Double)
        let direction = try #require(object["image_to_report"] as? [String: Any])
        #expect(direction["r10"] as? Double == rows[2]["image_to_report_r10"] as? Double)
        let short = try #require(object["short_queries"] as? [String: Any])
        #expect(short["source"] as? String == "findings" && short["one_finding"] is [String: Any])
        #expect(try ImageDecoder.decode(path: scratch.path("plots/missing-information.png")).width > 300)
    }

    @Test("The daemon explains stored cases and images that are sent")
    func daemon() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        func query(_ line: String, _ more: [String] = []) throws -> Program.Result {
            try Program.run(["query", "--socket", daemon.socket, line] + more)
        }
        let id = "phantom-A-11-000000"
        let byID = try query("EXPLAIN id=\(id) text=\"left effusion\"")
        #expect(byID.status == 0, "\(byID.errors)")
        #expect(byID.lines.count == 4 && byID.lines.last == "OK words=2 patches=36")
        let image = world.phantoms + "/images/\(id).png"
        #expect(try query("EXPLAIN text=\"left effusion\"", ["--bytes", image]).text == byID.text)
        #expect(try query("EXPLAIN id=nobody text=x").status == 4)
        #expect(try query("EXPLAIN SEARCH text=effusion").lines.first?.hasPrefix("{\"part\":\"plan\",") == true)
    }
}
