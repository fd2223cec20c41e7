import HilumIndex

/// Maximal marginal relevance (Carbonell, Goldstein, SIGIR 1998): hits that answer the question and differ from one another.
///
/// The next hit is the candidate with the largest `lambda · relevance - (1 - lambda) · likeness`, where likeness is the largest cosine with a
/// hit that was picked before. Relevance is the cosine with the question; where words answered too, the fused score, stretched over the
/// candidates so that the best has 1 and the worst 0, because likeness has the scale of a cosine. 1 leaves the order as it is.
enum Diversity {
    /// The largest `k` with which hits are picked or held against one another; each costs a comparison with every other.
    static let hitLimit = 1_000

    /// How many candidates `k` hits are picked from.
    static func poolCount(_ k: Int) -> Int { max(k, min(2_000, max(100, 4 * k))) }

    /// Picks `k` of the candidates; their places, in the order of picking.
    ///
    /// - Parameters:
    ///   - relevances: of the candidates.
    ///   - vectors: of the candidates, each of length 1 or empty.
    /// - Complexity: O(k · candidates · dimension).
    static func pick(_ k: Int, _ relevances: [Float], _ vectors: [[Float]], lambda: Float) -> [Int] {
        precondition(relevances.count == vectors.count, "each candidate has a vector")
        var likenesses = [Float](repeating: -.infinity, count: vectors.count)
        var rest = Array(vectors.indices)
        var picked: [Int] = []
        while picked.count < k, !rest.isEmpty {
            func worth(_ index: Int) -> Float {
                // There is nothing to be like yet.
                picked.isEmpty ? relevances[index] : lambda * relevances[index] - (1 - lambda) * likenesses[index]
            }
            var best = 0
            for place in rest.indices.dropFirst() where worth(rest[place]) > worth(rest[best]) { best = place }
            let index = rest.remove(at: best)
            picked.append(index)
            if picked.count == k { break }
            for other in rest {
                let isComparable = !vectors[index].isEmpty && !vectors[other].isEmpty
                let likeness = isComparable ? dot(vectors[index], vectors[other]) : 0
                likenesses[other] = max(likenesses[other], likeness)
            }
        }
        return picked
    }

    /// How well the picks of a pool answer, on the scale of a cosine.
    static func relevances(of picks: [Pick]) -> [Float] {
        let fused = picks.compactMap { $0.legs?.fused }
        guard fused.count == picks.count, let least = fused.min(), let most = fused.max(), most > least else {
            return picks.map { $0.candidate?.score ?? 0 }
        }
        return fused.map { ($0 - least) / (most - least) }
    }
}
