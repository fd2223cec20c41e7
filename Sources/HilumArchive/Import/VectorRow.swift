import HilumCore

/// What a line says of one row of a file of vectors.
struct VectorRow: Sendable {
    /// Why a line cannot be used, in words.
    struct Fault: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
    }

    var id = ""
    var kind: VectorKind
    /// Of an image among those of its case, from 0; nil where the line does not say it.
    var place: Int?
    /// Where the case stands among all of them; nil where the line does not say it.
    var order: Int?
    /// The line, from 1.
    let line: Int
    /// What else the line says of the case; nil for nothing.
    var more: LineFields?

    /// What a line says beside id and kind; on the heap, as most lines of large files say nothing.
    final class LineFields: Sendable {
        let said: SourceCase
        /// As `LineProof.member`; nil where the line bears none.
        let proof: String?

        init(_ said: SourceCase, proof: String?) {
            self.said = said
            self.proof = proof
        }
    }

    /// How lines are written.
    struct Form: Sendable {
        /// The kind of a row whose line names none.
        var kind: VectorKind
        /// What paths in lines begin at.
        var folder: String
        /// Whether they are those of clip-retrieval: `image_path`, `caption`, and no kind.
        var isClip = false
    }

    /// Reads a line.
    ///
    /// - Parameter row: the number of the row, from 0.
    init(_ bytes: ArraySlice<UInt8>, row: Int, line: Int, _ form: Form) throws(Fault) {
        kind = form.kind
        self.line = line
        let json: JSON
        do { json = try Manifest.json(parsing: bytes) } catch { throw Fault("the line is not valid JSON: \(error)") }
        guard case .object(let members) = json else { throw Fault("the line is not a JSON object") }
        var said: SourceCase?
        var proof: String?
        for (key, value) in members {
            if key == "settled", !form.isClip {
                proof = value.string
            } else {
                try take(key, value, row: row, form, &said)
            }
        }
        if id.isEmpty, let image = said?.imagePaths.first { id = Self.name(of: image, form) }
        more = said.map { LineFields($0, proof: proof) }
        guard !id.isEmpty else { throw Fault("the line has no id") }
        id = CaseID.canonical(id)
        do { try CaseID.check(id) } catch { throw Fault(error.reason) }
    }

    private mutating func take(
        _ key: String, _ value: JSON, row: Int, _ form: Form, _ said: inout SourceCase?
    ) throws(Fault) {
        switch (key, value) {
        case ("seal", .object): break
        case ("row", .numeral):
            guard value.integer == row else {
                throw Fault("the line says another row than its place in the file, which is \(row)")
            }
        case ("case", .numeral): order = value.integer
        case ("id", .string(let text)), ("id", .numeral(let text)): id = text
        case ("kind", _) where !form.isClip:
            guard let kind = value.string.flatMap(VectorKind.init) else { throw Fault("the kind is image or report") }
            self.kind = kind
        case ("image", .numeral):
            guard let place = value.integer, (0..<ArchiveLimits.imageCount).contains(place) else {
                throw Fault("the images of a case are numbered from 0, up to \(ArchiveLimits.imageCount - 1)")
            }
            self.place = place
        case ("image_path", _) where form.isClip: Self.set("image", value, form, &said)
        case ("caption", _) where form.isClip: Self.set("report", value, form, &said)
        default: Self.set(key, value, form, &said)
        }
    }

    private static func set(_ key: String, _ value: JSON, _ form: Form, _ said: inout SourceCase?) {
        var known = said ?? SourceCase(place: "", name: "")
        known.set(key, value, folder: form.folder)
        said = known
    }

    /// A row without an id is named by its image: the path without its ending, below the folder of the lines where it lies there.
    private static func name(of path: String, _ form: Form) -> String {
        let relative = FilePath.relative(path, to: form.folder) ?? path
        let name = FilePath.name(of: relative)
        let ending = name.lastIndex(of: ".").map { name.distance(from: $0, to: name.endIndex) } ?? 0
        return String(relative.dropLast(ending).drop { $0 == "/" })
    }
}
