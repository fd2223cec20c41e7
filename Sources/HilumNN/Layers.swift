import CHilumKernels

/// `y[rows, outputs] = x[rows, inputs] · Wᵀ + b`, with W stored `[outputs, inputs]`.
public struct Linear: Sendable {
    public let inputs: Int
    public let outputs: Int
    public let weight: Int
    public let bias: Int

    public init(_ name: String, inputs: Int, outputs: Int, in layout: inout ParameterLayout) {
        self.inputs = inputs
        self.outputs = outputs
        weight = layout.add("\(name).weight", [outputs, inputs], .xavierUniform, decays: true)
        bias = layout.add("\(name).bias", [outputs], .zeros, decays: false)
    }

    /// The product without the bias, for kernels that add it themselves.
    @inline(__always)
    public func product(_ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer) {
        multiply(
            x, stride: inputs, values + weight, secondTransposed: true, stride: inputs, into: y, stride: outputs,
            m: rows, n: outputs,
            k: inputs)
    }

    public func forward(_ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer) {
        product(values, x, rows: rows, into: y)
        hilum_bias_add(y, values + bias, rows, outputs)
    }

    /// Adds to the gradients of W and b; writes (`adding: false`) or adds the gradient of x `[rows, inputs]` to `dx`.
    public func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
        rows: Int,
        dx: FloatPointer?, adding: Bool = false
    ) {
        multiply(
            dy, transposed: true, stride: outputs, x, stride: inputs, into: gradients + weight, stride: inputs,
            m: outputs,
            n: inputs, k: rows, beta: 1)
        hilum_column_sum(gradients + bias, dy, rows, outputs)
        if let dx {
            multiply(
                dy, stride: outputs, values + weight, stride: inputs, into: dx, stride: inputs, m: rows, n: inputs,
                k: outputs,
                beta: adding ? 1 : 0)
        }
    }
}

/// Layer normalisation over the last axis (Ba, Kiros, Hinton 2016).
public struct LayerNorm: Sendable {
    /// What is added to the variance unless said otherwise.
    public static let standardEpsilon: Float = 1e-6

    public let width: Int
    public let gain: Int
    public let bias: Int
    public let epsilon: Float

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

/// Several sequences packed one after the other: sequence i holds the rows `offsets[i]..<offsets[i + 1]`.
///
/// Packing stands in for padding: a row that would be padding is never computed.
public struct Sequences: Sendable {
    public let offsets: [Int]

    public init(lengths: [Int]) {
        var offsets = [0]
        offsets.reserveCapacity(lengths.count + 1)
        for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
        self.offsets = offsets
    }

    public var count: Int { offsets.count - 1 }
    public var tokenCount: Int { offsets[offsets.count - 1] }

    @inline(__always)
    public func range(_ sequence: Int) -> Range<Int> { offsets[sequence]..<offsets[sequence + 1] }

    /// Sum of squared lengths: floats of one head's attention weights.
    public var squaredLengthSum: Int {
        (0..<count).reduce(0) { $0 + range($1).count * range($1).count }
    }
}
