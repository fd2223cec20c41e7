/// Where an archive stands with its generations.
public struct ReembedStatus: Sendable, Equatable {
    /// What the generation beside the one that is searched is doing.
    public enum State: String, Sendable {
        /// There is none.
        case none
        /// It is being made, whenever a process does so.
        case building
        /// It is being made, and waits for `resume`.
        case paused
        /// It is being made, and waits for its part of the day.
        case waiting
        /// All cases are in it; it can be switched to.
        case ready
        /// It was searched before; a rollback returns to it.
        case kept
        /// It cannot be read; it can only be dropped.
        case unusable
    }

    /// What it is doing.
    public var state = State.none
    /// The generation that is searched.
    public var generation = 1
    /// Its model; empty as long as there is none.
    public var model = ""
    /// The generation beside; nil when there is none.
    public var nextGeneration: Int?
    /// Its model.
    public var nextModel: String?
    /// Floats a vector in it.
    public var nextDimension: Int?
    /// Cases that it holds.
    public var done = 0
    /// Cases of the archive.
    public var total = 0
    /// Over the last minute, by this process; nil while that is not known.
    public var casesPerSecond: Double?
    /// At that rate, until all cases are in it; nil while that is not known.
    public var secondsLeft: Double?
    /// Images that could not be read, so that they have no vector in it.
    public var missingCount = 0
    /// Their cases, at most `missingLimit` of them.
    public var missingIDs: [String] = []
    /// Images without a vector in the generation that is searched, so that it does not find their cases by them.
    public var searchedMissingCount = 0
    /// Their cases, at most `missingLimit` of them.
    public var searchedMissingIDs: [String] = []
    /// How fast and when it is made.
    public var pace = ReembedPace()
    /// Generations that are being removed.
    public var leaving: [Int] = []

    /// So many ids are named.
    public static let missingLimit = 20
}
