import HilumArchive
import HilumCore

/// What answers requests of the protocol: a daemon at a socket, or an archive in this process.
public protocol Answering {
    /// Sends a request and reads its reply.
    ///
    /// - Parameters:
    ///   - line: without a line feed.
    ///   - literal: octets that follow it; `bytes=N` is added to the line.
    /// - Throws: `ServerError`; what is refused is a status of the answer.
    func request(_ line: String, literal: [UInt8]?) throws -> Client.Answer
}

extension Client: Answering {}

/// An archive that answers the reading requests of the protocol without a daemon.
///
/// Thread rule: any thread.
public final class ArchiveAnswers: Answering {
    private let handler: RequestHandler

    /// - Parameter archive: has its model, where texts and images are asked about.
    public init(_ archive: Archive) {
        handler = RequestHandler(archive: archive, configuration: ServerConfiguration())
    }

    /// Answers a request that reads the archive.
    public func request(_ line: String, literal: [UInt8]?) throws -> Client.Answer {
        let parsed = RequestLine(Array(line.utf8)[...])
        if let fault = parsed.fault { throw ServerError.refused(.badRequest, fault) }
        let request = Request(verb: parsed.verb, arguments: parsed.arguments, literal: literal)
        guard case .read = handler.route(request, mayWrite: false) else {
            throw ServerError.refused(.badRequest, "\(request.word) does not read the archive")
        }
        var objects = handler.read(request).bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
        guard let last = objects.popLast(), let status = Client.Status(line: last) else {
            throw ServerError.refused(.internal, "a reply has no status")
        }
        return Client.Answer(objects: objects, status: status)
    }
}
