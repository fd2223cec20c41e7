import HilumArchive

/// What went wrong in this module; the text says what to do and never holds report text, pixels or patient identifiers.
public struct ServerError: Error, CustomStringConvertible, Sendable {
    /// What kind of fault it is.
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

    /// What kind of fault it is.
    public let code: Code
    /// One sentence.
    public let text: String

    /// An error with its sentence.
    public init(_ code: Code, _ text: String) {
        self.code = code
        self.text = text
    }

    /// The refusal that an error of the archive comes to.
    init(_ error: ArchiveError) { self = .refused(ReplyCode(error.code), error.description) }

    /// The sentence.
    public var description: String { text }

    /// A refusal of one request.
    public static func refused(_ code: ReplyCode, _ text: String) -> ServerError { ServerError(.refused(code), text) }
}
