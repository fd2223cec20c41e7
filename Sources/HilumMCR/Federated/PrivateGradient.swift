import Foundation
import HilumCore
import HilumNN

/// The gradient of a step that tells little about one patient (DP-SGD, Abadi et al. 2016, arXiv 1607.00133).
///
///     groups of the step ─ each: contrast and reconstruction among its own pairs alone ─► gradient, cut to length C ─► Σ
///     Σ + N(0, (σC)²) on every trained number ─ ÷ groups expected ─► gradient of the step
///
/// The contrast couples the pairs of a batch, so a gradient for each pair by itself does not bound what one pair changes: it is
/// also in the gradients of the others. Pairs are therefore compared within their group only, and the whole gradient of a group is
/// cut. What a patient changes in the sum is then one group's gradient, at most C long: C where the group stays empty, up to 2C where
/// another patient takes the place.
/// Thread rule: one caller at a time.
final class PrivateGradient {
    let groups: PatientGroups
    /// With which probability a step takes a group.
    let samplingRate: Double
    /// The deviation of the noise in lengths C; 0 without a budget.
    let noise: Double
    let clip: Double
    private(set) var source: NoiseSource
    private let trained: [Parameter]
    private let sum: ParameterBuffer
    /// The longest gradient that a group brought in the last step, after it was cut.
    private(set) var longest = 0.0

    /// - Parameter batchSize: patients of a step on average.
    init(
        _ groups: PatientGroups, batchSize: Int, noise: Double, clip: Double, network: MCRNetwork,
        parts: FederationSettings.Parts, source: NoiseSource
    ) {
        self.groups = groups
        samplingRate = Self.samplingRate(groups, batchSize: batchSize)
        self.noise = noise
        self.clip = clip
        self.source = source
        trained = network.layout.parameters.filter { parts.trains($0.name) }
        sum = ParameterBuffer(count: network.layout.count)
    }

    static func samplingRate(_ groups: PatientGroups, batchSize: Int) -> Double {
        let wanted = max(1, Double(batchSize) / Double(groups.size))
        return min(1, wanted / Double(max(1, groups.groupCount)))
    }

    /// The gradient of one step.
    ///
    /// - Parameter gradient: of the losses among the pairs of a group, in the layout of the network.
    func next(_ gradient: ([Int]) -> ParameterBuffer) -> ParameterBuffer {
        sum.fillZero()
        longest = 0
        for group in groups.draw(rate: samplingRate, using: &source) {
            longest = max(longest, add(gradient(group)))
        }
        let expected = samplingRate * Double(groups.groupCount)
        for parameter in trained {
            let values = sum.pointer + parameter.offset
            for index in 0..<parameter.count {
                let hidden = noise > 0 ? Double(values[index]) + noise * clip * source.normal() : Double(values[index])
                values[index] = Float(hidden / expected)
            }
        }
        return sum
    }

    /// Adds the gradient of a group, cut to the length C.
    /// - Returns: how long it is then.
    private func add(_ gradient: ParameterBuffer) -> Double {
        let squares = trained.reduce(0.0) {
            $0 + NetworkKernels.sumOfSquares(gradient.pointer + $1.offset, $1.count)
        }
        let length = squares.squareRoot()
        // A gradient that is not finite has no length to cut: such a group brings nothing.
        guard length.isFinite else { return 0 }
        // A hair shorter than C, so that rounding makes none longer.
        let scale = Float(min(1, clip / max(length * 1.000001, .leastNormalMagnitude)))
        for parameter in trained {
            NetworkKernels.addScaled(
                sum.pointer + parameter.offset, gradient.pointer + parameter.offset, scale, parameter.count)
        }
        return length * Double(scale)
    }
}
