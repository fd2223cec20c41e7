import Foundation
import HilumCore
import Testing

/// What the program reads that lies beside it.
@Suite("Resources")
struct ResourceTests {
    @Test("A program that was copied elsewhere finds its wording beside it, and says so when it is not there")
    func copiedProgram() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let source = (Program.path as NSString).deletingLastPathComponent
        try FileIO.makeFolder(scratch.path("bin"))
        func copy(_ name: String) throws {
            // By another process: a child that a test starts meanwhile would have the file open for writing, and nobody could run it.
            let words = ["-r", source + "/" + name, scratch.path("bin/" + name)]
            let copied = try Program.run(words, folder: "/", program: "/bin/cp")
            try #require(copied.status == 0, "\(copied.errors)")
        }
        try copy("hilum")
        let program = scratch.path("bin/hilum")
        let words = [
            "train", "--data", world.phantoms, "--config", "mcr-micro", "--steps", "1", "--batch", "4", "--hold-out",
            "0", "--label-share", "0", "--quiet", "--out",
        ]
        let without = try Program.run(words + [scratch.path("first")], folder: "/", program: program)
        #expect(without.status == 1 && without.errors.contains("general wording"), "\(without.errors)")
        try copy("Hilum_HilumPhantom.resources")
        let with = try Program.run(words + [scratch.path("second")], folder: "/", program: program)
        #expect(with.status == 0, "\(with.errors)")
        let vocabulary = try FileIO.read(scratch.path("second/vocab.txt"))
        #expect(vocabulary.count { $0 == UInt8(ascii: "\n") } == 2_048)
    }

    @Test("A program does not load the libraries of the programs beside it")
    func foreignLibraries() throws {
        let folder = (Program.path as NSString).deletingLastPathComponent
        func names(_ program: String, _ library: String) throws -> Bool {
            try Data(contentsOf: URL(fileURLWithPath: folder + "/" + program)).range(of: Data(library.utf8)) != nil
        }
        // As a program that needs one names it.
        #expect(try names("hilum", "liblmdb.so"))
        // GDCM alone takes 15 ms to load.
        for library in ["libgdcmMSFF.so", "libmicrohttpd.so"] {
            #expect(try !names("hilum", library), "\(library)")
        }
    }
}
