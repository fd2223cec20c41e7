import Foundation
import HilumCore

/// Values that no option expects, and the folder they are tried in.
///
/// Names such as `pipe` or `loop` stand for what `makeFolder` puts there under them.
enum OddValues {
    /// The values as bytes, each with a word that describes it.
    static let all: [(what: String, bytes: [UInt8])] =
        [
            ("empty", ""), ("one letter", "j"), ("the root", "/"), ("this folder", "."), ("the folder above", ".."),
            ("this folder with a slash", "./"), ("a dash", "-"), ("two dashes", "--"), ("minus one", "-1"),
            ("zero", "0"),
            ("minus zero", "-0"), ("leading zeros", "007"), ("too large a power", "1e999"), ("not a number", "nan"),
            ("infinity", "inf"), ("hexadecimal", "0x10"), ("the largest integer and one", "9223372036854775808"),
            ("a fraction", "3.5"), ("a line feed", "a\nhilum: all is well"), ("an escape sequence", "\u{1B}[2Jx"),
            ("blanks", "   "), ("an accent alone", "\u{301}"), ("an emoji", "🩻"), ("Japanese", "胸水なし"),
            ("a percent sign", "%s%n%@"),
            ("a condition", "view=PA,site=B"), ("an open quote", "a=\"b"), ("a shell word", "$(x);`x`"),
            ("a folder", "folder"), ("a pipe", "pipe"), ("a device", "device"), ("a loop of links", "loop"),
            ("a link to nothing", "nowhere"), ("a file in a file", "text.txt/x"),
            ("a folder that is missing", "missing/x"),
        ].map { ($0.0, Array($0.1.utf8)) } + [
            ("a name of 300 bytes", [UInt8](repeating: UInt8(ascii: "n"), count: 300)),
            ("a path of 5,000 bytes", Array(String(repeating: "nn/", count: 1666).utf8)),
            ("bytes that are no UTF-8", [0x66, 0xFF, 0xC3, 0x28, 0xED, 0xA0, 0x80]),
        ]

    /// The values that one option meets in a run: all with `HILUM_ODD_VALUES=all`, which takes minutes; else nine of them, others for
    /// each option, so that every value meets some. Pipes and single letters, which did harm, are always among them.
    static func some(for option: String) -> [(what: String, bytes: [UInt8])] {
        if ProcessInfo.processInfo.environment["HILUM_ODD_VALUES"] == "all" { return all }
        var generator = SeededGenerator(seed: option.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
        var rest = all
        generator.shuffle(&rest)
        let always = ["one letter", "a pipe"]
        return all.filter { always.contains($0.what) } + rest.filter { !always.contains($0.what) }.prefix(7)
    }

    /// Puts what the values name into a folder.
    static func makeFolder(_ folder: String) throws {
        try FileIO.makeFolder(folder + "/folder")
        try FileIO.writeAtomically(folder + "/folder/note", Array("a file\n".utf8))
        try FileIO.writeAtomically(folder + "/text.txt", Array("some text\n".utf8))
        mkfifo(folder + "/pipe", 0o600)
        // A null device of one's own, where this user may make one: an output that replaced it would do no harm.
        if mknod(folder + "/device", S_IFCHR | 0o600, 0x103) != 0 { symlink("/dev/null", folder + "/device") }
        symlink("loop", folder + "/loop")
        symlink("not/there", folder + "/nowhere")
    }
}
