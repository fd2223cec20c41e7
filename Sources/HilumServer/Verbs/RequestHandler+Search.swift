import HilumArchive

extension RequestHandler {
    /// Keys of SEARCH that are no filters.
    static let searchKeys: Set<String> = [
        "text", "id", "image", "vec", "w.text", "w.id", "w.image", "w.vec", "k", "ef", "recall", "exact", "target",
        "min_score",
        "self",
        "with", "deadline_ms",
    ]
    /// Of the protocol, and not built yet: never to be taken for filters.
    static let laterSearchKeys: Set<String> = ["unlike", "group", "mmr", "dedup", "cursor"]

    func search(_ request: Request) throws -> Reply {
        var search = try makeSearch(request)
        let with = try Extras(request.value("with"), allowed: ["report", "path", "vector"])
        search.includesReports = with.report
        let answer = try service.search(search)
        var builder = ReplyBuilder(tag: request.tag)
        for (index, hit) in answer.hits.enumerated() {
            let vectors = with.vector ? try service.vectors(id: hit.record.id) : nil
            builder.object { json in
                json.key("rank")
                json.integer(index + 1)
                json.key("id")
                json.string(hit.record.id)
                json.key("score")
                json.score(hit.score)
                json.key("via")
                json.string(hit.via)
                Self.writeMetadata(of: hit.record.fields, to: &json)
                Self.writeExtras(of: hit.record, vectors, with, to: &json)
            }
            // No need to build a reply that will be refused.
            if builder.bytes.count > configuration.replyByteCount { break }
        }
        var status = "hits=\(answer.hits.count) gen=\(answer.generation) ef=\(answer.ef)"
        status += " visited=\(answer.visited) us=\(answer.microseconds)"
        if search.recall != nil, let recall = answer.expectedRecall {
            // Cut, not rounded: 1 is said of an exact scan only.
            let cut = Int(recall * 10_000)
            status += " recall=\(cut / 10_000).\(String(10_000 + cut % 10_000).dropFirst())"
        }
        if search.recall != nil, answer.isExact { status += " exact=1" }
        if answer.isShortOfFilter { status += " short=filter" }
        return builder.ok(status)
    }

    /// What SEARCH asks for.
    ///
    /// - Throws: `ServerError.refused` with BADREQ, BADVEC, BADIMAGE, DENIED or UNKNOWN.
    func makeSearch(_ request: Request) throws(ServerError) -> ServiceSearch {
        for argument in request.arguments where Self.laterSearchKeys.contains(argument.key) {
            throw .refused(.unknown, "\(argument.key)= is not available in this release")
        }
        let conditions = try Self.conditions(of: request, except: Self.searchKeys)
        var search = ServiceSearch(queries: try queries(request))
        search.k = try Self.integer(request, "k", in: 1...Self.largestK) ?? search.k
        search.ef = try Self.integer(request, "ef", in: 1...Self.largestEf)
        search.recall = try Self.recall(request)
        search.isExact = try Self.flag(request, "exact") ?? false
        search.includesSelf = try Self.flag(request, "self") ?? true
        search.minimumScore = try Self.number(request, "min_score", in: -1...1)
        if let text = request.value("target") {
            guard let target = ServiceTarget(rawValue: text) else {
                throw .refused(.badRequest, "target= takes case, image or report")
            }
            search.target = target
        }
        search.conditions = conditions
        return search
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

    private func queries(_ request: Request) throws(ServerError) -> [(query: ServiceQuery, weight: Float)] {
        var queries: [(query: ServiceQuery, weight: Float)] = []
        func weight(_ key: String) throws(ServerError) -> Float {
            try Self.number(request, "w.\(key)", in: 0...1000) ?? 1
        }
        if let text = request.value("text") {
            guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
                throw .refused(.badRequest, "text= is empty")
            }
            queries.append((.text(text), try weight("text")))
        }
        if let id = request.value("id") { queries.append((.id(try Self.checked(id: id)), try weight("id"))) }
        if let bytes = try image(of: request) { queries.append((.image(bytes), try weight("image"))) }
        if let text = request.value("vec") { queries.append((.vector(try VectorText.decode(text)), try weight("vec"))) }
        guard !queries.isEmpty else {
            throw .refused(.badRequest, "SEARCH needs text=, id=, bytes= with an image, image= or vec=")
        }
        for key in ["text", "id", "image", "vec"] where request.value("w.\(key)") != nil {
            let isThere = request.value(key) != nil || (key == "image" && request.literal != nil)
            guard isThere else { throw .refused(.badRequest, "w.\(key)= weighs \(key)=, which is not there") }
        }
        guard queries.contains(where: { $0.weight > 0 }) else {
            throw .refused(.badRequest, "all weights are zero; give one of them a weight above")
        }
        return queries
    }

    /// The bytes of the image that a request sends or names, nil if it does neither.
    func image(of request: Request) throws(ServerError) -> [UInt8]? {
        if let literal = request.literal {
            if request.value("image") != nil {
                throw .refused(.badRequest, "image= and bytes= exclude each other")
            }
            if literal.isEmpty { throw .refused(.badImage, "bytes=0 is no image") }
            return literal
        }
        guard let path = request.value("image") else { return nil }
        return try roots.read(path, limitInBytes: configuration.connection.parser.literalByteCount)
    }

    /// The case that PUT stores.
    ///
    /// - Throws: `ServerError.refused` with BADREQ, BADIMAGE, DENIED, NOTFOUND or LIMIT.
    func makeCase(_ request: Request) throws(ServerError) -> ServiceCase {
        var result = ServiceCase(id: try Self.identifier(of: request))
        for argument in request.arguments {
            if argument.key.isEmpty { throw .refused(.badRequest, "PUT takes no bare word; write key=value") }
            if argument.isNegated {
                throw .refused(.badRequest, "PUT does not take \(argument.key)!=; write \(argument.key)=")
            }
            let value = argument.value
            switch argument.key {
            case "id", "image", "deadline_ms": break
            case "report": result.report = value
            case CaseFields.findingsKey: result.fields.findings = value.split(separator: ",").map(String.init)
            default: result.fields.set(argument.key, to: value)
            }
        }
        if let bytes = try image(of: request) { result.image = .bytes(bytes) }
        let hasReport = result.report?.unicodeScalars.contains { !$0.properties.isWhitespace } ?? false
        if !hasReport { result.report = nil }
        guard result.image != nil || hasReport else {
            throw .refused(.badRequest, "PUT needs an image (bytes= or image=) or a report= that is not empty")
        }
        return result
    }
}
