import CHilumSystem
import Foundation
import HilumCore

/// What a service manager such as systemd passes to a daemon and is told by it.
///
/// ```
/// LISTEN_PID, LISTEN_FDS        a socket that listens already, as descriptor 3
/// NOTIFY_SOCKET                 where READY=1, STOPPING=1 and WATCHDOG=1 go, one datagram each
/// WATCHDOG_PID, WATCHDOG_USEC   within which time the next WATCHDOG=1 is expected
/// ```
/// Variables that were meant for another process, as children inherit them, count as missing.
///
/// Source: sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3), whose protocols are documented as stable.
/// Thread rule: any thread.
public struct ServiceManager: Sendable {
    /// The first descriptor that is passed.
    private static let firstDescriptor: Int32 = 3

    /// A socket to be served; nil where none was passed.
    let passedSocket: Int32?
    /// How often to say that the daemon is alive: half of what is expected; nil where nobody asks.
    let beatInSeconds: Double?
    private let notifyPath: String?

    /// No service manager.
    public init() {
        passedSocket = nil
        beatInSeconds = nil
        notifyPath = nil
    }

    /// What the environment of this process says.
    public init(environment: [String: String]) { self.init(environment: environment, process: getpid()) }

    init(environment: [String: String], process: Int32) {
        let isMeant = environment["LISTEN_PID"].flatMap { Int32($0) } == process
        let count = environment["LISTEN_FDS"].flatMap { Int($0) } ?? 0
        passedSocket = isMeant && count > 0 ? Self.firstDescriptor : nil
        if isMeant && count > 1 {
            Log.warning("\(count) sockets were passed, and only the first is served; name one ListenStream=")
        }
        notifyPath = environment["NOTIFY_SOCKET"].flatMap { FilePath.isAbsolute($0) || $0.hasPrefix("@") ? $0 : nil }
        let isWatched = environment["WATCHDOG_PID"].map { Int32($0) == process } ?? true
        let time = environment["WATCHDOG_USEC"].flatMap { Double($0) } ?? 0
        beatInSeconds = isWatched && time > 0 && time.isFinite && notifyPath != nil ? time / 2e6 : nil
    }

    /// For tests, which cannot choose the number of a descriptor.
    init(passedSocket: Int32?, notifyPath: String?, beatInSeconds: Double?) {
        self.passedSocket = passedSocket
        self.notifyPath = notifyPath
        self.beatInSeconds = beatInSeconds
    }

    /// Tells the manager; nothing happens where there is none, and a failure is no more than a line of the log.
    func notify(_ state: String) {
        guard let notifyPath else { return }
        let bytes = Array(state.utf8)
        guard hilum_unix_notify(notifyPath, bytes, bytes.count) != 0 else { return }
        Log.warning("the service manager cannot be told: \(String(cString: strerror(errno)))")
    }
}
