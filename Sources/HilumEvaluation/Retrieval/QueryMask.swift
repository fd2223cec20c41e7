/// The share of the queries that was hidden; the gallery was whole.
public struct QueryMask: Sendable, Equatable {
    /// Share of the patches of an image query, 0 … 1.
    public let image: Double
    /// Share of the words of a report query, 0 … 1.
    public let report: Double

    /// These shares of image and report queries.
    public init(image: Double, report: Double) {
        self.image = image
        self.report = report
    }
}
