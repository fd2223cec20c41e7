import Foundation
import HilumCore
import HilumNN

/// Trains an MCR network: batches, masks, losses, AdamW, schedule, validation, checkpoints.
///
/// The run is a function of the options (threads included), the training set, the start values and the kernel sets of the
/// processor: a run that was interrupted and resumed ends with the same bits as one that was not.
/// Thread rule: one thread calls `run`; it uses `options.threads` inside.
public final class MCRTrainer {
    /// How it trains.
    public private(set) var options: TrainingOptions
    /// The network that is trained.
    public let network: MCRNetwork
    /// The log so far, one record a validation.
    public private(set) var records: [TrainingRecord] = []
    /// Steps done so far.
    public internal(set) var step = 0
    /// Bytes of activations and scratch at the most so far.
    public var peakByteCount: Int { runner.peakByteCount }

    let values: ParameterBuffer
    /// The running average of the weights, where the options ask for one; it becomes the model.
    let average: ParameterBuffer?
    let optimiser: AdamW
    let tokenizer: Tokenizer
    private let blas: OpenBLAS
    private let periodID: Int32?
    let runner: StepRunner
    private var order: [Int] = []
    private var orderEpoch = -1
    private var secondsBefore = 0.0
    private var knownFingerprint: (set: TrainingSet, text: String)?
    /// The weights that were best on the validation pairs so far, and their score; nil where none were compared.
    private(set) var best: (values: ParameterBuffer, score: Double)?
    /// Of the validation pairs of this run; a resumed run must have the same.
    private(set) var validationFingerprint: String?

    /// - Parameter start: where training begins (fine-tuning); nil: start values drawn from the seed.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    public init(
        _ configuration: MCRConfiguration, tokenizer: Tokenizer, options: TrainingOptions, start: MCRModel? = nil
    ) throws {
        blas = try OpenBLAS.load()
        self.options = options
        self.tokenizer = tokenizer
        var sized = start?.configuration ?? configuration
        if start == nil { sized.vocabularySize = tokenizer.vocabulary.count }
        guard tokenizer.vocabulary.count <= sized.vocabularySize else {
            throw MCRError(.badModel(reason: "the vocabulary has more pieces than the model has embeddings"))
        }
        network = MCRNetwork(sized)
        values = ParameterBuffer(count: network.layout.count)
        if let start {
            values.pointer.update(from: start.values.pointer, count: values.count)
        } else {
            try network.initialize(values, seed: options.seed)
        }
        average = options.averaging == nil ? nil : ParameterBuffer(count: network.layout.count)
        average?.pointer.update(from: values.pointer, count: values.count)
        optimiser = AdamW(network.layout)
        optimiser.decay = options.decay
        periodID = tokenizer.vocabulary.id(of: ".")
        runner = StepRunner(
            network, stem: network.stem(values), threads: options.threads, maskID: tokenizer.vocabulary.maskID,
            microBatchSize: options.microBatchSize, blas: blas)
    }

    /// Loads what training needs besides the model, for callers who would rather know before they read thousands of images.
    ///
    /// - Throws: `NumericError` when OpenBLAS is missing.
    public static func checkLibraries() throws(NumericError) { _ = try OpenBLAS.load() }

    /// Steps of the whole run over `pairCount` pairs.
    public func totalSteps(pairCount: Int) -> Int { options.totalSteps(pairCount: pairCount) }

    /// Fits the number of steps into `options.minutes`, where they decide: times a few passes of both phases first.
    ///
    /// The same command then makes another model on a faster machine; a resumed run keeps the number that it began with.
    public func planSteps(_ set: TrainingSet) {
        guard options.stepCount == nil, let minutes = options.minutes, step == 0 else { return }
        func seconds(isMasked: Bool) -> Double {
            let plan = plan(0, maskedSteps: isMasked ? 1 : 0)
            let laps = (0..<3).map { _ in
                let started = monotonicSeconds()
                _ = lossesAndGradient(set, plan: plan)
                return monotonicSeconds() - started
            }
            // The first pass also asks for memory.
            return laps.dropFirst().min() ?? 1
        }
        let maskedShare = Double(maskedSteps(of: 1_000)) / 1_000
        let perStep = maskedShare * seconds(isMasked: true) + (1 - maskedShare) * seconds(isMasked: false)
        // A twentieth is left for the optimiser, validations and checkpoints.
        options.stepCount = max(1, Int(minutes * 60 * 0.95 / perStep))
    }

    /// Makes a checkpoint, which is also a validation, after each eighth of the run; at least 10 and at most 250 steps apart.
    public func spreadCheckpoints(_ set: TrainingSet) {
        options.checkpointInterval = min(250, max(10, totalSteps(pairCount: set.count) / 8))
    }

    /// Takes over the number of steps of a run that is resumed.
    func keepSteps(of saved: TrainingOptions) {
        if options.minutes != nil && options.minutes == saved.minutes { options.stepCount = saved.stepCount }
    }

    private func stepsPerEpoch(_ pairCount: Int) -> Int { options.stepsPerEpoch(pairCount) }

    /// Trains from the current step to the end, or until `interrupted` is raised.
    ///
    /// - Parameters:
    ///   - checkpoint: called after each validation and at the end; it may save the state.
    /// - Returns: whether the run is complete.
    @discardableResult
    public func run(
        _ set: TrainingSet, validation: TrainingSet?, progress: HilumCore.Progress? = nil,
        interrupted: AtomicFlag? = nil,
        checkpoint: (MCRTrainer) throws -> Void = { _ in }
    ) throws -> Bool {
        precondition(set.count > 1, "contrast needs at least two pairs")
        precondition(
            set.configuration.patchCount == network.configuration.patchCount
                && set.configuration.patchPixels == network.configuration.patchPixels
                && set.configuration.maxTokens <= network.configuration.maxTokens,
            "the training set must be made for this network")
        try checkValidation(validation)
        planSteps(set)
        let total = totalSteps(pairCount: set.count)
        let schedule = CosineSchedule(peak: options.peakRate, stepCount: total, warmup: options.warmup)
        let maskedSteps = maskedSteps(of: total)
        var sums = StepLosses()
        var summed = 0
        let started = monotonicSeconds()
        var lapStarted = started
        while step < total {
            if interrupted?.isRaised == true {
                try checkpoint(self)
                return false
            }
            let losses = try trainStep(set, plan: plan(step, maskedSteps: maskedSteps), rate: schedule.rate(at: step))
            sums.contrast += losses.contrast
            sums.image += losses.image
            sums.report += losses.report
            summed += 1
            step += 1
            let note = String(
                format: "contrast %.3f image %.3f report %.3f", losses.contrast, losses.image, losses.report)
            progress?.advance(note: note)
            if step % options.checkpointInterval == 0 || step == total {
                try keepIfBest(validation, isLast: step == total)
            }
            if step == total, let shortcut = network.shortcut {
                let fit = ShortcutFit(network: network, shortcut: shortcut, options: options)
                try fit.solve(modelValues, set, validation: validation, tokenizer: tokenizer)
            }
            if step % options.checkpointInterval == 0 || step == total {
                let now = monotonicSeconds()
                let batch = min(options.batchSize, set.count)
                let last = plan(step - 1, maskedSteps: maskedSteps)
                let isMasked = last.imageMask != .none || last.reportMask != .none
                records.append(
                    TrainingRecord(
                        step: step, epoch: Double(step) / Double(stepsPerEpoch(set.count)),
                        phase: isMasked ? "masked" : "unmasked",
                        contrastLoss: sums.contrast / Double(summed),
                        imageLoss: sums.image / Double(summed), reportLoss: sums.report / Double(summed),
                        rate: Double(schedule.rate(at: step - 1)),
                        inverseTemperature: exp(Double(values.pointer[network.logitScale])),
                        pairsPerSecond: Double(summed * batch) / (now - lapStarted),
                        seconds: secondsBefore + now - started,
                        validation: try validation.map { try validate($0) }))
                sums = StepLosses()
                summed = 0
                try checkpoint(self)
                lapStarted = monotonicSeconds()
            }
        }
        return true
    }

    private func checkValidation(_ validation: TrainingSet?) throws(MCRError) {
        let found = validation.map(\.fingerprint) ?? "none"
        if let known = validationFingerprint, known != found {
            throw MCRError(
                .badModel(
                    reason: "the checkpoint was made with other validation pairs; give the same --data and --hold-out"))
        }
        validationFingerprint = found
    }

    /// Compares the weights with the best ones so far, by the mean logarithm of the ranks of the validation pairs; the last
    /// weights give way to better ones.
    private func keepIfBest(_ validation: TrainingSet?, isLast: Bool) throws {
        guard options.keepsBest, let validation, validation.count >= ShortcutFit.leastValidation else { return }
        // The linear ways are solved at the end: without them, the weights of all checkpoints are compared on equal terms.
        let candidate = copy(of: modelValues)
        let kept = copy(of: modelValues)
        network.shortcut?.clear(candidate.pointer)
        network.latentWords?.clear(candidate.pointer)
        let model = MCRModel(
            network: network, values: candidate, tokenizer: tokenizer, modelID: "in training", isCommon: true)
        let (images, reports) = model.embed(validation, threads: options.threads)
        let score = try RetrievalRanks.meanLogRank(
            images, reports, dimension: model.dimension, hashes: validation.hashes, threads: options.threads)
        if score < best?.score ?? .infinity { best = (kept, score) }
        guard isLast, let best else { return }
        modelValues.pointer.update(from: best.values.pointer, count: values.count)
    }

    func copy(of buffer: ParameterBuffer) -> ParameterBuffer {
        let copy = ParameterBuffer(count: values.count)
        copy.pointer.update(from: buffer.pointer, count: values.count)
        return copy
    }

    func maskedSteps(of total: Int) -> Int {
        options.objective == .mcr ? total - Int((Double(total) * options.unmaskedShare).rounded()) : total
    }

    func plan(_ step: Int, maskedSteps: Int) -> StepPlan {
        let masked = step < maskedSteps && options.objective != .clip
        return StepPlan(
            objective: options.objective, imageMask: masked ? options.imageMask : .none,
            reportMask: masked ? options.reportMask : .none,
            reconstructs: masked && network.decoder != nil, contrastWeight: options.contrastWeight,
            imageWeight: options.imageWeight, reportWeight: options.reportWeight, augmentation: options.augmentation,
            partialImageShare: options.partialImageShare, seed: options.seed, step: step)
    }

    /// One optimiser step on the batch that belongs to the current step.
    func trainStep(_ set: TrainingSet, plan: StepPlan, rate: Float) throws -> StepLosses {
        let batch = nextBatch(set)
        let losses = runner.run(values, batch, plan)
        try take(runner.gradients, rate: rate, clip: options.clip)
        takeAverage()
        return losses
    }

    /// Moves the weights along a gradient, which is cut to the length `clip` first.
    func take(_ gradients: ParameterBuffer, rate: Float, clip: Float) throws(MCRError) {
        let norm = optimiser.step(values, gradients: gradients, rate: rate, clip: clip, threads: options.threads)
        guard norm.isFinite else {
            throw MCRError(
                .badTraining(
                    reason:
                        "the gradient of step \(step) is not finite; go on from the last checkpoint with a lower --rate"
                ))
        }
        let scale = values.pointer + network.logitScale
        scale.pointee = min(max(scale.pointee, 0), Float(log(100.0)))
    }

    /// Moves the running average towards the weights. Early steps count for less, so that it forgets the start values: of n steps
    /// it keeps (1 + n) / (10 + n) at the most.
    private func takeAverage() {
        guard let average, let averaging = options.averaging else { return }
        let taken = Float(1 - min(averaging, Double(1 + step) / Double(10 + step)))
        NetworkKernels.affine(average.pointer, average.pointer, scale: 1 - taken, shift: 0, values.count)
        NetworkKernels.addScaled(average.pointer, values.pointer, taken, values.count)
        // What is not trained stays as it is, to the bit.
        for parameter in network.layout.parameters where !MCRNetwork.isTrained(parameter.name) {
            (average.pointer + parameter.offset).update(from: values.pointer + parameter.offset, count: parameter.count)
        }
    }

    /// The weights that the model has: the running average, or those of the last step.
    var modelValues: ParameterBuffer { average ?? values }

    /// Losses and gradient of the current step's batch, without a step: for tests.
    func lossesAndGradient(_ set: TrainingSet, plan: StepPlan) -> (StepLosses, ParameterBuffer) {
        (runner.run(values, nextBatch(set), plan), runner.gradients)
    }

    func nextBatch(_ set: TrainingSet) -> TrainingBatch {
        let size = min(options.batchSize, set.count)
        let epoch = step / stepsPerEpoch(set.count)
        if epoch != orderEpoch || order.count != set.count {
            order = Array(0..<set.count)
            var generator = SeededGenerator(seed: options.seed, keys: 0xE_70C4, UInt64(epoch))
            generator.shuffle(&order)
            orderEpoch = epoch
        }
        let first = (step % stepsPerEpoch(set.count)) * size
        return batch(set, of: Array(order[first..<(first + size)]))
    }

    /// The pairs of a step, some of their reports in part.
    func batch(_ set: TrainingSet, of samples: [Int]) -> TrainingBatch {
        TrainingBatch(
            set: set, samples: samples,
            reports: samples.map { sample in
                PartialReports.draw(
                    set.reports[sample], share: options.partialReportShare, periodID: periodID, seed: options.seed,
                    step: step,
                    sample: sample)
            },
            hashes: samples.map { set.hashes[$0] },
            labels: options.labelShare > 0
                ? SoftLabels(labels: samples.map { set.labels[$0] }, weight: options.labelShare) : nil)
    }

    /// The model as it is now; it has its own copy of the weights.
    public func model() -> MCRModel {
        MCRModel(network: network, values: copy(of: modelValues), tokenizer: tokenizer)
    }

    private func validate(_ set: TrainingSet) throws -> TrainingRecord.Validation {
        // The weights as they are, not a copy of them: at paper scale that would be 0.8 GiB.
        let model = MCRModel(
            network: network, values: modelValues, tokenizer: tokenizer, modelID: "in training", isCommon: true)
        let (images, reports) = model.embed(set, threads: options.threads)
        let forward = try RetrievalRanks.recall(
            queries: images, gallery: reports, dimension: model.dimension, hashes: set.hashes,
            threads: options.threads)
        let backward = try RetrievalRanks.recall(
            queries: reports, gallery: images, dimension: model.dimension, hashes: set.hashes,
            threads: options.threads)
        return TrainingRecord.Validation(
            count: set.count, imageToReportR1: forward.r1, imageToReportR10: forward.r10, reportToImageR1: backward.r1,
            reportToImageR10: backward.r10)
    }

    func fingerprint(of set: TrainingSet) -> String {
        if let known = knownFingerprint, known.set === set { return known.text }
        let text = set.fingerprint
        knownFingerprint = (set, text)
        return text
    }

    /// Goes on from a saved state; see `MCRTrainer+Checkpoint.swift`.
    func restore(
        step: Int, records: [TrainingRecord], optimiserSteps: Int, best: (values: ParameterBuffer, score: Double)?,
        validationFingerprint: String?
    ) {
        self.step = step
        self.best = best
        self.validationFingerprint = validationFingerprint
        self.records = records
        optimiser.stepCount = optimiserSteps
        secondsBefore = records.last?.seconds ?? 0
    }
}
