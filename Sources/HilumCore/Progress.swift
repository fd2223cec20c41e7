import Foundation
import Synchronization

/// Progress of long work on standard error: a bar on a terminal, a plain line every few seconds otherwise.
///
/// Shows done, total, rate and time left: `index: 120/2618 cases (5 %), 41.3 cases/s, 1m 00s left`.
/// Thread rule: `advance` from any thread.
public final class Progress: Sendable {
    private struct State {
        var done: Int
        var startedWith: Int
        var lastShown: Double
        var note = ""
    }

    private let label: String
    private let unit: String
    private let total: Int
    private let started: Double
    private let isTerminal: Bool
    private let isQuiet: Bool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - label: what is being done ("index"); `unit`: what is counted, in the plural ("cases").
    ///   - done: how much was already finished by an earlier run; it does not count into the rate.
    public init(_ label: String, total: Int, unit: String, done: Int = 0, quiet: Bool = false) {
        self.label = label
        self.unit = unit
        self.total = total
        started = monotonicSeconds()
        isTerminal = isatty(STDERR_FILENO) == 1
        isQuiet = quiet
        state = Mutex(State(done: done, startedWith: done, lastShown: started))
    }

    /// Adds `count` to what is done and shows the line when it is time to; `note` stands at its end ("loss 1.234").
    public func advance(by count: Int = 1, note: String? = nil) {
        state.withLock { state in
            state.done += count
            if let note { state.note = note }
            let now = monotonicSeconds()
            guard now - state.lastShown >= (isTerminal ? 0.1 : 5) else { return }
            state.lastShown = now
            show(state, now: now)
        }
    }

    /// Shows the last line and ends it.
    public func finish() {
        state.withLock { state in
            show(state, now: monotonicSeconds())
            if isTerminal && !isQuiet { standardError("\n") }
        }
    }

    private func show(_ state: State, now: Double) {
        guard !isQuiet else { return }
        let elapsed = max(now - started, 1e-9)
        let rate = Double(state.done - state.startedWith) / elapsed
        var line = "\(label): \(state.done)/\(total) \(unit)"
        if total > 0 { line += " (\(state.done * 100 / total) %)" }
        line += String(format: ", %.*f %@/s", rate < 10 ? 2 : 1, rate, unit as NSString)
        if state.done >= total {
            line += ", took \(durationText(elapsed))"
        } else if rate > 0 {
            line += ", \(durationText(Double(total - state.done) / rate)) left"
        }
        if !state.note.isEmpty { line += ", \(state.note)" }
        if isTerminal {
            let width = 20
            let filled = total > 0 ? min(width, state.done * width / total) : 0
            let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: width - filled)
            standardError("\r\u{1B}[K\(bar) \(line)")
        } else {
            standardError(line + "\n")
        }
    }
}

/// Seconds of a clock that never goes back; only differences mean anything.
public func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}

/// `4.2s`, `3m 07s`, `2h 05m`.
public func durationText(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if seconds < 60 { return String(format: "%.1fs", seconds) }
    if whole < 3600 { return String(format: "%dm %02ds", whole / 60, whole % 60) }
    return String(format: "%dh %02dm", whole / 3600, whole / 60 % 60)
}
