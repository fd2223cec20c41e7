import HilumCore

/// `DELETE`: removes a case.
struct DeleteVerb {
    let id: String
    /// Whether nothing of it may be left.
    let forgets: Bool

    /// Parses the arguments.
    ///
    /// - Throws: `ServerError.refused` with BADREQ.
    init(_ request: Request) throws(ServerError) {
        try request.check(allowed: Verb.delete.keys)
        id = try request.id()
        forgets = try request.flag("forget") ?? false
    }

    /// The reply, once it is known whether the case was there.
    static func reply(to request: Request, wasThere: Bool) -> Reply {
        guard wasThere else { return .error(.notFound, GetVerb.missing, tag: request.tag) }
        return ReplyBuilder(tag: request.tag).ok("id=\(ReplyBuilder.statusValue(request.value("id") ?? ""))")
    }
}
