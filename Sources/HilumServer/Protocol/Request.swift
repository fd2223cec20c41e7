import HilumCore

/// One request as the grammar sees it; what the verb makes of its arguments is not decided here.
public struct Request: Sendable, Equatable {
    public var tag: String?
    /// In upper case.
    public var verb: String
    /// In the order of the line, without `bytes=`.
    public var arguments: [Argument]
    /// The octets that `bytes=N` announced.
    public var literal: [UInt8]?

    public init(tag: String? = nil, verb: String, arguments: [Argument] = [], literal: [UInt8]? = nil) {
        self.tag = tag
        self.verb = verb
        self.arguments = arguments
        self.literal = literal
    }

    /// The value of `key=`, nil if it is not there.
    public func value(_ key: String) -> String? {
        for argument in arguments where argument.key == key && !argument.isNegated { return argument.value }
        return nil
    }

    /// Whether the request changes the archive.
    public var isWrite: Bool { verb == "PUT" || verb == "DELETE" }
}

/// What a stream of bytes holds next: a request, or a reason why there is none.
public enum ParsedItem: Sendable, Equatable {
    case request(Request)
    /// The reply is `ERR code text`; `closes`: the stream cannot go on after it.
    case malformed(tag: String?, code: ReplyCode, text: String, closes: Bool)
}
