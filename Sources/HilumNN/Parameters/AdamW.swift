import CHilumKernels
import Foundation
import HilumCore

/// AdamW with decoupled weight decay (Loshchilov and Hutter 2019) over a flat parameter buffer.
///
/// Thread rule: one thread calls `step`; it uses `threads` threads inside, with results that do not depend on their number.
public final class AdamW: @unchecked Sendable {
    // Sendable: moments are touched only inside `step`, which one thread calls.
    var beta1: Float = 0.9
    var beta2: Float = 0.98
    var epsilon: Float = 1e-8
    /// How strongly weights are drawn to zero; parameters whose layout says so are left out.
    public var decay: Float = 0.05
    /// Running mean of the gradient, in the layout of the parameters.
    public let moment1: ParameterBuffer
    /// Running mean of the squared gradient.
    public let moment2: ParameterBuffer
    /// Steps taken so far.
    public var stepCount = 0
    private let layout: ParameterLayout

    /// An optimiser whose moments are zero.
    public init(_ layout: ParameterLayout) {
        self.layout = layout
        moment1 = ParameterBuffer(count: layout.count)
        moment2 = ParameterBuffer(count: layout.count)
    }

    /// One step at learning rate `rate`, with the gradient scaled so that its global L2 norm is at most `clip`.
    /// - Returns: the norm before clipping; when it is not finite, nothing was changed.
    @discardableResult
    public func step(
        _ values: ParameterBuffer, gradients: ParameterBuffer, rate: Float, clip: Float, threads: Int
    ) -> Float {
        let norm = Float(hilum_sum_of_squares(gradients.pointer, layout.count).squareRoot())
        guard norm.isFinite else { return norm }
        stepCount += 1
        let scale = norm > clip ? clip / norm : 1
        let correction1 = 1 - pow(beta1, Float(stepCount))
        let correction2 = 1 - pow(beta2, Float(stepCount))
        parallelFor(layout.parameters.count, threads: threads) { [self] index in
            let parameter = layout.parameters[index]
            let offset = parameter.offset
            hilum_adamw(
                values.pointer + offset, gradients.pointer + offset, moment1.pointer + offset, moment2.pointer + offset,
                parameter.count, scale, rate, beta1, beta2, epsilon, parameter.decays ? decay : 0, correction1,
                correction2)
        }
        return norm
    }
}
