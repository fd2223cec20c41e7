import Foundation

/// A range of values that is spread over all grey levels (PS3.3 C.11.2.1.2 and C.11.2.1.3).
struct Window: Sendable, Equatable {
    enum Shape: String, Sendable {
        case linear = "LINEAR"
        case exact = "LINEAR_EXACT"
        case sigmoid = "SIGMOID"
    }

    var center: Double
    var width: Double
    var shape = Shape.linear

    /// A window of two levels: the lower one is black and the upper one is white.
    init(from low: Double, to high: Double) {
        self.init(center: (low + high) / 2, width: max(high - low, .leastNormalMagnitude), shape: .exact)
    }

    init(center: Double, width: Double, shape: Shape) {
        self.center = center
        self.width = width
        self.shape = shape
    }

    /// Whether the standard allows it.
    var isValid: Bool { center.isFinite && width.isFinite && (shape == .linear ? width >= 1 : width > 0) }

    /// From 0, black, to 1, white.
    func callAsFunction(_ value: Double) -> Double {
        switch shape {
        case .linear:
            guard width > 1 else { return value <= center - 0.5 ? 0 : 1 }
            return min(max((value - (center - 0.5)) / (width - 1) + 0.5, 0), 1)
        case .exact: return min(max((value - center) / width + 0.5, 0), 1)
        case .sigmoid: return 1 / (1 + exp(-4 * (value - center) / width))
        }
    }
}
