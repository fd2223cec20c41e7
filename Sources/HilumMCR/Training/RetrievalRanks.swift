import HilumNN

/// Recall of a gallery by exact comparison, for validation while training.
enum RetrievalRanks {
    /// R@1 and R@10 by the rank rule of the evaluation contract: rank = 1 + #{strictly better} + ½·#{tied non-positives}; the
    /// positives of a query are the rows with its hash.
    static func recall(
        queries: [Float], gallery: [Float], dimension: Int, hashes: [UInt64]
    ) -> (r1: Double, r10: Double) {
        let count = hashes.count
        var scores = [Float](repeating: 0, count: count * count)
        scores.withUnsafeMutableBufferPointer { scores in
            queries.withUnsafeBufferPointer { queries in
                gallery.withUnsafeBufferPointer { gallery in
                    guard let q = queries.baseAddress, let g = gallery.baseAddress, let s = scores.baseAddress else {
                        return
                    }
                    multiply(
                        q, stride: dimension, g, secondTransposed: true, stride: dimension, into: s, stride: count,
                        m: count,
                        n: count, k: dimension)
                }
            }
        }
        var first = 0
        var tenth = 0
        for query in 0..<count {
            let row = scores[(query * count)..<((query + 1) * count)]
            var best = -Float.infinity
            for (j, score) in row.enumerated() where hashes[j] == hashes[query] { best = max(best, score) }
            var rank = 1.0
            for (j, score) in row.enumerated() where hashes[j] != hashes[query] {
                if score > best { rank += 1 } else if score == best { rank += 0.5 }
            }
            if rank <= 1 { first += 1 }
            if rank <= 10 { tenth += 1 }
        }
        return (Double(first) / Double(max(count, 1)), Double(tenth) / Double(max(count, 1)))
    }
}
