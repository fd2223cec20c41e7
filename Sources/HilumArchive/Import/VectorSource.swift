import Foundation
import HilumCore

/// A file of vectors and the file whose lines say what its rows are.
public struct VectorSource: Sendable, Equatable {
    /// `.npy` or `.fvecs`.
    public let vectors: String
    /// JSON, one object a line.
    public let lines: String
    /// The kind of all rows, where their place says it; nil where the lines do.
    public var kind: VectorKind?
    /// Whether the lines are those of clip-retrieval.
    var isClip = false
    /// The folder that was named, where the pair was found in one.
    var folder: String?
    /// Whether the lines are of cases that no vector stands for, so that `vectors` names no file.
    var isBare: Bool { vectors.isEmpty }

    /// What `hilum export` calls the lines of cases that no vector stands for.
    public static let bareName = "without-vectors.jsonl"

    /// A pair of files.
    public init(vectors: String, lines: String, kind: VectorKind? = nil) {
        self.vectors = vectors
        self.lines = lines
        self.kind = kind
    }

    // MARK: Finding

    /// The pairs that a user names: `V.npy IDS.jsonl`, `V.npy` with `V.jsonl` beside it, a part of `hilum embed`, a folder of such files,
    /// or a folder in the layout of clip-retrieval. A pair that is named twice counts once.
    ///
    /// - Throws: `.notFound` for what is not there, `.badRequest` for what cannot be read.
    public static func find(_ names: [String]) throws(ArchiveError) -> [VectorSource] {
        var found: [VectorSource] = []
        var seen: Set<String> = []
        var place = 0
        while place < names.count {
            let name = names[place]
            place += 1
            var sources: [VectorSource]
            if isFolder(name) {
                sources = try inFolder(name)
            } else {
                let next = place < names.count && isNamedAsLines(names[place]) ? names[place] : nil
                if next != nil { place += 1 }
                sources = [try pair(name, lines: next)]
            }
            sources.removeAll { source in
                let file = source.isBare ? source.lines : source.vectors
                return !seen.insert(SourceScanner.realPath(file) ?? file).inserted
            }
            found += sources
        }
        return found
    }

    private static let endings = [".npy", ".fvecs"]
    private static let lineEndings = [".jsonl", ".ndjson", ".json"]

    private static func isNamedAsLines(_ name: String) -> Bool {
        lineEndings.contains { name.lowercased().hasSuffix($0) }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private static func pair(_ name: String, lines: String?) throws(ArchiveError) -> VectorSource {
        guard !isNamedAsLines(name) else {
            throw ArchiveError(.badRequest, "\(name): the file of vectors comes before the file of its ids")
        }
        guard let vectors = ([name] + endings.map { name + $0 }).first(where: isThere) else {
            throw ArchiveError(.notFound, "\(name): there is no such file")
        }
        if let lines { return VectorSource(vectors: vectors, lines: lines) }
        guard let beside = linesBeside(vectors) else {
            throw ArchiveError(
                .notFound,
                "\(vectors): the file with the ids of its rows is missing; name it after this one, a JSON object a line"
            )
        }
        return VectorSource(vectors: vectors, lines: beside)
    }

    /// The file of ids beside a file of vectors.
    private static func linesBeside(_ vectors: String) -> String? {
        let ending = endings.first { vectors.lowercased().hasSuffix($0) } ?? ""
        let stem = String(vectors.dropLast(ending.count))
        return lineEndings.map { stem + $0 }.first(where: isThere)
    }

    private static func names(in folder: String) throws(ArchiveError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted {
                $0.compare($1, options: .numeric) == .orderedAscending
            }
        } catch { throw ArchiveError(.io, "\(folder): the folder cannot be read") }
    }

    private static func inFolder(_ folder: String) throws(ArchiveError) -> [VectorSource] {
        let names = try names(in: folder)
        if names.contains("img_emb") || names.contains("text_emb") { return try clip(folder) }
        var found: [VectorSource] = []
        for name in names where endings.contains(where: { name.lowercased().hasSuffix($0) }) {
            found.append(try pair("\(folder)/\(name)", lines: nil))
        }
        if found.isEmpty {
            // Parts may have been named without an ending.
            for name in names where !isNamedAsLines(name) {
                let path = "\(folder)/\(name)"
                if let lines = linesBeside(path), !isFolder(path) { found.append(.init(vectors: path, lines: lines)) }
            }
        }
        found += orphans(names, in: folder)
        if names.contains(bareName) { found.append(VectorSource(vectors: "", lines: "\(folder)/\(bareName)")) }
        guard !found.isEmpty else {
            throw ArchiveError(.notFound, "\(folder): the folder holds no .npy or .fvecs file")
        }
        for index in found.indices { found[index].folder = folder }
        return found
    }

    /// Lines that a program of Hilum wrote, and whose vectors are not there; whoever reads them says so.
    private static func orphans(_ names: [String], in folder: String) -> [VectorSource] {
        names.compactMap { name in
            guard name != bareName, let ending = lineEndings.first(where: name.lowercased().hasSuffix) else {
                return nil
            }
            let stem = "\(folder)/\(name.dropLast(ending.count))"
            guard !isThere(stem), !endings.contains(where: { isThere(stem + $0) }),
                VectorSeal.read("\(folder)/\(name)") != nil
            else { return nil }
            return VectorSource(vectors: stem + ".npy", lines: "\(folder)/\(name)")
        }
    }

    /// `img_emb/img_emb_N.npy`, `text_emb/text_emb_N.npy` and `metadata/metadata_N.*`, as clip-retrieval's `inference` writes them. Row i of
    /// all three is one case.
    private static func clip(_ folder: String) throws(ArchiveError) -> [VectorSource] {
        var found: [VectorSource] = []
        for (part, kind) in [("img_emb", VectorKind.image), ("text_emb", .report)] where isFolder("\(folder)/\(part)") {
            for name in try names(in: "\(folder)/\(part)") where name.hasSuffix(".npy") {
                let number = String(name.dropLast(4).reversed().prefix { $0.isNumber }.reversed())
                var source = VectorSource(
                    vectors: "\(folder)/\(part)/\(name)", lines: try metadata(folder, number), kind: kind)
                source.isClip = true
                found.append(source)
            }
        }
        guard !found.isEmpty else { throw ArchiveError(.notFound, "\(folder): img_emb and text_emb hold no .npy file") }
        return found
    }

    private static func metadata(_ folder: String, _ number: String) throws(ArchiveError) -> String {
        let stem = "\(folder)/metadata/metadata_\(number)"
        if let lines = lineEndings.map({ stem + $0 }).first(where: isThere) { return lines }
        guard isThere(stem + ".parquet") else {
            throw ArchiveError(.notFound, "\(stem).jsonl: the file with the ids of part \(number) is missing")
        }
        throw ArchiveError(
            .badRequest,
            "\(stem).parquet: Parquet is not read here; make JSON of it once, beside it: python3 -c \"import pandas, glob; "
                + "[pandas.read_parquet(f).to_json(f[:-7] + 'jsonl', orient='records', lines=True) "
                + "for f in glob.glob('metadata/*.parquet')]\" in \(folder)")
    }
}
