/// A verb that reads the archive: first its arguments are parsed, then it is answered.
///
/// Thread rule: any thread.
protocol ReadingVerb {
    /// Parses the arguments.
    ///
    /// - Throws: `ServerError.refused` with what is wrong with the request.
    init(_ request: Request, _ handler: RequestHandler) throws(ServerError)

    /// The reply.
    ///
    /// - Throws: `ArchiveError`; `ServerError.refused`.
    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply
}
