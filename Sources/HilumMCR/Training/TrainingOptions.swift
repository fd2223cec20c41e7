import HilumCore

/// How to train; every field has a default that suits a few thousand pairs.
public struct TrainingOptions: Sendable, Equatable {
    /// What a step optimises.
    public var objective = Objective.mcr
    /// How often each pair is seen, unless `stepCount` says otherwise.
    public var epochCount = 10
    /// Ends the training after so many steps; nil: `epochCount` decides.
    public var stepCount: Int?
    /// Where `stepCount` is nil: how long the training is to take. `MCRTrainer.planSteps` turns it into a number of steps.
    public var minutes: Double?
    /// Pairs of a step; a smaller set is one batch.
    public var batchSize = 64
    /// The most pairs whose activations are held at once, over all threads: larger batches are walked in such pieces, twice,
    /// with the same gradient up to rounding (`StepRunner`); nil: the whole batch at once.
    public var microBatchSize: Int?
    /// The highest learning rate.
    public var peakRate = 1e-3
    /// Share of the steps in which the rate rises, 0 … 1.
    public var warmup = 0.05
    /// Weight decay of AdamW.
    public var decay: Float = 0.05
    /// The largest norm of a gradient; longer ones are scaled down to it.
    public var clip: Float = 1
    /// Masks of the masked phase.
    public var imageMask = MaskRatio(percent: 50)
    /// Share of the words that is hidden in the masked phase.
    public var reportMask = MaskRatio(percent: 25)
    /// Share of the steps at the end that see unmasked input and contrast alone.
    public var unmaskedShare = 0.5
    /// Share of the pairs of a step that show only some sentences of their report, so that short queries are met in training.
    public var partialReportShare = 0.0
    /// Share of the images of an unmasked step of which a part is hidden, so that pictures that are cut off or covered are met in
    /// training until its end.
    public var partialImageShare = 0.0
    /// Share of the contrast's targets that goes to pairs with findings in common, where findings are known; it also weighs
    /// the contrast within each modality (`NeighbourLoss`).
    public var labelShare: Float = 0
    /// How strongly each image is varied before it is masked, 0 … 1; see `FilmVariation`.
    public var augmentation: Float = 0
    /// Share of the running average of the weights that a step keeps; nil: the model has the weights of the last step.
    public var averaging: Double?
    /// Whether the model has the weights of the checkpoint that was best on the validation pairs, where there are at least 50 of
    /// these, in place of the last ones.
    public var keepsBest = false
    /// Weight of the contrast in the objective.
    public var contrastWeight: Float = 1
    /// Weight of the reconstruction of patches.
    public var imageWeight: Float = 1
    /// Weight of the reconstruction of words.
    public var reportWeight: Float = 1
    /// Of start values, order, masks and partial reports.
    public var seed: UInt64 = 1
    /// Threads inside; another number gives other bits.
    public var threads = defaultThreadCount
    /// Steps between checkpoints; each is also a validation.
    public var checkpointInterval = 250

    /// The defaults.
    public init() {}

    /// Steps of a whole run over `pairCount` pairs.
    public func totalSteps(pairCount: Int) -> Int { stepCount ?? epochCount * stepsPerEpoch(pairCount) }

    func stepsPerEpoch(_ pairCount: Int) -> Int { max(1, pairCount / min(batchSize, pairCount)) }
}
