import HilumArchive
import HilumCore

/// `EMBED`: a text or an image as a vector, so that several archives are asked with it and one encodes it.
struct EmbedVerb: ReadingVerb {
    let query: Query

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        try request.check(allowed: Verb.embed.keys, takesLiteral: true)
        switch (try request.words("text"), try handler.image(of: request)) {
        case (let text?, nil): query = .text(text)
        case (nil, let bytes?): query = .image(bytes)
        case (nil, nil): throw .refused(.badRequest, "EMBED needs text=, bytes= with an image, or image=")
        default: throw .refused(.badRequest, "EMBED takes a text or an image, one at a time")
        }
    }

    func takesLong(_ handler: RequestHandler) throws -> Bool {
        if case .image(let bytes) = query { handler.takesLong([bytes]) } else { false }
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let vector = try handler.archive.vector(of: query)
        var builder = ReplyBuilder(tag: tag)
        builder.object { $0.member("vector", VectorText.encode(vector)) }
        return builder.ok("dim=\(vector.count)")
    }
}
