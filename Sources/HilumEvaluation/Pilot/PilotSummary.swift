import HilumCore

/// The figures of a trial over all folds, with bootstrap intervals over patients.
///
/// Every query counts once, in the fold where it was unseen. An interval is the middle 95 % of the means of 2,000 draws of
/// patients (groups of `PatientFolds`) with replacement; differences are taken pair by pair within the same draws. It says how far
/// other patients of the house might move the figure, not how far another fold cut or another seed of the training might.
public struct PilotSummary: Sendable, Equatable {
    /// A mean and the interval that holds it in 95 of 100 draws.
    public struct Estimate: Sendable, Equatable {
        /// The mean.
        public let value: Double
        /// Lower end of the interval.
        public let low: Double
        /// Upper end of the interval.
        public let high: Double

        /// No value and no width.
        public static let zero = Estimate(value: 0, low: 0, high: 0)

        /// Whether a difference is told from zero, above it.
        public var isAboveZero: Bool { low > 0 }
        /// Whether a difference is told from zero, below it.
        public var isBelowZero: Bool { high < 0 }
    }

    /// One direction of one method, or the difference of two methods.
    public struct Figures: Sendable, Equatable {
        /// Share of the queries with the right case first.
        public let r1: Estimate
        /// Share with it among the first five.
        public let r5: Estimate
        /// Share with it among the first ten.
        public let r10: Estimate
        /// The share of the wrong cases that stand before the right one: 0 is perfect, a half is chance.
        public let wrongBefore: Estimate
        /// Nil for a difference.
        public let medianRank: Double?
    }

    /// Both directions of a method, or of a difference.
    public struct Directions: Sendable, Equatable {
        /// Images that ask for their report.
        public let imageToReport: Figures
        /// Reports that ask for their image.
        public let reportToImage: Figures
        /// The mean of the two for each case.
        public let both: Figures
    }

    /// Label precision among the nearest 1, 5 and 10 cases of the same modality.
    public struct PrecisionEstimates: Sendable, Equatable {
        /// At depth 1.
        public let p1: Estimate
        /// At depth 5.
        public let p5: Estimate
        /// At depth 10.
        public let p10: Estimate
    }

    /// Label precision of the cases whose findings are known.
    public struct Labels: Sendable, Equatable {
        /// Cases with labels.
        public let count: Int
        /// What a random order reaches at any depth.
        public let chance: Double
        /// By `PilotMethod`: image against images (yardstick: pixels).
        public let image: [String: PrecisionEstimates]
        /// Report against reports (yardstick: word overlap).
        public let report: [String: PrecisionEstimates]
        /// Images: after minus before.
        public let imageChange: PrecisionEstimates
        /// Reports: after minus before.
        public let reportChange: PrecisionEstimates
    }

    /// How many cases a query is ranked among, and trained on.
    public struct Gallery: Sendable, Equatable {
        /// Cases of the smallest fold.
        public let smallest: Int
        /// Cases of the largest fold.
        public let largest: Int
        /// Cases of the fold of a query, mean over queries.
        public let mean: Double
        /// Pairs that were fine-tuned on, mean over folds.
        public let trainingMean: Double
    }

    /// Recall of a random order.
    public struct Chance: Sendable, Equatable {
        /// Share of the queries with the right case first.
        public let r1: Double
        /// Share with it among the first five.
        public let r5: Double
        /// Share with it among the first ten.
        public let r10: Double
    }

    /// Draws of patients behind an interval.
    public static let drawCount = 2_000

    /// Whether fine-tuning made a difference that the trial can tell.
    public enum Gain: String, Sendable { case better, worse, none }

    /// Pairs of the trial.
    public let pairCount: Int
    /// Groups of `PatientFolds`.
    public let patientCount: Int
    /// Folds.
    public let foldCount: Int
    /// How many cases a query is ranked among.
    public let gallery: Gallery
    /// Recall of a random order.
    public let chance: Chance
    /// By `PilotMethod`.
    public let methods: [String: Directions]
    /// After minus before.
    public let change: Directions
    /// After minus the way without a model.
    public let overYardstick: Directions
    /// After minus chance, share among the first five, both directions.
    public let overChance: Estimate
    /// Before minus chance.
    public let beforeOverChance: Estimate
    /// Nil when no case has labels.
    public let labels: Labels?
    /// Judged on the share among the first five, both directions together.
    public let gain: Gain

    /// - Parameter folds: what each fold of the study gave, in any order.
    public init(_ results: [PilotFold], study: PilotStudy) {
        let results = results.sorted { $0.fold < $1.fold }
        let draws = PatientDraws(
            groupOf: results.flatMap { $0.test.map { study.folds.groupOf[$0] } }, seed: study.options.seed)
        let queries = Dictionary(
            uniqueKeysWithValues: PilotMethod.allCases.map { ($0.rawValue, PilotQueries(results, $0)) })
        func queriesOf(_ method: PilotMethod) -> PilotQueries {
            queries[method.rawValue] ?? PilotQueries(results, method)
        }
        pairCount = study.pairs.count
        patientCount = study.folds.groupCount
        foldCount = study.folds.count
        let sizes = results.map(\.test.count)
        gallery = Gallery(
            smallest: sizes.min() ?? 0, largest: sizes.max() ?? 0,
            mean: Self.mean(results.flatMap { fold in fold.test.map { _ in Double(fold.test.count) } }),
            trainingMean: Self.mean(results.map { Double($0.trainingCount) }))
        let chances = results.flatMap(\.chance)
        chance = Chance(
            r1: Self.mean(chances.map { $0[0] }), r5: Self.mean(chances.map { $0[1] }),
            r10: Self.mean(chances.map { $0[2] }))
        methods = queries.mapValues { $0.directions(draws) }
        let after = queriesOf(.after)
        change = after.minus(queriesOf(.before)).directions(draws)
        overYardstick = after.minus(queriesOf(.yardstick)).directions(draws)
        overChance = draws.estimate(zip(after.both.r5, chances).map { $0 - $1[1] })
        beforeOverChance = draws.estimate(zip(queriesOf(.before).both.r5, chances).map { $0 - $1[1] })
        labels = Self.labels(results, study)
        gain = change.both.r5.isAboveZero ? .better : change.both.r5.isBelowZero ? .worse : .none
    }

    private static func labels(_ results: [PilotFold], _ study: PilotStudy) -> Labels? {
        let labelled = results.flatMap { $0.test.filter { !study.pairs[$0].labels.isEmpty } }
        guard !labelled.isEmpty else { return nil }
        let draws = PatientDraws(groupOf: labelled.map { study.folds.groupOf[$0] }, seed: study.options.seed)
        func values(_ modality: String, _ method: PilotMethod) -> [[Double]] {
            results.flatMap { $0.precision["\(modality) \(method.rawValue)"] ?? [] }
        }
        func precision(_ values: [[Double]]) -> PrecisionEstimates {
            PrecisionEstimates(
                p1: draws.estimate(values.map { $0[0] }), p5: draws.estimate(values.map { $0[1] }),
                p10: draws.estimate(values.map { $0[2] }))
        }
        func all(_ modality: String) -> [String: PrecisionEstimates] {
            Dictionary(
                uniqueKeysWithValues: PilotMethod.allCases.map { ($0.rawValue, precision(values(modality, $0))) })
        }
        func change(_ modality: String) -> PrecisionEstimates {
            precision(zip(values(modality, .after), values(modality, .before)).map { zip($0, $1).map { $0 - $1 } })
        }
        return Labels(
            count: labelled.count, chance: mean(results.flatMap(\.chanceOfLabels)), image: all("image"),
            report: all("report"), imageChange: change("image"), reportChange: change("report"))
    }

    private static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }
}
