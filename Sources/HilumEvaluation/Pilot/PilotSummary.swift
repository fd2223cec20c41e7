import HilumCore

/// The figures of a trial over all folds, with bootstrap intervals over patients.
///
/// Every query counts once, in the fold where it was unseen. An interval is the middle 95 % of the means of 2,000 draws of
/// patients (groups of `PatientFolds`) with replacement; differences are taken pair by pair within the same draws. It says how far
/// other patients of the house might move the figure, not how far another fold cut or another seed of the training might.
public struct PilotSummary: Encodable, Sendable, Equatable {
    /// A mean and the interval that holds it in 95 of 100 draws.
    public struct Estimate: Encodable, Sendable, Equatable {
        public let value: Double
        public let low: Double
        public let high: Double

        public static let zero = Estimate(value: 0, low: 0, high: 0)

        /// Whether a difference is told from zero, and on which side.
        public var isAboveZero: Bool { low > 0 }
        public var isBelowZero: Bool { high < 0 }
    }

    /// One direction of one method, or the difference of two methods.
    public struct Figures: Encodable, Sendable, Equatable {
        public let r1: Estimate
        public let r5: Estimate
        public let r10: Estimate
        /// The share of the wrong cases that stand before the right one: 0 is perfect, a half is chance.
        public let wrongBefore: Estimate
        /// Nil for a difference.
        public let medianRank: Double?
    }

    public struct Directions: Encodable, Sendable, Equatable {
        public let imageToReport: Figures
        public let reportToImage: Figures
        /// The mean of the two for each case.
        public let both: Figures
    }

    public struct PrecisionEstimates: Encodable, Sendable, Equatable {
        public let p1: Estimate
        public let p5: Estimate
        public let p10: Estimate
    }

    public struct Labels: Encodable, Sendable, Equatable {
        /// Cases with labels.
        public let count: Int
        /// What a random order reaches at any depth.
        public let chance: Double
        /// By `PilotMethod`: image against images (yardstick: pixels).
        public let image: [String: PrecisionEstimates]
        /// Report against reports (yardstick: word overlap).
        public let report: [String: PrecisionEstimates]
        public let imageChange: PrecisionEstimates
        public let reportChange: PrecisionEstimates
    }

    public struct Gallery: Encodable, Sendable, Equatable {
        public let smallest: Int
        public let largest: Int
        public let mean: Double
        public let trainingMean: Double
    }

    public struct Chance: Encodable, Sendable, Equatable {
        public let r1: Double
        public let r5: Double
        public let r10: Double
    }

    /// Draws of patients behind an interval.
    public static let drawCount = 2_000

    public enum Gain: String, Encodable, Sendable { case better, worse, none }

    public let pairCount: Int
    public let patientCount: Int
    public let foldCount: Int
    public let gallery: Gallery
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
