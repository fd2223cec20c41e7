/// One line of the training log.
public struct TrainingRecord: Sendable, Equatable {
    /// Steps done.
    public var step: Int
    /// How often each pair was seen so far.
    public var epoch: Double
    /// `masked` or `unmasked`.
    public var phase: String
    /// Mean of the contrast since the record before.
    public var contrastLoss: Double
    /// Mean of the reconstruction of patches since the record before.
    public var imageLoss: Double
    /// Mean of the reconstruction of words since the record before.
    public var reportLoss: Double
    /// The learning rate of the last step.
    public var rate: Double
    /// exp(τ)
    public var inverseTemperature: Double
    /// Since the record before.
    public var pairsPerSecond: Double
    /// Seconds of training so far, over all runs.
    public var seconds: Double
    /// On the pairs held out, image→report and report→image; nil without any.
    public var validation: Validation?

    /// Retrieval among the pairs held out; shares from 0 to 1.
    public struct Validation: Sendable, Equatable {
        /// Pairs held out.
        public var count: Int
        /// Images whose report is first.
        public var imageToReportR1: Double
        /// Images whose report is among the first ten.
        public var imageToReportR10: Double
        /// Reports whose image is first.
        public var reportToImageR1: Double
        /// Reports whose image is among the first ten.
        public var reportToImageR10: Double
    }
}
