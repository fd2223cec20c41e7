import HilumCore

// HilumEvaluation says how good a model is. Retrieval: recall, label precision, missing information, short queries of one
// split (`hilum eval`). Pilot: a trial on a house's own pairs, before and after fine-tuning (`hilum pilot`). Baselines: what
// needs no model (word overlap, plain pixels).

/// The retrieval figures of one split, by brute force: every study's image against all reports and the other way round, and
/// each modality against itself by labels.
///
///     embeddings ─► similarities, a block of queries at a time ─► rank of the best positive ─► R@k, median, interval
///                                                             └─► ten nearest of the same modality ─► label precision
///
/// Positives of a study are the study itself and those with an identical normalised report. Rank = 1 + strictly better ones
/// + half of the tied ones that are no positives, so a model that gives every pair the same score does not look good.
/// Figures depend neither on the thread count nor on the run. As JSON this is the answer of `hilum eval --json`.
public struct RetrievalEvaluation: Sendable, Equatable {
    /// Retrieval in one direction; shares from 0 to 1.
    public struct Direction: Sendable, Equatable {
        /// Share of the queries with a positive first.
        public let r1: Double
        /// Share with one among the first five.
        public let r5: Double
        /// Share with one among the first ten.
        public let r10: Double
        /// The rank that half of the queries reach.
        public let medianRank: Double
        /// Lower and upper end of the bootstrap interval of 95 % of `r1`, over queries.
        public let ci95R1: [Double]
        /// The same for `r10`.
        public let ci95R10: [Double]
    }

    /// The share of relevant studies among the nearest 1, 5 and 10 other studies of the same modality.
    public struct PrecisionAtDepths: Sendable, Equatable {
        /// At depth 1.
        public let p1: Double
        /// At depth 5.
        public let p5: Double
        /// At depth 10.
        public let p10: Double
    }

    /// Label precision of both modalities; the combined figure is their mean.
    public struct LabelPrecision: Sendable, Equatable {
        /// At depth 1.
        public let p1: Double
        /// At depth 5.
        public let p5: Double
        /// At depth 10.
        public let p10: Double
        /// Images against images.
        public let image: PrecisionAtDepths
        /// Reports against reports.
        public let report: PrecisionAtDepths
        /// Queries that have a label.
        public let n: Int
    }

    /// What a random order reaches.
    public struct Chance: Sendable, Equatable {
        /// Share of the queries with a positive first.
        public let r1: Double
        /// Share with one among the first five.
        public let r5: Double
        /// Share with one among the first ten.
        public let r10: Double
        /// Label precision at any depth; nil without labels.
        public let p: Double?
    }

    /// What the index loses against brute force.
    public struct Index: Sendable, Equatable {
        /// Share of the exact ten nearest that the index found, 0 … 1.
        public let recall10: Double

        /// This share.
        public init(recall10: Double) { self.recall10 = recall10 }
    }

    /// Studies.
    public let n: Int
    /// The id of the model.
    public let model: String
    /// The section of the reports that was used, in words.
    public let text: String
    /// Images that ask for their report.
    public let imageToReport: Direction
    /// Reports that ask for their image.
    public let reportToImage: Direction
    /// Nil when no study has a label.
    public let labelPrecision: LabelPrecision?
    /// The same by what the reports affirm, apart from given labels; nil when nobody read them or they say nothing.
    public let labelPrecisionFromReports: LabelPrecision?
    /// What a random order reaches by what the reports affirm.
    public let chanceFromReports: Double?
    /// What a random order reaches.
    public let chance: Chance
    /// Nil when no index was asked.
    public let index: Index?
    /// The rule of what counts as the same report, in words.
    public let dedup: String
    /// How much of the queries was hidden; nil: nothing was asked to be.
    public var mask: QueryMask?
    /// Recall over the hidden share, where it was asked for.
    public var missingInformation: [MissingInformation]?
    /// Short queries, where they were asked for.
    public var shortQueries: ShortQueries?

    /// Evaluates a split.
    ///
    /// - Parameters:
    ///   - model: the model's id, as printed.
    ///   - text: the section of the reports that was embedded, as printed.
    ///   - index: what `indexRecall` measured, if an index was asked too.
    ///   - seed: of the bootstrap.
    /// - Throws: `EvaluationError` for no studies, counts that do not agree, or embeddings that are not finite.
    /// - Complexity: four products of `[n, dimension]` by `[dimension, n]`; memory O(n · 64 · threads).
    public init(
        of cases: RetrievalCases, model: String, text: String = "whole report", index: Index? = nil, seed: UInt64 = 1,
        resamples: Int = 1_000, threads: Int = defaultThreadCount
    ) throws(EvaluationError) {
        try Self.check(cases)
        let images = try EmbeddingRows(cases.images, dimension: cases.dimension)
        let reports = try EmbeddingRows(cases.reports, dimension: cases.dimension)
        let imageQueries = try Self.rows(cases.imageQueries, cases) ?? images
        let reportQueries = try Self.rows(cases.reportQueries, cases) ?? reports
        let positives = PositiveGroups(hashes: cases.reportHashes)

        n = cases.count
        self.model = model
        self.text = text
        self.index = index
        dedup = positives.rule
        imageToReport = Direction(
            ranks: try Self.ranks(queries: imageQueries, gallery: reports, positives: positives, threads: threads),
            generator: SeededGenerator(seed: seed, keys: 1), resamples: resamples)
        reportToImage = Direction(
            ranks: try Self.ranks(queries: reportQueries, gallery: images, positives: positives, threads: threads),
            generator: SeededGenerator(seed: seed, keys: 2), resamples: resamples)
        let labels = LabelSets(cases.labels)
        chance = Chance(positives: positives, labels: labels)
        labelPrecision = try LabelPrecision(
            images: (imageQueries, images), reports: (reportQueries, reports), labels: labels, threads: threads)
        let read = cases.labelsFromReports.map(LabelSets.init)
        chanceFromReports = read.flatMap { Chance(positives: positives, labels: $0).p }
        labelPrecisionFromReports = try read.flatMap { read throws(EvaluationError) in
            try LabelPrecision(
                images: (imageQueries, images), reports: (reportQueries, reports), labels: read, threads: threads)
        }
    }

    /// The rank of the best positive of each query: `[queries]`, from 1; a half where an odd count is tied.
    ///
    /// Row i of `queries` and row i of `gallery` belong to the same study, and so does `reportHashes[i]`.
    ///
    /// - Throws: `EvaluationError` as the initializer.
    public static func ranks(
        queries: [Float], gallery: [Float], dimension: Int, reportHashes: [UInt64], threads: Int = defaultThreadCount
    ) throws(EvaluationError) -> [Double] {
        let queryRows = try EmbeddingRows(queries, dimension: dimension)
        let galleryRows = try EmbeddingRows(gallery, dimension: dimension)
        guard queryRows.count == reportHashes.count && galleryRows.count == reportHashes.count else {
            throw EvaluationError(.badInput(reason: "the counts of rows and of report hashes do not agree"))
        }
        let positives = PositiveGroups(hashes: reportHashes)
        return try ranks(queries: queryRows, gallery: galleryRows, positives: positives, threads: threads)
    }

    /// The share of the true `k` nearest rows of `gallery` that an index found, from 0 to 1, over all queries.
    ///
    /// - Parameter hits: for each query the row numbers of the gallery that the index gave; only the first `k` count. A hit
    ///   is right when it is as near as the k-th nearest row, so that ties cost nothing.
    /// - Throws: `EvaluationError` when the counts do not agree or a hit is no row of the gallery.
    public static func indexRecall(
        queries: [Float], gallery: [Float], dimension: Int, hits: [[Int]], k: Int = 10,
        threads: Int = defaultThreadCount
    ) throws(EvaluationError) -> Double {
        precondition(k > 0, "recall needs at least one hit")
        let queryRows = try EmbeddingRows(queries, dimension: dimension)
        let galleryRows = try EmbeddingRows(gallery, dimension: dimension)
        guard hits.count == queryRows.count, queryRows.count > 0, galleryRows.count > 0 else {
            throw EvaluationError(.badInput(reason: "there must be rows, and as many lists of hits as queries"))
        }
        guard hits.allSatisfy({ $0.allSatisfy { 0..<galleryRows.count ~= $0 } }) else {
            throw EvaluationError(.badInput(reason: "a hit of the index is no row of the gallery"))
        }
        let depth = min(k, galleryRows.count)
        let found = try mapSimilarities(queries: queryRows, gallery: galleryRows, threads: threads) { query, row in
            let nearest = nearestRows(row, count: depth, leavingOut: nil)
            // Another order of summation in the index may move the last bits of a similarity.
            let bound = nearest.last.map { row[$0] - 1e-6 } ?? .infinity
            return Set(hits[query].prefix(k)).count { row[$0] >= bound }
        }
        return Double(found.reduce(0) { $0 + min($1, depth) }) / Double(depth * queryRows.count)
    }

    private static func rows(_ queries: [Float]?, _ cases: RetrievalCases) throws(EvaluationError) -> EmbeddingRows? {
        guard let queries else { return nil }
        guard queries.count == cases.count * cases.dimension else {
            throw EvaluationError(.badInput(reason: "there must be one query a study in each direction"))
        }
        return try EmbeddingRows(queries, dimension: cases.dimension)
    }

    private static func check(_ cases: RetrievalCases) throws(EvaluationError) {
        func refuse(_ reason: String) -> EvaluationError { EvaluationError(.badInput(reason: reason)) }
        guard cases.count > 0 else { throw refuse("there are no studies with an image and a report") }
        guard cases.dimension > 0 else { throw refuse("the dimension must be positive") }
        let expected = cases.count * cases.dimension
        guard cases.images.count == expected && cases.reports.count == expected && cases.labels.count == cases.count,
            (cases.labelsFromReports?.count ?? cases.count) == cases.count
        else {
            throw refuse("the counts of images, reports, hashes and labels do not agree")
        }
    }
}
