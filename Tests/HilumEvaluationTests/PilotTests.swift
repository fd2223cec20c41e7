import Foundation
import HilumCore
import HilumImaging
import HilumMCR
import HilumPhantom
import Testing

@testable import HilumEvaluation

/// The parts of a trial: folds, yardsticks, one fold, the figures.
@Suite("Pilot")
struct PilotTests {
    // MARK: Word overlap

    @Test("BM25 gives the scores of an example counted by hand")
    func bm25ByHand() {
        // Lengths 2, 4, 3; mean 3. "effusion" stands in texts 0 and 1, "left" in 1 (twice) and 2.
        let index = BM25(["Small effusion.", "Left effusion, left base", "no left nodule"])
        let idf = log(1 + (3 - 2 + 0.5) / (2 + 0.5))
        func part(_ f: Double, _ length: Double) -> Double {
            idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length / 3))
        }
        let expected = [part(1, 2), part(1, 4) + part(2, 4), part(1, 3)]
        for (score, wanted) in zip(index.scores(of: "LEFT effusion"), expected) {
            #expect(abs(Double(score) - wanted) < 1e-6)
        }
        // ln 1.6 = 0.470004; the first text: 0.470004 · 2.2 / (1 + 0.9) = 0.544215.
        #expect(abs(index.scores(of: "effusion")[0] - 0.544215) < 1e-5)
    }

    @Test("BM25 counts a repeated word of the query each time and an unknown word not at all")
    func bm25Queries() {
        let index = BM25(["effusion left", "nodule right", ""])
        let once = index.scores(of: "effusion")
        let twice = index.scores(of: "effusion effusion . , pneumothorax")
        #expect(abs(twice[0] - 2 * once[0]) < 1e-6)
        #expect(index.scores(of: "pneumothorax") == [0, 0, 0])
        #expect(index.scores(of: "…  ") == [0, 0, 0])
        #expect(BM25([]).scores(of: "effusion").isEmpty)
    }

    @Test("Equal texts have equal scores, so that they are tied")
    func bm25Ties() {
        let text = "The heart is enlarged. There is a small effusion on the left."
        let scores = BM25([text, "clear lungs", text]).scores(of: "left effusion and enlarged heart")
        #expect(scores[0] == scores[2])
        #expect(scores[0] > scores[1])
    }

    // MARK: Pixels

    @Test("The pixel yardstick is a correlation: scale and brightness do not matter, a negative is opposite")
    func pixelCorrelation() {
        let samples = (0..<4096).map { (pixel: Int) -> UInt16 in
            let (row, column) = pixel.quotientAndRemainder(dividingBy: 64)
            return UInt16(column * 300 + row * 50)
        }
        let ramp = GrayImage(width: 64, height: 64, samples: samples)
        let brighter = GrayImage(width: 64, height: 64, samples: samples.map { 2 * $0 + 1000 })
        let negative = GrayImage(width: 64, height: 64, samples: ramp.samples.map { 60_000 - $0 })
        let flat = GrayImage(width: 64, height: 64, samples: [UInt16](repeating: 7, count: 4096))
        let vector = PlainPixels.vector(of: ramp)
        #expect(vector.count == 32 * 32)
        #expect(abs(vector.reduce(0, +)) < 1e-3)
        #expect(abs(PlainPixels.correlation(vector, PlainPixels.vector(of: brighter)) - 1) < 1e-4)
        #expect(abs(PlainPixels.correlation(vector, PlainPixels.vector(of: negative)) + 1) < 1e-4)
        #expect(PlainPixels.vector(of: flat).allSatisfy { $0 == 0 })
    }

    // MARK: Folds

    @Test("Folds never split a patient, also not over two steps, and come out even", arguments: [1, 2, 3] as [UInt64])
    func foldsKeepPatients(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var ties: [[String]] = []
        for number in 0..<200 {
            var names: [String] = generator.chance(0.8) ? ["patient \(generator.integer(below: 90))"] : []
            if number % 17 == 0 { names.append("group \(number / 51)") }
            ties.append(names)
        }
        let folds = try PatientFolds(ties: ties, count: 5, seed: seed)
        var foldOfName: [String: Int] = [:]
        for (number, names) in ties.enumerated() {
            for name in names {
                #expect(foldOfName[name, default: folds.foldOf[number]] == folds.foldOf[number], "\(name) is split")
                foldOfName[name] = folds.foldOf[number]
            }
        }
        for first in ties.indices {
            for second in ties.indices where !Set(ties[first]).isDisjoint(with: ties[second]) {
                #expect(folds.groupOf[first] == folds.groupOf[second])
            }
        }
        let sizes = (0..<5).map { folds.cases(of: $0).count }
        #expect(sizes.reduce(0, +) == 200)
        #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 4, "\(sizes)")
        #expect(try PatientFolds(ties: ties, count: 5, seed: seed) == folds)
        #expect(try PatientFolds(ties: ties, count: 5, seed: seed + 10).foldOf != folds.foldOf)
        for fold in 0..<5 {
            #expect((folds.cases(of: fold) + folds.cases(outside: fold)).sorted() == Array(0..<200))
        }
    }

    @Test("Two names for one patient through a shared group are one group")
    func foldsJoinOverSteps() throws {
        let folds = try PatientFolds(
            ties: [["p a"], ["p a", "g 1"], ["g 1", "p b"], ["p b"], ["p c"]], count: 2, seed: 1)
        #expect(folds.groupOf == [0, 0, 0, 0, 1])
        #expect(folds.groupCount == 2)
    }

    @Test("Fewer patients than folds are refused")
    func foldsNeedPatients() {
        #expect(throws: EvaluationError.self) { try PatientFolds(ties: [["a"], ["a"], ["b"]], count: 3, seed: 1) }
    }

    // MARK: Intervals

    @Test("An interval holds its mean, is drawn over patients, and has no width when all agree")
    func intervals() {
        let values = (0..<40).map { Double($0 % 4 == 0 ? 1 : 0) }
        let apart = PatientDraws(groupOf: Array(0..<40), seed: 3).estimate(values)
        #expect(apart.value == 0.25)
        #expect(apart.low < 0.25 && apart.high > 0.25)
        // Ten patients with four equal cases each bear less than forty patients.
        let blocks = (0..<40).map { Double($0 / 4 % 4 == 0 ? 1 : 0) }
        let together = PatientDraws(groupOf: (0..<40).map { $0 / 4 }, seed: 3).estimate(blocks)
        #expect(together.high - together.low > apart.high - apart.low)
        let same = PatientDraws(groupOf: Array(0..<40), seed: 3).estimate([Double](repeating: 0.5, count: 40))
        #expect(same == PilotSummary.Estimate(value: 0.5, low: 0.5, high: 0.5))
        #expect(!same.isBelowZero && same.isAboveZero)
    }

    // MARK: A whole trial

    /// Drawn pairs of `patients` patients, and an untrained micro model.
    private static func study(_ count: Int, patients: Int, steps: Int, folds: Int = 3) throws -> PilotStudy {
        let generator = PhantomGenerator(seed: 77, site: .b, side: 64)
        let cases = (0..<count).map { generator.makeCase($0) }
        let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 500)
        let model = try MCRModel(untrained: .micro, vocabulary: vocabulary, seed: 2)
        var options = TrainingOptions()
        options.stepCount = steps
        options.batchSize = 8
        options.threads = 1
        options.unmaskedShare = 0.5
        let pairs = cases.enumerated().map { number, drawn in
            PilotStudy.Pair(
                id: "case \(number)", image: drawn.image.resizedToFit(side: 48),
                pixels: PlainPixels.vector(of: drawn.image),
                report: drawn.report, labels: number % 3 == 0 ? [] : ["finding \(number % 2)"],
                ties: ["patient \(number % patients)"])
        }
        return try PilotStudy(pairs: pairs, foldCount: folds, start: model, options: options)
    }

    @Test("A trial asks every case once, unseen, and its figures are the same each time")
    func trial() throws {
        let study = try Self.study(24, patients: 12, steps: 2)
        let folds = try (0..<3).map { try #require(try study.run(fold: $0)) }
        #expect(folds.flatMap(\.test).sorted() == Array(0..<24))
        for fold in folds {
            #expect(fold.trainingCount == 24 - fold.test.count)
            for method in PilotMethod.allCases {
                let ranks = try #require(fold.ranks[method.rawValue])
                #expect(ranks.imageToReport.count == fold.test.count)
                #expect((ranks.imageToReport + ranks.reportToImage).allSatisfy { 1...Double(fold.test.count) ~= $0 })
                let labelled = fold.test.count { !study.pairs[$0].labels.isEmpty }
                #expect(fold.precision["image \(method.rawValue)"]?.count == labelled)
            }
            #expect(try PilotFold(parsing: fold.json.text.utf8) == fold)
            // What was found is of the fold itself: no pair that was trained on stands in the gallery.
            #expect((fold.imageFinds + fold.reportFinds).joined().allSatisfy(fold.test.contains))
        }
        let summary = PilotSummary(folds, study: study)
        #expect(summary.pairCount == 24 && summary.patientCount == 12 && summary.foldCount == 3)
        #expect(summary.labels?.count == 16)
        let after = try #require(summary.methods["after"])
        #expect(after.both.r5.low <= after.both.r5.value && after.both.r5.value <= after.both.r5.high)
        let before = try #require(summary.methods["before"])
        #expect(abs(summary.change.both.r5.value - (after.both.r5.value - before.both.r5.value)) < 1e-12)
        var again = try #require(try study.run(fold: 0))
        again.trainingSeconds = folds[0].trainingSeconds
        again.evaluationSeconds = folds[0].evaluationSeconds
        again.yardstickSeconds = folds[0].yardstickSeconds
        #expect(again == folds[0])
        #expect(PilotSummary(folds.reversed(), study: study) == summary)
    }

    @Test("The ranks before are those of the evaluation contract on the fold's cases")
    func ranksFollowTheContract() throws {
        let study = try Self.study(20, patients: 20, steps: 1, folds: 2)
        let fold = try #require(try study.run(fold: 1))
        let images = try study.start.embed(images: fold.test.map { study.pairs[$0].image }, threads: 1)
        let reports = try study.start.embed(reports: fold.test.map { study.pairs[$0].report }, threads: 1)
        let hashes = fold.test.map { normalisedReportHash(study.pairs[$0].report) }
        let ranks = try RetrievalEvaluation.ranks(
            queries: images, gallery: reports, dimension: study.start.dimension, reportHashes: hashes, threads: 1)
        let own = try #require(fold.ranks["before"]?.imageToReport)
        #expect(ranks == own)
    }

    @Test("The key of a trial changes with data, model options and folds")
    func fingerprints() throws {
        let first = try Self.study(20, patients: 20, steps: 1).fingerprint()
        #expect(try Self.study(20, patients: 20, steps: 1).fingerprint() == first)
        #expect(try Self.study(20, patients: 20, steps: 2).fingerprint() != first)
        #expect(try Self.study(20, patients: 19, steps: 1).fingerprint() != first)
        #expect(try Self.study(20, patients: 20, steps: 1, folds: 2).fingerprint() != first)
        #expect(try Self.study(21, patients: 21, steps: 1).fingerprint() != first)
    }

    @Test("An interrupt ends a fold without a result")
    func interrupt() throws {
        let study = try Self.study(20, patients: 20, steps: 5)
        let flag = AtomicFlag()
        flag.raise()
        #expect(try study.run(fold: 0, interrupted: flag) == nil)
    }

    @Test("Nine pairs are too few")
    func tooFew() {
        #expect(throws: EvaluationError.self) { try Self.study(9, patients: 9, steps: 1) }
    }
}
