import Foundation
import HilumCore
import HilumImaging
import HilumNN
import HilumPhantom
import Testing

@testable import HilumMCR

/// A few phantoms, a vocabulary from their reports, and sizes that train in seconds.
private struct Fixture {
    let configuration: MCRConfiguration
    let tokenizer: Tokenizer
    let images: [GrayImage]
    let reports: [String]
    let labels: [[String]]

    init(count: Int, vocabularySize: Int = 600) throws {
        let generator = PhantomGenerator(seed: 11, site: .a, side: 96)
        let cases = (0..<count).map { generator.makeCase($0) }
        images = cases.map(\.image)
        reports = cases.map(\.report)
        labels = cases.map(\.labels)
        let vocabulary = try VocabularyBuilder.build(texts: reports, terms: [], size: vocabularySize)
        tokenizer = Tokenizer(vocabulary: vocabulary)
        configuration = MCRConfiguration(
            name: "test", imageSide: 48, patchSide: 8, image: .init(width: 48, layers: 2, heads: 2),
            report: .init(width: 48, layers: 2, heads: 2), maxTokens: 96, vocabularySize: vocabulary.count,
            mapHidden: 64,
            dimension: 32, decoder: .init(width: 32, layers: 1, heads: 2))
    }

    var set: TrainingSet {
        TrainingSet(images: images, reports: reports, configuration: configuration, tokenizer: tokenizer)
    }

    func trainer(_ change: (inout TrainingOptions) -> Void = { _ in }) throws -> MCRTrainer {
        var options = TrainingOptions()
        options.batchSize = 16
        options.threads = 2
        options.checkpointInterval = 1000
        change(&options)
        return try MCRTrainer(configuration, tokenizer: tokenizer, options: options)
    }
}

private func bits(_ trainer: MCRTrainer) -> [UInt32] {
    UnsafeBufferPointer(start: trainer.values.pointer, count: trainer.values.count).map(\.bitPattern)
}

@Test func maskZeroEqualsUnmaskedBitForBit() throws {
    let fixture = try Fixture(count: 8)
    let trainer = try fixture.trainer { $0.batchSize = 8 }
    let set = fixture.set
    var plan = StepPlan(
        objective: .mcr, imageMask: .none, reportMask: .none, reconstructs: false, seed: 1, step: 0)
    plan.imageMask = MaskRatio(percent: 0)
    plan.reportMask = MaskRatio(percent: 0)
    let (masked, gradient) = trainer.lossesAndGradient(set, plan: plan)
    let first = Array(UnsafeBufferPointer(start: gradient.pointer, count: gradient.count))
    plan.imageMask = .none
    plan.reportMask = .none
    plan.objective = .clip
    let (unmasked, second) = trainer.lossesAndGradient(set, plan: plan)
    #expect(masked == unmasked)
    #expect(first == Array(UnsafeBufferPointer(start: second.pointer, count: second.count)))
}

@Test func lossesAtTheStartAreThoseOfChance() throws {
    let fixture = try Fixture(count: 64)
    let trainer = try fixture.trainer { $0.batchSize = 64 }
    trainer.values.pointer[trainer.network.logitScale] = 0
    let plan = StepPlan(
        objective: .mcr, imageMask: MaskRatio(1, 2), reportMask: MaskRatio(1, 4), reconstructs: true, seed: 1, step: 0)
    let losses = trainer.lossesAndGradient(fixture.set, plan: plan).0
    // Equal reports share a target, which takes a little off ln B.
    #expect(abs(losses.contrast - log(64)) < 0.15, "contrast \(losses.contrast)")
    #expect(abs(losses.report - log(Double(fixture.configuration.vocabularySize))) < 0.35, "report \(losses.report)")
    #expect((0.6...1.8).contains(losses.image), "image \(losses.image)")
}

@Test func thirtyTwoPairsAreLearntByHeart() throws {
    let fixture = try Fixture(count: 32)
    let trainer = try fixture.trainer {
        $0.batchSize = 32
        $0.stepCount = 250
        $0.peakRate = 2e-3
        $0.decay = 0
        $0.unmaskedShare = 0.7
    }
    let set = fixture.set
    try trainer.run(set, validation: set)
    let validation = try #require(trainer.records.last?.validation)
    #expect(validation.imageToReportR1 == 1)
    #expect(validation.reportToImageR1 == 1)
    #expect((0...Float(log(100.0))).contains(trainer.values.pointer[trainer.network.logitScale]))
}

@Test func shuffledPairsStayAtChance() throws {
    let fixture = try Fixture(count: 192)
    var generator = SeededGenerator(seed: 4)
    var shuffled = Array(fixture.reports[..<96])
    generator.shuffle(&shuffled)
    let training = TrainingSet(
        images: Array(fixture.images[..<96]), reports: shuffled, configuration: fixture.configuration,
        tokenizer: fixture.tokenizer)
    let unseen = TrainingSet(
        images: Array(fixture.images[96...]), reports: Array(fixture.reports[96...]),
        configuration: fixture.configuration,
        tokenizer: fixture.tokenizer)
    let trainer = try fixture.trainer {
        $0.batchSize = 32
        $0.stepCount = 60
        $0.objective = .clip
    }
    try trainer.run(training, validation: unseen)
    let validation = try #require(trainer.records.last?.validation)
    // Chance is 10/96; three deviations of a binomial of 96 draws above it is 0.2.
    #expect(validation.imageToReportR10 < 0.21, "R@10 \(validation.imageToReportR10)")
}

@Test func trainingIsBitIdenticalForTheSameSeedAndThreads() throws {
    let fixture = try Fixture(count: 48)
    let set = fixture.set
    let first = try fixture.trainer { $0.stepCount = 6 }
    let second = try fixture.trainer { $0.stepCount = 6 }
    let other = try fixture.trainer {
        $0.stepCount = 6
        $0.seed = 2
    }
    for trainer in [first, second, other] { try trainer.run(set, validation: nil) }
    #expect(bits(first) == bits(second))
    #expect(bits(first) != bits(other))
}

@Test func aRunThatWasInterruptedEndsWithTheSameBits() throws {
    let fixture = try Fixture(count: 48)
    let set = fixture.set
    let folder = NSTemporaryDirectory() + "hilum-checkpoint-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let change = { (options: inout TrainingOptions) in
        options.stepCount = 8
        options.checkpointInterval = 4
        options.partialReportShare = 0.5
    }
    let whole = try fixture.trainer(change)
    try whole.run(set, validation: nil)
    let flag = AtomicFlag()
    let begun = try fixture.trainer(change)
    let complete = try begun.run(set, validation: nil, interrupted: flag) { trainer in
        try trainer.saveCheckpoint(to: folder, set: set)
        flag.raise()
    }
    #expect(!complete)
    #expect(begun.step == 4)
    let resumed = try fixture.trainer(change)
    try resumed.resume(from: folder, set: set)
    #expect(try resumed.run(set, validation: nil))
    #expect(bits(resumed) == bits(whole))
    let other = try fixture.trainer { $0.stepCount = 9 }
    #expect(throws: MCRError.self) { try other.resume(from: folder, set: set) }
    let others = try Fixture(count: 47).set
    #expect(throws: MCRError.self) { try resumed.resume(from: folder, set: others) }
}

@Test func anEmbeddingDoesNotDependOnWhatElseIsInTheBatch() throws {
    let fixture = try Fixture(count: 5)
    let model = try fixture.trainer().model()
    let together = try model.embed(reports: fixture.reports, threads: 2)
    let images = try model.embed(images: fixture.images, threads: 2)
    for index in 0..<5 {
        let range = (index * model.dimension)..<((index + 1) * model.dimension)
        #expect(try model.embed(reports: [fixture.reports[index]], threads: 1) == Array(together[range]))
        #expect(try model.embed(images: [fixture.images[index]], threads: 1) == Array(images[range]))
        let length = together[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(length - 1) < 1e-5)
    }
}

@Test func aModelFolderReadsBackWithTheSameIdentity() throws {
    let fixture = try Fixture(count: 4)
    let folder = NSTemporaryDirectory() + "hilum-model-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let model = try fixture.trainer().model()
    try model.save(to: folder, format: .f32)
    let again = try MCRModel(directory: folder)
    #expect(again.modelID == model.modelID)
    #expect(try again.embed(reports: fixture.reports, threads: 1) == model.embed(reports: fixture.reports, threads: 1))
    let (_, inventory) = try MCRModel.inspect(folder)
    #expect(inventory.missing.isEmpty && inventory.extra.isEmpty && inventory.misshapen.isEmpty)
    try Data("{".utf8).write(to: URL(fileURLWithPath: folder + "/config.json"))
    #expect(throws: MCRError.self) { try MCRModel(directory: folder) }
    #expect(throws: (any Error).self) { try MCRModel(directory: folder + "/missing") }
}

@Test func partsOfAReportAreWholeSentencesOfIt() throws {
    let fixture = try Fixture(count: 6)
    let period = try #require(fixture.tokenizer.vocabulary.id(of: "."))
    var shorter = 0
    for (index, report) in fixture.set.reports.enumerated() {
        let part = PartialReports.draw(report, share: 1, periodID: period, seed: 3, step: 1, sample: index)
        #expect(part.ids.first == report.ids.first && part.ids.last == report.ids.last)
        #expect(part.ids.count == part.wordIndex.count)
        #expect(Int(part.wordIndex.max() ?? -1) == part.wordRanges.count - 1)
        #expect(part.ids.count > 2)
        if part.ids.count < report.ids.count { shorter += 1 }
        #expect(PartialReports.draw(report, share: 0, periodID: period, seed: 3, step: 1, sample: index) == report)
    }
    #expect(shorter >= 5)
}

@Test func theTemperatureNeverLeavesItsRange() throws {
    let fixture = try Fixture(count: 32)
    let set = fixture.set
    for bound in [Float(0), Float(log(100.0))] {
        let trainer = try fixture.trainer {
            $0.batchSize = 32
            $0.objective = .clip
        }
        // Chance pulls the temperature down from a high scale; a step from the bound must not cross either bound.
        trainer.values.pointer[trainer.network.logitScale] = bound
        let plan = StepPlan(
            objective: .clip, imageMask: .none, reportMask: .none, reconstructs: false, seed: 1, step: 0)
        _ = try trainer.trainStep(set, plan: plan, rate: 0.5)
        #expect((0...Float(log(100.0))).contains(trainer.values.pointer[trainer.network.logitScale]))
    }
}

@Test func oneWorkerAndThreeGiveTheSameGradientToRounding() throws {
    let fixture = try Fixture(count: 9)
    let plan = StepPlan(
        objective: .mcr, imageMask: MaskRatio(1, 2), reportMask: MaskRatio(1, 4), reconstructs: true, seed: 1, step: 0)
    var results: [[Float]] = []
    for threads in [1, 3] {
        let trainer = try fixture.trainer {
            $0.batchSize = 9
            $0.threads = threads
        }
        let gradient = trainer.lossesAndGradient(fixture.set, plan: plan).1
        results.append(Array(UnsafeBufferPointer(start: gradient.pointer, count: gradient.count)))
    }
    let norm = results[0].reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    let difference = zip(results[0], results[1]).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) }.squareRoot()
    #expect(norm > 0.01)
    #expect(difference < 1e-5 * norm)
}

@Test func theMaskedPhaseIsAsLongAsTheShareSays() throws {
    let fixture = try Fixture(count: 4)
    for (share, expected) in [(0.0, 10), (0.5, 5), (0.8, 2), (1.0, 0)] {
        let trainer = try fixture.trainer { $0.unmaskedShare = share }
        #expect(trainer.maskedSteps(of: 10) == expected)
    }
}

@Test("A line of the training log is read, and written byte for byte as earlier releases wrote it")
func aLineOfTheLog() throws {
    let line = """
        {"contrastLoss":1.3709109119564675,"epoch":3.076923076923077,"imageLoss":0,"inverseTemperature":14.138818678529786,\
        "pairsPerSecond":16.13534124157634,"phase":"unmasked","rate":1.7077535403586808e-06,"reportLoss":0,\
        "seconds":21.932649959000628,"step":40,"validation":{"count":8,"imageToReportR1":0.25,"imageToReportR10":1,\
        "reportToImageR1":0.125,"reportToImageR10":1}}
        """
    let record = try TrainingRecord(parsing: line.utf8)
    #expect(record.step == 40 && record.rate == 1.7077535403586808e-06 && record.validation?.imageToReportR1 == 0.25)
    #expect(record.json.sorted.text == line)
    var bare = record
    bare.validation = nil
    #expect(try TrainingRecord(parsing: bare.json.text.utf8) == bare)
}

@Test("Training options are read, and written byte for byte as earlier releases wrote them")
func optionsOfEarlierReleases() throws {
    let text = """
        {"batchSize":16,"checkpointInterval":1000000000,"clip":1,"contrastWeight":1,"decay":0.05,"epochCount":20,\
        "imageMask":{"denominator":100,"numerator":25},"imageWeight":1,"labelShare":0.1,"objective":"mcr",\
        "partialReportShare":0.5,"peakRate":0.001,"reportMask":{"denominator":100,"numerator":15},"reportWeight":0.3,\
        "seed":18446744073709551615,"stepCount":2,"threads":1,"unmaskedShare":1,"warmup":0.05}
        """
    let options = try TrainingOptions(parsing: text.utf8)
    #expect(options.seed == .max && options.stepCount == 2 && options.microBatchSize == nil)
    #expect(options.decay == 0.05 && options.reportWeight == 0.3 && options.imageMask == MaskRatio(percent: 25))
    #expect(options.json.sorted.text == text)
    let none = text.replacing("\"numerator\":25", with: "\"numerator\":100")
    let error = #expect(throws: JSON.Mismatch.self) { try TrainingOptions(parsing: none.utf8) }
    #expect(error?.description == "imageMask is not a share in 0..<1")
}
