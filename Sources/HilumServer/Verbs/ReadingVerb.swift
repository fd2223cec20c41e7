/// A verb that reads the archive: first its arguments are parsed, then it is answered.
///
/// Thread rule: any thread.
protocol ReadingVerb {
    /// Parses the arguments.
    ///
    /// - Throws: `ServerError.refused` with what is wrong with the request.
    init(_ request: Request, _ handler: RequestHandler) throws(ServerError)

    /// Whether what it brings or names takes so long that it should wait for others of that kind. Reads files, and decodes none.
    ///
    /// - Throws: `ArchiveError`; `ServerError.refused`.
    mutating func takesLong(_ handler: RequestHandler) throws -> Bool

    /// The reply.
    ///
    /// - Throws: `ArchiveError`; `ServerError.refused`.
    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply
}

extension ReadingVerb {
    /// Most verbs are quick.
    func takesLong(_ handler: RequestHandler) throws -> Bool { false }
}
