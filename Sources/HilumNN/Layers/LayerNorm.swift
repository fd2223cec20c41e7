import CHilumKernels

/// Layer normalisation over the last axis (Ba, Kiros, Hinton 2016).
public struct LayerNorm: Sendable {
    /// What is added to the variance unless said otherwise.
    public static let standardEpsilon: Float = 1e-6

    /// Floats of a row.
    public let width: Int
    /// Offset of the gain `[width]` in the parameters.
    public let gain: Int
    /// Offset of the bias `[width]`.
    public let bias: Int
    /// What is added to the variance.
    public let epsilon: Float

    /// Adds the parameters of a norm, `name.weight` and `name.bias`, to the layout.
    public init(
        _ name: String, width: Int, epsilon: Float = LayerNorm.standardEpsilon, in layout: inout ParameterLayout
    ) {
        self.width = width
        self.epsilon = epsilon
        gain = layout.add("\(name).weight", [width], .ones, decays: false)
        bias = layout.add("\(name).bias", [width], .zeros, decays: false)
    }

    /// What the backward pass needs besides the input: mean and 1/deviation of each row.
    public struct Statistics {
        let mean: FloatPointer
        let rstd: FloatPointer
    }

    /// Norms each row of x `[rows, width]`; what it returns lives in the workspace.
    public func forward(
        _ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer,
        _ workspace: Workspace
    ) -> Statistics {
        let statistics = Statistics(mean: workspace.take(rows), rstd: workspace.take(rows))
        hilum_layer_norm(
            x, values + gain, values + bias, y, statistics.mean, statistics.rstd, rows, width, epsilon)
        return statistics
    }

    /// Adds the gradient of x to `dx` `[rows, width]`.
    public func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, x: UnsafePointer<Float>, _ statistics: Statistics,
        dy: UnsafePointer<Float>, rows: Int, addingTo dx: FloatPointer
    ) {
        hilum_layer_norm_backward(
            x, values + gain, statistics.mean, statistics.rstd, dy, dx, gradients + gain, gradients + bias, rows, width)
    }
}
