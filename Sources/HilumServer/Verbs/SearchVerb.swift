import HilumArchive
import HilumCore

/// `SEARCH`: one object a hit, best first.
struct SearchVerb: ReadingVerb {
    private static let largestWeight: Float = 1000
    /// Texts, cases, images, vectors and cases to be unlike together; each may have to be encoded.
    private static let mostParts = 32

    let search: SearchRequest
    let extras: ReplyExtras

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        let filter = try request.filter(except: SearchOptions.keys)
        var search = SearchRequest(try Self.parts(request, handler))
        search.filter = filter
        search.k = try request.integer("k", in: 1...ArchiveLimits.hitCount) ?? search.k
        search.ef = try request.integer("ef", in: 1...ArchiveLimits.ef)
        search.recall = try Self.recall(request)
        search.isExact = try request.flag("exact") ?? false
        search.includesSelf = try request.flag("self") ?? true
        search.minScore = try request.number("min_score", in: -1...1)
        if let text = request.value("target") {
            guard let target = SearchTarget(rawValue: text) else {
                throw .refused(.badRequest, "target= takes case, image or report")
            }
            search.target = target
        }
        if let text = request.value("mode") {
            guard let mode = SearchMode(rawValue: text) else {
                throw .refused(.badRequest, "mode= takes hybrid, vector or words")
            }
            if mode != .vector, request.value("text") == nil {
                throw .refused(.badRequest, "mode=\(text) asks the words of reports, so it needs text=")
            }
            search.mode = mode
        }
        search.vectorWeight = try request.number("w.vector", in: 0...Self.largestWeight)
        search.wordWeight = try request.number("w.words", in: 0...Self.largestWeight) ?? 1
        search.group = try request.words("group")
        search.mmr = try request.number("mmr", in: 0...1)
        search.dedup = try request.number("dedup", in: 0...1)
        search.cursor = try request.words("cursor")
        search.deadline = request.deadline
        search.corpus = try Self.corpus(request)
        let isTextAlone = search.parts.allSatisfy { if case .text = $0.query { true } else { false } }
        if search.corpus != nil, search.mode != .words, isTextAlone {
            throw .refused(
                .badRequest,
                "with corpus= a text asks words alone, so its vector is missing: give it as vec= (EMBED makes it), or mode=words"
            )
        }
        extras = try ReplyExtras(
            request.value("with"), allowed: [.report, .path, .vector, .highlights, .images, .said])
        search.includesReports = extras.has(.report) || extras.has(.said)
        search.includesHighlights = extras.has(.highlights)
        self.search = search
    }

    func takesLong(_ handler: RequestHandler) throws -> Bool {
        handler.takesLong(
            search.parts.compactMap { part in
                if case .image(let bytes) = part.query { bytes } else { nil }
            })
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let response: SearchResponse
        do { response = try handler.archive.search(search) } catch let error as ArchiveError {
            throw Verb.search.explaining(error)
        }
        var builder = ReplyBuilder(tag: tag)
        for hit in response.hits {
            let vectors = extras.has(.vector) ? try handler.archive.vectors(id: hit.id) : nil
            builder.object { json in
                json.member("rank", hit.rank)
                json.member("id", hit.id)
                json.key("score")
                json.score(hit.score)
                json.member("via", hit.via.rawValue)
                hit.writeImage(to: &json)
                hit.record.fields.write(to: &json)
                hit.group?.write(to: &json)
                hit.legs?.write(score: hit.score, to: &json)
                if search.corpus != nil { hit.writeExact(to: &json) }
                extras.write(hit.record, image: hit.image ?? 0, vectors, to: &json)
                Hit.write(highlights: hit.highlights, to: &json)
            }
            // No need to build a reply that will be refused.
            if builder.bytes.count > handler.configuration.replyByteCount { break }
        }
        return builder.ok(status(of: response))
    }

    /// The status line behind the hits.
    func status(of response: SearchResponse) -> String {
        var status = "hits=\(response.hits.count) gen=\(response.generation) ef=\(response.ef)"
        status += " visited=\(response.visited) us=\(response.microseconds)"
        if search.recall != nil, let recall = response.expectedRecall {
            // Cut, not rounded: 1 is said of an exact scan only.
            let cut = Int(recall * 10_000)
            status += " recall=\(cut / 10_000).\(String(10_000 + cut % 10_000).dropFirst())"
        }
        if search.recall != nil, response.isExact { status += " exact=1" }
        if response.isShortOfFilter { status += " short=filter" }
        if response.isShortOfPages { status += " short=window" }
        if response.isShortOfWork { status += " short=limit" }
        if response.isShortOfSelection { status += search.group == nil ? " short=dedup" : " short=group" }
        if search.dedup != nil { status += " dropped=\(response.droppedCount)" }
        if let cursor = response.cursor { status += " cursor=\(cursor)" }
        if response.isUnknown { status += " known=0" }
        if !response.unknown.isEmpty {
            status += " unknown=\(Argument.quoted(response.unknown.joined(separator: " ")))"
        }
        if !response.unsaid.isEmpty { status += " unsaid=\(Argument.quoted(response.unsaid.joined(separator: " ")))" }
        if !response.wider.isEmpty { status += " wider=\(Argument.quoted(response.wider.joined(separator: " ")))" }
        return status
    }

    private static func recall(_ request: Request) throws(ServerError) -> Double? {
        guard let text = request.value("recall") else { return nil }
        guard let value = Double(text), value > 0, value <= 1 else {
            throw .refused(.badRequest, "recall= takes a number above 0, up to 1")
        }
        if request.value("ef") != nil {
            throw .refused(.badRequest, "ef= and recall= exclude each other; give one of them")
        }
        return value
    }

    private static func corpus(_ request: Request) throws(ServerError) -> WordCorpus? {
        guard let text = request.value("corpus") else { return nil }
        var numbers: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int(part), (0...largestSum).contains(number) else {
                throw .refused(.badRequest, "corpus= takes whole numbers, joined by commas, as WORDS gives them")
            }
            numbers.append(number)
        }
        guard numbers.count >= 2 else { throw .refused(.badRequest, "corpus= takes at least reports and length") }
        for key in ["group", "mmr", "dedup", "cursor", "min_score"] where request.value(key) != nil {
            throw .refused(.badRequest, "\(key)= is for whoever merges, and no part of a search with corpus=")
        }
        return WordCorpus(documents: numbers[0], length: numbers[1], matches: Array(numbers[2...]))
    }

    /// Of words of all reports of all archives.
    private static let largestSum = 1 << 53

    private static func parts(_ request: Request, _ handler: RequestHandler) throws(ServerError)
        -> [SearchRequest.Part]
    {
        var parts: [SearchRequest.Part] = []
        let count = SearchOptions.questions.reduce(0) { $0 + request.values($1).count }
        guard count <= mostParts else {
            throw .refused(.limit, "a question has at most \(mostParts) parts")
        }
        func weight(_ key: String) throws(ServerError) -> Float {
            try request.number("w.\(key)", in: 0...largestWeight) ?? 1
        }
        for text in request.values("text") {
            guard text.hasWords else { throw .refused(.badRequest, "text= is empty") }
            parts.append(.init(.text(text), weight: try weight("text")))
        }
        for id in request.values("id") {
            parts.append(.init(.id(try Request.checked(id)), weight: try weight("id")))
        }
        for bytes in try handler.images(of: request) {
            parts.append(.init(.image(bytes), weight: try weight("image")))
        }
        for text in request.values("vec") {
            parts.append(.init(.vector(try VectorText.decode(text)), weight: try weight("vec")))
        }
        guard !parts.isEmpty else {
            throw .refused(.badRequest, "SEARCH needs text=, id=, bytes= with an image, image= or vec=")
        }
        for id in request.values("unlike") {
            parts.append(.init(.id(try Request.checked(id)), weight: try -weight("unlike")))
        }
        for key in SearchOptions.questions where request.value("w.\(key)") != nil {
            let isThere = request.value(key) != nil || (key == "image" && request.literal != nil)
            guard isThere else { throw .refused(.badRequest, "w.\(key)= weighs \(key)=, which is not there") }
        }
        guard parts.contains(where: { $0.weight > 0 }) else {
            throw .refused(.badRequest, "all weights are zero; give one of them a weight above")
        }
        return parts
    }
}
