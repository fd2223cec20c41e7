import Foundation
import HilumArchive
import HilumCore
import HilumImaging

/// Carries out requests on an archive; each verb has a type of its own, which parses its arguments and makes its reply.
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

    let archive: any ServedArchive
    let configuration: ServerConfiguration
    let roots: ImageRoots
    let metrics = RequestMetrics()
    /// Of the reading requests that do not take long.
    let crowd: Crowd
    /// Raised when the daemon ends: long work gives up.
    let isStopping = AtomicFlag()
    /// What is counted of the inbox; nil without one.
    let inboxLog: InboxLog?

    init(
        archive: any ServedArchive, configuration: ServerConfiguration, roots: ImageRoots = ImageRoots(),
        inboxLog: InboxLog? = nil
    ) {
        self.inboxLog = inboxLog
        self.archive = archive
        self.configuration = configuration
        crowd = Crowd(size: configuration.workerCount)
        self.roots = roots
    }

    /// Whether no reading request runs. Between those of a crowd there are such moments too, but no time to spare.
    var isIdle: Bool { metrics.runningCount == 0 && !crowd.isThere }

    func route(_ request: Request, mayWrite: Bool) -> Route {
        let verb = request.verb
        metrics.count(verb)
        guard request.arguments.count <= Request.mostArguments else {
            let text = "a request has at most \(Request.mostArguments) arguments"
            return .reply(.error(.limit, text, tag: request.tag))
        }
        if configuration.following != nil, verb?.isWrite == true || verb == .reembed && !ReembedVerb.isStatus(request) {
            let text = "this is a copy that follows another archive; ask the daemon of that one for changes"
            return .reply(.error(.readOnly, text, tag: request.tag))
        }
        switch verb {
        case .ping, .quit:
            do { try request.check() } catch { return .reply(.error(.badRequest, error.text, tag: request.tag)) }
            let builder = ReplyBuilder(tag: request.tag)
            let lag = configuration.following.map { " " + $0.lag.statusText } ?? ""
            return .reply(verb == .ping ? builder.ok("PONG\(lag)") : builder.ok("BYE", closes: true))
        case .help:
            do { return .reply(try HelpVerb(request).reply(tag: request.tag)) } catch {
                return .reply(.error(.badRequest, error.text, tag: request.tag))
            }
        case .hello, .search, .get, .count, .facet, .explain, .picture, .stats, .metrics, .embed, .words: return .read
        case .changes:
            if mayWrite { return .read }
            let text = "CHANGES brings all that is stored; ask for the daemon's user, root or a configured writer"
            return .reply(.error(.denied, text, tag: request.tag))
        case .put, .delete, .reembed, .snapshot:
            if verb == .reembed && (mayWrite || ReembedVerb.isStatus(request)) { return .read }
            if verb == .snapshot && mayWrite { return .read }
            if mayWrite { return .write }
            let text =
                "this user may search but not change the archive; ask for the daemon's user, root or a configured writer"
            return .reply(.error(.denied, text, tag: request.tag))
        case nil:
            let text = "\(request.word) is no verb\(Verb.suggestion(for: request.word)); \(Verb.all)"
            return .reply(.error(.unknown, text, tag: request.tag))
        }
    }

    /// Whether a request that needs no place among the changes of cases changes something all the same.
    func changesSomething(_ request: Request) -> Bool {
        request.verb == .snapshot || request.verb == .reembed && !ReembedVerb.isStatus(request)
    }

    /// Where a reading request begins, by its verb: what it brings or names is not looked at yet.
    func lane(of request: Request) -> WorkerPool.Lane {
        switch request.verb {
        case .snapshot: .snapshot
        case .explain where !ExplainSearchVerb.isAsked(by: request): .long
        case .search, .picture, .explain, .embed, .words, .changes: .heavy
        case .reembed where !ReembedVerb.isStatus(request): .heavy
        default: .light
        }
    }

    /// What is said where a lane takes one request at a time and has one.
    static let laneIsTaken = "a snapshot is being made; ask again when it is done"

    /// What became of a reading request on a worker thread.
    enum Reading {
        case reply(Reply)
        /// It waits for others that take long; nothing was done yet but to read what it brings or names.
        case takesLong(Request)
    }

    /// Carries out a reading request, unless it holds more than a worker should be kept for.
    func reading(_ request: Request, in lane: WorkerPool.Lane) -> Reading {
        guard lane == .heavy else { return .reply(read(request)) }
        let began = monotonicSeconds()
        metrics.begin()
        defer { metrics.end() }
        var request = request
        do {
            try request.decodeLiteral()
            var verb = try readingVerb(request)
            if try verb.takesLong(self) { return .takesLong(request) }
            return .reply(answer(request, by: verb, since: began))
        } catch {
            metrics.note(request.verb, seconds: monotonicSeconds() - began)
            return .reply(Self.reply(to: request, error))
        }
    }

    /// The reply to a reading request; never throws.
    func read(_ request: Request) -> Reply {
        let began = monotonicSeconds()
        metrics.begin()
        defer { metrics.end() }
        var request = request
        do {
            try request.decodeLiteral()
            return answer(request, by: try readingVerb(request), since: began)
        } catch {
            metrics.note(request.verb, seconds: monotonicSeconds() - began)
            return Self.reply(to: request, error)
        }
    }

    private func answer(_ request: Request, by verb: any ReadingVerb, since began: Double) -> Reply {
        defer { metrics.note(request.verb, seconds: monotonicSeconds() - began) }
        do {
            let reply = try verb.reply(self, tag: request.tag)
            if reply.bytes.count <= configuration.replyByteCount { return reply }
            let text =
                "the reply has more than \(configuration.replyByteCount) bytes; ask for fewer hits (k=) or less with each (with=)"
            return .error(.limit, text, tag: request.tag)
        } catch {
            return Self.reply(to: request, error)
        }
    }

    /// Whether pictures take a second or so to decode, together.
    func takesLong(_ pictures: [[UInt8]]) -> Bool {
        var pixelCount = 0
        for bytes in pictures {
            // What is no picture is refused at once, and one that ends too early may be found to only at its end.
            guard ImageDecoder.format(of: bytes) != nil else { continue }
            guard let count = ImageDecoder.pixelCount(of: bytes), count <= configuration.longPixelCount else {
                return true
            }
            pixelCount += count
        }
        return pixelCount > configuration.longPixelCount
    }

    private func readingVerb(_ request: Request) throws(ServerError) -> any ReadingVerb {
        switch request.verb {
        case .hello: try HelloVerb(request, self)
        case .search: try SearchVerb(request, self)
        case .get: try GetVerb(request, self)
        case .count: try CountVerb(request, self)
        case .facet: try FacetVerb(request, self)
        case .explain where ExplainSearchVerb.isAsked(by: request): try ExplainSearchVerb(request, self)
        case .explain: try ExplainVerb(request, self)
        case .picture: try PictureVerb(request, self)
        case .stats: try StatsVerb(request, self)
        case .metrics: try MetricsVerb(request, self)
        case .reembed: try ReembedVerb(request, self)
        case .snapshot: try SnapshotVerb(request, self)
        case .embed: try EmbedVerb(request, self)
        case .words: try WordsVerb(request, self)
        case .changes: try ChangesVerb(request, self)
        case .ping, .put, .delete, .help, .quit, nil:
            preconditionFailure("\(request.word) does not read the archive")
        }
    }

    /// The change that a writing request asks for; its arguments are parsed when its turn comes.
    ///
    /// - Parameter errand: has the request too, and alone until then.
    func change(_ request: Request, _ errand: Errand) -> WriterQueue.Change {
        if request.verb == .delete {
            do {
                let verb = try DeleteVerb(request)
                return .delete(id: verb.id, forgets: verb.forgets)
            } catch { return .put { throw error } }
        }
        return .put { [self] in
            guard var request = errand.take() else { throw Self.isOver }
            try request.decodeLiteral()
            return try PutVerb(request, self).input
        }
    }

    private static var isOver: ServerError { .refused(.deadline, "the time was over before the change began") }

    /// The reply to a writing request, once its outcome is known.
    static func reply(to request: Request, outcome: Result<WriterQueue.Outcome, ServerError>) -> Reply {
        switch outcome {
        case .failure(let error): reply(to: request, error)
        case .success(.deleted(let wasThere)): DeleteVerb.reply(to: request, wasThere: wasThere)
        case .success(.put(let id, let outcome)):
            PutVerb.reply(to: request, id: id, outcome)
        }
    }

    private static func reply(to request: Request, _ error: any Error) -> Reply {
        let refusal = WriterQueue.refusal(error)
        guard case .refused(let code) = refusal.code else { return .error(.internal, refusal.text, tag: request.tag) }
        return .error(code, refusal.text, tag: request.tag)
    }

    /// The bytes of the image that a request sends or names, nil if it does neither.
    ///
    /// - Throws: BADREQ, BADIMAGE, DENIED, NOTFOUND or LIMIT.
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

    /// The bytes of all images that a search sends or names.
    ///
    /// - Throws: BADREQ, BADIMAGE, DENIED, NOTFOUND or LIMIT.
    func images(of request: Request) throws(ServerError) -> [[UInt8]] {
        guard let first = try image(of: request) else { return [] }
        var images = [first]
        // Together no more than one request may send.
        var rest = configuration.connection.parser.literalByteCount - first.count
        for path in request.values("image").dropFirst() {
            let bytes = try roots.read(path, limitInBytes: max(0, rest))
            rest -= bytes.count
            images.append(bytes)
        }
        return images
    }
}
