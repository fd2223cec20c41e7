import HilumCore

/// What `check` found.
public struct CheckReport: Sendable, Equatable {
    /// What is wrong, one sentence each; empty for a sound archive.
    public var findings: [String] = []
    /// What is worth knowing and not wrong.
    public var notes: [String] = []
    /// A case with an image that is no longer where it was indexed from.
    public struct MissingImage: Sendable, Equatable {
        /// The case.
        public var id: String
        /// Where the image was; in an archive that hides names, which one of the case it is.
        public var path: String
    }

    /// Images that are gone, at most `missingLimit`; `missingCount` counts all of them. The archive itself is sound without them.
    public var missing: [MissingImage] = []
    /// How many images are gone.
    public var missingCount = 0
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
    /// Missing images that are named.
    public static let missingLimit = 10_000

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
        missing = try json.member("missing")
        missingCount = try json.member("missingCount")
        cases = try json.member("cases")
        vectors = try json.member("vectors")
        pages = try json.member("pages")
        isDeep = try json.member("isDeep")
        graphs = try json.member("graphs")
    }

    /// All of the report, for another process.
    public var json: JSON {
        JSON(members: [
            "findings": findings, "notes": notes, "missing": missing, "missingCount": missingCount, "cases": cases,
            "vectors": vectors, "pages": pages,
            "isDeep": isDeep, "graphs": graphs,
        ])
    }
}

extension CheckReport.MissingImage: JSONReadable, JSONWritable {
    /// What `json` wrote.
    public init(json: JSON) throws(JSON.Mismatch) {
        id = try json.member("id")
        path = try json.member("image")
    }

    /// The case and the image.
    public var json: JSON { JSON(members: ["id": id, "image": path]) }
}
