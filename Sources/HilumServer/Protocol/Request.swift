import HilumCore

/// One request as the grammar sees it; what the verb makes of its arguments is decided by the verb's own type.
struct Request: Sendable, Equatable {
    /// What follows `@`; nil without.
    var tag: String?
    /// The word that stands for the verb, in upper case.
    var word: String
    /// In the order of the line, without `bytes=`.
    var arguments: [Argument]
    /// The octets that `bytes=N` announced.
    var literal: [UInt8]?
    /// The same as a large line of JSON-RPC brings them: what stands between the quotes. `decodeLiteral` makes octets of it.
    var encodedLiteral: [UInt8]?
    /// How the client wants the reply.
    var form = ReplyForm.lines
    /// When the reply is of no use any more, in the seconds of `monotonicSeconds`; set when the request begins.
    var deadline: Double?

    /// A request.
    ///
    /// - Parameter verb: the word that stands for it, in upper case; may be no verb.
    init(tag: String? = nil, verb: String, arguments: [Argument] = [], literal: [UInt8]? = nil) {
        self.tag = tag
        word = verb
        self.arguments = arguments
        self.literal = literal
    }

    /// The verb; nil where the word is none.
    var verb: Verb? { Verb(rawValue: word) }

    /// Whether the request changes the archive.
    var isWrite: Bool { verb?.isWrite ?? false }

    /// A request has at most so many arguments: all fields that a case may have, and the options of any verb.
    static let mostArguments = 320

    /// About how many bytes of memory it takes.
    var byteCount: Int {
        let octetCount = (literal?.count ?? 0) + (encodedLiteral?.count ?? 0)
        return arguments.reduce(256 + octetCount) { $0 + $1.key.utf8.count + $1.value.utf8.count + 48 }
    }

    /// Makes octets of what is encoded; on the thread that needs them, for megabytes take milliseconds.
    ///
    /// - Throws: BADREQ for what is no base64.
    mutating func decodeLiteral() throws(ServerError) {
        guard let text = encodedLiteral else { return }
        literal = try RPCLiteral.decode(text)
        encodedLiteral = nil
    }

    /// What a reply and the audit log need of the request: tag, verb, bare words and id.
    var head: Request {
        Request(tag: tag, verb: word, arguments: arguments.filter { $0.key == "id" || $0.key.isEmpty })
    }

    /// The value of `key=`, nil if it is not there.
    func value(_ key: String) -> String? {
        for argument in arguments where argument.key == key && !argument.isNegated { return argument.value }
        return nil
    }

    /// All values of `key=`, in the order of the line.
    func values(_ key: String) -> [String] {
        arguments.filter { $0.key == key && !$0.isNegated }.map(\.value)
    }
}

/// What a stream of bytes holds next: a request, or a reason why there is none.
enum ParsedItem: Sendable, Equatable {
    /// A well-formed request.
    case request(Request)
    /// The reply is `ERR code text`; `closes`: the stream cannot go on after it.
    case malformed(tag: String?, code: ReplyCode, text: String, closes: Bool)
    /// A line of JSON-RPC that holds no request; `id` and `fault` as in `ReplyForm`, the rest as in `malformed`.
    case rpcFault(id: [UInt8]?, fault: Int, code: ReplyCode, text: String, closes: Bool)
}
