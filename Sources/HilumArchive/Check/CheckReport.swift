import HilumCore

/// What `check` found.
public struct CheckReport: Sendable, Equatable {
    /// What is wrong, one sentence each; empty for a sound archive.
    public var findings: [String] = []
    /// What is worth knowing and not wrong.
    public var notes: [String] = []
    /// Cases that were read.
    public var cases = 0
    /// Vectors that were read.
    public var vectors = 0
    /// Pages of the store that were read.
    public var pages = 0
    /// Whether graphs and images were checked too.
    public var isDeep = false
    /// What the graphs find of what they hold; only after a deep check. Not finding is no damage, so these are figures, not findings.
    public var graphs: [GraphFigures] = []

    /// A report without findings.
    public init() {}

    /// Whether nothing is wrong.
    public var isClean: Bool { findings.isEmpty }

    static let findingLimit = 200

    mutating func find(_ finding: @autoclosure () -> String) {
        if findings.count < Self.findingLimit { findings.append(finding()) }
    }
}

extension CheckReport: JSONReadable, JSONWritable {
    /// What `json` wrote.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init()
        findings = try json.member("findings")
        notes = try json.member("notes")
        cases = try json.member("cases")
        vectors = try json.member("vectors")
        pages = try json.member("pages")
        isDeep = try json.member("isDeep")
        graphs = try json.member("graphs")
    }

    /// All of the report, for another process.
    public var json: JSON {
        JSON(members: [
            "findings": findings, "notes": notes, "cases": cases, "vectors": vectors, "pages": pages,
            "isDeep": isDeep, "graphs": graphs,
        ])
    }
}
