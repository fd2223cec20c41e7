/// What gives stored cases their vectors in the generation beside: a model, files of vectors, or nobody.
protocol BatchVectors: Sendable {
    /// - Returns: a result for each case, in order; nil when it was interrupted.
    func encode(_ cases: [CaseToEncode]) throws -> [EncodedCase]?
}

/// Nobody brings vectors now: what a space of imported vectors gets of a case that was stored since.
struct NoVectors: BatchVectors {
    func encode(_ cases: [CaseToEncode]) -> [EncodedCase]? {
        cases.map { item in
            EncodedCase(
                number: item.number, images: item.entry.images.map { _ in nil },
                isReportMissing: item.entry.hasReportVector)
        }
    }
}
