import HilumCore

/// What can be set about a daemon; the defaults are those of the protocol.
public struct ServerConfiguration: Sendable {
    /// Of one client.
    var connection = Connection.Limits()
    /// Clients at once; one more is told `ERR BUSY`.
    var clientCount = 10_000
    /// Bytes that all clients together may make the daemon hold in unread requests and replies.
    var heldByteCount = 1 << 30
    /// Threads for searches and other reading requests.
    var workerCount = max(2, defaultThreadCount)
    /// A picture with more pixels is decoded on a thread of its own; most radiographs have fewer.
    var longPixelCount = 12 << 20
    /// A reply is refused with `LIMIT` when it would be larger.
    var replyByteCount = 16 << 20
    /// Users that may change the archive besides the daemon's own and root.
    public var writerUsers: Set<UInt32> = []
    /// Groups whose members may change the archive (the group of the client process).
    public var writerGroups: Set<UInt32> = []
    /// Folders below which `image=PATH` is read; none by default.
    public var imageRoots: [String] = []
    /// Pending requests are finished within this time when the daemon stops.
    var drainInSeconds = 5.0
    /// What becomes of a case whose files leave the inbox.
    public var missing: MissingFileRule {
        get { inbox.missing }
        set { inbox.missing = newValue }
    }
    /// How the inbox is watched.
    var inbox = InboxConfiguration()
    /// How the log names cases and files of the inbox.
    public var logNames = LogNames()
    /// The file that remembers which files of the inbox were refused, so that the log names them once; nil for none.
    public var refusalMemory: String?
    /// Where changes that clients ask for are noted; nil for nowhere.
    public var auditLog: AuditLog?
    /// How far this copy of another archive is behind; nil for an archive of its own.
    var following: Following?
    /// What started the daemon; by default nobody who wants to know.
    public var serviceManager = ServiceManager()
    /// Whether SIGTERM and SIGINT stop the daemon and SIGPIPE is ignored.
    var handlesSignals = true

    /// The defaults.
    public init() {}
}
