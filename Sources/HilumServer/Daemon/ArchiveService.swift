import HilumArchive

/// What the daemon needs of an archive, and no more.
///
/// `ArchiveBackend` makes one of an `Archive`; tests bring one that lives in memory.
/// Thread rule: reading calls from any thread and at once; writing calls from one thread (the writer queue).
/// Errors: `ServerError.refused` carries the reply's code; any other error is answered as `INTERNAL`.
public protocol ArchiveService: Sendable {
    /// What `HELLO` says about the archive.
    func facts() throws -> ServiceFacts
    /// The cases most like the query, best first.
    func search(_ search: ServiceSearch) throws -> ServiceAnswer
    /// Stores or replaces cases; what it says is durable when it returns. One outcome a case, in order.
    func put(_ cases: [ServiceCase]) throws -> [ServicePutOutcome]
    /// Removes a case durably; false if there is none.
    func delete(id: String) throws -> Bool
    /// The record of a case, nil if there is none.
    func get(id: String) throws -> ServiceRecord?
    /// The unit vectors of a case, nil if there is none.
    func vectors(id: String) throws -> ServiceVectors?
    /// Which patches of a stored case's image, or of an image that was sent, answer to which words of a text.
    func explain(_ image: ServiceExplainedImage, text: String) throws -> ServiceExplanation
    /// How many cases meet all conditions.
    func count(_ conditions: [ServiceCondition]) throws -> Int
    /// The statistics as one JSON object without line feeds.
    func statisticsAsJSON() throws -> [UInt8]
    /// The archive's own figures for METRICS.
    func metrics() throws -> [MetricFamily]
    /// Uses a moment in which no request runs, for about `seconds`, to learn about the archive; returns soon after
    /// `isInterrupted` says so. Called on the writer's thread.
    ///
    /// - Returns: whether more is left to do.
    func useIdleTime(seconds: Double, isInterrupted: () -> Bool) throws -> Bool
    /// Called on the writer's thread about once a minute while there are changes.
    func maintain() throws
    /// Checkpoints and closes; nothing is called afterwards.
    func close() throws
}

/// The archive in a few numbers.
public struct ServiceFacts: Sendable, Equatable {
    public var modelID: String
    public var dimension: Int
    public var generation: Int
    public var caseCount: Int

    public init(modelID: String, dimension: Int, generation: Int, caseCount: Int) {
        self.modelID = modelID
        self.dimension = dimension
        self.generation = generation
        self.caseCount = caseCount
    }
}

/// Where the bytes of an image are.
public enum ServiceImage: Sendable, Equatable {
    case file(path: String)
    case bytes([UInt8])
}

/// A case to store.
public struct ServiceCase: Sendable, Equatable {
    public var id: String
    public var image: ServiceImage?
    public var report: String?
    public var fields = CaseFields()

    public init(id: String, image: ServiceImage? = nil, report: String? = nil) {
        self.id = id
        self.image = image
        self.report = report
    }
}

/// What became of one case of a `put`.
public enum ServicePutOutcome: Sendable, Equatable {
    case stored(vectors: Int)
    /// The archive held the same case already.
    case unchanged(vectors: Int)
    case refused(ReplyCode, reason: String)
}

/// One query of a search; several are weighed and added.
public enum ServiceQuery: Sendable, Equatable {
    case text(String)
    case id(String)
    /// Bytes of an image file.
    case image([UInt8])
    /// `[dimension]`, finite, not zero.
    case vector([Float])
}

/// Which vectors of a case are searched.
public enum ServiceTarget: String, Sendable {
    case `case`, image, report
}

/// A filter on one key; conditions are joined by and.
public struct ServiceCondition: Sendable, Equatable {
    public enum Value: Sendable, Equatable {
        case equal(String)
        /// Between the two, ends included; nil: open.
        case range(from: String?, to: String?)
    }

    public var key: String
    /// One of them has to match.
    public var values: [Value]
    public var isNegated: Bool

    public init(key: String, values: [Value], isNegated: Bool = false) {
        self.key = key
        self.values = values
        self.isNegated = isNegated
    }
}

/// A search as the archive sees it.
public struct ServiceSearch: Sendable, Equatable {
    public var queries: [(query: ServiceQuery, weight: Float)]
    public var k = 10
    public var ef: Int?
    /// Above 0, up to 1: lets the archive choose ef so that this recall is reached; not together with `ef`.
    public var recall: Double?
    public var isExact = false
    public var target = ServiceTarget.case
    public var minimumScore: Float?
    /// Whether a case that is itself the query (`id=`) may be among the hits.
    public var includesSelf = true
    public var conditions: [ServiceCondition] = []
    /// Whether the records of the hits bring their reports.
    public var includesReports = false

    public init(queries: [(query: ServiceQuery, weight: Float)]) { self.queries = queries }

    public static func == (left: Self, right: Self) -> Bool {
        left.queries.elementsEqual(right.queries, by: ==) && left.k == right.k && left.ef == right.ef
            && left.recall == right.recall && left.isExact == right.isExact && left.target == right.target
            && left.minimumScore == right.minimumScore
            && left.includesSelf == right.includesSelf && left.conditions == right.conditions
            && left.includesReports == right.includesReports
    }
}

/// A stored case without its vectors.
public struct ServiceRecord: Sendable, Equatable {
    public var id: String
    public var imagePath: String?
    public var hasImage = false
    public var hasReport = false
    public var report: String?
    public var fields = CaseFields()

    public init(id: String) { self.id = id }
}

/// The vectors of a case, each `[dimension]` of length 1.
public struct ServiceVectors: Sendable, Equatable {
    public var image: [Float]?
    public var report: [Float]?

    public init(image: [Float]?, report: [Float]?) {
        self.image = image
        self.report = report
    }
}

/// One case found.
public struct ServiceHit: Sendable, Equatable {
    /// Cosine in [-1, 1].
    public var score: Float
    /// Which vector it was found by: `image` or `report`.
    public var via: String
    public var record: ServiceRecord

    public init(score: Float, via: String, record: ServiceRecord) {
        self.score = score
        self.via = via
        self.record = record
    }
}

/// What a search found, best first, and what it cost.
public struct ServiceAnswer: Sendable, Equatable {
    public var hits: [ServiceHit]
    public var generation: Int
    public var ef: Int
    public var visited: Int
    public var microseconds: Int
    /// Fewer than k cases meet the filter.
    public var isShortOfFilter: Bool
    /// The recall that is known of such searches, for one that asked for it; nil while too little is known.
    public var expectedRecall: Double?
    /// Every vector was compared, as asked for or because no graph is known to reach the recall.
    public var isExact: Bool

    public init(
        hits: [ServiceHit], generation: Int, ef: Int, visited: Int, microseconds: Int, isShortOfFilter: Bool = false,
        expectedRecall: Double? = nil, isExact: Bool = false
    ) {
        self.hits = hits
        self.generation = generation
        self.ef = ef
        self.visited = visited
        self.microseconds = microseconds
        self.isShortOfFilter = isShortOfFilter
        self.expectedRecall = expectedRecall
        self.isExact = isExact
    }
}

/// The image of an explanation.
public enum ServiceExplainedImage: Sendable, Equatable {
    case id(String)
    /// Bytes of an image file.
    case image([UInt8])
}

/// Which patches of an image answer to which words of a text.
public struct ServiceExplanation: Sendable, Equatable {
    /// A place in the original image, in its pixels.
    public struct Place: Sendable, Equatable {
        public var row: Int
        public var column: Int
        public var x: Int
        public var y: Int
        public var width: Int
        public var height: Int

        public init(row: Int, column: Int, x: Int, y: Int, width: Int, height: Int) {
            self.row = row
            self.column = column
            self.x = x
            self.y = y
            self.width = width
            self.height = height
        }
    }

    /// Evidence over the patches, row-major, and its hottest place.
    public struct Map: Sendable, Equatable {
        /// All of it, what falls on no patch included.
        public var total: Float
        public var heat: [Float]
        public var hottest: Place

        public init(total: Float, heat: [Float], hottest: Place) {
            self.total = total
            self.heat = heat
            self.hottest = hottest
        }
    }

    public struct Word: Sendable, Equatable {
        public var text: String
        /// UTF-8 bytes of the text.
        public var range: Range<Int>
        /// Share of the word in the text's embedding.
        public var weight: Float
        public var map: Map

        public init(text: String, range: Range<Int>, weight: Float, map: Map) {
            self.text = text
            self.range = range
            self.weight = weight
            self.map = map
        }
    }

    /// The cosine of image and text.
    public var score: Float
    public var rows: Int
    public var columns: Int
    /// How many images the evidence is held against.
    public var referenceCount: Int
    public var whole: Map
    public var words: [Word]

    public init(score: Float, rows: Int, columns: Int, referenceCount: Int, whole: Map, words: [Word]) {
        self.score = score
        self.rows = rows
        self.columns = columns
        self.referenceCount = referenceCount
        self.whole = whole
        self.words = words
    }
}
