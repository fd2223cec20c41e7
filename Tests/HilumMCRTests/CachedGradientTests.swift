import Foundation
import HilumCore
import HilumImaging
import HilumNN
import HilumPhantom
import Testing

@testable import HilumMCR

/// A batch that does not divide evenly, with findings and reports of several lengths.
private struct Fixture {
    let configuration: MCRConfiguration
    let tokenizer: Tokenizer
    let set: TrainingSet

    init(count: Int) throws {
        let generator = PhantomGenerator(seed: 17, site: .b, side: 64)
        let cases = (0..<count).map { generator.makeCase($0) }
        let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
        tokenizer = Tokenizer(vocabulary: vocabulary)
        configuration = MCRConfiguration(
            name: "test", imageSide: 48, patchSide: 8, image: .init(width: 48, layers: 2, heads: 2),
            report: .init(width: 48, layers: 2, heads: 2, norm: .post, epsilon: 1e-12), maxTokens: 96,
            vocabularySize: vocabulary.count, mapHidden: 64, dimension: 32,
            decoder: .init(width: 32, layers: 1, heads: 2), imagePositions: .learned, reportEmbeddingNorm: true)
        set = TrainingSet(
            images: cases.map(\.image), reports: cases.map(\.report), labels: cases.map(\.labels),
            configuration: configuration, tokenizer: tokenizer)
    }

    func trainer(_ change: (inout TrainingOptions) -> Void) throws -> MCRTrainer {
        var options = TrainingOptions()
        options.batchSize = set.count
        options.threads = 2
        options.partialReportShare = 0.3
        options.checkpointInterval = 1000
        change(&options)
        return try MCRTrainer(configuration, tokenizer: tokenizer, options: options)
    }
}

private func gradient(_ trainer: MCRTrainer, _ set: TrainingSet, _ plan: StepPlan) -> (StepLosses, [Float]) {
    let (losses, buffer) = trainer.lossesAndGradient(set, plan: plan)
    return (losses, Array(UnsafeBufferPointer(start: buffer.pointer, count: buffer.count)))
}

@Test(
    "Walking a batch in micro-batches gives the gradient of the whole batch",
    arguments: [
        (Objective.mcr, 3, 2, Float(0)), (.mcr, 1, 1, 0.5), (.dual, 5, 2, 0.5), (.dual, 4, 1, 0), (.clip, 6, 2, 0.5),
    ])
func microBatches(objective: Objective, microBatch: Int, threads: Int, labelShare: Float) throws {
    let fixture = try Fixture(count: 19)
    let plan = StepPlan(
        objective: objective, imageMask: MaskRatio(1, 2), reportMask: MaskRatio(1, 4), reconstructs: objective != .clip,
        imageWeight: 0.7, reportWeight: 1.3, seed: 5, step: 0)
    let whole = try fixture.trainer {
        $0.threads = threads
        $0.labelShare = labelShare
    }
    let walked = try fixture.trainer {
        $0.threads = threads
        $0.labelShare = labelShare
        $0.microBatchSize = microBatch
    }
    let (wholeLosses, wholeGradient) = gradient(whole, fixture.set, plan)
    let (losses, walkedGradient) = gradient(walked, fixture.set, plan)
    #expect(abs(losses.contrast - wholeLosses.contrast) <= 1e-6 * wholeLosses.contrast)
    #expect(abs(losses.image - wholeLosses.image) <= 1e-6 * wholeLosses.image)
    #expect(abs(losses.report - wholeLosses.report) <= 1e-6 * wholeLosses.report)
    #expect(objective == .clip || (losses.image > 0 && losses.report > 0))
    // Tensor by tensor, so that a small one cannot hide behind a large one.
    for parameter in whole.network.layout.parameters {
        let range = parameter.offset..<parameter.offset + parameter.count
        var difference = 0.0
        var norm = 0.0
        for place in range {
            difference += pow(Double(walkedGradient[place] - wholeGradient[place]), 2)
            norm += pow(Double(wholeGradient[place]), 2)
        }
        let bound = 2e-5 * norm.squareRoot() + 1e-8
        #expect(
            difference.squareRoot() <= bound, "\(parameter.name): \(difference.squareRoot()) of \(norm.squareRoot())")
    }
    // The same again has the same bits.
    #expect(gradient(walked, fixture.set, plan).1 == walkedGradient)
}

@Test func aMicroBatchAsLargeAsTheBatchChangesNoBit() throws {
    let fixture = try Fixture(count: 8)
    let plan = StepPlan(
        objective: .mcr, imageMask: MaskRatio(1, 2), reportMask: MaskRatio(1, 4), reconstructs: true, seed: 5, step: 0)
    let whole = try fixture.trainer { _ in }
    let walked = try fixture.trainer { $0.microBatchSize = 8 }
    #expect(gradient(whole, fixture.set, plan).1 == gradient(walked, fixture.set, plan).1)
}

@Test func theActivationsHeldAreThoseOfAMicroBatch() throws {
    let fixture = try Fixture(count: 160)
    let plan = StepPlan(
        objective: .mcr, imageMask: .none, reportMask: .none, reconstructs: false, seed: 5, step: 0)
    let whole = try fixture.trainer { _ in }
    let walked = try fixture.trainer { $0.microBatchSize = 8 }
    _ = whole.lossesAndGradient(fixture.set, plan: plan)
    _ = walked.lossesAndGradient(fixture.set, plan: plan)
    #expect(walked.peakByteCount * 2 <= whole.peakByteCount, "\(walked.peakByteCount) of \(whole.peakByteCount)")
}

@Test func aRunInMicroBatchesGoesOnToTheSameBits() throws {
    let fixture = try Fixture(count: 12)
    let folder = NSTemporaryDirectory() + "hilum-micro-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let change = { (options: inout TrainingOptions) in
        options.microBatchSize = 4
        options.stepCount = 4
        options.checkpointInterval = 2
    }
    let whole = try fixture.trainer(change)
    try whole.run(fixture.set, validation: nil)
    let flag = AtomicFlag()
    let first = try fixture.trainer(change)
    let isComplete = try first.run(fixture.set, validation: nil, interrupted: flag) {
        try $0.saveCheckpoint(to: folder, set: fixture.set)
        flag.raise()
    }
    #expect(!isComplete && first.step == 2)
    let resumed = try fixture.trainer(change)
    try resumed.resume(from: folder, set: fixture.set)
    #expect(try resumed.run(fixture.set, validation: nil))
    for place in 0..<whole.values.count {
        guard whole.values.pointer[place] != resumed.values.pointer[place] else { continue }
        Issue.record("value \(place) differs")
        return
    }
    // Another micro-batch rounds otherwise, so it is another run.
    let other = try fixture.trainer {
        change(&$0)
        $0.microBatchSize = 2
    }
    #expect(throws: MCRError.self) { try other.resume(from: folder, set: fixture.set) }
}
