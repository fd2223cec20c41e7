/// The labels of a batch and how much they weigh in the targets of the contrast.
struct SoftLabels: Sendable {
    /// For each pair its labels, as numbers; empty where none are known.
    let labels: [[Int32]]
    /// The share of a row of Y that goes to pairs with common labels, in 0...1.
    let weight: Float

    /// (1 − w)·(targets by equal reports) + w·(Jaccard overlap, rows of sum 1); a pair without labels keeps its row.
    func targets(_ hashes: [UInt64]) -> [[(column: Int, share: Float)]] {
        let hard = ContrastiveLoss.targets(hashes)
        return hashes.indices.map { i in
            guard !labels[i].isEmpty else { return hard[i] }
            var row = overlaps(of: i)
            let total = row.reduce(0, +)
            for j in hashes.indices { row[j] *= weight / total }
            for (j, share) in hard[i] { row[j] += (1 - weight) * share }
            return hashes.indices.compactMap { row[$0] > 0 ? ($0, row[$0]) : nil }
        }
    }

    /// The overlap of pair `i` with every pair, 1 with itself; zeros where it has no labels.
    func overlaps(of i: Int) -> [Float] {
        labels[i].isEmpty ? labels.map { _ in 0 } : labels.map { overlap(labels[i], $0) }
    }

    private func overlap(_ left: [Int32], _ right: [Int32]) -> Float {
        guard !right.isEmpty else { return 0 }
        let common = left.count { right.contains($0) }
        return Float(common) / Float(left.count + right.count - common)
    }
}
