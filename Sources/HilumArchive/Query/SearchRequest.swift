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

/// What answers a question.
public enum SearchMode: String, Sendable, CaseIterable {
    /// Vectors and the words of reports together.
    case hybrid
    /// Vectors alone.
    case vector
    /// The words of reports alone.
    case words
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
    /// The breadth of the graph search; nil lets the archive choose (the larger of 128 and 2k).
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
    /// What answers; nil lets vectors and words answer together where the question has words.
    public var mode: SearchMode?
    /// How much the ranks among vectors count where words answer too; at least 0. Nil: 1, and a quarter where the question names a
    /// finding, which reports say better than vectors of a small model know.
    public var vectorWeight: Float?
    /// How much the ranks among words count; at least 0.
    public var wordWeight: Float = 1
    /// Whether hits say which bytes of their reports answer to the question's words.
    public var includesHighlights = false
    /// Whether the hits' records bring their reports.
    public var includesReports = false

    /// A key of the metadata, such as `patient`: of the cases with one text there, only the best is a hit.
    public var group: String?
    /// From 0 to 1: hits are picked that differ from one another, the more the smaller it is (`Diversity`).
    public var mmr: Float?
    /// From 0 to 1: a case is no hit if the cosine of its vector with that of a better one is at least this.
    public var dedup: Float?
    /// Asks for pages: `start` for the first, then what the response said.
    public var cursor: String?
    /// Asks for what is merged with hits of other archives: `k` candidates of vectors and `k` of words, by these statistics. Texts
    /// then ask words alone; their vectors come as `.vector`.
    public var corpus: WordCorpus?
    /// When the answer is of no use any more, in the seconds of `monotonicSeconds`: then the search ends with `.deadline`.
    public var deadline: Double?

    /// How many hits are looked for: more than `k` where they are picked from.
    var poolCount: Int { mmr == nil ? k : Diversity.poolCount(k) }

    /// A question of several parts.
    public init(_ parts: [Part]) { self.parts = parts }

    /// A question of one part.
    public init(_ query: Query) { parts = [Part(query)] }

    /// The words to ask reports for; nil where vectors answer alone.
    var words: String? {
        guard mode != .vector else { return nil }
        let texts = parts.compactMap { part -> String? in
            if case .text(let text) = part.query, part.weight > 0 { text } else { nil }
        }
        return texts.isEmpty ? nil : texts.joined(separator: " ")
    }
}

/// A case found.
public struct Hit: Sendable {
    /// From 1.
    public var rank: Int
    /// Of the case.
    public var id: String
    /// The cosine, in [-1, 1]; of a picture and a text or report, stretched by a number of the model (`VectorParts`).
    public var score: Float
    /// The kind of vector that was near.
    public var via: VectorKind
    /// The image that was near, by its place among those of the case, from 0; nil for a report.
    public var image: Int?
    /// What is stored of the case.
    public var record: CaseRecord
    /// How vectors and words ranked the case; nil where vectors answered alone.
    public var legs: Legs?
    /// What it stands for, where one hit a group was asked for; nil for a case without that key.
    public var group: Group?
    /// The bytes of the report that answer to the question, ascending; empty unless asked for.
    public var highlights: [Range<Int>] = []

    init(rank: Int, id: String, score: Float, via: VectorKind, image: Int?, record: CaseRecord) {
        self.rank = rank
        self.id = id
        self.score = score
        self.via = via
        self.image = image
        self.record = record
    }

    /// The cases with one text under a key.
    public struct Group: Sendable, Equatable {
        /// Of the metadata.
        public var key: String
        /// The text that they share.
        public var value: String
        /// Further cases of it that match the filter.
        public var others: Int

        /// A group.
        public init(key: String, value: String, others: Int) {
            self.key = key
            self.value = value
            self.others = others
        }

        /// Writes the member `group`, an object of `by`, `value` and `others`.
        public func write(to json: inout JSONWriter) {
            json.key("group")
            json.beginObject()
            json.member("by", key)
            json.member("value", value)
            json.member("others", others)
            json.endObject()
        }
    }

    /// The parts of a rank that vectors and words made together.
    public struct Legs: Sendable, Equatable {
        /// The sum of weight / (60 + rank) over both, and a sixtieth of the weights for each step by which the report meets what the question
        /// demands of findings; below 0 for a report that says the opposite.
        public var fused: Float
        /// From 1, among vectors; nil when the case was not among the nearest.
        public var vectorRank: Int?
        /// From 1, among words, the same for equal scores; nil when no word of the question matched.
        public var wordRank: Int?
        /// BM25; nil with `wordRank`.
        public var wordScore: Float?
        /// How well the report meets what the question demands of findings.
        public var degree = 0
        /// Whether the rank among words stands in for that among vectors, as the report has no vector.
        public var isOfWordsAlone = false

        /// What each leg made of a case.
        public init(fused: Float, vectorRank: Int? = nil, wordRank: Int? = nil, wordScore: Float? = nil) {
            self.fused = fused
            self.vectorRank = vectorRank
            self.wordRank = wordRank
            self.wordScore = wordScore
        }

        /// Writes members of a hit's object: `fused`, `vector` and `words`, each of these null where it has no rank.
        ///
        /// - Parameter score: the cosine of the hit.
        public func write(score: Float, to json: inout JSONWriter) {
            json.key("fused")
            json.score(fused)
            for (name, rank, score) in [("vector", vectorRank, score), ("words", wordRank, wordScore ?? 0)] {
                json.key(name)
                guard let rank else {
                    json.null()
                    continue
                }
                json.beginObject()
                json.member("rank", rank)
                json.key("score")
                json.score(score)
                json.endObject()
            }
        }
    }

    /// Writes the member `exact`, what a merge with hits of other archives goes by: numbers that are read as they were.
    public func writeExact(to json: inout JSONWriter) {
        json.key("exact")
        json.beginObject()
        json.key("score")
        json.number(spelled: JSON.number(score).text)
        if let legs {
            if let words = legs.wordScore {
                json.key("words")
                json.number(spelled: JSON.number(words).text)
            }
            json.member("degree", legs.degree)
            if legs.isOfWordsAlone { json.member("alone", 1) }
        }
        json.endObject()
    }

    /// Writes the member `highlights`, pairs of first byte and end, where there are any.
    public static func write(highlights: [Range<Int>], to json: inout JSONWriter) {
        guard !highlights.isEmpty else { return }
        json.key("highlights")
        json.beginArray()
        for range in highlights {
            json.beginArray()
            json.integer(range.lowerBound)
            json.integer(range.upperBound)
            json.endArray()
        }
        json.endArray()
    }
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
    /// Words of the question that no report contains and the lexicon does not know, as they were written.
    public var unknown: [String] = []
    /// Findings that the question asks for and no report affirms or doubts, by their stable names.
    public var unsaid: [String] = []
    /// The wider findings that were asked for in their place, where there are such in a report.
    public var wider: [String] = []
    /// Whether nothing was looked for, because all words of the question are unknown.
    public var isUnknown = false
    /// Fewer hits than asked for, because fewer cases match the filter.
    public var isShortOfFilter: Bool
    /// Fewer hits than asked for, because the others belong to groups that have one, or are nearly the same as a better one.
    public var isShortOfSelection = false
    /// Fewer hits than asked for, because so many candidates were passed over that the search gave up (`HitSelection`).
    public var isShortOfWork = false
    /// Whether the last page ends because pages go no further, and not for want of hits.
    public var isShortOfPages = false
    /// Cases that were passed over because they are nearly the same as a better one.
    public var droppedCount = 0
    /// Asks for the next page, or `end`; nil where no pages were asked for.
    public var cursor: String?
}
