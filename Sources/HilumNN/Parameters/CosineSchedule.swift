import Foundation

/// Linear warm-up to `peak` over the first `warmup` share of the steps, then a cosine to zero.
public struct CosineSchedule: Sendable {
    /// The highest rate.
    public let peak: Double
    /// Steps of the whole run.
    public let stepCount: Int
    /// Share of the steps in which the rate rises, 0 … 1.
    public let warmup: Double

    /// A schedule over `stepCount` steps.
    public init(peak: Double, stepCount: Int, warmup: Double = 0.05) {
        self.peak = peak
        self.stepCount = stepCount
        self.warmup = warmup
    }

    /// The rate of step `step` (0-based).
    public func rate(at step: Int) -> Float {
        let warm = max(1, Int((Double(stepCount) * warmup).rounded()))
        if step < warm { return Float(peak * Double(step + 1) / Double(warm)) }
        let share = Double(step - warm) / Double(max(1, stepCount - warm))
        return Float(peak * 0.5 * (1 + cos(Double.pi * min(1, share))))
    }
}
