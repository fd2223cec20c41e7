import HilumCore

/// Two models on the same pairs: how often each finds the right case among the first ten, and whether the difference can be told from
/// the luck of these patients.
///
/// Both directions count. The difference is taken case by case, and its interval is a bootstrap over patients, whose cases resemble
/// each other.
public struct ModelComparison: Sendable, Equatable {
    /// What the pairs say about the newer model.
    public enum Verdict: String, Sendable {
        /// The whole interval of the difference lies above zero.
        case better
        /// The whole interval lies below zero.
        case worse
        /// The interval holds zero: these pairs do not say.
        case unclear
    }

    /// Pairs.
    public let caseCount: Int
    /// Their patients.
    public let patientCount: Int
    /// R@10 of the present model, mean of both directions.
    public let present: PilotSummary.Estimate
    /// R@10 of the other one.
    public let other: PilotSummary.Estimate
    /// The other one less the present one.
    public let change: PilotSummary.Estimate

    /// Compares two models.
    ///
    /// - Parameters:
    ///   - present: the pairs as the present model encodes them.
    ///   - other: the same pairs, in the same order, as the other model does.
    ///   - patients: of each pair, by any name.
    ///   - seed: of the bootstrap.
    /// - Throws: `EvaluationError` for no pairs, counts that do not agree, or embeddings that are not finite.
    public init(
        present: RetrievalCases, other: RetrievalCases, patients: [String], seed: UInt64 = 1
    ) throws(EvaluationError) {
        guard present.count == other.count, present.count == patients.count, present.count > 0 else {
            throw EvaluationError(
                .badInput(reason: "two models are compared on the same pairs, of which there is one at least"))
        }
        let before = try Self.found(present)
        let after = try Self.found(other)
        let names = Array(Set(patients)).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        let draws = PatientDraws(groupOf: patients.map { numbers[$0] ?? 0 }, seed: seed)
        caseCount = present.count
        patientCount = names.count
        self.present = draws.estimate(before)
        self.other = draws.estimate(after)
        change = draws.estimate(zip(after, before).map { $0 - $1 })
    }

    /// What these figures say; nothing unless the interval of the difference does.
    public var verdict: Verdict { change.isAboveZero ? .better : change.isBelowZero ? .worse : .unclear }

    /// For each pair the share of the two directions in which it is among the first ten.
    private static func found(_ cases: RetrievalCases) throws(EvaluationError) -> [Double] {
        let forward = try RetrievalEvaluation.ranks(
            queries: cases.images, gallery: cases.reports, dimension: cases.dimension, reportHashes: cases.reportHashes)
        let backward = try RetrievalEvaluation.ranks(
            queries: cases.reports, gallery: cases.images, dimension: cases.dimension, reportHashes: cases.reportHashes)
        return zip(forward, backward).map { (($0 <= 10 ? 1 : 0) + ($1 <= 10 ? 1 : 0)) / 2 }
    }
}
