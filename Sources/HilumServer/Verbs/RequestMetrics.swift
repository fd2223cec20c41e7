import Synchronization

/// A family of figures as Prometheus knows it: one name, one meaning, a value for each set of labels.
public struct MetricFamily: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// Only rises while the daemon runs.
        case counter
        case gauge
        /// Sum and count of what was measured.
        case summary
    }

    public struct Sample: Sendable, Equatable {
        /// What follows the family's name: `_sum` and `_count` of a summary.
        public var suffix = ""
        public var labels: [(name: String, value: String)] = []
        public var value: Double

        /// - Parameter labels: fixed words, never anything of a case or a query.
        public init(_ value: Double, _ labels: [(name: String, value: String)] = [], suffix: String = "") {
            self.value = value
            self.labels = labels
            self.suffix = suffix
        }

        public static func == (left: Self, right: Self) -> Bool {
            left.value == right.value && left.suffix == right.suffix
                && left.labels.elementsEqual(right.labels, by: ==)
        }
    }

    /// With the unit last: `hilum_request_seconds`.
    public var name: String
    public var kind: Kind
    /// One sentence.
    public var help: String
    public var samples: [Sample]

    public init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// The family in Prometheus' text format, each line ended.
    public var text: String {
        var text = "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
            let value = Int(exactly: sample.value).map(String.init) ?? String(sample.value)
            text += "\(name)\(sample.suffix)\(labels.isEmpty ? "" : "{\(labels)}") \(value)\n"
        }
        return text
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

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

    func count(_ verb: String) { state.withLock { $0.requests[verb, default: 0] += 1 } }

    func begin() { running.add(1, ordering: .relaxed) }

    func end() { running.subtract(1, ordering: .relaxed) }

    /// Notes how long a request took, from when it was begun (a change: from when it was submitted) to its reply.
    func note(_ verb: String, seconds: Double) {
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
