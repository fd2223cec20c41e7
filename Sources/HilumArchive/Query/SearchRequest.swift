import HilumCore

/// One part of a question.
public enum Query: Sendable, Equatable {
    /// Words, encoded as a report.
    case text(String)
    /// The bytes of a PNG or JPEG file.
    case image([UInt8])
    /// A stored case: its vector of the kind that is searched, or the other one if it has only that.
    /// A search for cases takes the image's.
    case id(String)
    /// A vector of the archive's dimension, of any length but 0.
    case vector([Float])
}

/// What a search is to find.
public enum SearchTarget: String, Sendable, CaseIterable {
    /// Cases, by the best of their images and their report.
    case `case`
    case image, report

    /// The graphs that are searched.
    var kinds: [VectorKind] {
        switch self {
        case .case: VectorKind.allCases
        case .image: [.image]
        case .report: [.report]
        }
    }
}

/// A question to an archive.
public struct SearchRequest: Sendable, Equatable {
    /// One part of the question.
    public struct Part: Sendable, Equatable {
        /// What is asked.
        public var query: Query
        /// How much it counts; below 0 it pushes away.
        public var weight: Float

        /// A part; it counts once unless said otherwise.
        public init(_ query: Query, weight: Float = 1) {
            self.query = query
            self.weight = weight
        }
    }

    /// The question is the weighted sum of the unit vectors of the parts.
    public var parts: [Part]
    /// The number of hits, 1 to `ArchiveLimits.hitCount`.
    public var k = 10
    /// The breadth of the graph search; nil lets the archive choose (the larger of 64 and 2k).
    public var ef: Int?
    /// Lets the archive choose ef by what it knows of its recall (`RecallEstimator`): above 0, up to 1, which is an exact scan.
    /// Excludes `ef`.
    public var recall: Double?
    /// Compares with every vector instead of walking the graph.
    public var isExact = false
    /// What is searched.
    public var target = SearchTarget.case
    /// Which cases may be hits.
    public var filter = Filter()
    /// Leaves out hits below this cosine.
    public var minScore: Float?
    /// Whether the cases that the question names may be hits.
    public var includesSelf = true
    /// Whether the hits' records bring their reports.
    public var includesReports = false

    /// A question of several parts.
    public init(_ parts: [Part]) { self.parts = parts }

    /// A question of one part.
    public init(_ query: Query) { parts = [Part(query)] }
}

/// A case found.
public struct Hit: Sendable {
    /// From 1.
    public var rank: Int
    /// Of the case.
    public var id: String
    /// The cosine, in [-1, 1].
    public var score: Float
    /// The kind of vector that was near.
    public var via: VectorKind
    /// The image that was near, by its place among those of the case, from 0; nil for a report.
    public var image: Int?
    /// What is stored of the case.
    public var record: CaseRecord
}

extension Hit {
    /// Which image was near, for a case that has several: its number from 1, and its view if it is known.
    public func writeImage(to json: inout JSONWriter) {
        guard let image, record.images.count > 1 else { return }
        json.member("image", image + 1)
        if let view = record.images[image].view { json.member("image_view", view) }
    }
}

/// An answer.
public struct SearchResponse: Sendable {
    /// The best first; equal scores in the order in which the cases were stored.
    public var hits: [Hit]
    /// Of the vectors that were searched.
    public var generation: Int
    /// The breadth of the graph search.
    public var ef: Int
    /// Nodes that the search looked at.
    public var visited: Int
    /// How long the search took.
    public var microseconds: Int
    /// Whether every vector was compared.
    public var isExact: Bool
    /// The recall that is known of searches like this one, for a request that asked for one; nil while too little is known.
    public var expectedRecall: Double?
    /// Fewer hits than asked for, because fewer cases match the filter.
    public var isShortOfFilter: Bool
}
