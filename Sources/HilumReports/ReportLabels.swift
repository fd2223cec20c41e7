/// The labels of reports: the findings that they affirm, each with its side, for data that nobody labelled.
///
/// A label is a stable name, with its side behind it where the report says one: `effusion left`. What is on both sides has a label
/// for each. A report that affirms no finding and denies some, or calls something normal, has the label `normal`. Doubted
/// findings, devices, traces of operations and faults of the film give no labels: they do not say what is the matter.
///
/// Thread rule: an immutable value; any number of threads.
public struct ReportLabels: Sendable {
    /// The label of a report that affirms no finding.
    public static let normal = "normal"
    /// Names that say that nothing is the matter.
    private static let verdicts: Set<String> = ["normal", "clear-lungs"]
    /// Names that say too little, or speak of the film.
    private static let passedOver: Set<String> = [
        "acute-disease", "rotated-film", "underexposed-film", "overexposed-film", "limited-study",
    ]

    private let reader: ReportReader
    private let findings: Set<String>

    /// Labels by the names of a reader's lexicon.
    public init(_ reader: ReportReader) {
        self.reader = reader
        findings = Set(reader.lexicon.names.lazy.filter { $0.kind == .finding }.map(\.name))
            .subtracting(Self.passedOver)
    }

    /// The labels of a report, sorted; none where it says nothing.
    public func labels(of report: String) -> [String] {
        var labels: Set<String> = []
        var isCalm = false
        for finding in reader.read(report).findings {
            switch finding.assertion {
            case .present where Self.verdicts.contains(finding.name): isCalm = true
            case .present where findings.contains(finding.name):
                switch finding.side?.value {
                case .bilateral:
                    for side in [ReportFinding.Side.left, .right] { labels.insert("\(finding.name) \(side.rawValue)") }
                case let side?: labels.insert("\(finding.name) \(side.rawValue)")
                case nil: labels.insert(finding.name)
                }
            case .absent: isCalm = true
            case .present, .uncertain, .other: continue
            }
        }
        return labels.isEmpty && isCalm ? [Self.normal] : labels.sorted()
    }
}
