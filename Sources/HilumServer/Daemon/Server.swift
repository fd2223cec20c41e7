import CHilumSystem
import Foundation
import HilumArchive
import HilumCore
import Synchronization

/// The daemon: serves an archive on a Unix socket and takes in what is dropped into an inbox.
///
/// ```
///  clients ═ epoll ═ EventLoop ─ one Connection each ─┬─ WorkerPool ── searches ──┐
///                       ↑ eventfd                     └─ WriterQueue ─ changes ───┤── ServedArchive
///                       └── replies, or word of those that went out by themselves ┘
///  inbox ═ inotify ═ InboxWatcher ──────────────────────── WriterQueue ───────────┘
/// ```
/// | folder | holds |
/// | --- | --- |
/// | `Protocol/` | the grammar of requests and the bytes of replies; pure |
/// | `Verbs/` | what each verb makes of its arguments, and its reply; what is counted of requests |
/// | `Socket/` | `Connection`, one client as a pure state machine; the event loop; `Client`, the other end |
/// | `Inbox/` | what lies in the inbox (pure); watching it |
/// | `Follow/` | a daemon over a copy that it keeps current |
/// | `Daemon/` | this type; what it needs of an archive; one writer with group commit and idle time; worker threads |
///
/// Thread rule: `run` on one thread, `stop` from any.
public final class Server: Sendable {
    private let archive: any ServedArchive
    private let socketPath: String
    private let inbox: String?
    private let configuration: ServerConfiguration
    private let serving = AtomicFlag()
    /// An eventfd, raised by `stop` and by signals; -1 when it could not be made.
    private let stopDescriptor: Int32

    /// A daemon over an archive that is open for writing.
    ///
    /// - Parameters:
    ///   - archive: closed by `run` when it returns.
    ///   - socketPath: at most 107 bytes.
    ///   - inbox: a folder to take cases from; nil for none.
    public convenience init(
        archive: Archive, socketPath: String, inbox: String? = nil,
        configuration: ServerConfiguration = ServerConfiguration()
    ) {
        self.init(serving: archive, socketPath: socketPath, inbox: inbox, configuration: configuration)
    }

    /// A daemon over an archive that is opened again after its disk has failed.
    public convenience init(
        archive: RecoveringArchive, socketPath: String, inbox: String? = nil,
        configuration: ServerConfiguration = ServerConfiguration()
    ) {
        self.init(serving: archive, socketPath: socketPath, inbox: inbox, configuration: configuration)
    }

    init(
        serving archive: any ServedArchive, socketPath: String, inbox: String? = nil,
        configuration: ServerConfiguration = ServerConfiguration()
    ) {
        self.archive = archive
        self.socketPath = socketPath
        self.inbox = inbox
        self.configuration = configuration
        stopDescriptor = hilum_eventfd_create()
    }

    deinit {
        if stopDescriptor >= 0 { close(stopDescriptor) }
    }

    /// Asks `run` to finish what is pending and return; any thread, any number of times, also before `run`.
    public func stop() { hilum_eventfd_raise(stopDescriptor) }

    /// Whether the socket listens; for those who wait for it.
    public var isServing: Bool { serving.isRaised }

    /// Serves until `stop`, SIGTERM or SIGINT; then pending requests are finished (5 s at most), the archive is closed and
    /// the socket removed.
    ///
    /// - Throws: `ServerError` or `FileError` when the socket, an image root or the inbox cannot be had; what the archive
    ///   throws on closing.
    public func run() throws {
        do {
            let passed = configuration.serviceManager.passedSocket
            let listener = try passed.map { try ListeningSocket(inherited: $0) } ?? ListeningSocket(path: socketPath)
            let path = listener.path
            try serve(listener.descriptor, path: path)
            // The socket goes last: whoever waits for it to go may open the archive at once.
            archive.close()
            listener.close()
            Log.info("stopped: \(path)")
        } catch {
            archive.close()
            throw error
        }
    }

    private func serve(_ listener: Int32, path: String) throws {
        guard stopDescriptor >= 0 else {
            throw ServerError(.system(call: "eventfd", errno: EMFILE), "eventfd: no file descriptor is left")
        }
        let files = hilum_raise_file_limit()
        if files >= 0 && files < Int64(configuration.clientCount) + 100 {
            Log.warning(
                "only \(files) files may be open (ulimit -n), so not all of \(configuration.clientCount) clients can be served"
            )
        }
        let roots = try ImageRoots(configuration.imageRoots)
        let caseCount = try archive.stats().cases
        if configuration.handlesSignals {
            guard hilum_signals_install(stopDescriptor) == 0 else {
                throw ServerError(
                    .system(call: "sigaction", errno: errno), "sigaction: \(String(cString: strerror(errno)))")
            }
        }
        defer { if configuration.handlesSignals { hilum_signals_restore() } }
        let inboxLog = inbox.map { _ in InboxLog(names: configuration.logNames, memory: configuration.refusalMemory) }
        let handler = RequestHandler(archive: archive, configuration: configuration, roots: roots, inboxLog: inboxLog)
        let crowd = handler.crowd
        let writer = WriterQueue(archive: archive, courtesy: Courtesy { crowd.isThere }) { handler.isIdle }
        writer.start()
        defer { writer.stop() }
        var watcher: InboxWatcher?
        if let inbox, let inboxLog {
            let made = try InboxWatcher(
                folder: inbox, archive: archive, writer: writer, configuration: configuration.inbox, log: inboxLog,
                roots: configuration.imageRoots)
            made.start()
            watcher = made
        }
        defer { watcher?.stop() }
        let pool = WorkerPool(threadCount: configuration.workerCount)
        defer { pool.stop() }
        // Before the pool waits for its threads.
        defer { handler.isStopping.raise() }
        let loop = try EventLoop(listener: listener, stop: stopDescriptor, handler: handler, pool: pool, writer: writer)
        Log.info("started: \(path), \(caseCount) cases, model \((archive.modelID ?? "none yet").prefix(12))")
        serving.raise()
        configuration.serviceManager.notify("READY=1\nSTATUS=\(caseCount) cases when it started")
        try loop.run()
        configuration.serviceManager.notify("STOPPING=1")
        Log.info("stopping: \(path)")
    }
}
