import HilumCore
import HilumImaging
import HilumNN
import Testing

@testable import HilumMCR

/// A network small enough for finite differences: batch 3, 4 patches, reports of up to 6 words, width 8.
private struct SmallProblem {
    let trainer: MCRTrainer
    let set: TrainingSet

    init(
        _ objective: Objective, alignment: MCRConfiguration.Alignment, decoder: MCRConfiguration.DecoderKind,
        isPublished: Bool = false
    ) throws {
        let vocabulary = try Vocabulary(
            pieces: Vocabulary.specialPieces + [
                "left", "right", "small", "large", "effusion", "heart", "is", "normal", "no",
            ])
        var configuration = MCRConfiguration(
            name: "test", imageSide: 8, patchSide: 4, image: .init(width: 8, layers: 2, heads: 2),
            report: .init(width: 8, layers: 2, heads: 2), maxTokens: 12, vocabularySize: vocabulary.count,
            mapHidden: 12,
            dimension: 8, decoder: .init(width: 8, layers: 1, heads: 2), decoderKind: decoder, alignment: alignment)
        if isPublished {
            configuration.imagePositions = .learned
            configuration.report.norm = .post
            configuration.reportEmbeddingNorm = true
        }
        var options = TrainingOptions()
        options.objective = objective
        options.batchSize = 3
        options.threads = 2
        let tokenizer = Tokenizer(vocabulary: vocabulary)
        trainer = try MCRTrainer(configuration, tokenizer: tokenizer, options: options)
        var generator = SeededGenerator(seed: 5)
        // Larger start values than in training: at N(0, 0.02) most gradients drown in the rounding of f32.
        for i in 0..<trainer.values.count { trainer.values.pointer[i] += Float(generator.normal()) * 0.2 }
        trainer.values.pointer[trainer.network.logitScale] = 0.7
        let images = (0..<3).map { _ in
            GrayImage(width: 8, height: 8, samples: (0..<64).map { _ in UInt16(generator.integer(below: 65_536)) })
        }
        set = TrainingSet(
            images: images, reports: ["small left effusion", "heart is normal no effusion", "small left effusion"],
            configuration: configuration, tokenizer: tokenizer)
    }

    func plan(_ objective: Objective, contrast: Float, image: Float, report: Float) -> StepPlan {
        StepPlan(
            objective: objective, imageMask: objective == .clip ? .none : MaskRatio(1, 2),
            reportMask: objective == .clip ? .none : MaskRatio(1, 4), reconstructs: objective != .clip,
            contrastWeight: contrast, imageWeight: image, reportWeight: report, seed: 9, step: 0)
    }

    func objective(_ plan: StepPlan) -> Double {
        let losses = trainer.lossesAndGradient(set, plan: plan).0
        return Double(plan.contrastWeight) * losses.contrast + Double(plan.imageWeight) * losses.image
            + Double(plan.reportWeight) * losses.report
    }
}

@Test(
    "The gradient of every tensor agrees with finite differences along a random direction",
    arguments: [
        (Objective.clip, MCRConfiguration.Alignment.mba, MCRConfiguration.DecoderKind.none),
        (.clip, .abm, .none), (.mcr, .mba, .joint), (.mcr, .mba, .unimodal), (.dual, .mba, .joint),
        (.mcr, .abm, .joint),
    ])
func gradientsMatchFiniteDifferences(
    objective: Objective, alignment: MCRConfiguration.Alignment, decoder: MCRConfiguration.DecoderKind
) throws {
    try checkGradients(SmallProblem(objective, alignment: alignment, decoder: decoder), objective)
}

@Test(
    "So does that of encoders as they are published: learned positions, norms after the sums, an embedding norm",
    arguments: [Objective.clip, .mcr, .dual])
func gradientsOfPublishedEncodersMatchFiniteDifferences(objective: Objective) throws {
    try checkGradients(
        SmallProblem(objective, alignment: .mba, decoder: .joint, isPublished: true), objective)
}

private func checkGradients(_ problem: SmallProblem, _ objective: Objective) throws {
    let plan = problem.plan(objective, contrast: 1, image: 0.7, report: 1.3)
    let gradient = problem.trainer.lossesAndGradient(problem.set, plan: plan).1
    let analytic = Array(UnsafeBufferPointer(start: gradient.pointer, count: gradient.count))
    let values = problem.trainer.values.pointer
    for parameter in problem.trainer.network.layout.parameters {
        var generator = SeededGenerator(seed: 77, keys: UInt64(parameter.offset))
        // Along the gradient plus noise: a direction in which the loss really changes.
        let slice = analytic[parameter.offset..<(parameter.offset + parameter.count)]
        let norm = slice.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        var direction = slice.map {
            Double($0) / max(norm, 1e-12) + 0.3 * generator.normal() / Double(parameter.count).squareRoot()
        }
        let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
        direction = direction.map { $0 / max(length, 1e-12) }
        let expected = zip(slice, direction).reduce(0) { $0 + Double($1.0) * $1.1 }
        let step = 4e-3
        let original = (0..<parameter.count).map { values[parameter.offset + $0] }
        func shifted(_ amount: Double) -> Double {
            for i in 0..<parameter.count {
                values[parameter.offset + i] = Float(Double(original[i]) + amount * direction[i])
            }
            let loss = problem.objective(plan)
            for i in 0..<parameter.count { values[parameter.offset + i] = original[i] }
            return loss
        }
        // Fourth-order central difference.
        let measured = (8 * (shifted(step) - shifted(-step)) - (shifted(2 * step) - shifted(-2 * step))) / (12 * step)
        #expect(
            abs(measured - expected) <= 3e-4 + 0.01 * abs(expected),
            "\(parameter.name): finite difference \(measured), gradient \(expected)")
    }
}
