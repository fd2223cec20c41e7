import Foundation
import HilumCore
import Testing

@testable import HilumEvaluation

private func unitRows(_ count: Int, _ dimension: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    var rows: [Float] = []
    for _ in 0..<count {
        let row = (0..<dimension).map { _ in generator.normal() }
        let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
        rows += row.map { Float($0 / length) }
    }
    return rows
}

private func cases(
    images: [Float], reports: [Float], dimension: Int, hashes: [UInt64]? = nil, labels: [Set<String>]? = nil
) -> RetrievalCases {
    let count = images.count / dimension
    return RetrievalCases(
        images: images, reports: reports, dimension: dimension, reportHashes: hashes ?? (0..<count).map(UInt64.init),
        labels: labels ?? Array(repeating: [], count: count))
}

/// Embeddings for which the product with `reports` = the identity gives these similarities.
private func identity(_ n: Int) -> [Float] { (0..<n * n).map { $0 / n == $0 % n ? 1 : 0 } }

struct RetrievalEvaluationTests {
    @Test func `equal embeddings of each pair are found first`() throws {
        let rows = unitRows(203, 19, seed: 1)
        let figures = try RetrievalEvaluation(of: cases(images: rows, reports: rows, dimension: 19), model: "m")
        for direction in [figures.imageToReport, figures.reportToImage] {
            #expect(direction.r1 == 1 && direction.r10 == 1 && direction.medianRank == 1)
            #expect(direction.ci95R1 == [1, 1])
        }
        #expect(figures.n == 203 && figures.labelPrecision == nil && figures.index == nil)
    }

    @Test func `unrelated embeddings stay at chance`() throws {
        let figures = try RetrievalEvaluation(
            of: cases(images: unitRows(1_000, 16, seed: 2), reports: unitRows(1_000, 16, seed: 3), dimension: 16),
            model: "m")
        #expect(abs(figures.chance.r1 - 0.001) < 1e-12 && abs(figures.chance.r10 - 0.01) < 1e-12)
        for direction in [figures.imageToReport, figures.reportToImage] {
            #expect(direction.ci95R10[0] <= figures.chance.r10 && figures.chance.r10 <= direction.ci95R10[1])
            #expect(abs(direction.medianRank - 500) < 50)
        }
    }

    @Test func `ranks on a matrix written by hand are those counted by hand`() throws {
        // Rows are the similarities of one image to the five reports.
        let similarities: [Float] = [
            0.9, 0.1, 0.2, 0.3, 0.4,  // first: 1
            0.5, 0.5, 0.5, 0.1, 0.0,  // tied with two: 2
            0.9, 0.8, 0.7, 0.1, 0.7,  // two better, one tied: 3.5
            0.9, 0.8, 0.7, 0.1, 0.6,  // four better: 5
            0.0, 0.0, 0.0, 0.0, 0.0,  // all tied: 3
        ]
        let hashes: [UInt64] = [1, 2, 3, 4, 5]
        #expect(
            try RetrievalEvaluation.ranks(
                queries: similarities, gallery: identity(5), dimension: 5, reportHashes: hashes)
                == [1, 2, 3.5, 5, 3])
        let figures = try RetrievalEvaluation(
            of: cases(images: similarities, reports: identity(5), dimension: 5), model: "m")
        #expect(figures.imageToReport.r1 == 0.2 && figures.imageToReport.r5 == 1)
        #expect(figures.imageToReport.medianRank == 3)
        // Studies 3 and 4 have the same report: the better of the two counts, and the other does not stand in its way.
        #expect(
            try RetrievalEvaluation.ranks(
                queries: similarities, gallery: identity(5), dimension: 5, reportHashes: [1, 2, 3, 3, 5])
                == [1, 2, 3.5, 3, 3])
    }

    @Test func `the median of an even count is the mean of the middle two`() throws {
        let similarities: [Float] = [0.9, 0.1, 0.5, 0.1]
        let figures = try RetrievalEvaluation(
            of: cases(images: similarities, reports: identity(2), dimension: 2), model: "m")
        #expect(figures.imageToReport.medianRank == 1.5)
    }

    @Test func `a model that gives every pair one score is at chance by rank`() throws {
        let ones = [Float](repeating: 0.25, count: 101 * 8)
        let figures = try RetrievalEvaluation(of: cases(images: ones, reports: ones, dimension: 8), model: "m")
        #expect(figures.imageToReport.r10 == 0 && figures.imageToReport.medianRank == 51)
    }

    @Test func `identical reports count as positives in both directions`() throws {
        let n = 120
        let distinct = unitRows(n / 4, 32, seed: 4)
        // Four studies share each report; their images differ, and each is nearest to some other study of its group.
        var reports: [Float] = []
        for study in 0..<n {
            let start = study / 4 * 32
            reports += distinct[start..<start + 32]
        }
        let images = zip(reports, unitRows(n, 32, seed: 5)).map { $0 + 0.05 * $1 }
        let hashes = (0..<n).map { UInt64($0 / 4) }
        let shared = try RetrievalEvaluation(
            of: cases(images: images, reports: reports, dimension: 32, hashes: hashes), model: "m")
        #expect(shared.imageToReport.r1 == 1 && shared.reportToImage.r1 == 1)
        #expect(shared.dedup.contains("120 of 120"))
        // C(116, 1) / C(120, 1) misses at one draw.
        #expect(abs(shared.chance.r1 - 4.0 / 120) < 1e-12)
        let alone = try RetrievalEvaluation(of: cases(images: images, reports: reports, dimension: 32), model: "m")
        #expect(alone.imageToReport.r1 == 0 && alone.imageToReport.medianRank == 2.5)
        #expect(alone.reportToImage.r1 == 0.25)
    }

    @Test func `chance agrees with the share that random orders reach`() throws {
        var generator = SeededGenerator(seed: 6)
        let hashes: [UInt64] = [1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        let embeddings = unitRows(15, 4, seed: 1)
        let figures = try RetrievalEvaluation(
            of: cases(images: embeddings, reports: embeddings, dimension: 4, hashes: hashes), model: "m")
        var found = 0
        var order = Array(hashes.indices)
        for _ in 0..<4_000 {
            generator.shuffle(&order)
            for query in hashes.indices where order.prefix(5).contains(where: { hashes[$0] == hashes[query] }) {
                found += 1
            }
        }
        #expect(abs(Double(found) / 60_000 - figures.chance.r5) < 0.01)
    }

    @Test func `the bootstrap interval holds the figure, narrows with more queries and repeats with its seed`() throws {
        var generator = SeededGenerator(seed: 7)
        func figures(_ n: Int, seed: UInt64, threads: Int = 2) throws -> RetrievalEvaluation {
            let images = unitRows(n, 24, seed: 8)
            let reports = zip(images, unitRows(n, 24, seed: 9)).map { $0 + 0.9 * $1 }
            return try RetrievalEvaluation(
                of: cases(images: images, reports: reports, dimension: 24), model: "m", seed: seed, threads: threads)
        }
        let many = try figures(800, seed: 1)
        let few = try figures(50, seed: generator.next())
        for direction in [many.imageToReport, many.reportToImage, few.imageToReport] {
            #expect(direction.ci95R1[0] <= direction.r1 && direction.r1 <= direction.ci95R1[1])
            #expect(direction.ci95R10[0] <= direction.r10 && direction.r10 <= direction.ci95R10[1])
            #expect(direction.ci95R1[0] < direction.ci95R1[1])
        }
        let width = many.imageToReport.ci95R1[1] - many.imageToReport.ci95R1[0]
        let share = many.imageToReport.r1
        // The interval of a share has half-width 1.96 √(p(1−p)/n).
        #expect(abs(width - 2 * 1.96 * (share * (1 - share) / 800).squareRoot()) < 0.015)
        #expect(try figures(800, seed: 1, threads: 1) == many)
        #expect(try figures(800, seed: 2).imageToReport.ci95R1 != many.imageToReport.ci95R1)
    }

    @Test func `label precision leaves the own study out and counts labels in common`() throws {
        // Three clusters in the plane; the third study of the first cluster has no label.
        let angles: [Float] = [0, 0.1, 0.25, 2, 2.1, 4, 4.1]
        let rows: [Float] = angles.flatMap { (angle: Float) -> [Float] in [cos(angle), sin(angle)] }
        let labels: [Set<String>] = [
            ["left effusion", "cardiomegaly"], ["left effusion"], [], ["right effusion"], ["cardiomegaly"], ["normal"],
            ["normal"],
        ]
        let figures = try RetrievalEvaluation(
            of: cases(images: rows, reports: rows, dimension: 2, labels: labels), model: "m")
        let precision = try #require(figures.labelPrecision)
        // At one: 0 finds 1 (right), 1 finds 0 (right), 3 and 4 find each other (wrong), 5 and 6 (right).
        #expect(precision.n == 6)
        #expect(precision.image.p1 == 4.0 / 6)
        // At ten all six others are counted: 0 ~ 1, 4; 1 ~ 0; 4 ~ 0; 5 ~ 6; 6 ~ 5.
        #expect(abs(precision.p10 - 6.0 / 36) < 1e-12)
        #expect(abs((figures.chance.p ?? 0) - 6.0 / 36) < 1e-12)
        #expect(precision.image == precision.report && precision.p5 == precision.image.p5)
    }

    @Test func `label precision is the mean of both modalities`() throws {
        let labels = (0..<60).map { Set([$0 < 30 ? "normal" : "nodule"]) }
        var images: [Float] = []
        var reports: [Float] = []
        for study in 0..<60 {
            images += study < 30 ? [1, 0] : [0, 1]
            reports += study % 2 == 0 ? [1, 0] : [0, 1]
        }
        let figures = try RetrievalEvaluation(
            of: cases(images: images, reports: reports, dimension: 2, labels: labels), model: "m")
        let precision = try #require(figures.labelPrecision)
        #expect(precision.image.p10 == 1 && precision.report.p10 < 0.8)
        #expect(precision.p5 == (precision.image.p5 + precision.report.p5) / 2)
    }

    @Test func `labels from reports have a figure of their own and change no other`() throws {
        let angles: [Float] = [0, 0.1, 2, 2.1]
        let rows: [Float] = angles.flatMap { (angle: Float) -> [Float] in [cos(angle), sin(angle)] }
        var studies = cases(images: rows, reports: rows, dimension: 2, labels: [["a"], ["b"], [], []])
        let given = try RetrievalEvaluation(of: studies, model: "m")
        #expect(given.labelPrecisionFromReports == nil && given.chanceFromReports == nil)
        #expect(given.json.text.contains("label_precision_from_reports") == false)
        studies.labelsFromReports = [["c"], ["c"], ["d"], ["d"]]
        let both = try RetrievalEvaluation(of: studies, model: "m")
        #expect(both.labelPrecision == given.labelPrecision && both.chance == given.chance)
        #expect(both.labelPrecisionFromReports?.n == 4 && both.labelPrecisionFromReports?.p1 == 1)
        #expect(abs((both.chanceFromReports ?? 0) - 1.0 / 3) < 1e-12)
        studies.labels = [[], [], [], []]
        let read = try RetrievalEvaluation(of: studies, model: "m")
        #expect(read.labelPrecision == nil && read.labelPrecisionFromReports == both.labelPrecisionFromReports)
    }

    @Test func `blocked similarities agree with the simple product`() throws {
        for (n, dimension) in [(1, 1), (3, 5), (64, 4), (65, 7), (131, 33)] {
            let a = unitRows(n, dimension, seed: UInt64(n))
            let b = unitRows(n, dimension, seed: UInt64(n) + 1)
            let rows = try RetrievalEvaluation.mapSimilarities(
                queries: try EmbeddingRows(a, dimension: dimension),
                gallery: try EmbeddingRows(b, dimension: dimension), threads: 2
            ) { _, row in Array(row) }
            #expect(rows.count == n)
            for i in 0..<n {
                for j in 0..<n {
                    let dot = (0..<dimension).reduce(Float(0)) { $0 + a[i * dimension + $1] * b[j * dimension + $1] }
                    #expect(abs(rows[i][j] - dot) < 1e-5)
                }
            }
        }
    }

    @Test func `the recall of an index is the share of the nearest that it found`() throws {
        let gallery = unitRows(100, 8, seed: 10)
        let queries = unitRows(7, 8, seed: 11)
        let exact = try RetrievalEvaluation.mapSimilarities(
            queries: try EmbeddingRows(queries, dimension: 8), gallery: try EmbeddingRows(gallery, dimension: 8),
            threads: 1
        ) { _, row in RetrievalEvaluation.nearestRows(row, count: 100, leavingOut: nil) }
        func recall(_ hits: [[Int]]) throws -> Double {
            try RetrievalEvaluation.indexRecall(queries: queries, gallery: gallery, dimension: 8, hits: hits)
        }
        #expect(try recall(exact.map { Array($0.prefix(10)) }) == 1)
        #expect(try recall(exact.map { Array($0.prefix(20)).reversed() }) == 0)
        #expect(try recall(exact.map { Array($0.prefix(7)) + Array($0.suffix(3)) }) == 0.7)
        #expect(try recall(exact.map { Array(repeating: $0[0], count: 10) }) == 0.1)
        #expect(try recall(exact.map { _ in [] }) == 0)
        #expect(throws: EvaluationError.self) { try recall([[1]]) }
        #expect(throws: EvaluationError.self) { try recall(exact.map { _ in [100] }) }
        let equal = [Float](repeating: 1, count: 30)
        #expect(
            try RetrievalEvaluation.indexRecall(queries: [1], gallery: equal, dimension: 1, hits: [Array(20..<30)]) == 1
        )
    }

    @Test func `bad input is refused in words`() {
        let rows = unitRows(4, 2, seed: 1)
        var bad = rows
        bad[3] = .nan
        for input in [
            cases(images: [], reports: [], dimension: 2), cases(images: bad, reports: rows, dimension: 2),
            cases(images: rows, reports: Array(rows.dropLast(2)), dimension: 2),
            cases(images: rows, reports: rows, dimension: 2, hashes: [1]),
            cases(images: rows, reports: rows, dimension: 2, labels: [[]]),
        ] {
            #expect(throws: EvaluationError.self) { try RetrievalEvaluation(of: input, model: "m") }
        }
    }

    @Test func `the JSON has the keys of the command line's contract`() throws {
        let rows = unitRows(12, 4, seed: 1)
        let labels = (0..<12).map { Set(["f\($0 % 3)"]) }
        let figures = try RetrievalEvaluation(
            of: cases(images: rows, reports: rows, dimension: 4, labels: labels), model: "abc", text: "findings",
            index: .init(recall10: 0.99))
        let text = figures.json.text
        #expect(!text.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(
            Set(object.keys) == [
                "n", "model", "text", "image_to_report", "report_to_image", "label_precision", "chance", "index",
                "dedup",
            ])
        func keys(_ name: String) -> Set<String> { Set((object[name] as? [String: Any] ?? [:]).keys) }
        #expect(keys("image_to_report") == ["r1", "r5", "r10", "median_rank", "ci95_r1", "ci95_r10"])
        #expect(keys("label_precision") == ["p1", "p5", "p10", "image", "report", "n"])
        #expect(keys("chance") == ["r1", "r5", "r10", "p"])
        #expect(keys("index") == ["recall10"])
        let written = try JSON(parsing: text)
        #expect(written["n"]?.integer == 12 && written["model"]?.string == "abc")
        #expect(written["text"]?.string == "findings" && written["dedup"]?.string == figures.dedup)
        for (key, direction) in [
            ("image_to_report", figures.imageToReport), ("report_to_image", figures.reportToImage),
        ] {
            let found = try #require(written[key])
            #expect(found["r1"]?.double == direction.r1 && found["r5"]?.double == direction.r5)
            #expect(found["r10"]?.double == direction.r10 && found["median_rank"]?.double == direction.medianRank)
            #expect(found["ci95_r1"]?.array?.compactMap(\.double) == direction.ci95R1)
            #expect(found["ci95_r10"]?.array?.compactMap(\.double) == direction.ci95R10)
        }
        let precision = try #require(figures.labelPrecision)
        let found = try #require(written["label_precision"])
        func depths(_ json: JSON) -> [Double] { ["p1", "p5", "p10"].compactMap { json[$0]?.double } }
        #expect(depths(found) == [precision.p1, precision.p5, precision.p10] && found["n"]?.integer == precision.n)
        for (key, modality) in [("image", precision.image), ("report", precision.report)] {
            #expect(depths(try #require(found[key])) == [modality.p1, modality.p5, modality.p10])
        }
        let chance = try #require(written["chance"])
        #expect(chance["r1"]?.double == figures.chance.r1 && chance["r5"]?.double == figures.chance.r5)
        #expect(chance["r10"]?.double == figures.chance.r10 && chance["p"]?.double == figures.chance.p)
        #expect(written["index"]?["recall10"]?.double == 0.99)
        let bare = try RetrievalEvaluation(of: cases(images: rows, reports: rows, dimension: 4), model: "abc")
        #expect(bare.json.text.contains("\"index\":null") && bare.json.text.contains("\"label_precision\":null"))
        #expect(!bare.json.text.contains("\"p\":"))
    }

    /// Seconds of processor time of this thread, whatever else the machine does.
    private func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    @Test func `2,000 studies of 256 floats cost less than 1.6 s of one core`() throws {
        // The work grows with the square: this is 10 s of one core, or 5 s of two, for 5,000 studies.
        let images = unitRows(2_000, 256, seed: 12)
        let labels = (0..<2_000).map { Set(["f\($0 % 40)", "g\($0 % 7)"]) }
        let input = cases(images: images, reports: images.reversed(), dimension: 256, labels: labels)
        let start = threadSeconds()
        let figures = try RetrievalEvaluation(of: input, model: "m", threads: 1)
        let elapsed = threadSeconds() - start
        print("evaluation of 2,000 studies: \(elapsed) s of one core")
        #expect(figures.n == 2_000)
        #expect(elapsed < 1.6)
    }
}
