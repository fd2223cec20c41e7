/// The parts of a path, by its bytes: what lies before the last `/`, and what lies after it.
///
/// The paths of `NSString` must not be used in its place (`TidyTests`): the Foundation of Swift 6.3 on Linux ends the process for a
/// relative path of one character, such as `j`, and for one with two slashes before a mark.
public enum FilePath {
    private static let slash = UInt8(ascii: "/")

    /// The folder that a path lies in: `a` for `a/b` and `a/b/`, `/` for `/b`, and `.` for `b`, which lies in the current folder.
    public static func folder(of path: String) -> String {
        let bytes = Array(path.utf8)
        guard let first = bytes.first else { return "." }
        let name = name(bytes)
        guard name.lowerBound > 0 else { return first == slash ? "/" : "." }
        let end = bytes[..<name.lowerBound].lastIndex { $0 != slash }
        return end.map { String(decoding: bytes[...$0], as: UTF8.self) } ?? "/"
    }

    /// The last part of a path: `b` for `a/b` and `a/b/`; empty for `/` and for an empty path.
    public static func name(of path: String) -> String {
        let bytes = Array(path.utf8)
        return String(decoding: bytes[name(bytes)], as: UTF8.self)
    }

    /// A path without the last dot of its name and what follows: `a/b` for `a/b.png`. A dot that begins a name is none: `a/.b` stays. Slashes
    /// that follow each other become one, and none stays at the end.
    public static func withoutEnding(_ path: String) -> String {
        var bytes: [UInt8] = []
        for byte in path.utf8 where byte != slash || bytes.last != slash { bytes.append(byte) }
        if bytes.count > 1, bytes.last == slash { bytes.removeLast() }
        return String(decoding: bytes[..<(dot(bytes) ?? bytes.endIndex)], as: UTF8.self)
    }

    /// What follows the last dot of the name: `png` for `a/b.png`; empty without one.
    public static func ending(of path: String) -> String {
        let bytes = Array(path.utf8)
        return dot(bytes).map { String(decoding: bytes[($0 + 1)..<name(bytes).upperBound], as: UTF8.self) } ?? ""
    }

    /// The path of the file `name` that lies beside `path`; relative where `path` is.
    public static func sibling(of path: String, named name: String) -> String {
        let folder = folder(of: path)
        if folder == "." && !path.utf8.starts(with: [UInt8(ascii: "."), slash]) { return name }
        return folder.utf8.last == slash ? folder + name : folder + "/" + name
    }

    /// Whether a path begins at the root.
    public static func isAbsolute(_ path: String) -> Bool { path.utf8.first == slash }

    /// The path of what lies beneath a folder, from there; nil for the folder itself and for all that lies elsewhere.
    ///
    /// By bytes, as the system compares names: a name may begin with a mark that belongs to the character before it, and then the slash is
    /// none for `String.hasPrefix`, which also takes two spellings of an accent for one.
    public static func relative(_ path: String, to folder: String) -> String? {
        var (path, folder) = (path[...].utf8, folder[...].utf8)
        if folder.last == slash { folder.removeLast() }
        guard path.starts(with: folder) else { return nil }
        path.removeFirst(folder.count)
        guard path.popFirst() == slash, !path.isEmpty else { return nil }
        return String(Substring(path))
    }

    /// Whether a path lies beneath a folder, by its bytes.
    public static func isBeneath(_ path: String, _ folder: String) -> Bool { relative(path, to: folder) != nil }

    /// The parts of a path, without empty ones.
    public static func parts(of path: String) -> [String] {
        path.utf8.split(separator: slash).map { String(Substring($0)) }
    }

    /// An absolute path without empty parts, `.` and `..`, by its words alone: links are not looked at.
    public static func withoutDots(_ path: String) -> String {
        var kept: [String] = []
        for part in parts(of: path) where part != "." {
            if part == ".." { _ = kept.popLast() } else { kept.append(part) }
        }
        return "/" + kept.joined(separator: "/")
    }

    /// Where the ending of the name begins, with its dot.
    private static func dot(_ bytes: [UInt8]) -> Int? {
        let name = name(bytes)
        let dot = bytes[name].lastIndex(of: UInt8(ascii: "."))
        return dot.flatMap { $0 > name.lowerBound ? $0 : nil }
    }

    /// The bytes of the last part, without slashes at the end.
    private static func name(_ bytes: [UInt8]) -> Range<Int> {
        guard let last = bytes.lastIndex(where: { $0 != slash }) else { return 0..<0 }
        let start = bytes[...last].lastIndex(of: slash).map { $0 + 1 } ?? 0
        return start..<(last + 1)
    }
}
