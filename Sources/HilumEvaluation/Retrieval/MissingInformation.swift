import HilumCore

/// Recall where a share of each query is hidden and the gallery is whole; shares from 0 to 1.
public struct MissingInformation: Sendable, Equatable {
    /// The share of each query that was hidden.
    public let hidden: Double
    /// Images whose report is first.
    public let imageToReportR1: Double
    /// Images whose report is among the first ten.
    public let imageToReportR10: Double
    /// Reports whose image is first.
    public let reportToImageR1: Double
    /// Reports whose image is among the first ten.
    public let reportToImageR10: Double

    /// - Throws: `EvaluationError` when counts do not agree or a value is not finite.
    public init(
        hidden: Double, imageQueries: [Float], reportQueries: [Float], cases: RetrievalCases,
        threads: Int = defaultThreadCount
    ) throws(EvaluationError) {
        func share(_ queries: [Float], _ gallery: [Float]) throws(EvaluationError) -> (r1: Double, r10: Double) {
            let ranks = try RetrievalEvaluation.ranks(
                queries: queries, gallery: gallery, dimension: cases.dimension, reportHashes: cases.reportHashes,
                threads: threads)
            let count = Double(max(ranks.count, 1))
            return (Double(ranks.count { $0 <= 1 }) / count, Double(ranks.count { $0 <= 10 }) / count)
        }
        let forward = try share(imageQueries, cases.reports)
        let backward = try share(reportQueries, cases.images)
        self.hidden = hidden
        imageToReportR1 = forward.r1
        imageToReportR10 = forward.r10
        reportToImageR1 = backward.r1
        reportToImageR10 = backward.r10
    }
}
