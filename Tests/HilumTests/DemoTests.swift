import Foundation
import HilumCore
import HilumImaging
import Testing

/// The demonstration, and what an interrupt does to long work.
@Suite("Demo and interrupts")
struct DemoTests {
    @Test("The demo shows hits for an image and for a text, leaves a contact sheet, and may be run again")
    func demo() throws {
        let scratch = try Scratch()
        let folder = scratch.path("demo")
        for _ in 0..<2 {
            let result = try Program.run(["demo", "--dir", folder, "--count", "24"])
            #expect(result.status == 0, "\(result.text) \(result.errors)")
            #expect(
                result.lines.count { $0.contains("phantom-") && $0.contains("2024-") } == 10, "five hits for each query"
            )
            #expect(result.text.contains("it can be found"))
            let sheet = try ImageDecoder.decode(path: folder + "/contact-sheet.png")
            #expect(sheet.width > 1000 && sheet.height > 500)
            #expect(try ImageDecoder.decode(path: folder + "/heat-map.png").width > 500)
            #expect(try Program.run(["check", folder + "/archive", "--deep"]).status == 0)
            #expect(try Program.run(["stats", folder + "/archive", "--json"]).object()["cases"] as? Int == 25)
        }
    }

    @Test("The demo leaves a folder alone that no demo made")
    func foreignFolder() throws {
        let scratch = try Scratch()
        let mine = try scratch.write("mine/notes.txt", "mine")
        let result = try Program.run(["demo", "--dir", scratch.path("mine")])
        #expect(result.status == 1)
        #expect(result.errors.contains("--dir"))
        #expect(FileManager.default.fileExists(atPath: mine))
    }

    @Test("Ctrl-C ends an index run after a batch with status 130, and the next run goes on there")
    func interruptedIndex() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let phantoms = scratch.path("phantoms")
        let drawn = ["phantom", phantoms, "--count", "400", "--side", "64", "--seed", "32", "--quiet"]
        try #require(try Program.run(drawn).status == 0)
        for attempt in 0..<20 {
            let archive = scratch.path("archive-\(attempt)")
            try #require(try Program.run(["init", archive, "--model", world.model]).status == 0)
            let process = try Program.start(
                ["index", archive, phantoms, "--quiet"], output: FileHandle.nullDevice, errors: FileHandle.nullDevice)
            // Later at each attempt: before the run listens, the signal just ends it, and a fast run may be over.
            usleep(UInt32(20_000 + 30_000 * attempt))
            process.interrupt()
            process.waitUntilExit()
            guard process.terminationReason == .exit && process.terminationStatus == 130 else { continue }
            let stored = try #require(
                try Program.run(["check", archive, "--deep", "--json"]).object()["cases"] as? Int)
            let finished = try Program.run(["index", archive, phantoms, "--json"]).object()
            #expect(finished["stored"] as? Int == 400 - stored)
            #expect(finished["unchanged"] as? Int == stored)
            return
        }
        Issue.record("no run was interrupted in time")
    }
}
