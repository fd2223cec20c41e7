/// The three losses of a step; a loss that the step did not compute is zero.
public struct StepLosses: Sendable, Equatable {
    public var contrast = 0.0
    public var image = 0.0
    public var report = 0.0

    public init() {}
}
