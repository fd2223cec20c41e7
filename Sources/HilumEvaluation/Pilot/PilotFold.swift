/// What one fold gave; it is kept on disk, so that a trial that was interrupted goes on. Holds numbers of cases, no text.
public struct PilotFold: Sendable, Equatable {
    /// The ranks of both directions.
    public struct Ranks: Sendable, Equatable {
        /// For each case of the fold the rank of its report when its image asks, from 1.
        public var imageToReport: [Double]
        /// For each case of the fold the rank of its image when its report asks.
        public var reportToImage: [Double]
    }

    /// Its number, from 0.
    public let fold: Int
    /// The unseen cases, by number.
    public let test: [Int]
    /// Pairs that were fine-tuned on.
    public let trainingCount: Int
    /// By `PilotMethod`.
    public internal(set) var ranks: [String: Ranks] = [:]
    /// For each case of the fold: the chance of a hit among the first 1, 5 and 10.
    public internal(set) var chance: [[Double]] = []
    /// For each case with labels: the share of related cases among the nearest 1, 5, 10; by modality and `PilotMethod`.
    public internal(set) var precision: [String: [[Double]]] = [:]
    /// For each case with labels the share of related cases in the archive.
    var chanceOfLabels: [Double] = []
    /// The cases whose reports the image of each case found first, after fine-tuning; and the other way round.
    public internal(set) var imageFinds: [[Int]] = []
    /// The cases whose images the report of each case found first, after fine-tuning.
    public internal(set) var reportFinds: [[Int]] = []
    /// Of the measurement without a model.
    public internal(set) var yardstickSeconds = 0.0
    /// Of one measurement of a model.
    public internal(set) var evaluationSeconds = 0.0
    /// Of the fine-tuning.
    public internal(set) var trainingSeconds = 0.0

    init(fold: Int, test: [Int], trainingCount: Int) {
        self.fold = fold
        self.test = test
        self.trainingCount = trainingCount
    }
}
