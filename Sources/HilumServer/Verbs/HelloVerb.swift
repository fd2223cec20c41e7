import HilumArchive
import HilumCore

/// `HELLO`: one object about the daemon and what it takes.
struct HelloVerb: ReadingVerb {
    /// Of the line protocol.
    static let protocolVersion = 1

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) { try request.check() }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let archive = handler.archive
        let configuration = handler.configuration
        let stats = try archive.stats()
        var builder = ReplyBuilder(tag: tag)
        builder.object { json in
            json.member("server", "hilum")
            json.member("version", Release.version)
            json.member("proto", Self.protocolVersion)
            json.member("model", archive.modelID ?? "")
            json.member("dim", archive.dimension ?? 0)
            json.member("generation", stats.generation)
            json.member("cases", stats.cases)
            json.member("keys", archive.metadataKeys)
            if let lag = configuration.following?.lag {
                json.key("lag")
                (lag.seconds.map { JSON.number($0, decimals: 2) } ?? .null).write(to: &json)
                json.member("behind", lag.behind)
            }
            json.key("limits")
            json.beginObject()
            json.member("line_bytes", configuration.connection.parser.lineByteCount)
            json.member("literal_bytes", configuration.connection.parser.literalByteCount)
            json.member("k", ArchiveLimits.hitCount)
            json.member("ef", ArchiveLimits.ef)
            json.member("reply_bytes", configuration.replyByteCount)
            json.member("idle_seconds", Int(configuration.connection.idleInSeconds))
            json.endObject()
        }
        return builder.ok()
    }
}
