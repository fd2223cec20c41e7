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
        "A sibling lies in the same folder, and is relative where the path is",
        arguments: [("j", "v"), ("a/j", "a/v"), ("/j", "/v"), ("./j", "./v"), ("a/j/", "a/v")])
    func siblings(_ path: String, sibling: String) {
        #expect(FilePath.sibling(of: path, named: "v") == sibling)
    }
}
