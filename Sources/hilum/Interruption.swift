import Dispatch
import Foundation
import HilumCore

/// What an interrupt (Ctrl-C, SIGTERM) does to long work: the first raises a flag, so that the work ends after the piece it
/// is at; a second one ends the program at once.
enum Interruption {
    /// Raised by the first interrupt.
    static let flag = AtomicFlag()

    // Safety: only the main thread gets here, once, before the work begins; the array just keeps the sources alive.
    nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

    /// Routes SIGINT and SIGTERM to `flag`; called by verbs whose work takes long.
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
}
