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

    /// A layer over parameters that stand in the layout already.
    init(inputs: Int, outputs: Int, weight: Int, bias: Int) {
        self.inputs = inputs
        self.outputs = outputs
        self.weight = weight
        self.bias = bias
    }

    /// `y = x · Wᵀ + b`, plus `residual` `[rows, outputs]` where one is given.
    public func forward(
        _ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer,
        residual: UnsafePointer<Float>? = nil
    ) {
        var product = product(values, x, rows: rows, into: y)
        product.residual = residual
        hilum_multiply(&product)
    }

    /// `pre = x · Wᵀ + b`, kept for the backward pass; `y = gelu(pre)`.
    public func forwardGELU(
        _ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, pre: FloatPointer, into y: FloatPointer
    ) {
        var product = product(values, x, rows: rows, into: y)
        product.gelu = 1
        product.pre = pre
        hilum_multiply(&product)
    }

    private func product(
        _ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer
    ) -> hilum_product {
        var product = hilum_product(
            rows: x, stride: inputs, values + weight, hilum_transposed, stride: inputs, into: y, stride: outputs,
            m: rows, n: outputs, k: inputs)
        product.bias = values + bias
        return product
    }

    /// Adds to the gradients of W and b; writes (`adding: false`) or adds the gradient of x `[rows, inputs]` to `dx`.
    public func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
        rows: Int, dx: FloatPointer?, adding: Bool = false
    ) {
        var dWeight = hilum_product(
            columns: dy, stride: outputs, x, hilum_plain, stride: inputs, into: gradients + weight, stride: inputs,
            m: outputs, n: inputs, k: rows)
        dWeight.accumulates = 1
        hilum_multiply(&dWeight)
        hilum_column_sum(gradients + bias, dy, rows, outputs)
        if let dx {
            var dInput = hilum_product(
                rows: dy, stride: outputs, values + weight, hilum_plain, stride: inputs, into: dx, stride: inputs,
                m: rows, n: inputs, k: outputs)
            dInput.accumulates = adding ? 1 : 0
            hilum_multiply(&dInput)
        }
    }
}

/// Logits against a table of token embeddings, `y[rows, count] = x[rows, width] · Eᵀ + b`, whose table also serves elsewhere.
public struct TiedWords: Sendable {
    private let linear: Linear

    /// - Parameters:
    ///   - embedding: offset of E `[count, width]` in the parameters.
    ///   - bias: offset of b `[count]`.
    public init(count: Int, width: Int, embedding: Int, bias: Int) {
        linear = Linear(inputs: width, outputs: count, weight: embedding, bias: bias)
    }

    public func logits(_ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer) {
        linear.forward(values, x, rows: rows, into: y)
    }

    /// Adds to the gradients of E and b; writes the gradient of x.
    public func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, x: UnsafePointer<Float>,
        dLogits: UnsafePointer<Float>, rows: Int, dx: FloatPointer
    ) {
        linear.backward(values, gradients, x: x, dy: dLogits, rows: rows, dx: dx)
    }
}

extension hilum_product {
    /// `c[m,n] = a · op(b)` with a `[m, k]` in rows of `aStride`.
    init(
        rows a: UnsafePointer<Float>, stride aStride: Int, _ b: UnsafePointer<Float>, _ operand: hilum_operand,
        stride bStride: Int, into c: FloatPointer, stride cStride: Int, m: Int, n: Int, k: Int
    ) {
        self.init()
        (self.a, a_row, a_step) = (a, aStride, 1)
        (self.b, b_row, b_operand) = (b, bStride, operand)
        (self.c, c_row) = (c, cStride)
        (self.m, self.n, self.k) = (m, n, k)
    }

    /// `c[m,n] = aᵀ · op(b)` with a `[k, m]` in rows of `aStride`.
    init(
        columns a: UnsafePointer<Float>, stride aStride: Int, _ b: UnsafePointer<Float>, _ operand: hilum_operand,
        stride bStride: Int, into c: FloatPointer, stride cStride: Int, m: Int, n: Int, k: Int
    ) {
        self.init(rows: a, stride: 1, b, operand, stride: bStride, into: c, stride: cStride, m: m, n: n, k: k)
        a_step = aStride
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

    /// Rows of the longest sequence.
    public var longest: Int { (0..<count).reduce(0) { max($0, range($1).count) } }

    /// Sum of squared lengths: floats of one head's attention weights.
    public var squaredLengthSum: Int {
        (0..<count).reduce(0) { $0 + range($1).count * range($1).count }
    }
}
