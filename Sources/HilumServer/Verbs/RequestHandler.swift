import Foundation
import HilumArchive
import HilumCore

/// What each verb does: from a request to a reply, over an `ArchiveService`.
///
/// Thread rule: any thread. Reading requests run where they are called; changes go through the writer queue.
final class RequestHandler: Sendable {
    /// How a request is carried out.
    enum Route {
        /// Answered at once, without the archive.
        case reply(Reply)
        /// `read(_:)` on a worker thread.
        case read
        /// `change(_:)` through the writer queue.
        case write
    }

    static let verbs = [
        "PING", "HELLO", "SEARCH", "PUT", "GET", "DELETE", "COUNT", "EXPLAIN", "STATS", "METRICS", "QUIT",
    ]
    static let laterVerbs: Set<String> = ["FACET", "REEMBED", "SNAPSHOT"]

    let service: any ArchiveService
    let configuration: ServerConfiguration
    let roots: ImageRoots
    let metrics = RequestMetrics()

    init(service: any ArchiveService, configuration: ServerConfiguration, roots: ImageRoots = ImageRoots()) {
        self.service = service
        self.configuration = configuration
        self.roots = roots
    }

    func route(_ request: Request, mayWrite: Bool) -> Route {
        let tag = request.tag
        metrics.count(Self.verbs.contains(request.verb) ? request.verb : "other")
        switch request.verb {
        case "PING", "QUIT":
            if let fault = Self.foreignArgument(of: request, allowed: []) {
                return .reply(.error(.badRequest, fault, tag: tag))
            }
            let builder = ReplyBuilder(tag: tag)
            return .reply(request.verb == "PING" ? builder.ok("PONG") : builder.ok("BYE", closes: true))
        case "HELLO", "SEARCH", "GET", "COUNT", "EXPLAIN", "STATS", "METRICS": return .read
        case "PUT", "DELETE":
            if mayWrite { return .write }
            let text =
                "this user may search but not change the archive; ask for the daemon's user, root or a configured writer"
            return .reply(.error(.denied, text, tag: tag))
        default:
            if Self.laterVerbs.contains(request.verb) {
                return .reply(.error(.unknown, "\(request.verb) is not available in this release", tag: tag))
            }
            let text = "\(request.verb) is no verb; there are \(Self.verbs.joined(separator: " "))"
            return .reply(.error(.unknown, text, tag: tag))
        }
    }

    /// The reply to a reading request; never throws.
    func read(_ request: Request) -> Reply {
        let began = monotonicSeconds()
        metrics.begin()
        defer {
            metrics.end()
            metrics.note(request.verb, seconds: monotonicSeconds() - began)
        }
        do {
            let reply: Reply =
                switch request.verb {
                case "HELLO": try hello(request)
                case "SEARCH": try search(request)
                case "GET": try get(request)
                case "COUNT": try count(request)
                case "EXPLAIN": try explain(request)
                case "METRICS": try figures(request)
                default: try statistics(request)
                }
            if reply.bytes.count <= configuration.replyByteCount { return reply }
            let text =
                "the reply has more than \(configuration.replyByteCount) bytes; ask for fewer hits (k=) or less with each (with=)"
            return .error(.limit, text, tag: request.tag)
        } catch {
            return Self.reply(to: request, error)
        }
    }

    /// The change that a writing request asks for.
    func change(_ request: Request) -> WriterQueue.Change {
        if request.verb == "DELETE" {
            do {
                try Self.checkArguments(of: request, allowed: ["id"])
                return .delete(id: try Self.identifier(of: request))
            } catch {
                return .put { throw error }
            }
        }
        return .put { [self] in try makeCase(request) }
    }

    /// The reply to a writing request, once its outcome is known.
    static func reply(to request: Request, outcome: Result<WriterQueue.Outcome, ServerError>) -> Reply {
        let builder = ReplyBuilder(tag: request.tag)
        switch outcome {
        case .failure(let error): return reply(to: request, error)
        case .success(.deleted(let wasThere)):
            if !wasThere { return .error(.notFound, "no case has this id", tag: request.tag) }
            return builder.ok("id=\(ReplyBuilder.statusValue(request.value("id") ?? ""))")
        case .success(.put(let id, let outcome)):
            let name = ReplyBuilder.statusValue(id)
            switch outcome {
            case .stored(let vectors): return builder.ok("id=\(name) vectors=\(vectors)")
            case .unchanged(let vectors): return builder.ok("id=\(name) vectors=\(vectors) unchanged=1")
            case .refused(let code, let reason): return .error(code, reason, tag: request.tag)
            }
        }
    }

    private static func reply(to request: Request, _ error: any Error) -> Reply {
        let refusal = WriterQueue.refusal(error)
        guard case .refused(let code) = refusal.code else { return .error(.internal, refusal.text, tag: request.tag) }
        return .error(code, refusal.text, tag: request.tag)
    }

    // MARK: verbs

    private func hello(_ request: Request) throws -> Reply {
        try Self.checkArguments(of: request, allowed: [])
        let facts = try service.facts()
        var builder = ReplyBuilder(tag: request.tag)
        builder.object { json in
            json.key("server")
            json.string("hilum")
            json.key("version")
            json.string(configuration.version)
            json.key("proto")
            json.integer(1)
            json.key("model")
            json.string(facts.modelID)
            json.key("dim")
            json.integer(facts.dimension)
            json.key("generation")
            json.integer(facts.generation)
            json.key("cases")
            json.integer(facts.caseCount)
            json.key("limits")
            json.beginObject()
            json.key("line_bytes")
            json.integer(configuration.connection.parser.lineByteCount)
            json.key("literal_bytes")
            json.integer(configuration.connection.parser.literalByteCount)
            json.key("k")
            json.integer(Self.largestK)
            json.key("ef")
            json.integer(Self.largestEf)
            json.key("reply_bytes")
            json.integer(configuration.replyByteCount)
            json.key("idle_seconds")
            json.integer(Int(configuration.connection.idleInSeconds))
            json.endObject()
        }
        return builder.ok()
    }

    private func count(_ request: Request) throws -> Reply {
        if request.literal != nil { throw ServerError.refused(.badRequest, "COUNT takes no octets") }
        let conditions = try Self.conditions(of: request, except: ["deadline_ms"])
        return ReplyBuilder(tag: request.tag).ok("count=\(try service.count(conditions))")
    }

    private func statistics(_ request: Request) throws -> Reply {
        try Self.checkArguments(of: request, allowed: [])
        var builder = ReplyBuilder(tag: request.tag)
        builder.object(raw: try service.statisticsAsJSON())
        return builder.ok()
    }

    /// One object a family; their `text`s in a row are what Prometheus reads.
    private func figures(_ request: Request) throws -> Reply {
        try Self.checkArguments(of: request, allowed: [])
        let families = metrics.families + (try service.metrics())
        var builder = ReplyBuilder(tag: request.tag)
        for family in families {
            builder.object { json in
                json.key("name")
                json.string(family.name)
                json.key("type")
                json.string(family.kind.rawValue)
                json.key("text")
                json.string(family.text)
            }
        }
        return builder.ok("families=\(families.count)")
    }

    private func get(_ request: Request) throws -> Reply {
        try Self.checkArguments(of: request, allowed: ["id", "with"])
        let id = try Self.identifier(of: request)
        let with = try Extras(request.value("with"), allowed: ["meta", "report", "path", "vector"])
        guard let record = try service.get(id: id) else { throw ServerError.refused(.notFound, "no case has this id") }
        let vectors = with.vector ? try service.vectors(id: id) : nil
        var builder = ReplyBuilder(tag: request.tag)
        builder.object { json in
            json.key("id")
            json.string(record.id)
            json.key("has_image")
            json.boolean(record.hasImage)
            json.key("has_report")
            json.boolean(record.hasReport)
            Self.writeMetadata(of: record.fields, to: &json)
            if !record.fields.metadata.isEmpty {
                json.key("metadata")
                json.beginObject()
                for (key, value) in record.fields.metadata.sorted(by: { $0.key < $1.key }) {
                    json.key(key)
                    json.string(value)
                }
                json.endObject()
            }
            Self.writeExtras(of: record, vectors, with, to: &json)
        }
        return builder.ok("id=\(ReplyBuilder.statusValue(id))")
    }

    // MARK: records

    /// The metadata that exist, in the order of the protocol.
    static func writeMetadata(of fields: CaseFields, to json: inout JSONWriter) {
        for name in [CaseFields.Text.patient, .view, .date, .site, .modality] {
            guard let value = fields[name], !value.isEmpty else { continue }
            json.key(name.rawValue)
            json.string(value)
        }
        guard !fields.findings.isEmpty else { return }
        json.key(CaseFields.findingsKey)
        json.beginArray()
        for finding in fields.findings { json.string(finding) }
        json.endArray()
    }

    static func writeExtras(
        of record: ServiceRecord, _ vectors: ServiceVectors?, _ with: Extras, to json: inout JSONWriter
    ) {
        if with.path, let path = record.imagePath {
            json.key("path")
            json.string(path)
        }
        if with.report, let report = record.report {
            json.key("report")
            json.string(report)
        }
        guard with.vector, let vectors else { return }
        json.key("vectors")
        json.beginObject()
        if let image = vectors.image {
            json.key("image")
            json.string(VectorText.encode(image))
        }
        if let report = vectors.report {
            json.key("report")
            json.string(VectorText.encode(report))
        }
        json.endObject()
    }
}

/// The `with=` of a request.
struct Extras: Sendable, Equatable {
    var report = false
    var path = false
    var vector = false

    init(_ text: String?, allowed: [String]) throws(ServerError) {
        guard let text else { return }
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard allowed.contains(String(word)) else {
                throw .refused(.badRequest, "with= takes \(allowed.joined(separator: ", ")), joined by commas")
            }
            switch word {
            case "report": report = true
            case "path": path = true
            case "vector": vector = true
            default: break
            }
        }
    }
}
