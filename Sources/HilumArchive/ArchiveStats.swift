/// Figures of an archive.
public struct ArchiveStats: Sendable, Codable, Equatable {
    /// Cases stored.
    public var cases: Int
    /// Images stored; a case may have several.
    public var images: Int
    /// Reports stored.
    public var reports: Int
    /// Distinct vectors of images: equal ones share a node.
    public var imageNodes: Int
    /// Distinct vectors of reports.
    public var reportNodes: Int
    /// Floats a vector; 0 as long as there is no model.
    public var dimension: Int
    /// The model of the vectors; empty as long as none was chosen.
    public var model: String
    /// The generation of the vectors that are searched.
    public var generation: Int
    /// Address space of the store's memory map.
    public var mapBytes: Int
    /// What the store takes on disk, without images.
    public var fileBytes: Int
    /// Memory of the vectors or codes, and of the links.
    public var graphBytes: Int
    /// Cases below this number are in the checkpoint; the others are linked again when the archive opens.
    public var checkpoint: Int
    /// Cases stored, removed or changed since the checkpoint.
    public var changesSinceCheckpoint: Int
    /// Cases replaced or deleted since the archive was made.
    public var deletions: Int
    /// The format of the store.
    public var formatVersion: Int
}

/// What `check` found.
public struct CheckReport: Sendable, Codable, Equatable {
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

/// How well the searches of one graph do, on the vectors that it holds.
public struct GraphFigures: Sendable, Codable, Equatable {
    /// The kind of its vectors: `image` or `report`.
    public var kind: String
    /// Vectors that were searched for, each by itself, with the width that a search takes by default.
    public var vectors = 0
    /// Those of them that were found, or an equal one.
    public var found = 0
    /// Neighbours that the exact scan gives for a sample of the vectors, ten for each.
    public var neighbours = 0
    /// Those of them that the search gave too.
    public var foundNeighbours = 0

    /// The share of the vectors that their own search finds, 0...1; 1 when there are none.
    public var foundShare: Double { vectors == 0 ? 1 : Double(found) / Double(vectors) }

    /// recall@10 on the sample, 0...1; 1 when there are no vectors.
    public var recall: Double { neighbours == 0 ? 1 : Double(foundNeighbours) / Double(neighbours) }
}
