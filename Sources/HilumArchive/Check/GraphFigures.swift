import HilumCore

/// How well the searches of one graph do, on the vectors that it holds.
public struct GraphFigures: Sendable, Equatable {
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

extension GraphFigures: JSONReadable, JSONWritable {
    /// What `json` wrote.
    public init(json: JSON) throws(JSON.Mismatch) {
        kind = try json.member("kind")
        vectors = try json.member("vectors")
        found = try json.member("found")
        neighbours = try json.member("neighbours")
        foundNeighbours = try json.member("foundNeighbours")
    }

    /// All counts.
    public var json: JSON {
        JSON(members: [
            "kind": kind, "vectors": vectors, "found": found, "neighbours": neighbours,
            "foundNeighbours": foundNeighbours,
        ])
    }
}
