import HilumMCR
import HilumNN

extension RetrievalEvaluation {
    /// Loads what an evaluation needs, for callers who would rather know before they embed thousands of cases.
    ///
    /// - Throws: `EvaluationError.missingLibrary` with what to install.
    public static func checkLibraries() throws(EvaluationError) {
        do { _ = try OpenBLAS.load() } catch { throw EvaluationError(.missingLibrary(reason: error.description)) }
    }

    /// `body(query, similarities to every row of the gallery)` for each query, on all threads; results in query order.
    static func mapSimilarities<Result: Sendable>(
        queries: EmbeddingRows, gallery: EmbeddingRows, threads: Int,
        _ body: @Sendable (Int, UnsafeBufferPointer<Float>) -> Result
    ) throws(EvaluationError) -> [Result] {
        precondition(queries.dimension == gallery.dimension, "both sides have one dimension")
        do {
            return try Similarities(to: gallery.floats, dimension: gallery.dimension)
                .map(queries.floats, threads: threads, body)
        } catch {
            throw EvaluationError(.missingLibrary(reason: error.description))
        }
    }

    /// The rows of greatest similarity, nearest first, ties by row number.
    static func nearestRows(_ row: UnsafeBufferPointer<Float>, count: Int, leavingOut own: Int?) -> [Int] {
        var nearest: [Int] = []
        nearest.reserveCapacity(count + 1)
        for candidate in row.indices where candidate != own {
            if nearest.count == count {
                guard let last = nearest.last, row[candidate] > row[last] else { continue }
                nearest.removeLast()
            }
            var position = nearest.count
            while position > 0 && row[nearest[position - 1]] < row[candidate] { position -= 1 }
            nearest.insert(candidate, at: position)
        }
        return nearest
    }

    static func ranks(
        queries: EmbeddingRows, gallery: EmbeddingRows, positives: PositiveGroups, threads: Int
    ) throws(EvaluationError) -> [Double] {
        try mapSimilarities(queries: queries, gallery: gallery, threads: threads) { query, row in
            RetrievalRanks.rank(of: positives.of(query), in: row)
        }
    }
}
