import Foundation
import HilumNN

/// The rank rule of the evaluation contract, for validation while training and for every figure of an evaluation.
public enum RetrievalRanks {
    /// The rank of the best of `positives` among all values of `row`, from 1: 1 + strictly better ones + half of those that are
    /// tied with it and no positives.
    public static func rank(of positives: [Int], in row: UnsafeBufferPointer<Float>) -> Double {
        let best = positives.reduce(-Float.infinity) { max($0, row[$1]) }
        var better = 0
        var tied = 0
        for value in row {
            better += value > best ? 1 : 0
            tied += value == best ? 1 : 0
        }
        // No positive is better than the best one, but those tied with it do not count against it.
        tied -= positives.count { row[$0] == best }
        return 1 + Double(better) + 0.5 * Double(tied)
    }

    /// The ranks of `queries` against `gallery`, both `[pairs, dimension]`; the positives of a query are the rows with its hash.
    static func ranks(
        queries: [Float], gallery: [Float], dimension: Int, hashes: [UInt64], threads: Int
    ) throws(NumericError) -> [Double] {
        var members: [UInt64: [Int]] = [:]
        for (row, hash) in hashes.enumerated() { members[hash, default: []].append(row) }
        let positives = members
        return try Similarities(to: gallery, dimension: dimension).map(queries, threads: threads) { query, row in
            rank(of: positives[hashes[query]] ?? [], in: row)
        }
    }

    /// The mean logarithm of the ranks of both directions, added; lower is better.
    static func meanLogRank(
        _ images: [Float], _ reports: [Float], dimension: Int, hashes: [UInt64], threads: Int
    ) throws(NumericError) -> Double {
        var total = 0.0
        for (queries, gallery) in [(images, reports), (reports, images)] {
            let ranks = try ranks(
                queries: queries, gallery: gallery, dimension: dimension, hashes: hashes, threads: threads)
            total += ranks.reduce(0) { $0 + log($1) } / Double(max(ranks.count, 1))
        }
        return total
    }

    /// R@1 and R@10; see `ranks`.
    static func recall(
        queries: [Float], gallery: [Float], dimension: Int, hashes: [UInt64], threads: Int
    ) throws(NumericError) -> (r1: Double, r10: Double) {
        let ranks = try ranks(
            queries: queries, gallery: gallery, dimension: dimension, hashes: hashes, threads: threads)
        let count = Double(max(ranks.count, 1))
        return (Double(ranks.count { $0 <= 1 }) / count, Double(ranks.count { $0 <= 10 }) / count)
    }
}
