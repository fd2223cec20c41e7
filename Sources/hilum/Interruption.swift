import Dispatch
import Foundation
import HilumCore
import Synchronization

/// Handles interrupts (Ctrl-C, SIGTERM) during long work. The first raises a flag, so that the work stops after its current
/// step. The second ends the program at once.
enum Interruption {
    /// Raised by the first interrupt.
    static let flag = AtomicFlag()

    // Safety: only the main thread calls `watch`, once, before the work begins. The array only keeps the sources alive.
    nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

    /// Routes SIGINT and SIGTERM to `flag`. Verbs with long work call this.
    static func watch(_ note: String) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                if flag.isRaised { exit(ExitStatus.interrupted.rawValue) }
                flag.raise()
                standardError("\nhilum: \(note)\n")
            }
            source.resume()
            sources.append(source)
        }
    }

    private static let hangupActions = Mutex<[@Sendable () -> Void]>([])

    /// Does something at each SIGHUP of a daemon.
    static func onHangup(_ action: @escaping @Sendable () -> Void) { hangupActions.withLock { $0.append(action) } }

    /// Lets a daemon outlive SIGHUP, SIGUSR1 and SIGUSR2. SIGHUP reads the level of the log again, and does what `onHangup` was told.
    static func outliveHangup() {
        for number in [SIGHUP, SIGUSR1, SIGUSR2] { signal(number, SIG_IGN) }
        let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
        source.setEventHandler {
            let level = Log.reload()
            standardError("hilum: SIGHUP; the log begins at \(level)\n")
            for action in hangupActions.withLock({ $0 }) { action() }
        }
        source.resume()
        sources.append(source)
    }
}
