import Foundation
import HilumCore
import HilumImaging

/// A file that a verb writes. All verbs write through this type, so that no output destroys anything.
///
/// ```
/// --out PATH ─ init: may it be written? ─ the work ─ write: may it still? ─ temporary file beside it ─ rename
/// ```
/// Refused are: what is no plain file (a device, a link, a folder), an input of the same run, a file inside an archive, and, without
/// `--force`, a file that is there already. Only a picture or report that the same verb made is replaced without asking.
struct OutputFile {
    let path: String
    /// The verb, as it marks its pictures and reports: `hilum search`.
    let program: String
    /// Files and folders that the run reads.
    private let inputs: [String]
    /// Whether any plain file may be replaced.
    private let isForced: Bool

    /// Checks that the file may be written; verbs do so before their work begins.
    ///
    /// - Parameter inputs: files that the run reads. Of a folder, every file counts.
    /// - Throws: `CommandError` that says what stands in the way.
    init(_ path: String, of verb: String, inputs: [String] = [], isForced: Bool = false) throws {
        self.path = path
        program = "hilum \(verb)"
        self.inputs = inputs
        self.isForced = isForced
        try check()
    }

    /// The same for a file that an option of a verb names.
    init(_ path: String, of verb: String, inputs: [String] = [], _ arguments: Arguments) throws {
        try self.init(path, of: verb, inputs: inputs, isForced: arguments.has(Option.force.name))
    }

    /// Writes a picture, which says that the verb made it.
    ///
    /// - Parameter isPrivate: only its owner may read it, as it shows films.
    func write(picture: RGBImage, isPrivate: Bool) throws {
        try write(PNGMark.marked(try PNGEncoder.encode(picture), program: program), isPrivate: isPrivate)
    }

    /// - Parameter isPrivate: only its owner may read it.
    func write(_ bytes: some ContiguousBytes, isPrivate: Bool = false) throws {
        try check()
        try FileIO.writeAtomically(path, bytes, rights: isPrivate ? 0o600 : 0o644)
    }

    // MARK: Checks

    private func check() throws {
        if path.isEmpty { throw CommandError.usage("the name of an output is empty") }
        if path.utf8.last == UInt8(ascii: "/") { throw refusal("this names a folder; give the name of a file") }
        try OutputFolder.checkPlace(FilePath.folder(of: path))
        var status = stat()
        if lstat(path, &status) != 0 {
            if errno == ENOENT { return }
            throw refusal(String(cString: strerror(errno)))
        }
        if let kind = Self.kind(status.st_mode) {
            throw refusal("this is \(kind) and no plain file; an output does not replace it, choose another name")
        }
        if isInput(status) {
            throw refusal("this run reads this file; an output does not replace it, choose another name")
        }
        if isOwn { return }
        if !isForced { throw refusal("a file stands here already; choose another name, or replace it with --force") }
        if let folder = inputs.first(where: isInside) {
            throw refusal("this file lies in \(folder), which this run reads; choose a name elsewhere")
        }
    }

    private func refusal(_ reason: String) -> CommandError { CommandError(.failed, "\(path): \(reason)") }

    /// What a file is that is not plain; nil for a plain one.
    private static func kind(_ mode: mode_t) -> String? {
        switch mode & S_IFMT {
        case S_IFREG: nil
        case S_IFDIR: "a folder"
        case S_IFLNK: "a link"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }

    /// Whether a file is one of the inputs, under whatever name.
    private func isInput(_ output: stat) -> Bool {
        inputs.contains { input in
            var status = stat()
            return stat(input, &status) == 0 && status.st_dev == output.st_dev && status.st_ino == output.st_ino
        }
    }

    private func isInside(_ input: String) -> Bool {
        guard let folder = OutputFolder.resolved(input), let own = OutputFolder.resolved(FilePath.folder(of: path))
        else {
            return false
        }
        return own == folder || FilePath.isBeneath(own, folder)
    }

    /// Whether the same verb made the file: a PNG, a page or a JSON object that says so at its beginning.
    private var isOwn: Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var head = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &head, head.count)
        guard count > 0 else { return false }
        head.removeLast(head.count - count)
        if PNGMark.isMarked(head, program: program) { return true }
        let text = String(decoding: head, as: UTF8.self)
        return text.contains(Self.pageMark(program)) || text.hasPrefix(Self.jsonMark(program))
    }

    /// What a page has in its head.
    static func pageMark(_ program: String) -> String { "<meta name=\"generator\" content=\"\(program)\">" }

    /// How an object of figures begins; `by` is the first of its sorted keys.
    static func jsonMark(_ program: String) -> String { "{\"by\":\"\(program)\"" }
}
