/// A family of figures as Prometheus knows it: one name, one meaning, a value for each set of labels.
struct MetricFamily: Sendable, Equatable {
    /// How the figures behave.
    enum Kind: String, Sendable {
        /// Only rises while the daemon runs.
        case counter
        /// Rises and falls.
        case gauge
        /// Sum and count of what was measured.
        case summary
    }

    /// One figure.
    struct Sample: Sendable, Equatable {
        /// What follows the family's name: `_sum` and `_count` of a summary.
        var suffix = ""
        /// Tell the figures of a family apart.
        var labels: [(name: String, value: String)] = []
        /// The figure.
        var value: Double

        /// A figure.
        ///
        /// - Parameter labels: fixed words, never anything of a case or a query.
        init(_ value: Double, _ labels: [(name: String, value: String)] = [], suffix: String = "") {
            self.value = value
            self.labels = labels
            self.suffix = suffix
        }

        /// Whether all of it is equal.
        static func == (left: Self, right: Self) -> Bool {
            left.value == right.value && left.suffix == right.suffix
                && left.labels.elementsEqual(right.labels, by: ==)
        }
    }

    /// With the unit last: `hilum_request_seconds`.
    var name: String
    /// How the figures behave.
    var kind: Kind
    /// One sentence.
    var help: String
    /// One for each set of labels.
    var samples: [Sample]

    /// A family.
    init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// The family in Prometheus' text format, each line ended.
    var text: String {
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
