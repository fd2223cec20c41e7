/// Embeddings that are fit to be compared: whole rows of finite floats.
struct EmbeddingRows: Sendable {
    let count: Int
    let dimension: Int
    /// `[count, dimension]`, row-major.
    let floats: [Float]

    init(_ floats: [Float], dimension: Int) throws(EvaluationError) {
        guard dimension > 0, floats.count % dimension == 0 else {
            throw EvaluationError(.badInput(reason: "\(floats.count) floats are no rows of \(dimension)"))
        }
        // A NaN is never better than the positive and would count as a perfect rank.
        guard floats.allSatisfy(\.isFinite) else {
            throw EvaluationError(.badInput(reason: "an embedding is not finite"))
        }
        self.init(unchecked: floats, dimension: dimension)
    }

    private init(unchecked floats: [Float], dimension: Int) {
        self.floats = floats
        self.dimension = dimension
        count = floats.count / dimension
    }

    /// Some of the rows.
    subscript(rows: Range<Int>) -> EmbeddingRows {
        EmbeddingRows(
            unchecked: Array(floats[(rows.lowerBound * dimension)..<(rows.upperBound * dimension)]),
            dimension: dimension)
    }
}
