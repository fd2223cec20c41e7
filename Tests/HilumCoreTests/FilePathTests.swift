import Foundation
import HilumCore
import Testing

@Suite struct FilePathTests {
    @Test(
        "A path is a folder and a name",
        arguments: [
            ("j", ".", "j"), ("a/b", "a", "b"), ("a/b/", "a", "b"), ("a//b//", "a", "b"), ("/b", "/", "b"),
            ("//b", "/", "b"),
            ("/", "/", ""), ("//", "/", ""), ("", ".", ""), (".", ".", "."), ("..", ".", ".."), ("./j", ".", "j"),
            ("/a/b.c", "/a", "b.c"), ("胸/水", "胸", "水"), ("é", ".", "é"), ("\n", ".", "\n"), ("a/", ".", "a"),
        ])
    func parts(_ path: String, folder: String, name: String) {
        #expect(FilePath.folder(of: path) == folder)
        #expect(FilePath.name(of: path) == name)
    }

    @Test(
        "The ending of a name is what follows its last dot",
        arguments: [
            ("a/b.png", "a/b", "png"), ("a.b/c", "a.b/c", ""), ("x.tar.gz", "x.tar", "gz"), (".hidden", ".hidden", ""),
            ("a/.hidden.txt", "a/.hidden", "txt"), ("x.", "x", ""), ("a//b.png", "a/b", "png"), ("a.d/", "a", "d"),
            ("/", "/", ""), ("", "", ""), ("胸.png", "胸", "png"), ("..", ".", ""),
            // Foundation's own way ended the process.
            ("4r\t///\u{301}\"\u{FFFD}", "4r\t/\u{301}\"\u{FFFD}", ""),
        ])
    func endings(_ path: String, stem: String, ending: String) {
        #expect(Array(FilePath.withoutEnding(path).utf8) == Array(stem.utf8))
        #expect(FilePath.ending(of: path) == ending)
    }

    @Test("What lies beneath a folder is found by bytes")
    func beneath() {
        let mark = "\u{301}x.png"
        for (path, folder, relative) in [
            ("/in/a.png", "/in", "a.png"), ("/in/a/b.png", "/in/", "a/b.png"), ("/a", "/", "a"), ("a/b", "a", "b"),
            ("/in/" + mark, "/in", mark), ("/in/" + mark + "/" + mark, "/in/" + mark, mark),
        ] {
            #expect(FilePath.relative(path, to: folder).map { Array($0.utf8) } == Array(relative.utf8))
        }
        for (path, folder) in [
            ("/in", "/in"), ("/in/", "/in"), ("/inbox/a", "/in"), ("/other", "/in"), ("a", "/"), ("", ""),
            // Two spellings of an accent are two names.
            ("/e\u{301}/a", "/\u{e9}"),
        ] {
            #expect(FilePath.relative(path, to: folder) == nil && !FilePath.isBeneath(path, folder))
        }
        #expect(FilePath.parts(of: "/in/" + mark).map { Array($0.utf8) } == [Array("in".utf8), Array(mark.utf8)])
        #expect(FilePath.isAbsolute("/" + mark) && !FilePath.isAbsolute("in/a") && !FilePath.isAbsolute(""))
    }

    @Test("Faults of files that pass are told from those that stay")
    func passingFaults() {
        for (number, passes) in [
            (EACCES, true), (EIO, true), (EMFILE, true), (ESTALE, true), (ELOOP, false), (ENOTDIR, false),
            (ENAMETOOLONG, false), (EXDEV, false),
        ] {
            #expect(FileError(.system(errno: number), path: "a", call: "open").mayPass == passes)
        }
        #expect(!FileError(.notFound, path: "a", call: "open").mayPass)
        #expect(FileError(.system(errno: ELOOP), path: "a", call: "open").description.contains("put the file itself"))
    }

    @Test(
        "A sibling lies in the same folder, and is relative where the path is",
        arguments: [("j", "v"), ("a/j", "a/v"), ("/j", "/v"), ("./j", "./v"), ("a/j/", "a/v")])
    func siblings(_ path: String, sibling: String) {
        #expect(FilePath.sibling(of: path, named: "v") == sibling)
    }
}
