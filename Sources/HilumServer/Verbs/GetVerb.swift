import HilumArchive
import HilumCore

/// `GET`: one object about a stored case.
struct GetVerb: ReadingVerb {
    /// What is said of a case that is not there.
    static let missing = "no case has this id"

    let id: String
    let extras: ReplyExtras

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        try request.check(allowed: Verb.get.keys)
        id = try request.id()
        extras = try ReplyExtras(request.value("with"), allowed: [.meta, .report, .path, .vector, .images, .said])
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        guard let record = try handler.archive.get(id: id) else {
            throw ServerError.refused(.notFound, Self.missing)
        }
        let vectors = extras.has(.vector) ? try handler.archive.vectors(id: id) : nil
        var builder = ReplyBuilder(tag: tag)
        builder.object { json in
            json.member("id", record.id)
            json.key("has_image")
            json.boolean(record.hasImage)
            json.key("has_report")
            json.boolean(record.hasReport)
            record.fields.write(to: &json, withMetadata: true)
            extras.write(record, vectors, to: &json)
        }
        return builder.ok("id=\(ReplyBuilder.statusValue(id))")
    }
}
