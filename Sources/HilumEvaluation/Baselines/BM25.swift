import Foundation
import HilumMCR

/// Word overlap between reports: the BM25 score with k₁ = 1.2 and b = 0.75.
///
///     score(q, d) = Σ over the words t of q, repeated ones each time:
///                   idf(t) · f(t, d) · (k₁ + 1) / (f(t, d) + k₁ · (1 − b + b · |d| / mean |d|))
///
/// Words are folded like the tokenizer folds (case, accents, widths); signs alone are no words. The yardstick that a learnt
/// report encoder has to beat.
/// Source: Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, section 3. Departure:
/// idf = ln(1 + (N − n + ½) / (n + ½)), which is never negative, so that a word in most of a small set of reports does not
/// count against a match.
/// Thread rule: immutable; any number of threads.
public struct BM25: Sendable {
    /// How soon a repeated word counts no more.
    public static let k1 = 1.2
    /// How much a long text is marked down, 0 … 1.
    public static let b = 0.75

    /// Texts that are searched.
    public let count: Int
    /// For each word the texts that hold it and how often, by text.
    private let postings: [[UInt8]: [(text: Int, frequency: Int)]]
    /// k₁ · (1 − b + b · |d| / mean |d|) of each text.
    private let lengthTerms: [Double]

    /// - Parameter texts: what is searched, in the order of the scores.
    init(_ texts: [String]) {
        var postings: [[UInt8]: [(text: Int, frequency: Int)]] = [:]
        var lengths: [Int] = []
        for (number, text) in texts.enumerated() {
            let words = Self.words(of: text)
            lengths.append(words.count)
            var frequencies: [[UInt8]: Int] = [:]
            for word in words { frequencies[word, default: 0] += 1 }
            for (word, frequency) in frequencies { postings[word, default: []].append((number, frequency)) }
        }
        let mean = Double(lengths.reduce(0, +)) / Double(max(lengths.count, 1))
        count = texts.count
        self.postings = postings
        lengthTerms = lengths.map { Self.k1 * (1 - Self.b + Self.b * Double($0) / max(mean, 1)) }
    }

    /// `[count]`: how much of `query` each text says; 0 where they share no word.
    ///
    /// - Complexity: O(texts that share a word, summed over the words of the query).
    func scores(of query: String) -> [Float] {
        var sums = [Double](repeating: 0, count: count)
        for word in Self.words(of: query) {
            guard let list = postings[word] else { continue }
            let rarity = log(1 + (Double(count - list.count) + 0.5) / (Double(list.count) + 0.5))
            for (text, frequency) in list {
                let f = Double(frequency)
                sums[text] += rarity * f * (Self.k1 + 1) / (f + lengthTerms[text])
            }
        }
        return sums.map { Float($0) }
    }

    /// The folded words of a text that hold a letter or a digit.
    private static func words(of text: String) -> [[UInt8]] {
        foldedWords(of: text).filter(holdsLetterOrDigit)
    }

    private static func holdsLetterOrDigit(_ word: [UInt8]) -> Bool {
        if word.contains(where: { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }) { return true }
        guard word.contains(where: { $0 >= 0x80 }) else { return false }
        return String(decoding: word, as: UTF8.self).unicodeScalars.contains {
            $0.properties.isAlphabetic || $0.properties.numericType != nil
        }
    }
}
