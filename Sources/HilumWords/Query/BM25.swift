import Foundation

/// The score of a document for a clause, and its parameters.
///
///     idf · f · (k1 + 1) / (f + k1 · (1 − b + b · length / mean length))      idf = log(1 + (N − n + ½) / (n + ½))
///
/// where f counts the occurrences, each with the weight of its section and assertion, N the live documents and n those of them in
/// which the clause matches. The idf is never negative, however common a word is.
///
/// Source: Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. Departures: the ½ inside of the logarithm's sum,
/// as in Lucene; the weights of sections, which follow BM25F (section 3.6 there) without lengths a section.
/// Thread rule: an immutable value.
public struct BM25: Sendable, Equatable {
    /// How soon further occurrences stop to count.
    public var k1: Float
    /// From 0 to 1: how much the length of a document counts. Reports of a hospital differ in length by habit more than by content,
    /// hence less than the usual 0.75.
    public var b: Float
    /// What an occurrence in the impression counts, where one in the findings counts 1.
    public var impressionWeight: Float
    /// What an occurrence outside of impression and findings counts.
    public var otherWeight: Float

    /// Parameters.
    public init(k1: Float = 1.2, b: Float = 0.4, impressionWeight: Float = 2, otherWeight: Float = 1) {
        precondition(k1 > 0 && b >= 0 && b <= 1 && impressionWeight > 0 && otherWeight > 0, "parameters out of range")
        self.k1 = k1
        self.b = b
        self.impressionWeight = impressionWeight
        self.otherWeight = otherWeight
    }

    /// How rare a clause is that matches in `count` of `total` documents.
    func idf(count: Int, total: Int) -> Float {
        Float(log(1 + (Double(total - count) + 0.5) / (Double(count) + 0.5)))
    }

    /// The length's part of the denominator, by length.
    func norm(length: Int, meanLength: Float) -> Float { k1 * (1 - b + b * Float(length) / meanLength) }
}
