import HilumCore

/// The general language of radiology reports and case notes, far wider than what the phantoms show.
///
/// It feeds the vocabulary builder, not the drawing. The words stand in `Resources/radiology-wording.txt`, whose head says how
/// it is written.
/// Thread rule: an immutable value; any number of threads.
public struct RadiologyWording: Sendable {
    private static let fileName = "radiology-wording.txt"
    private static let read = Result { () throws(PhantomError) -> RadiologyWording in try RadiologyWording() }

    /// Words of radiology, anatomy and the clinic, in lower case, each once; for building a vocabulary.
    public let terms: [String]
    /// What may stand for a slot, by the slot's name.
    let slots: [String: [String]]
    let templates: [String]

    /// The wording that comes with the program; its file is read once a process.
    ///
    /// - Throws: `PhantomError.badWording` when the file is missing or not as it should be.
    public static func shared() throws(PhantomError) -> RadiologyWording { try read.get() }

    private init() throws(PhantomError) {
        let places = ResourceBundle.places(of: "HilumPhantom").map { $0 + "/" + Self.fileName }
        guard let path = places.first(where: ResourceBundle.isThere) else {
            throw PhantomError(.badWording("it is not beside the program"), path: places.first ?? Self.fileName)
        }
        do {
            try self.init(text: String(decoding: FileIO.read(path, limitInBytes: 1 << 20), as: UTF8.self), path: path)
        } catch let error as PhantomError {
            throw error
        } catch {
            throw PhantomError(.badWording("\(error)"), path: path)
        }
    }

    /// The wording that a text holds.
    ///
    /// - Parameter path: named in errors.
    init(text: String, path: String = RadiologyWording.fileName) throws(PhantomError) {
        var words: [String] = []
        var slots: [String: [String]] = [:]
        var templates: [String] = []
        var section: Section?
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.first == "#" { continue }
            if line.first == "[" {
                guard let next = Section(line) else {
                    throw PhantomError(.badWording("line \(number + 1) begins no section that is known"), path: path)
                }
                section = next
                continue
            }
            switch section {
            case .words: words += line.split(separator: " ").map(String.init)
            case .slot(let name): slots[name, default: []].append(String(line))
            case .templates: templates.append(String(line))
            case nil: throw PhantomError(.badWording("line \(number + 1) stands before the first section"), path: path)
            }
        }
        guard !words.isEmpty, !templates.isEmpty else {
            throw PhantomError(.badWording("it has no words or no templates"), path: path)
        }
        var seen: Set<String> = []
        terms = words.filter { seen.insert($0).inserted }
        self.slots = slots
        self.templates = templates
    }

    /// A part of the file, as its heading says: `[words anatomy]`, `[slot side]`, `[templates]`.
    private enum Section {
        case words
        case slot(String)
        case templates

        init?(_ heading: Substring) {
            guard heading.last == "]" else { return nil }
            let parts = heading.dropFirst().dropLast().split(separator: " ").map(String.init)
            switch (parts.first, parts.count) {
            case ("words", 2): self = .words
            case ("slot", 2): self = .slot(parts[1])
            case ("templates", 1): self = .templates
            default: return nil
            }
        }
    }

    /// `count` sentences of report prose and clinical notes, a pure function of `seed`.
    ///
    /// Sentence `i` does not depend on `count`.
    public func sentences(count: Int, seed: UInt64) -> [String] {
        precondition(count >= 0, "the count must not be negative")
        return (0..<count).map { index in
            var random = SeededGenerator(seed: seed, keys: 77, UInt64(index))
            var text = fill(random.pick(templates), &random, depth: 0)
            text = text.sentenceStart
            return text.hasSuffix(".") ? text : text + "."
        }
    }

    /// Replaces each `{slot}` by one of its fillings, which may hold slots themselves.
    private func fill(_ template: String, _ random: inout SeededGenerator, depth: Int) -> String {
        var out = ""
        var rest = Substring(template)
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            out += rest[..<open]
            let name = String(rest[rest.index(after: open)..<close])
            if name == "age" {
                out += String(18 + random.integer(below: 78))
            } else if name == "mm" {
                out += String(2 + random.integer(below: 60))
            } else if name == "n" {
                out += String(1 + random.integer(below: 21))
            } else if name == "level" {
                out += "T\(1 + random.integer(below: 12))"
            } else if depth < 4, let options = slots[name] {
                out += fill(random.pick(options), &random, depth: depth + 1)
            }
            rest = rest[rest.index(after: close)...]
        }
        return out + rest
    }
}
