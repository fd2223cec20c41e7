import HilumArchive

/// `COUNT`: how many cases match a filter.
struct CountVerb: ReadingVerb {
    let filter: Filter
    let deadline: Double?

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        if request.literal != nil { throw .refused(.badRequest, "COUNT takes no octets") }
        filter = try request.filter()
        deadline = request.deadline
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        ReplyBuilder(tag: tag).ok("count=\(try handler.archive.count(filter, until: deadline))")
    }
}
