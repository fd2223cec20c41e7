import HilumCore

extension RetrievalEvaluation.Direction {
    init(ranks: [Double], generator: SeededGenerator, resamples: Int) {
        func share(_ k: Double) -> Double { Double(ranks.count { $0 <= k }) / Double(ranks.count) }
        r1 = share(1)
        r5 = share(5)
        r10 = share(10)
        let sorted = ranks.sorted()
        medianRank = (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        var generator = generator
        var first: [Double] = []
        var tenth: [Double] = []
        for _ in 0..<resamples {
            var hits1 = 0
            var hits10 = 0
            for _ in ranks.indices {
                let rank = ranks[generator.integer(below: ranks.count)]
                hits1 += rank <= 1 ? 1 : 0
                hits10 += rank <= 10 ? 1 : 0
            }
            first.append(Double(hits1) / Double(ranks.count))
            tenth.append(Double(hits10) / Double(ranks.count))
        }
        ci95R1 = Self.interval(first)
        ci95R10 = Self.interval(tenth)
    }

    /// The middle 95 % of the resampled shares (the percentile interval of Efron, Tibshirani, 1993, chapter 13).
    private static func interval(_ shares: [Double]) -> [Double] {
        guard !shares.isEmpty else { return [] }
        let sorted = shares.sorted()
        let last = Double(sorted.count - 1)
        return [sorted[Int((0.025 * last).rounded(.down))], sorted[Int((0.975 * last).rounded(.up))]]
    }
}

extension RetrievalEvaluation.Chance {
    /// A study with p positives among n has one in the first k of a random order with probability 1 − C(n−p, k) / C(n, k).
    init(positives: PositiveGroups, labels: LabelSets) {
        let n = positives.count
        func expected(_ k: Int) -> Double {
            let sum = (0..<n).reduce(0.0) { sum, study in
                sum + Self.hit(among: k, positives: positives.of(study).count, of: n)
            }
            return sum / Double(n)
        }
        r1 = expected(1)
        r5 = expected(5)
        r10 = expected(10)
        if labels.labelled.isEmpty || n < 2 {
            p = nil
        } else {
            var related = 0
            for query in labels.labelled {
                for other in 0..<n where other != query && labels.areRelated(query, other) { related += 1 }
            }
            p = Double(related) / Double(labels.labelled.count * (n - 1))
        }
    }

    /// The probability that one of `positives` studies among `n` is within the first `k` of a random order.
    static func hit(among k: Int, positives: Int, of n: Int) -> Double {
        var missed = 1.0
        for drawn in 0..<min(k, n) { missed *= max(0, Double(n - positives - drawn)) / Double(n - drawn) }
        return 1 - missed
    }
}

extension RetrievalEvaluation.LabelPrecision {
    /// Nil when no study has a label or there is no other study.
    init?(
        images: (queries: EmbeddingRows, gallery: EmbeddingRows),
        reports: (queries: EmbeddingRows, gallery: EmbeddingRows), labels: LabelSets, threads: Int
    ) throws(EvaluationError) {
        guard !labels.labelled.isEmpty, labels.count > 1 else { return nil }
        image = try Self.precision(images, labels, threads)
        report = try Self.precision(reports, labels, threads)
        p1 = (image.p1 + report.p1) / 2
        p5 = (image.p5 + report.p5) / 2
        p10 = (image.p10 + report.p10) / 2
        n = labels.labelled.count
    }

    private static func precision(
        _ rows: (queries: EmbeddingRows, gallery: EmbeddingRows), _ labels: LabelSets, _ threads: Int
    ) throws(EvaluationError) -> RetrievalEvaluation.PrecisionAtDepths {
        let depth = min(10, labels.count - 1)
        let relevant = try RetrievalEvaluation.mapSimilarities(
            queries: rows.queries, gallery: rows.gallery, threads: threads
        ) {
            query, row in
            RetrievalEvaluation.nearestRows(row, count: depth, leavingOut: query).map { labels.areRelated(query, $0) }
        }
        func share(_ k: Int) -> Double {
            let depth = min(k, depth)
            let found = labels.labelled.reduce(0) { $0 + relevant[$1].prefix(depth).count { $0 } }
            return Double(found) / Double(depth * labels.labelled.count)
        }
        return RetrievalEvaluation.PrecisionAtDepths(p1: share(1), p5: share(5), p10: share(10))
    }
}
