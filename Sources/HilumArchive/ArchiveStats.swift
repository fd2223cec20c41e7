/// Figures of an archive.
public struct ArchiveStats: Sendable, Codable, Equatable {
    public var cases: Int
    public var images: Int
    public var reports: Int
    /// Distinct vectors: equal ones share a node.
    public var imageNodes: Int
    public var reportNodes: Int
    public var dimension: Int
    /// The model of the vectors; empty as long as none was chosen.
    public var model: String
    public var generation: Int
    public var mapBytes: Int
    /// What the store takes on disk, without images.
    public var fileBytes: Int
    /// Memory of the vectors and links.
    public var graphBytes: Int
    /// Cases below this number are in the stored links; the others are linked again when the archive opens.
    public var checkpoint: Int
    /// Cases stored or removed since.
    public var changesSinceCheckpoint: Int
    /// Cases replaced or deleted since the archive was made.
    public var deletions: Int
    public var formatVersion: Int
}

/// What `check` found.
public struct CheckReport: Sendable, Codable, Equatable {
    /// What is wrong, one sentence each; empty for a sound archive.
    public var findings: [String] = []
    /// What is worth knowing and not wrong.
    public var notes: [String] = []
    public var cases = 0
    public var vectors = 0
    public var pages = 0
    public var isDeep = false

    public init() {}

    public var isClean: Bool { findings.isEmpty }

    static let findingLimit = 200

    mutating func find(_ finding: @autoclosure () -> String) {
        if findings.count < Self.findingLimit { findings.append(finding()) }
    }
}
