import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

/// `hilum quarantine`, from a folder with a lettered film to a person's decision.
@Suite("Quarantine")
struct QuarantineCallTests {
    /// A drawn film with a row of bars like letters, as a device burns a name in.
    private func lettered(_ number: Int) throws -> [UInt8] {
        var image = PhantomGenerator(seed: 31, site: .a, side: 512).makeCase(number).image
        for row in 8..<30 { for column in 10..<180 { image.samples[row * 512 + column] = 1_000 } }
        for letter in 0..<12 {
            for y in 12..<26 {
                for x in [0, 1, 6, 7] { image.samples[y * 512 + 16 + 13 * letter + x] = 65_535 }
                if y == 18 || y == 19 { for x in 0..<8 { image.samples[y * 512 + 16 + 13 * letter + x] = 65_535 } }
            }
        }
        return try PNGEncoder.encode(image)
    }

    private func folder(in scratch: Scratch) throws -> String {
        for number in 0..<3 {
            let image =
                number == 2
                ? try PNGEncoder.encode(PhantomGenerator(seed: 31, site: .a, side: 512).makeCase(9).image)
                : try lettered(number)
            _ = try scratch.write("in/\(number).txt", "Pleural effusion \(number).")
            try FileIO.writeAtomically(scratch.path("in/\(number).png"), image)
        }
        return scratch.path("in")
    }

    @Test("What index sets aside is listed and drawn, and a person releases or drops it")
    func aPersonDecides() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        try #require(try Program.run(["init", archive, "--model", world.model, "--deid", "require"]).status == 0)
        let folder = try folder(in: scratch)
        let indexed = try Program.run(["index", archive, folder, "--json"])
        #expect(try indexed.status == 0 && indexed.object()["quarantined"] as? Int == 2, "\(indexed.text)")
        #expect(try Program.run(["stats", archive, "--json"]).object()["quarantined"] as? Int == 2)
        let sheet = scratch.path("look.html")
        let listed = try Program.run(["quarantine", archive, "--json", "--sheet", sheet])
        let rows = try listed.objects()
        #expect(
            rows.count == 2 && rows.allSatisfy { $0["reason"] as? String == "text" && $0["stored"] as? Bool == true })
        #expect(rows.allSatisfy { $0["source"] is NSNull }, "an archive that hides names shows a source")
        let page = String(decoding: try FileIO.read(sheet), as: UTF8.self)
        #expect(page.ranges(of: "class=\"box\"").count >= 2 && page.ranges(of: "data:image/png").count == 2)
        var status = stat()
        #expect(stat(sheet, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let names = try rows.map { try #require($0["name"] as? String) }
        let ids = try rows.map { try #require($0["id"] as? String) }
        #expect(try Program.run(["quarantine", archive]).text.contains(names[0]))
        #expect(try Program.run(["quarantine", archive, "--drop", "nosuch"]).status == 4)
        #expect(try Program.run(["quarantine", archive, "--drop", names[0], "--release", ids[0]]).status == 2)
        let decided = try Program.run(["quarantine", archive, "--drop", names[0], "--release", ids[1], "--json"])
        #expect(
            try decided.object()["left"] as? Int == 0 && decided.object()["released"] as? Int == 1, "\(decided.errors)")
        #expect(try Program.run(["stats", archive, "--json"]).object()["images"] as? Int == 2)
        let again = try Program.run(["index", archive, folder, "--json"])
        #expect(
            try again.object()["quarantined"] as? Int == 0 && again.object()["unchanged"] as? Int == 3, "\(again.text)")
        #expect(try Program.run(["check", archive, "--deep", "--quiet"]).status == 0)
        #expect(try Program.run(["quarantine", archive]).errors.contains("no image is in the quarantine"))
    }

    @Test("Where identifiers are only masked, text is counted and the image is stored; a daemon counts what waits")
    func maskingCounts() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        try #require(try Program.run(["init", archive, "--model", world.model]).status == 0)
        let indexed = try Program.run(["index", archive, try folder(in: scratch), "--json"])
        #expect(try indexed.object()["quarantined"] as? Int == 0)
        #expect(try (indexed.object()["text_images"] as? [String])?.sorted() == ["0", "1"])
        let strict = scratch.path("strict")
        try #require(try Program.run(["init", strict, "--model", world.model, "--deid", "require"]).status == 0)
        let daemon = try Daemon(archive: strict, in: scratch)
        let session = try daemon.session()
        let image = try lettered(5)
        try session.send(Array("PUT id=x report=\"effusion\" bytes=\(image.count)\n".utf8) + image + [10])
        let put = try session.reply()
        #expect(put.last?.contains("set aside") == true, "\(put)")
        #expect(try session.ask("STATS").joined().contains("\"quarantined\":1"))
        #expect(try session.ask("METRICS").joined().contains("hilum_quarantined_images 1"))
        #expect(try session.ask("PICTURE id=x").last?.hasPrefix("ERR") == true)
    }

    @Test("Two films of one name from two folders are two cases, and one is refused by its own name")
    func twoFolders() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        try #require(try Program.run(["init", archive, "--model", world.model, "--deid", "require"]).status == 0)
        for folder in ["d1", "d2"] {
            _ = try scratch.write("\(folder)/.keep", "")
            try FileIO.writeAtomically(scratch.path("\(folder)/img1.png"), try lettered(folder == "d1" ? 0 : 1))
            _ = try Program.run(["index", archive, scratch.path(folder), "-q"])
        }
        let rows = try Program.run(["quarantine", archive, "--json"]).objects()
        #expect(rows.count == 2)
        let id = try #require(rows.first?["id"] as? String)
        let released = try Program.run(["quarantine", archive, "--release", id, "--json"])
        let done = try released.object()
        #expect(released.status == 3 && done["released"] as? Int == 1 && done["left"] as? Int == 1, "\(released.text)")
        let refused = try #require((done["refused"] as? [[String: Any]])?.first)
        let left = try Program.run(["quarantine", archive, "--json"]).objects()
        #expect(refused["names"] as? [String] == left.compactMap { $0["name"] as? String })
        #expect(released.errors.contains("from elsewhere"))
        #expect(try Program.run(["stats", archive, "--json"]).object()["images"] as? Int == 1)
    }
}
