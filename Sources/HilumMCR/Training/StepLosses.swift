/// The three losses of a step; a loss that the step did not compute is zero.
struct StepLosses: Sendable, Equatable {
    var contrast = 0.0
    var image = 0.0
    var report = 0.0

    init() {}
}
