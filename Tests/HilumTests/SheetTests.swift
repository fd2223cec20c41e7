import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import hilum

/// What a contact sheet shows.
@Suite("Contact sheets")
struct SheetTests {
    /// The grey levels within the tile of the query, which stands at the left below the title.
    private func levels(_ sheet: GrayImage) -> Int {
        var levels: Set<UInt16> = []
        for y in 100..<300 {
            for x in 40..<250 { levels.insert(sheet.samples[y * sheet.width + x]) }
        }
        return levels.count
    }

    @Test(
        "A stored case that asks is shown with its image, is no hit of its own, and a file that is gone is called missing"
    )
    func queryByID() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let cases = scratch.path("cases")
        let drawn = try Program.run(["phantom", cases, "--count", "2", "--side", "64", "--site", "A", "--quiet"])
        try #require(drawn.status == 0, "\(drawn.errors)")
        let archive = try world.archive(in: scratch)
        try #require(try Program.run(["index", archive, cases, "--quiet"]).status == 0)
        let daemon = try Daemon(archive: archive, in: scratch)
        let names = try FileManager.default.contentsOfDirectory(atPath: cases + "/images").sorted()
        let id = String(try #require(names.first).dropLast(4))
        for (number, place) in [[archive], ["--socket", daemon.socket]].enumerated() {
            let sheet = scratch.path("sheet-\(number).png")
            let words = ["search"] + place + ["--id", id, "--sheet", sheet, "--json"]
            let result = try Program.run(words)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.lines.count == 2, "the list still has the case itself: \(result.text)")
            let image = try ImageDecoder.decode(path: sheet)
            let card = 256
            #expect(image.width == 40 + card + 28 + card, "one query and one hit")
            #expect(levels(image) > 30, "the query is a picture")
            try FileManager.default.moveItem(atPath: cases + "/images", toPath: cases + "/elsewhere")
            #expect(try Program.run(words).status == 0)
            #expect(levels(try ImageDecoder.decode(path: sheet)) < 20, "the query is a frame with words")
            try FileManager.default.moveItem(atPath: cases + "/elsewhere", toPath: cases + "/images")
        }
    }
}
