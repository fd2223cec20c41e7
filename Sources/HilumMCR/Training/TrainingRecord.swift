/// One line of the training log.
public struct TrainingRecord: Codable, Sendable, Equatable {
    public var step: Int
    public var epoch: Double
    public var phase: String
    /// Means since the record before.
    public var contrastLoss: Double
    public var imageLoss: Double
    public var reportLoss: Double
    public var rate: Double
    /// exp(τ)
    public var inverseTemperature: Double
    public var pairsPerSecond: Double
    /// Seconds of training so far, over all runs.
    public var seconds: Double
    /// On the pairs held out, image→report and report→image; nil without any.
    public var validation: Validation?

    public struct Validation: Codable, Sendable, Equatable {
        public var count: Int
        public var imageToReportR1: Double
        public var imageToReportR10: Double
        public var reportToImageR1: Double
        public var reportToImageR10: Double
    }
}
