import CHilumSystem
import Foundation
import HilumArchive
import HilumCore
import Synchronization

/// A daemon over a copy of another archive, which it keeps current.
///
/// ```
/// no copy yet ──► snapshot of the leader ─ restore ─► copy ─ serve ─┬─ CHANGES since=… ─ apply ─┐
///                        ▲                                          └──────── every so often ◄──┘
///                        └── STALE: a gap ─ restore beside ─ stop serving ─ exchange ─ serve
/// ```
/// The leader is a daemon's socket, or a folder of snapshots: then each newer snapshot takes the copy's place.
///
/// Thread rule: one thread.
public struct Follower: Sendable {
    /// What is followed.
    public enum Leader: Sendable, Equatable {
        /// The socket of a daemon.
        case socket(String)
        /// A snapshot, or a folder with snapshots.
        case snapshots(String)
    }

    /// Opens the copy.
    public typealias Opener = @Sendable (_ path: String, _ mode: Archive.Mode) throws -> Archive

    private let copy: LeaderCopy
    private let socketPath: String
    private let intervalInSeconds: Double
    private let configuration: ServerConfiguration
    private let open: Opener
    private let following = Following()

    /// - Parameters:
    ///   - path: of the copy, absolute; it is made from a snapshot where none stands.
    ///   - intervalInSeconds: between two looks at the leader.
    public init(
        of leader: Leader, at path: String, socketPath: String, intervalInSeconds: Double,
        configuration: ServerConfiguration, open: @escaping Opener
    ) {
        copy = LeaderCopy(leader: leader, path: path)
        self.socketPath = socketPath
        self.intervalInSeconds = intervalInSeconds
        var configuration = configuration
        configuration.following = following
        self.configuration = configuration
        self.open = open
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// - Throws: why there is no copy, where none can be made; what `Server.run` throws.
    public func run() throws {
        try copy.settle()
        while try serve() { try copy.exchange() }
    }

    /// - Returns: whether a newer copy is to take the place of the present one.
    private func serve() throws -> Bool {
        let (copy, open, following, interval) = (copy, open, following, intervalInSeconds)
        let isOver = AtomicFlag()
        let running = Mutex<Server?>(nil)
        let archive = try RecoveringArchive { mode, _ in
            let archive = try open(copy.path, mode)
            guard mode == .readWrite else { return .init(archive) }
            let isEnding = AtomicFlag()
            let thread = WorkerThread("follow") {
                guard Puller(copy, archive, following, isEnding: isEnding).run(every: interval) else { return }
                isOver.raise()
                running.withLock { $0?.stop() }
            }
            return .init(archive) {
                isEnding.raise()
                thread.join()
            }
        }
        let server = Server(archive: archive, socketPath: socketPath, configuration: configuration)
        running.withLock { $0 = server }
        // It may have been found before there was a server to stop.
        if isOver.isRaised { server.stop() }
        try server.run()
        // A signal that comes with the exchange ends both.
        return isOver.isRaised && !(configuration.handlesSignals && hilum_signals_seen() != 0)
    }
}
