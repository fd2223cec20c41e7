import HilumCore
import Synchronization

/// What is known of how far a copy is behind its leader.
///
/// Thread rule: any thread; `Follower` notes, requests read.
public final class Following: Sendable {
    /// As PING, HELLO and METRICS show it.
    struct Lag: Sendable, Equatable {
        /// For so long the leader may have had changes that are not here; nil as long as it was never asked with success.
        var seconds: Double?
        /// Numbers of cases that the leader had and this copy had not, when it was asked last.
        var behind: Int

        /// `lag=0.42 behind=0`.
        var statusText: String {
            let text = seconds.map { value -> String in
                // Two decimals, never in another spelling.
                let hundredths = Int((value * 100).rounded(.up))
                return "\(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10)"
            }
            return "lag=\(text ?? "unknown") behind=\(behind)"
        }
    }

    private struct State {
        var currentAt: Double?
        var behind = 0
    }

    private let state = Mutex(State())

    /// Nothing is known yet.
    init() {}

    /// The copy has what the leader had at a moment, in the seconds of `monotonicSeconds`, but for `behind` cases.
    func note(currentAt moment: Double?, behind: Int) {
        state.withLock { state in
            if let moment { state.currentAt = moment }
            state.behind = behind
        }
    }

    var lag: Lag {
        state.withLock { state in
            Lag(seconds: state.currentAt.map { max(0, monotonicSeconds() - $0) }, behind: state.behind)
        }
    }

    /// For Prometheus.
    var families: [MetricFamily] {
        let lag = lag
        return [
            MetricFamily(
                "hilum_follower_lag_seconds", .gauge,
                "For so long the leader may have had changes that this copy lacks; -1 while that is unknown.",
                [.init(lag.seconds ?? -1)]),
            MetricFamily(
                "hilum_follower_behind_cases", .gauge,
                "Cases that the leader had and this copy lacked when asked last.",
                [.init(Double(lag.behind))]),
        ]
    }
}
