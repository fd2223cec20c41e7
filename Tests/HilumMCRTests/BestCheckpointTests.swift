import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

@testable import HilumMCR
@testable import HilumNN

/// Which weights a training ends with, and what a fine-tuning keeps of its start.
@Suite struct BestCheckpointTests {
    private static let cases: [PhantomCase] = {
        let generator = PhantomGenerator(seed: 33, site: .a, side: 96)
        return (0..<90).map { generator.makeCase($0) }
    }()

    private static let film: MCRConfiguration = {
        var sizes = MCRConfiguration.levels
        sizes.imageSide = 64
        sizes.image = .init(width: 24, layers: 1, heads: 2)
        sizes.report = .init(width: 24, layers: 1, heads: 2)
        sizes.decoder = .init(width: 16, layers: 1, heads: 2)
        sizes.mapHidden = 24
        sizes.dimension = 16
        sizes.maxTokens = 40
        sizes.shortcutCells = 2
        return sizes
    }()

    private let tokenizer: Tokenizer

    init() throws {
        tokenizer = Tokenizer(
            vocabulary: try VocabularyBuilder.build(texts: Self.cases.map(\.report), terms: [], size: 400))
    }

    private func set(_ part: Range<Int>, _ sizes: MCRConfiguration) -> TrainingSet {
        TrainingSet(
            images: Self.cases[part].map(\.image), reports: Self.cases[part].map(\.report), configuration: sizes,
            tokenizer: tokenizer)
    }

    /// A rate so high that every step spoils the weights.
    private func spoilt(keepsBest: Bool, sizes: MCRConfiguration = .micro) throws -> MCRTrainer {
        var options = TrainingOptions()
        options.stepCount = 12
        options.batchSize = 8
        options.checkpointInterval = 2
        options.peakRate = 0.2
        options.keepsBest = keepsBest
        return try MCRTrainer(sizes, tokenizer: tokenizer, options: options)
    }

    private func score(_ model: MCRModel, _ set: TrainingSet) throws -> Double {
        let (images, reports) = model.embed(set, threads: 2)
        return try RetrievalRanks.meanLogRank(
            images, reports, dimension: model.dimension, hashes: set.hashes, threads: 2)
    }

    @Test func `The model has the weights of the checkpoint that was best on the validation pairs`() throws {
        let (training, validation) = (set(0..<30, .micro), set(30..<90, .micro))
        let trainer = try spoilt(keepsBest: true)
        var scores: [Double] = []
        try trainer.run(training, validation: validation) { scores.append(try score($0.model(), validation)) }
        let best = try #require(trainer.best)
        #expect(abs(try score(trainer.model(), validation) - best.score) < 1e-9)
        // The last checkpoint already has the best weights; those before it were no better.
        #expect(scores.dropLast().allSatisfy { $0 >= best.score - 1e-9 })
        let last = try spoilt(keepsBest: false)
        try last.run(training, validation: validation)
        #expect(try score(last.model(), validation) >= best.score)
    }

    @Test func `A resumed run knows the best weights of before, and wants the same validation pairs`() throws {
        let (training, validation) = (set(0..<30, .micro), set(30..<90, .micro))
        let whole = try spoilt(keepsBest: true)
        try whole.run(training, validation: validation)
        let folder = NSTemporaryDirectory() + "hilum-best-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let stop = AtomicFlag()
        let first = try spoilt(keepsBest: true)
        try first.run(training, validation: validation, interrupted: stop) {
            try $0.saveCheckpoint(to: folder, set: training)
            if $0.step >= 6 { stop.raise() }
        }
        let second = try spoilt(keepsBest: true)
        try second.resume(from: folder, set: training)
        #expect(second.best?.score == first.best?.score)
        try second.run(training, validation: validation)
        #expect(second.model().modelID == whole.model().modelID)
        let other = try spoilt(keepsBest: true)
        try other.resume(from: folder, set: training)
        #expect(throws: MCRError.self) { try other.run(training, validation: set(31..<90, .micro)) }
    }

    @Test func `Few validation pairs choose nothing`() throws {
        let trainer = try spoilt(keepsBest: true)
        try trainer.run(set(0..<60, .micro), validation: set(60..<90, .micro))
        #expect(trainer.best == nil)
    }

    @Test func `A fine-tuning on pictures that say nothing keeps the linear way of its start`() throws {
        var options = TrainingOptions()
        options.stepCount = 2
        options.batchSize = 8
        let trainer = try MCRTrainer(Self.film, tokenizer: tokenizer, options: options)
        try trainer.run(set(0..<40, Self.film), validation: nil)
        let start = trainer.model()
        #expect(start.shortcut != nil)
        // At a rate of 0 nothing but the linear way can change.
        options.peakRate = 0
        let black = GrayImage(width: 64, height: 64, samples: [UInt16](repeating: 0, count: 4_096))
        let blank = TrainingSet(
            images: Self.cases[..<20].map { _ in black }, reports: Self.cases[..<20].map(\.report),
            configuration: Self.film, tokenizer: tokenizer)
        let tuned = try MCRTrainer(Self.film, tokenizer: tokenizer, options: options, start: start)
        try tuned.run(blank, validation: nil)
        let pictures = Self.cases[40..<45].map(\.image)
        let before = try start.embed(images: pictures, threads: 1)
        let after = try tuned.model().embed(images: pictures, threads: 1)
        for (old, new) in zip(before, after) { #expect(abs(old - new) < 1e-3) }
    }

    @Test func `Rows of the regression are thinned out evenly`() {
        #expect(ShortcutFit.thinned(3, to: 5) == [0, 1, 2])
        #expect(ShortcutFit.thinned(10, to: 5) == [0, 2, 4, 6, 8])
        #expect(Set(ShortcutFit.thinned(100_003, to: 12_000)).count == 12_000)
    }
}
