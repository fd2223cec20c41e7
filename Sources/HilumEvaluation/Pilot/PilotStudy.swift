import HilumCore
import HilumImaging
import HilumMCR

/// A trial on a house's own pairs of image and report: what a model finds before and after fine-tuning on part of them,
/// beside yardsticks that need no model.
///
///     pairs ─► PatientFolds ─► for each fold: start model, word overlap, pixels ─► ranks ─┐
///                                            fine-tune on the other folds ─► ranks ───────┴─► PilotFold ─► PilotSummary
///
/// Across modalities, a query of a fold is ranked against the unseen cases of its own fold: pairs that were trained on would
/// stand in the gallery as acquaintances. Within a modality, a query of a fold is ranked against the cases of the other folds
/// (its own patient is never among them): a new case that is compared with an archive.
/// Thread rule: one thread calls `run`; it uses `options.threads` inside.
public struct PilotStudy {
    /// A pair of image and report.
    public struct Pair: Sendable {
        /// The name of the case, for the key of the trial and for the page.
        public let id: String
        /// At the size of the model, `resizedToFit(side:)`.
        public let image: GrayImage
        /// `PlainPixels.vector(of:)`
        public let pixels: [Float]
        /// The text of the report.
        public let report: String
        /// Findings, a side being part of the name; empty where none are known.
        public let labels: [String]
        /// What keeps it in one fold with others: see `PatientFolds`.
        public let ties: [String]

        /// A pair of image and report.
        public init(
            id: String, image: GrayImage, pixels: [Float], report: String, labels: [String], ties: [String]
        ) {
            self.id = id
            self.image = image
            self.pixels = pixels
            self.report = report
            self.labels = labels
            self.ties = ties
        }
    }

    /// The pairs of the trial.
    public let pairs: [Pair]
    /// Which pairs are unseen together.
    public let folds: PatientFolds
    /// The model before.
    public let start: MCRModel
    /// How it is fine-tuned.
    public let options: TrainingOptions
    private let hashes: [UInt64]
    private let labels: LabelSets

    /// - Parameters:
    ///   - start: the model before.
    ///   - options: of the fine-tuning; the seed also cuts the folds.
    /// - Throws: `EvaluationError` when there are too few pairs or patients.
    public init(pairs: [Pair], foldCount: Int, start: MCRModel, options: TrainingOptions) throws(EvaluationError) {
        guard pairs.count >= Self.fewestPairs else {
            throw EvaluationError(
                .badInput(
                    reason: "\(pairs.count) pairs of image and report are too few; a pilot needs \(Self.fewestPairs), "
                        + "and 50 to 200 to say something"))
        }
        let folds = try PatientFolds(ties: pairs.map(\.ties), count: foldCount, seed: options.seed)
        guard (0..<foldCount).allSatisfy({ folds.cases(outside: $0).count > 1 }) else {
            throw EvaluationError(
                .badInput(reason: "one patient has nearly all pairs, so there is nothing to learn from"))
        }
        self.pairs = pairs
        self.folds = folds
        self.start = start
        self.options = options
        hashes = pairs.map { normalisedReportHash($0.report) }
        labels = LabelSets(pairs.map { Set($0.labels) })
    }

    /// Fewer pairs than these are refused.
    static let fewestPairs = 10

    /// SHA-256 over all that the figures depend on: pairs, folds, model, options.
    public func fingerprint() -> String {
        var hash = SHA256()
        hash.update("hilum-pilot-1 \(start.modelID) \(options.json.sorted.text)\n")
        for (number, pair) in pairs.enumerated() {
            hash.update(
                "\(folds.foldOf[number]) \(pair.id.utf8.count) \(pair.id)\n\(pair.report.utf8.count) \(pair.report)\n")
            hash.update("\(pair.labels.count) \(pair.labels.joined(separator: "\n"))\n")
            pair.image.samples.withUnsafeBytes { hash.update($0) }
            pair.pixels.withUnsafeBytes { hash.update($0) }
        }
        return hexadecimal(hash.finish())
    }

    /// Steps of a fine-tuning on so many pairs.
    public func stepCount(pairCount: Int) -> Int { options.totalSteps(pairCount: pairCount) }

    /// One fold: figures before, fine-tuning on the other folds, figures after; nil when `interrupted` was raised.
    public func run(
        fold: Int, progress: HilumCore.Progress? = nil, interrupted: AtomicFlag? = nil
    ) throws -> PilotFold? {
        let test = folds.cases(of: fold)
        let training = folds.cases(outside: fold)
        var result = PilotFold(fold: fold, test: test, trainingCount: training.count)
        result.chance = chance(test)
        result.chanceOfLabels = chanceOfLabels(test, training)
        var lap = monotonicSeconds()
        func seconds() -> Double {
            let now = monotonicSeconds()
            defer { lap = now }
            return now - lap
        }
        try measureYardsticks(&result, test, training)
        result.yardstickSeconds = seconds()
        try measure(start, .before, &result, test, training)
        result.evaluationSeconds = seconds()
        guard let tuned = try tune(on: training, progress: progress, interrupted: interrupted) else { return nil }
        result.trainingSeconds = seconds()
        try measure(tuned, .after, &result, test, training)
        return result
    }

    /// The start model fine-tuned on all pairs, for use after the trial; nil when `interrupted` was raised.
    public func tuneOnAll(progress: HilumCore.Progress? = nil, interrupted: AtomicFlag? = nil) throws -> MCRModel? {
        try tune(on: Array(pairs.indices), progress: progress, interrupted: interrupted)
    }

    private func tune(
        on cases: [Int], progress: HilumCore.Progress?, interrupted: AtomicFlag?
    ) throws -> MCRModel? {
        let set = TrainingSet(
            images: cases.map { pairs[$0].image }, reports: cases.map { pairs[$0].report },
            labels: cases.map { pairs[$0].labels }, configuration: start.configuration, tokenizer: start.tokenizer)
        let trainer = try MCRTrainer(start.configuration, tokenizer: start.tokenizer, options: options, start: start)
        let isComplete = try trainer.run(set, validation: nil, progress: progress, interrupted: interrupted)
        return isComplete ? trainer.model() : nil
    }

    // MARK: Figures of one fold

    private func measure(
        _ model: MCRModel, _ method: PilotMethod, _ result: inout PilotFold, _ test: [Int], _ training: [Int]
    ) throws {
        let order = test + training
        let threads = options.threads
        let images = try EmbeddingRows(
            model.embed(images: order.map { pairs[$0].image }, threads: threads), dimension: model.dimension)
        let reports = try EmbeddingRows(
            model.embed(reports: order.map { pairs[$0].report }, threads: threads), dimension: model.dimension)
        let unseen = 0..<test.count
        let others = test.count..<order.count
        func similarities(_ queries: EmbeddingRows, _ gallery: EmbeddingRows) throws -> [[Float]] {
            try RetrievalEvaluation.mapSimilarities(queries: queries, gallery: gallery, threads: threads) { _, row in
                Array(row)
            }
        }
        let forward = try similarities(images[unseen], reports[unseen])
        let backward = try similarities(reports[unseen], images[unseen])
        result.ranks[method.rawValue] = ranks(forward, backward, test)
        if method == .after {
            result.imageFinds = forward.map { nearest($0, 3).map { test[$0] } }
            result.reportFinds = backward.map { nearest($0, 3).map { test[$0] } }
        }
        result.precision["image \(method.rawValue)"] = precision(
            try similarities(images[unseen], images[others]), test, training)
        result.precision["report \(method.rawValue)"] = precision(
            try similarities(reports[unseen], reports[others]), test, training)
    }

    /// Word overlap and pixels, which no training changes.
    ///
    /// Across modalities neither can compare an image with a report, so both go through the archive: the query's nearest case
    /// among the other folds in its own modality lends its other half.
    private func measureYardsticks(_ result: inout PilotFold, _ test: [Int], _ training: [Int]) throws {
        func correlations(_ query: Int, _ gallery: [Int]) -> [Float] {
            gallery.map { PlainPixels.correlation(pairs[query].pixels, pairs[$0].pixels) }
        }
        let archiveWords = BM25(training.map { pairs[$0].report })
        let testWords = BM25(test.map { pairs[$0].report })
        let byPixels = test.map { correlations($0, training) }
        let byWords = test.map { archiveWords.scores(of: pairs[$0].report) }
        let forward = byPixels.map { row in testWords.scores(of: pairs[training[nearest(row, 1)[0]]].report) }
        let backward = byWords.map { row in correlations(training[nearest(row, 1)[0]], test) }
        result.ranks[PilotMethod.yardstick.rawValue] = ranks(forward, backward, test)
        result.precision["image \(PilotMethod.yardstick.rawValue)"] = precision(byPixels, test, training)
        result.precision["report \(PilotMethod.yardstick.rawValue)"] = precision(byWords, test, training)
    }

    private func ranks(_ forward: [[Float]], _ backward: [[Float]], _ test: [Int]) -> PilotFold.Ranks {
        let positives = PositiveGroups(hashes: test.map { hashes[$0] })
        func ranks(_ rows: [[Float]]) -> [Double] {
            rows.enumerated().map { query, row in
                row.withUnsafeBufferPointer { RetrievalRanks.rank(of: positives.of(query), in: $0) }
            }
        }
        return PilotFold.Ranks(imageToReport: ranks(forward), reportToImage: ranks(backward))
    }

    /// The numbers of the `count` largest values, largest first, ties by number.
    private func nearest(_ row: [Float], _ count: Int) -> [Int] {
        row.withUnsafeBufferPointer {
            RetrievalEvaluation.nearestRows($0, count: min(count, row.count), leavingOut: nil)
        }
    }

    /// For each case of `test` with labels the share of related cases among the nearest 1, 5 and 10 of `training`.
    private func precision(_ rows: [[Float]], _ test: [Int], _ training: [Int]) -> [[Double]] {
        zip(test, rows).filter { !pairs[$0.0].labels.isEmpty }.map { query, row in
            let related = nearest(row, 10).map { labels.areRelated(query, training[$0]) }
            return [1, 5, 10].map { depth in
                let first = related.prefix(depth)
                return Double(first.count { $0 }) / Double(first.count)
            }
        }
    }

    private func chanceOfLabels(_ test: [Int], _ training: [Int]) -> [Double] {
        test.filter { !pairs[$0].labels.isEmpty }.map { query in
            Double(training.count { labels.areRelated(query, $0) }) / Double(training.count)
        }
    }

    /// For each query the probability that a random order has a positive among the first 1, 5 and 10.
    private func chance(_ test: [Int]) -> [[Double]] {
        let positives = PositiveGroups(hashes: test.map { hashes[$0] })
        return test.indices.map { query in
            [1, 5, 10].map {
                RetrievalEvaluation.Chance.hit(among: $0, positives: positives.of(query).count, of: test.count)
            }
        }
    }
}
