import Foundation
import HilumCore
import HilumNN
import Testing

@testable import HilumMCR

/// The network against an implementation that shares no line with it: PyTorch in float64, `tools/reference`.
///
/// Bounds: embeddings 1e-5; losses 1e-5 relative; the gradient of each tensor 1e-4 of its norm; over ten optimiser steps
/// losses and tensors 1e-4 relative. How far each was off is attached: `swift test --attachments-path FOLDER`.
@Suite("Goldens of the PyTorch model")
struct GoldenTests {
    private static let goldens = Result { try Goldens() }
    private static let cases = (try? goldens.get().cases) ?? []
    private static var casesWithGradients: [Goldens.Case] { cases.filter { $0.gradient != nil } }

    @Test("The goldens cover objectives, alignments and decoders")
    func goldensAreComplete() throws {
        let cases = try Self.goldens.get().cases
        #expect(Set(cases.map(\.objective)) == Set(Objective.allCases))
        #expect(Set(cases.map(\.configuration.alignment)) == Set(MCRConfiguration.Alignment.allCases))
        #expect(Set(cases.map(\.configuration.decoderKind)).isSuperset(of: [.joint, .unimodal]))
        #expect(cases.allSatisfy { $0.steps.count == 10 })
        let reports = cases[0].pairs.map { try? Self.goldens.get().reports[$0[1]] }
        #expect(Set(reports).count < reports.count && Set(reports.map { $0?.count }).count > 2)
        #expect(cases.contains { $0.steps.last?.tau == 0 } && cases.contains { $0.steps.last?.tau == log(100) })
    }

    @Test(
        "Embeddings are those of PyTorch: masked and not, in a batch of several lengths and alone",
        arguments: casesWithGradients)
    func embeddingsAgree(golden: Goldens.Case) throws {
        let masks = try #require(golden.embeddingMasks)
        let goldens = try Self.goldens.get()
        let expected = try Goldens.tensors("embeddings")
        let trainer = try goldens.trainer(golden)
        let set = try goldens.trainingSet(golden)
        var largest = 0.0
        func compare(_ found: [Float], _ name: String) throws {
            let tensor = try #require(expected["\(golden.name).\(name)"])
            let deviation = Deviation.largest(found, tensor.floats)
            largest = max(largest, deviation)
            #expect(deviation <= 1e-5, "\(name)")
        }
        let encoder = GoldenEncoder(trainer: trainer, set: set)
        let pairs = Array(0..<set.count)
        for (label, masks) in [("masked", masks.recorded), ("unmasked", nil)] {
            try compare(encoder.images(pairs, masks), "images.\(label)")
            try compare(pairs.flatMap { encoder.images([$0], masks) }, "images.\(label)")
            try compare(encoder.reports(pairs, masks), "reports.\(label).padded")
            try compare(pairs.flatMap { encoder.reports([$0], masks) }, "reports.\(label).alone")
        }
        // What inference gives.
        let model = trainer.model().embed(set, threads: 2)
        try compare(model.images, "images.unmasked")
        try compare(model.reports, "reports.unmasked.alone")
        Attachment.record("embeddings: \(largest)\n", named: "golden-embeddings-\(golden.name).txt")
    }

    @Test("The three losses and the gradient of every tensor are those of PyTorch", arguments: casesWithGradients)
    func gradientsAgree(golden: Goldens.Case) throws {
        let gradient = try #require(golden.gradient)
        // Contrast only is also what the unmasked phase of mcr computes.
        let objectives: [Objective] = golden.objective == .clip ? [.clip, .mcr] : [golden.objective]
        for objective in objectives {
            for threads in [1, 2] {
                try compareGradients(golden, gradient, objective, threads: threads)
            }
        }
    }

    private func compareGradients(
        _ golden: Goldens.Case, _ gradient: Goldens.Gradient, _ objective: Objective, threads: Int
    ) throws {
        let goldens = try Self.goldens.get()
        let expected = try Goldens.tensors("gradients-\(golden.name)")
        let trainer = try goldens.trainer(golden, threads: threads)
        let set = try goldens.trainingSet(golden)
        let plan = goldens.plan(golden, gradient.masks, objective: objective)
        let (losses, found) = trainer.lossesAndGradient(set, plan: plan)
        var report = "losses: \(compare(losses, gradient.losses, bound: 1e-5))\n"
        var largest = 0.0
        var compared = 0
        for parameter in trainer.network.layout.parameters {
            let values = found.floats(parameter)
            guard let tensor = expected[parameter.name] else {
                #expect(values.allSatisfy { $0 == 0 }, "\(parameter.name): the loss does not reach it")
                #expect(parameter.name.hasPrefix("decoder."))
                continue
            }
            let deviation = Deviation.relative(values, tensor.floats)
            #expect(deviation <= 1e-4, "\(parameter.name)")
            #expect(tensor.floats.contains { abs($0) > 1e-6 }, "\(parameter.name): the golden has a trivial gradient")
            largest = max(largest, deviation)
            report += "\(parameter.name): \(deviation)\n"
            compared += 1
        }
        #expect(compared == expected.count)
        Attachment.record(
            report + "gradients: \(largest)\n", named: "golden-gradients-\(golden.name)-\(objective)-\(threads).txt")
    }

    @Test("Ten optimiser steps are those of PyTorch: losses, rate, τ and what becomes of each tensor", arguments: cases)
    func tenStepsAgree(golden: Goldens.Case) throws {
        let goldens = try Self.goldens.get()
        let trainer = try goldens.trainer(golden)
        let set = try goldens.trainingSet(golden)
        let schedule = CosineSchedule(
            peak: golden.peakRate, stepCount: goldens.stepCount, warmup: goldens.warmUpShare)
        var largestLoss = 0.0
        for (index, step) in golden.steps.enumerated() {
            #expect(Deviation.relative(Double(schedule.rate(at: index)), step.rate) <= 1e-6)
            let losses = try trainer.trainStep(
                set, plan: goldens.plan(golden, step.masks), rate: schedule.rate(at: index))
            largestLoss = max(largestLoss, compare(losses, step.losses, bound: 1e-4))
            #expect(abs(Double(trainer.values.pointer[trainer.network.logitScale]) - step.tau) <= 1e-5, "step \(index)")
        }
        let final = try Goldens.tensors("final")
        var largest = 0.0
        var largestNorm = 0.0
        for parameter in trainer.network.layout.parameters {
            let found = withoutKeyBias(trainer.values.floats(parameter), parameter)
            let norm = found.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            let deviation = Deviation.relative(norm, try #require(golden.finalNorms[parameter.name]))
            #expect(deviation <= 1e-4, "norm of \(parameter.name)")
            largestNorm = max(largestNorm, deviation)
            guard let tensor = final["\(golden.name).\(parameter.name)"] else {
                #expect(!golden.storesFinal, "\(parameter.name) is not among the goldens")
                continue
            }
            let all = Deviation.relative(found, withoutKeyBias(tensor.floats, parameter))
            #expect(all <= 1e-4, "\(parameter.name)")
            largest = max(largest, all)
        }
        Attachment.record(
            "losses: \(largestLoss)\nparameters: \(largest)\nnorms: \(largestNorm)\n",
            named: "golden-steps-\(golden.name).txt")
    }

    /// Checks each loss that the golden has; a loss that it lacks must be zero. Returns the largest relative deviation.
    private func compare(_ found: StepLosses, _ golden: Goldens.Losses, bound: Double) -> Double {
        let deviations = [
            Deviation.relative(found.contrast, golden.contrast), Deviation.relative(found.image, golden.pixels ?? 0),
            Deviation.relative(found.report, golden.words ?? 0),
            Deviation.relative(found.contrast + found.image + found.report, golden.loss),
        ]
        for (label, deviation) in zip(["contrast", "pixels", "words", "sum"], deviations) {
            #expect(deviation <= bound, "\(label)")
        }
        return deviations.max() ?? 0
    }

    /// The bias of the keys adds the same to every score of a query, so its gradient is zero but for rounding, of which AdamW
    /// makes steps of full length: it is left out.
    private func withoutKeyBias(_ values: [Float], _ parameter: Parameter) -> [Float] {
        guard parameter.name.hasSuffix("attn.qkv.bias") else { return values }
        return Array(values[..<(values.count / 3)] + values[(2 * values.count / 3)...])
    }
}

/// The encoders over packed pairs, masked as a golden says.
private struct GoldenEncoder {
    let trainer: MCRTrainer
    let set: TrainingSet

    private var network: MCRNetwork { trainer.network }
    private var dimension: Int { network.configuration.dimension }

    func images(_ pairs: [Int], _ masks: RecordedMasks?) -> [Float] {
        let all = (0..<Int32(network.configuration.patchCount)).map { $0 }
        let pixels = pairs.flatMap { pair in
            set.pixels[(pair * set.pixelsPerImage)..<((pair + 1) * set.pixelsPerImage)].map { Float($0) / 65_535 }
        }
        let workspace = Workspace()
        let states = network.imageEncoder.forward(
            trainer.values.pointer, pixels: pixels, kept: pairs.map { masks?.kept[$0] ?? all }, workspace)
        let head = network.imageHead.forward(
            trainer.values.pointer, states.hidden, states.sequences,
            pooled: [Bool](repeating: true, count: states.sequences.tokenCount), workspace)
        return Array(UnsafeBufferPointer(start: head.embedding, count: pairs.count * dimension))
    }

    func reports(_ pairs: [Int], _ masks: RecordedMasks?) -> [Float] {
        let ids = pairs.map { set.reports[$0].ids }
        let hidden = pairs.map { masks?.hidden[$0] ?? [Bool](repeating: false, count: set.reports[$0].ids.count) }
        let input = zip(ids.joined(), hidden.joined()).map { $1 ? trainer.tokenizer.vocabulary.maskID : $0 }
        let workspace = Workspace()
        let sequences = Sequences(lengths: ids.map(\.count))
        let states = network.reportEncoder.forward(trainer.values.pointer, ids: input, sequences, workspace)
        let head = network.reportHead.forward(
            trainer.values.pointer, states.hidden, sequences,
            pooled: StepRunner.pooledTokens(sequences, hidden: hidden.flatMap { $0 }), workspace)
        return Array(UnsafeBufferPointer(start: head.embedding, count: pairs.count * dimension))
    }
}

extension ParameterBuffer {
    fileprivate func floats(_ parameter: Parameter) -> [Float] {
        Array(UnsafeBufferPointer(start: pointer + parameter.offset, count: parameter.count))
    }
}
