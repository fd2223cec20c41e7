import HilumCore
import HilumMCR

/// Short queries for images: what a person types who remembers one thing.
///
/// With labels, each label that occurs is asked for twice, as a phrase of one finding and as three words, and every image
/// with that label is right. Without, three words in a row of each report are asked for, and only its own image is right.
public struct ShortQueries: Sendable, Equatable {
    /// What the queries of one kind found.
    public struct Figures: Sendable, Equatable {
        /// Share of the queries with a right image among the first ten.
        public let r10: Double
        /// Right images among the first ten, mean share.
        public let p10: Double
        /// What a random order reaches.
        public let chanceR10: Double
        /// The mean share of right images among the first ten of a random order.
        public let chanceP10: Double
    }

    /// A text and the rows of the images that are right for it.
    struct Query: Sendable, Equatable {
        let text: String
        let positives: [Int]
    }

    /// Queries of each kind.
    public let n: Int
    /// `findings` or `report words`.
    public let source: String
    /// Nil without labels.
    public let oneFinding: Figures?
    /// Queries of three words.
    public let threeWords: Figures

    /// Asks for images of `cases` with short texts; nil when no text can be made.
    ///
    /// - Parameters:
    ///   - reports: `[studies]`, used where no study has a label.
    ///   - embed: texts to `[texts, dimension]`.
    /// - Throws: what `embed` throws, `EvaluationError`.
    public static func measure(
        cases: RetrievalCases, reports: [String], seed: UInt64, threads: Int = defaultThreadCount,
        embed: ([String]) throws -> [Float]
    ) throws -> ShortQueries? {
        let labels = Array(cases.labels.reduce(into: Set<String>()) { $0.formUnion($1) }).sorted()
        let gallery = try EmbeddingRows(cases.images, dimension: cases.dimension)
        func figures(_ queries: [Query]) throws -> Figures {
            let rows = try EmbeddingRows(try embed(queries.map(\.text)), dimension: cases.dimension)
            return try figuresOf(queries, rows, gallery, threads)
        }
        if labels.isEmpty {
            let queries = wordQueries(reports, seed: seed)
            if queries.isEmpty { return nil }
            return ShortQueries(
                n: queries.count, source: "report words", oneFinding: nil, threeWords: try figures(queries))
        }
        let positives = labels.map { label in cases.labels.indices.filter { cases.labels[$0].contains(label) } }
        let phrases = zip(labels, positives).map { Query(text: phrase(for: $0), positives: $1) }
        let words = zip(labels, positives).map { Query(text: threeWords(for: $0), positives: $1) }
        return ShortQueries(
            n: labels.count, source: "findings", oneFinding: try figures(phrases), threeWords: try figures(words))
    }

    private static func figuresOf(
        _ queries: [Query], _ rows: EmbeddingRows, _ gallery: EmbeddingRows, _ threads: Int
    ) throws(EvaluationError) -> Figures {
        let depth = min(10, gallery.count)
        let right = try RetrievalEvaluation.mapSimilarities(queries: rows, gallery: gallery, threads: threads) {
            query, row in
            let positives = Set(queries[query].positives)
            return RetrievalEvaluation.nearestRows(row, count: depth, leavingOut: nil).count { positives.contains($0) }
        }
        var sums = (r10: 0.0, p10: 0.0, chanceR10: 0.0, chanceP10: 0.0)
        for (query, count) in zip(queries, right) {
            sums.r10 += count > 0 ? 1 : 0
            sums.p10 += Double(count) / Double(depth)
            var missed = 1.0
            for drawn in 0..<depth {
                let others = gallery.count - query.positives.count - drawn
                missed *= max(0, Double(others)) / Double(gallery.count - drawn)
            }
            sums.chanceR10 += 1 - missed
            sums.chanceP10 += Double(query.positives.count) / Double(gallery.count)
        }
        let n = Double(queries.count)
        return Figures(
            r10: sums.r10 / n, p10: sums.p10 / n, chanceR10: sums.chanceR10 / n, chanceP10: sums.chanceP10 / n)
    }

    // MARK: Texts

    private static let sides: Set<String> = ["left", "right", "bilateral"]

    /// The words of a label, its side first: "effusion left" gives left, effusion.
    private static func words(of label: String) -> [String] {
        let words = label.lowercased().split(separator: " ").map(String.init)
        guard let last = words.last, sides.contains(last), words.count > 1 else { return words }
        return [last] + words.dropLast()
    }

    /// A phrase of one finding: "Left effusion is seen."
    static func phrase(for label: String) -> String {
        if label.lowercased() == "normal" { return "The study is normal." }
        let text = words(of: label).joined(separator: " ")
        return text.prefix(1).uppercased() + text.dropFirst() + " is seen."
    }

    /// Three words: "left effusion seen", "left chest tube".
    static func threeWords(for label: String) -> String {
        if label.lowercased() == "normal" { return "normal chest study" }
        let words = words(of: label)
        let filled = words.count == 1 ? words + ["is", "seen"] : words.count == 2 ? words + ["seen"] : words
        return filled.prefix(3).joined(separator: " ")
    }

    private static let fillers: Set<String> = [
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "in", "is", "it", "no", "not", "of",
        "on",
        "or", "seen", "that", "the", "there", "this", "to", "was", "were", "with",
    ]

    /// Three words in a row of each report that are no fillers, drawn by (seed, report).
    private static func wordQueries(_ reports: [String], seed: UInt64) -> [Query] {
        reports.enumerated().compactMap { row, report in
            let words = normalisedReport(report).split(separator: " ").map(String.init)
            guard words.count >= 3 else { return nil }
            let starts = (0...(words.count - 3)).filter { start in
                words[start..<(start + 3)].allSatisfy { word in
                    !fillers.contains(word) && word.contains(where: \.isLetter)
                }
            }
            if starts.isEmpty { return nil }
            var generator = SeededGenerator(seed: seed, keys: 0x5407, UInt64(row))
            let start = starts[generator.integer(below: starts.count)]
            return Query(text: words[start..<(start + 3)].joined(separator: " "), positives: [row])
        }
    }
}
