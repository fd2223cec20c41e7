import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumServer

/// The query, independent of whether an archive or a daemon answers.
struct SearchCall {
    /// What makes a question, for every verb that asks one.
    static let options: [Option] = [
        .value("text", "TEXT", "a phrase or a report ('-' reads standard input)", letter: "t"),
        .value("image", "FILE", "an image, PNG, JPEG or DICOM ('-' reads standard input)", letter: "i"),
        .value("id", "ID", "a stored case"),
        .value("vec", "V.npy", "a vector of the archive's encoder: a .npy or .fvecs file with one row"),
        .value("unlike", "ID", "a stored case that is subtracted from the query"),
        .value(
            "weights", "W",
            "how much the parts count: 'text=2 image=0.5 vec=1 unlike=0.3 vector=1 words=2' (default 1 each)"),
        .value("count", "K", "how many hits (default 10)", letter: "k"),
        .value(
            "target", "WHAT",
            "case, image or report: what is compared (default case, the best of its images and report)"),
        .value(
            "mode", "MODE",
            "hybrid, vector or words: what answers a text, vectors and the words of reports together, or one of them"
                + " (default hybrid)"),
        .value(
            "where", "FILTERS",
            "only cases that match all of these: view=PA finding=effusion,normal date=2019-01..2019-06 site!=B"),
        .value("min-score", "S", "only hits with at least this score, from -1 to 1"),
        .value(
            "group", "KEY", "one hit for each value of a key, the best: patient, say; the table counts the others"),
        .value("mmr", "L", "hits that differ from one another, the more the smaller L is, from 0 to 1"),
        .value(
            "dedup", "C", "no hits whose vector has at least the cosine C with that of a better one, from 0 to 1"),
        .flag("other", "leave out the cases that --id and --unlike name"),
        .value("ef", "N", "width of the search in the graph: more is slower and more exact"),
        .value(
            "recall", "R",
            "in place of --ef: reach this share of the exact answer, above 0, up to 1; a daemon chooses ef by what it"
                + " knows of its recall, without one it is an exact search"),
        .flag("exact", "compare with every case"),
        .value("socket", "PATH", "ask the daemon at this socket instead of opening ARCHIVE"),
    ]

    /// Texts, images and ids in the order of the command line.
    var parts: [Query] = []
    /// Cases that are subtracted.
    let unlike: [String]

    /// What came of it.
    struct Answer {
        var hits: [FoundCase]
        /// The image of the case that the query names, if the hits are drawn.
        var queryImage: GrayImage?
        /// Whether that case has an image that cannot be read.
        var lacksQueryImage = false

        init(hits: [FoundCase]) { self.hits = hits }
    }

    /// Files of vectors that name the model which made them.
    private var makers: [(path: String, model: String)] = []
    /// The first of the images.
    private(set) var image: GrayImage?
    let count: Int
    let ef: Int?
    let recall: Double?
    let target: SearchTarget
    let filterText: String
    let filter: Filter
    let minScore: Double?
    let isExact: Bool
    let wantsReports: Bool
    let mode: SearchMode?
    let wantsHighlights: Bool
    /// How much each part counts, by its kind.
    private let weights: [String: Float]
    let group: String?
    let mmr: Double?
    let dedup: Double?
    let cursor: String?
    let includesSelf: Bool
    /// Whether the hits are drawn: then one more is asked for in place of each case that the query names.
    let isDrawn: Bool

    /// Reads the question of a call.
    ///
    /// - Throws: `CommandError`.
    init(
        _ arguments: Arguments, isDrawn: Bool = false, cursor: String? = nil, wantsReports: Bool = false,
        wantsHighlights: Bool = false
    ) throws {
        self.isDrawn = isDrawn
        self.cursor = cursor
        self.wantsReports = wantsReports || isDrawn
        self.wantsHighlights = wantsHighlights
        for (name, value) in arguments.given {
            switch (name, value) {
            case ("text", let value?): parts.append(.text(try inputText(value)))
            case ("image", let value?):
                let bytes = try readInput(value, limitInBytes: ImageLimits.standard.maxByteCount)
                // Decoded here to name a file that is not an image, and for the contact sheet.
                do {
                    let decoded = try ImageDecoder.decode(bytes)
                    image = image ?? decoded
                } catch {
                    throw CommandError(.failed, "\(value): \(error)")
                }
                parts.append(.image(bytes))
            case ("id", let value?): parts.append(.id(value))
            case ("vec", let value?):
                parts.append(.vector(try Self.vector(in: value)))
                if let seal = VectorSeal.ofWhole(vectors: value, lines: Self.lines(beside: value)) {
                    makers.append((value, seal.model))
                }
            default: break
            }
        }
        guard !parts.isEmpty else { throw CommandError.usage("--text, --image, --id or --vec is missing") }
        unlike = arguments.texts("unlike")
        weights = try Self.weights(arguments.texts("weights").joined(separator: " "))
        group = arguments.text("group")
        mmr = try arguments.number("mmr", in: 0...1)
        dedup = try arguments.number("dedup", in: 0...1)
        includesSelf = !arguments.has("other")
        count = try arguments.integer("count", in: 1...ArchiveLimits.hitCount) ?? 10
        ef = try arguments.integer("ef", in: 1...ArchiveLimits.ef)
        recall = try arguments.number("recall", in: 0...1)
        if recall == 0 { throw CommandError.usage("--recall needs a number above 0, up to 1") }
        if recall != nil && ef != nil { throw CommandError.usage("--ef and --recall exclude each other") }
        let targets = SearchTarget.allCases.map(\.rawValue)
        target = try arguments.choice("target", among: targets).flatMap(SearchTarget.init) ?? .case
        filterText = arguments.texts("where").joined(separator: " ")
        do { filter = try Filter(parsing: filterText) } catch { throw CommandError.usage("--where: \(error)") }
        for condition in filter.conditions where SearchOptions.takes(condition.key) {
            throw CommandError.usage("--where: \(condition.key)= is an option of SEARCH and no key of a filter")
        }
        minScore = try arguments.number("min-score", in: -1...1)
        isExact = arguments.has("exact")
        let modes = SearchMode.allCases.map(\.rawValue)
        mode = try arguments.choice("mode", among: modes).flatMap(SearchMode.init)
        let hasText = parts.contains { if case .text = $0 { true } else { false } }
        let kinds = Set(parts.map(Self.kind) + (unlike.isEmpty ? [] : ["unlike"]))
        for name in weights.keys.sorted() where !["vector", "words"].contains(name) && !kinds.contains(name) {
            throw CommandError.usage("--weights weighs \(name), which the query does not have")
        }
        if let mode, mode != .vector, !hasText {
            throw CommandError.usage("--mode \(mode.rawValue) asks the words of reports, so it needs --text")
        }
    }

    private static let weighed = ["text", "image", "id", "vec", "unlike", "vector", "words"]

    /// The file of ids that `hilum embed` writes beside vectors.
    private static func lines(beside path: String) -> String {
        let stem = [".npy", ".fvecs"].first { path.hasSuffix($0) }.map { path.dropLast($0.count) } ?? path[...]
        return stem + ".jsonl"
    }

    /// Refuses a vector of another encoder than that of the archive: its neighbours would mean nothing.
    ///
    /// - Parameter model: that of the archive; nil or empty where it has none yet.
    private func checkMakers(_ model: String?) throws(CommandError) {
        // A space says nothing of the encoder whose vectors it holds.
        guard let model, !model.isEmpty, !model.hasPrefix(ImportedSpace.prefix),
            let other = makers.first(where: { $0.model != model })
        else { return }
        throw CommandError(
            .failed,
            "\(other.path): the vector is of the model \(other.model), and those of the archive are of \(model); vectors of two "
                + "encoders cannot be compared, so make it with the archive's model")
    }

    /// The only row of a file of vectors.
    private static func vector(in path: String) throws -> [Float] {
        let file = try VectorFile(path: path)
        guard file.rowCount == 1 else {
            throw CommandError(
                .failed, "\(path): the file has \(file.rowCount) vectors, and a question is one; save its row alone")
        }
        return try file.row(0)
    }

    /// Reads `text=2 unlike=0.5`.
    private static func weights(_ text: String) throws -> [String: Float] {
        var weights: [String: Float] = [:]
        for part in text.split(separator: " ") {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, weighed.contains(String(sides[0])), let weight = Float(sides[1]),
                (0...1000).contains(weight), weights.updateValue(weight, forKey: String(sides[0])) == nil
            else {
                let names = weighed.joined(separator: ", ")
                throw CommandError.usage(
                    "--weights takes parts such as text=2, from 0 to 1000, once for each of \(names); not '\(part)'")
            }
        }
        return weights
    }

    private static func kind(_ part: Query) -> String {
        switch part {
        case .text: "text"
        case .image: "image"
        case .id: "id"
        case .vector: "vec"
        }
    }

    /// The parts of the question, what is subtracted among them.
    private var weightedParts: [SearchRequest.Part] {
        let asked = parts.map { SearchRequest.Part($0, weight: weights[Self.kind($0)] ?? 1) }
        return asked + unlike.map { SearchRequest.Part(.id($0), weight: -(weights["unlike"] ?? 1)) }
    }

    /// The ids that the query names.
    var ids: [String] { parts.compactMap { part in if case .id(let id) = part { id } else { nil } } }

    /// How many hits are asked for.
    private var wantedCount: Int { min(ArchiveLimits.hitCount, count + (isDrawn ? ids.count : 0)) }

    /// The words that the query asks for, as they were given.
    var text: String {
        parts.compactMap { part in if case .text(let text) = part { text } else { nil } }.joined(separator: "; ")
    }

    /// How it is searched, in words of the command line.
    var summary: String {
        var words = ["k=\(count)"]
        if let mode { words.append("mode=\(mode.rawValue)") }
        if target != .case { words.append("target=\(target.rawValue)") }
        for (name, weight) in weights.sorted(by: { $0.key < $1.key }) { words.append("w.\(name)=\(weight)") }
        if let group { words.append("group=\(group)") }
        if let mmr { words.append("mmr=\(mmr)") }
        if let dedup { words.append("dedup=\(dedup)") }
        if let minScore { words.append("min_score=\(minScore)") }
        if let ef { words.append("ef=\(ef)") }
        if let recall { words.append("recall=\(recall)") }
        if isExact { words.append("exact") }
        return words.joined(separator: " ")
    }

    /// The bytes of the first image.
    var imageBytes: [UInt8]? {
        parts.lazy.compactMap { part in if case .image(let bytes) = part { bytes } else { nil } }.first
    }

    /// What is printed of the hits.
    func printed(_ hits: [FoundCase]) -> [FoundCase] { Array(hits.prefix(count)) }

    /// What is drawn of the hits: a case that the query names is no answer to it.
    func drawn(_ hits: [FoundCase]) -> [FoundCase] { Array(hits.filter { !ids.contains($0.id) }.prefix(count)) }

    /// Asks the archive at `path`.
    func ask(archive path: String) throws -> Answer {
        let needsModel = parts.contains { part in
            switch part {
            case .text, .image: true
            case .id, .vector: false
            }
        }
        let archive = try openArchive(path, .readOnly, withModel: needsModel)
        defer { archive.close() }
        try checkMakers(archive.modelID)
        var request = SearchRequest(weightedParts)
        request.vectorWeight = weights["vector"]
        request.wordWeight = weights["words"] ?? 1
        request.group = group
        request.mmr = mmr.map { Float($0) }
        request.dedup = dedup.map { Float($0) }
        request.cursor = cursor
        request.includesSelf = includesSelf
        request.k = wantedCount
        request.ef = ef
        request.target = target
        request.filter = filter
        request.minScore = minScore.map { Float($0) }
        // One exact scan costs less than the dozens that finding the right ef would take.
        request.isExact = isExact || recall != nil
        request.includesReports = wantsReports
        request.mode = mode
        request.includesHighlights = wantsHighlights
        let response: SearchResponse
        do { response = try archive.search(request) } catch let error as ArchiveError where error.code == .notFound {
            throw CommandError(.notFound, error.description)
        }
        let milliseconds = String(format: "%.1f ms", Double(response.microseconds) / 1000)
        let isShort = response.isShortOfFilter && response.hits.count < count
        let short = isShort ? ", as no more cases match the filter" : ""
        standardError("\(min(count, response.hits.count)) hits in \(milliseconds)\(short)\n")
        Self.tell(cursor: response.cursor)
        try Self.tell(unknown: response.unknown, isAll: response.isUnknown)
        Self.tell(unsaid: response.unsaid, wider: response.wider)
        let unread = try archive.unreadReportCount()
        if unread > 0, mode != .vector {
            standardError(
                "\(unread) older reports are not found by their words yet; 'hilum index' and 'hilum serve' read them\n")
        }
        var answer = Answer(hits: response.hits.map { FoundCase($0) })
        if isDrawn { for place in answer.hits.indices { answer.hits[place].takePicture(from: archive) } }
        if isDrawn, image == nil, let id = ids.first, let record = try archive.get(id: id), record.hasImage {
            answer.queryImage = try? ImageDecoder.decode(try archive.imageBytes(of: id))
            answer.lacksQueryImage = answer.queryImage == nil
        }
        return answer
    }

    /// Names the next page.
    private static func tell(cursor: String?) {
        guard let cursor else { return }
        standardError(cursor == "end" ? "that is the last page\n" : "next page: --cursor \(cursor)\n")
    }

    /// Names the words that nobody knows.
    ///
    /// - Throws: `.notFound` when nothing was found because of them.
    private static func tell(unknown: [String], isAll: Bool) throws {
        guard !unknown.isEmpty else { return }
        let words = unknown.map { "'\(shown($0))'" }.joined(separator: ", ")
        if isAll {
            throw CommandError(.notFound, "no report contains \(words), and the lexicon does not know it")
        }
        standardError("no report contains \(words)\n")
    }

    /// Names the findings that no report speaks of, and what was asked in their place.
    private static func tell(unsaid: [String], wider: [String]) {
        func list(_ names: [String]) -> String {
            names.map { $0.replacingOccurrences(of: "-", with: " ") }.joined(separator: ", ")
        }
        guard !unsaid.isEmpty else { return }
        let instead = wider.isEmpty ? "" : "; \(list(wider)) comes first"
        standardError("no report affirms or doubts \(list(unsaid))\(instead)\n")
    }

    /// The request line of the protocol for this question, and the image that follows it.
    ///
    /// - Parameter extras: what replies bring beside the fields of a case.
    /// - Throws: `CommandError` for more images than a line takes.
    func line(with extras: [String]) throws -> (line: String, literal: [UInt8]?) {
        var line = "SEARCH"
        var literal: [UInt8]?
        for part in parts {
            switch part {
            case .text(let text): line += " text=\(Argument.quoted(text))"
            case .image(let bytes):
                guard literal == nil else { throw CommandError.usage("--socket takes --image once") }
                literal = bytes
            case .id(let id): line += " id=\(Argument.quoted(id))"
            case .vector(let vector):
                let bytes = vector.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
                line += " vec=f32:\(Data(bytes).base64EncodedString())"
            }
        }
        for id in unlike { line += " unlike=\(Argument.quoted(id))" }
        for (name, weight) in weights.sorted(by: { $0.key < $1.key }) { line += " w.\(name)=\(weight)" }
        if let group { line += " group=\(Argument.quoted(group))" }
        if let mmr { line += " mmr=\(mmr)" }
        if let dedup { line += " dedup=\(dedup)" }
        if let cursor { line += " cursor=\(Argument.quoted(cursor))" }
        if !includesSelf { line += " self=0" }
        line += " k=\(wantedCount) target=\(target.rawValue)"
        if let ef { line += " ef=\(ef)" }
        if let recall { line += " recall=\(recall)" }
        if isExact { line += " exact=1" }
        if let minScore { line += " min_score=\(minScore)" }
        if !extras.isEmpty { line += " with=\(extras.joined(separator: ","))" }
        if let mode { line += " mode=\(mode.rawValue)" }
        if !filterText.isEmpty { line += " \(filterText)" }
        return (line, literal)
    }

    /// Asks the daemon at `path`; images are sent as bytes.
    func ask(socket path: String) throws -> Answer {
        let extras = (wantsReports ? ["report", "path"] : []) + (wantsHighlights ? ["highlights"] : [])
        let (line, literal) = try line(with: extras)
        let client = try Client(socketPath: path)
        if !makers.isEmpty {
            let hello = try client.request("HELLO").objects.first.flatMap { try? JSON(parsing: $0) }
            try checkMakers(hello?["model"]?.string)
        }
        let reply = try client.request(line, literal: literal)
        if let code = reply.status.code {
            throw CommandError(code == .notFound ? .notFound : .failed, "\(code.rawValue): \(reply.status.text)")
        }
        let time = reply.status.fields["us"].map { " in \($0) µs" } ?? ""
        var width = ""
        if recall != nil && !isExact {
            let known = reply.status.fields["recall"] ?? "not known yet"
            let comparedAll = reply.status.fields["exact"] == "1"
            width = comparedAll ? " (all compared)" : " (ef \(reply.status.fields["ef"] ?? "unknown"), recall \(known))"
        }
        let isShort = reply.status.fields["short"] == "filter" && reply.objects.count < count
        let short = isShort ? ", as no more cases match the filter" : ""
        standardError("\(min(count, reply.objects.count)) hits\(time)\(width)\(short)\n")
        Self.tell(cursor: reply.status.fields["cursor"])
        let unknown = reply.status.fields["unknown"].map { $0.split(separator: " ").map(String.init) } ?? []
        try Self.tell(unknown: unknown, isAll: reply.status.fields["known"] == "0")
        func names(_ key: String) -> [String] {
            (reply.status.fields[key] ?? "").split(separator: " ").map(String.init)
        }
        Self.tell(unsaid: names("unsaid"), wider: names("wider"))
        var answer = Answer(hits: reply.objects.compactMap { FoundCase(line: $0) })
        if isDrawn { for place in answer.hits.indices { answer.hits[place].takePicture(from: client) } }
        if isDrawn, image == nil, let id = ids.first {
            let record = try client.request("GET id=\(Argument.quoted(id)) with=path")
            if record.objects.first.flatMap({ try? JSON(parsing: $0)["path"]?.string }) != nil {
                answer.queryImage = FoundCase.picture(of: id, from: client)
                answer.lacksQueryImage = answer.queryImage == nil
            }
        }
        return answer
    }

    /// The query as the contact sheet shows it.
    func drawnQuery(_ answer: Answer) -> ContactSheet.Query {
        var texts: [String] = []
        for part in parts {
            switch part {
            case .text(let text): texts.append(text)
            case .image: break
            case .id(let id): texts.append("like case \(id)")
            case .vector: texts.append("a vector")
            }
        }
        let shown = image ?? answer.queryImage
        let hasText = parts.contains { if case .text = $0 { true } else { false } }
        let title = image != nil ? "image" : !ids.isEmpty ? "case" : hasText ? "text" : "vector"
        return ContactSheet.Query(
            title: title, image: shown, text: texts.joined(separator: "; "),
            isImageMissing: answer.lacksQueryImage)
    }
}
