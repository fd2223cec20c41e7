/// The codes of an `ERR` line.
public enum ReplyCode: String, Sendable, CaseIterable {
    case badRequest = "BADREQ"
    case unknown = "UNKNOWN"
    case notFound = "NOTFOUND"
    case exists = "EXISTS"
    case badImage = "BADIMAGE"
    case badVector = "BADVEC"
    case notReady = "NOTREADY"
    case readOnly = "READONLY"
    case denied = "DENIED"
    case limit = "LIMIT"
    case busy = "BUSY"
    case deadline = "DEADLINE"
    case stale = "STALE"
    case io = "IO"
    case `internal` = "INTERNAL"
}

/// What went wrong in this module; the text says what to do and never holds report text, pixels or patient identifiers.
public struct ServerError: Error, CustomStringConvertible, Sendable {
    public enum Code: Sendable, Equatable {
        /// One request is refused; goes to the client as `ERR CODE text`.
        case refused(ReplyCode)
        /// The socket's path does not fit into `sun_path`.
        case pathTooLong(limitInBytes: Int)
        /// Something that is not a socket stands at the socket's path; it is left alone.
        case notASocket
        /// Another daemon serves this socket; its process number when it is known.
        case inUse(holder: Int32?)
        /// Nobody listens at the socket (the client's case; exit code 5).
        case unreachable
        /// The daemon closed the connection before the reply was complete.
        case closedEarly
        /// No line came within the client's time limit.
        case timedOut
        /// A system call failed.
        case system(call: String, errno: Int32)
    }

    public let code: Code
    public let text: String

    public init(_ code: Code, _ text: String) {
        self.code = code
        self.text = text
    }

    public var description: String { text }

    /// A refusal of one request.
    public static func refused(_ code: ReplyCode, _ text: String) -> ServerError { ServerError(.refused(code), text) }
}
