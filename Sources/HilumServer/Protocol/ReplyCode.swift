import HilumArchive

/// The codes of an `ERR` line.
public enum ReplyCode: String, Sendable, CaseIterable {
    /// A request that breaks the grammar or makes no sense.
    case badRequest = "BADREQ"
    /// No such verb, or one of a later release.
    case unknown = "UNKNOWN"
    /// No such case or file.
    case notFound = "NOTFOUND"
    /// Something is there already.
    case exists = "EXISTS"
    /// An image that cannot be read.
    case badImage = "BADIMAGE"
    /// A vector that cannot be read or does not fit.
    case badVector = "BADVEC"
    /// What is asked for needs a model, and none is loaded.
    case notReady = "NOTREADY"
    /// The archive takes no changes.
    case readOnly = "READONLY"
    /// This client may not do that.
    case denied = "DENIED"
    /// Something larger than the daemon takes.
    case limit = "LIMIT"
    /// The daemon has no room at the moment.
    case busy = "BUSY"
    /// The time of `deadline_ms=` is over.
    case deadline = "DEADLINE"
    /// What is stored does not fit what is there now.
    case stale = "STALE"
    /// The disk fails or is full.
    case io = "IO"
    /// A fault of the daemon.
    case `internal` = "INTERNAL"

    /// The code that stands for an error of the archive.
    init(_ code: ArchiveError.Code) {
        self =
            switch code {
            case .notFound: .notFound
            case .exists: .exists
            case .badImage: .badImage
            case .badVector: .badVector
            case .badRequest, .unknownKey: .badRequest
            case .readOnly: .readOnly
            case .limit: .limit
            case .notReady: .notReady
            case .stale: .stale
            case .busy: .busy
            case .deadline: .deadline
            case .damaged, .io: .io
            }
    }
}
