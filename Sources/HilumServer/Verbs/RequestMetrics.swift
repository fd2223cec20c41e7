import Synchronization

/// What a daemon counts of its requests since it started.
///
/// Thread rule: any thread.
final class RequestMetrics: Sendable {
    private struct State {
        /// By verb; what is no verb counts as `other`, so that clients cannot make up labels.
        var requests: [String: Int] = [:]
        /// By verb, of requests that were carried out.
        var durations: [String: (count: Int, seconds: Double)] = [:]
        var refusals: [ReplyCode: Int] = [:]
    }

    private let state = Mutex(State())
    private let running = Atomic<Int>(0)

    /// Reading requests that are carried out now.
    var runningCount: Int { running.load(ordering: .relaxed) }

    /// Counts a request; nil, and a verb of a later release, are counted as `other`.
    func count(_ verb: Verb?) { state.withLock { $0.requests[Self.label(verb), default: 0] += 1 } }

    private static func label(_ verb: Verb?) -> String {
        guard let verb else { return "other" }
        return verb.rawValue
    }

    func begin() { running.add(1, ordering: .relaxed) }

    func end() { running.subtract(1, ordering: .relaxed) }

    /// Notes how long a request took, from when it was begun (a change: from when it was submitted) to its reply.
    func note(_ verb: Verb?, seconds: Double) {
        let verb = Self.label(verb)
        state.withLock { state in
            let before = state.durations[verb] ?? (0, 0)
            state.durations[verb] = (before.count + 1, before.seconds + seconds)
        }
    }

    func refuse(_ code: ReplyCode) { state.withLock { $0.refusals[code, default: 0] += 1 } }

    var families: [MetricFamily] {
        let state = state.withLock { $0 }
        return [
            MetricFamily(
                "hilum_requests_total", .counter, "Requests by verb.",
                state.requests.sorted { $0.key < $1.key }.map { .init(Double($0.value), [("verb", $0.key)]) }),
            MetricFamily(
                "hilum_request_seconds", .summary, "Time that requests took, by verb.",
                state.durations.sorted { $0.key < $1.key }.flatMap { verb, duration in
                    [
                        .init(duration.seconds, [("verb", verb)], suffix: "_sum"),
                        .init(Double(duration.count), [("verb", verb)], suffix: "_count"),
                    ]
                }),
            MetricFamily(
                "hilum_refusals_total", .counter, "Replies that were an ERR, by code.",
                state.refusals.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                    .init(Double($0.value), [("code", $0.key.rawValue)])
                }),
            MetricFamily(
                "hilum_requests_running", .gauge, "Reading requests carried out now, this one among them.",
                [.init(Double(runningCount))]),
        ]
    }
}
