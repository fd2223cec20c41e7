import HilumArchive
import HilumCore

/// `FACET`: one object a value of a key with the number of cases that have it, the most frequent first.
struct FacetVerb: ReadingVerb {
    let key: String
    let limit: Int
    let filter: Filter
    let deadline: Double?

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        if request.literal != nil { throw .refused(.badRequest, "FACET takes no octets") }
        guard let key = try request.words("by") else {
            throw .refused(.badRequest, "FACET needs by= with a key, such as by=view")
        }
        self.key = key
        limit = try request.integer("k", in: 1...ArchiveLimits.hitCount) ?? Facet.standardLimit
        filter = try request.filter(except: Verb.facet.keys)
        deadline = request.deadline
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let facet: Facet
        do {
            facet = try handler.archive.facet(by: key, filter, limit: limit, until: deadline)
        } catch let error as ArchiveError { throw Verb.facet.explaining(error) }
        var builder = ReplyBuilder(tag: tag)
        builder.objects(raw: facet.written())
        return builder.ok("values=\(facet.values.count) distinct=\(facet.distinctCount) cases=\(facet.caseCount)")
    }
}

extension Verb {
    /// The refusal of a key that no case has names the option that may have been meant.
    func explaining(_ error: ArchiveError) -> any Error {
        guard case .unknownKey(let key) = error.code, let option = near(key) else { return error }
        return ServerError.refused(.badRequest, "\(error); \(rawValue) has no option \(key)=, but \(option)=")
    }
}
