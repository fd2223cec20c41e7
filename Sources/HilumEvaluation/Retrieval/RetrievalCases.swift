/// The studies of a split, one row each.
public struct RetrievalCases: Sendable {
    /// `[studies, dimension]`, row-major; similarity is the dot product.
    public var images: [Float]
    /// `[studies, dimension]`, row-major.
    public var reports: [Float]
    /// Floats a row.
    public var dimension: Int
    /// `[studies]`: `normalisedReportHash` of each report.
    public var reportHashes: [UInt64]
    /// `[studies]`: what is found, each with its side where it has one ("left effusion"), or "normal". An empty set means
    /// that nothing is known: such a study asks no question about labels and is relevant to none.
    public var labels: [Set<String>]
    /// `[studies]`: what their reports affirm, for a figure of its own; nil: nobody read them. Never mixed with `labels`.
    public var labelsFromReports: [Set<String>]?
    /// `[studies, dimension]`: the images as queries where they differ from those in the gallery; nil: they are the same.
    public var imageQueries: [Float]?
    /// `[studies, dimension]`: the reports as queries where they differ from those in the gallery; nil: they are the same.
    public var reportQueries: [Float]?

    /// Studies whose queries are the gallery itself.
    public init(images: [Float], reports: [Float], dimension: Int, reportHashes: [UInt64], labels: [Set<String>]) {
        self.images = images
        self.reports = reports
        self.dimension = dimension
        self.reportHashes = reportHashes
        self.labels = labels
    }

    /// Studies.
    public var count: Int { reportHashes.count }
}
