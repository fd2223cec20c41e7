import HilumCore

/// What can be set about a daemon; the defaults are those of the protocol.
public struct ServerConfiguration: Sendable {
    public var connection = Connection.Limits()
    /// Clients at once; one more is told `ERR BUSY`.
    public var clientCount = 10_000
    /// Bytes that all clients together may make the daemon hold in unread requests and replies.
    public var heldByteCount = 1 << 30
    /// Threads for searches and other reading requests.
    public var workerCount = max(2, defaultThreadCount)
    /// A reply is refused with `LIMIT` when it would be larger.
    public var replyByteCount = 16 << 20
    /// Users that may change the archive besides the daemon's own and root.
    public var writerUsers: Set<UInt32> = []
    /// Groups whose members may change the archive (the group of the client process).
    public var writerGroups: Set<UInt32> = []
    /// Folders below which `image=PATH` is read; none by default.
    public var imageRoots: [String] = []
    /// Pending requests are finished within this time when the daemon stops.
    public var drainInSeconds = 5.0
    public var inbox = InboxConfiguration()
    /// Whether SIGTERM and SIGINT stop the daemon and SIGPIPE is ignored.
    public var handlesSignals = true
    /// What `HELLO` says.
    public var version = "0.1.0"

    public init() {}
}

/// How the inbox is watched.
public struct InboxConfiguration: Sendable {
    /// A file counts when its size and time have been still for so long.
    public var stillInSeconds = 0.5
    /// Between two looks at every folder, for what the kernel did not report.
    public var rescanInSeconds = 2.0
    /// Whether inotify is used; without it, what is new is found by looking.
    public var usesKernelEvents = true
    /// Before a case is tried again that could not be stored for a passing reason (disk full, not ready).
    public var retryInSeconds = 5.0
    /// Largest report.
    public var reportByteCount = 1 << 20
    /// Cases handed to the writer at once.
    public var batchCount = 64

    public init() {}
}

/// Who is at the other end of a connection, as the kernel says.
public struct Peer: Sendable, Equatable {
    public var process: Int32
    public var user: UInt32
    public var group: UInt32

    public init(process: Int32, user: UInt32, group: UInt32) {
        self.process = process
        self.user = user
        self.group = group
    }

    /// The daemon's own user, root, and the configured users and groups may change the archive.
    func mayWrite(daemonUser: UInt32, _ configuration: ServerConfiguration) -> Bool {
        user == daemonUser || user == 0 || configuration.writerUsers.contains(user)
            || configuration.writerGroups.contains(group)
    }
}
