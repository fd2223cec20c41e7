import Foundation
import HilumCore
import HilumPhantom
import Testing

@testable import HilumImaging
@testable import hilum

/// Outputs destroy nothing.
@Suite("Outputs")
struct OutputTests {
    private static let picture = RGBImage(width: 2, height: 2, color: RGBColor(1, 2, 3))

    private func bytes(_ path: String) throws -> [UInt8] { try FileIO.read(path) }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    @Test("The ids of embeddings do not replace the manifest they were read from, with --force neither")
    func embedKeepsItsManifest() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let manifest = try scratch.write("cases.jsonl", #"{"id":"a","report":"a small effusion"}"# + "\n")
        let before = try bytes(manifest)
        for extra in [[], ["--force"]] {
            let words = ["embed", "--model", world.model, "--manifest", manifest, "--out", scratch.path("cases.npy")]
            let result = try Program.run(words + extra)
            #expect(result.status == 1)
            #expect(result.errors.contains("this run reads this file"), "\(result.errors)")
            #expect(try bytes(manifest) == before)
            #expect(mode(scratch.path("cases.npy")) == 0, "nothing is written where one of two outputs is refused")
        }
        let image = scratch.path("x.npy")
        try FileIO.writeAtomically(
            image, try PNGEncoder.encode(PhantomGenerator(seed: 1, site: .a, side: 64).makeCase(0).image))
        let own = try Program.run(["embed", "--model", world.model, "--image", image, "--out", image, "--force"])
        #expect(own.status == 1 && own.errors.contains("this run reads this file"), "\(own.errors)")
        let fine = try Program.run([
            "embed", "--model", world.model, "--manifest", manifest, "--out", scratch.path("v.npy"),
        ])
        #expect(fine.status == 0, "\(fine.errors)")
        let again = try Program.run(["embed", "--model", world.model, "--text", "x", "--out", scratch.path("v.npy")])
        #expect(again.status == 1 && again.errors.contains("--force"), "\(again.errors)")
        let forced = try Program.run([
            "embed", "--model", world.model, "--text", "x", "--out", scratch.path("v.npy"), "--force",
        ])
        #expect(forced.status == 0, "\(forced.errors)")
    }

    @Test(
        "A contact sheet replaces no pipe, device, link or folder, no query, no file of an archive and nobody else's file"
    )
    func sheetReplacesNothing() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let query = scratch.path("query.png")
        try FileIO.writeAtomically(
            query, try PNGEncoder.encode(PhantomGenerator(seed: 1, site: .a, side: 64).makeCase(0).image))
        let note = try scratch.write("note.txt", "mine\n")
        let pipe = scratch.path("pipe")
        mkfifo(pipe, 0o600)
        let link = scratch.path("link")
        symlink(note, link)
        let dangling = scratch.path("dangling")
        symlink(scratch.path("nothing"), dangling)
        let hard = scratch.path("hard.png")
        Foundation.link(query, hard)
        let data = try bytes(archive + "/data.mdb")
        let wanted: [(path: String, says: String, needsForce: Bool)] = [
            (pipe, "a pipe", false), (link, "a link", false), (dangling, "a link", false),
            (scratch.path("archive"), "a folder", false),
            (query, "this run reads this file", false), (hard, "this run reads this file", false),
            (archive + "/data.mdb", "lies in the archive", false), (archive + "/new.png", "lies in the archive", false),
            (archive + "/model/config.json", "lies in the archive", false), (note, "with --force", true),
            (scratch.path("missing/x.png"), "no such folder", false), (note + "/x.png", "this is no folder", false),
        ]
        for (path, says, needsForce) in wanted {
            for extra in needsForce ? [[]] : [[], ["--force"]] {
                let result = try Program.run(["search", archive, "--image", query, "--sheet", path] + extra)
                #expect(result.status == 1, "\(path): \(result.errors)")
                #expect(result.errors.contains(says), "\(path): \(result.errors)")
                #expect(result.output.isEmpty, "\(path): a refusal comes before the work")
            }
        }
        #expect(mode(pipe) == S_IFIFO && mode(link) == S_IFLNK && mode(dangling) == S_IFLNK)
        #expect(String(decoding: try bytes(note), as: UTF8.self) == "mine\n")
        #expect(try bytes(archive + "/data.mdb") == data)
        #expect(mode(archive + "/new.png") == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
        #expect(!names.contains { $0.contains(".tmp-") })
        let forced = try Program.run(["search", archive, "--image", query, "--sheet", note, "--force"])
        #expect(forced.status == 0, "\(forced.errors)")
        #expect(throws: Never.self) { try ImageDecoder.decode(path: note) }
    }

    @Test("A verb replaces its own picture without asking, and not that of another verb")
    func ownPicture() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let sheet = scratch.path("hits.png")
        for _ in 0..<2 {
            let result = try Program.run(["search", archive, "--text", "effusion", "--sheet", sheet])
            #expect(result.status == 0, "\(result.errors)")
        }
        let id = try #require(
            try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/images").sorted().first)
        let explained = try Program.run(
            ["explain", archive, "--id", String(id.dropLast(4)), "--text", "effusion", "--out", sheet])
        #expect(explained.status == 1 && explained.errors.contains("--force"), "\(explained.errors)")
    }

    @Test("The page and the figures of a pilot are known again by their marks")
    func ownPage() throws {
        let scratch = try Scratch()
        let page = try scratch.write("a.html", "<html><head>\(OutputFile.pageMark("hilum pilot"))</head></html>")
        let figures = try scratch.write("a.json", JSON(members: ["by": "hilum pilot", "a": 1]).sorted.text)
        let other = try scratch.write("b.json", #"{"a":"{\"by\":\"hilum pilot\""}"#)
        #expect(throws: Never.self) { try OutputFile(page, of: "pilot") }
        #expect(throws: CommandError.self) { try OutputFile(page, of: "eval") }
        #expect(throws: CommandError.self) { try OutputFile(other, of: "pilot") }
        // "a" sorts before "by": such an object was not written by the verb.
        #expect(throws: CommandError.self) { try OutputFile(figures, of: "pilot") }
    }

    @Test("What appears while the work runs is not replaced either")
    func lateFile() throws {
        let scratch = try Scratch()
        let file = try OutputFile(scratch.path("x.png"), of: "search")
        _ = try scratch.write("x.png", "mine")
        #expect(throws: CommandError.self) { try file.write(picture: Self.picture, isPrivate: true) }
        #expect(String(decoding: try bytes(scratch.path("x.png")), as: UTF8.self) == "mine")
    }

    @Test("A file of a folder that the run reads stays, with --force too")
    func fileOfInput() throws {
        let scratch = try Scratch()
        let path = try scratch.write("data/x.html", "mine")
        let error = #expect(throws: CommandError.self) {
            try OutputFile(path, of: "pilot", inputs: [scratch.path("data")], isForced: true)
        }
        #expect(error?.description.contains("which this run reads") == true)
        #expect(throws: Never.self) {
            try OutputFile(scratch.path("data/new.html"), of: "pilot", inputs: [scratch.path("data")])
        }
    }

    @Test("A model is written into a new or empty folder only")
    func modelFolder() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let weights = try scratch.write("vit/vocab.txt", "mine")
        let archive = try world.archive(in: scratch)
        for (out, says) in [
            (scratch.path("vit"), "holds other files (vocab.txt)"), (world.model, "a model stands here already"),
            (archive + "/model2", "lies in the archive"), (weights, "no folder"),
        ] {
            let result = try Program.run(["model", "average", world.model, world.model, "--out", out])
            #expect(result.status == 1 && result.errors.contains(says), "\(out): \(result.errors)")
            let trained = try Program.run(["train", "--data", world.phantoms, "--out", out, "--steps", "1"])
            #expect(trained.status == 1 && trained.errors.contains(says), "\(out): \(trained.errors)")
        }
        #expect(String(decoding: try bytes(weights), as: UTF8.self) == "mine")
        #expect(
            try Program.run(["model", "average", world.model, world.model, "--out", scratch.path("m")]).status == 0)
    }

    @Test("An archive is made in a new or empty folder only")
    func archiveFolder() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        _ = try scratch.write("home/letter.txt", "mine")
        let result = try Program.run(["init", scratch.path("home"), "--model", world.model])
        #expect(result.status == 1 && result.errors.contains("holds other files (letter.txt)"), "\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("home")) == ["letter.txt"])
        try FileIO.makeFolder(scratch.path("empty/lost+found"))
        #expect(try Program.run(["init", scratch.path("empty"), "--model", world.model]).status == 0)
        let again = try Program.run(["init", scratch.path("empty"), "--model", world.model])
        #expect(again.status == 1 && again.errors.contains("an archive stands here already"), "\(again.errors)")
    }

    @Test("A socket's lock replaces no file that no daemon made")
    func socketLock() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let lock = try scratch.write("s.lock", "mine\n")
        for socket in [scratch.path("s"), archive + "/writer"] {
            let result = try Program.run(["serve", archive, "--socket", socket])
            #expect(result.status == 1, "\(socket): \(result.errors)")
            #expect(
                result.errors.contains("no lock of a daemon") || result.errors.contains("is a file of an archive"),
                "\(result.errors)"
            )
        }
        #expect(String(decoding: try bytes(lock), as: UTF8.self) == "mine\n")
        #expect(mode(archive + "/writer.lock") == S_IFREG)
    }
}
