import CHilumKernels

/// `y[rows, outputs] = x[rows, inputs] · Wᵀ + b`, with W stored `[outputs, inputs]`.
public struct Linear: Sendable {
    /// Floats of an input row.
    public let inputs: Int
    /// Floats of an output row.
    public let outputs: Int
    /// Offset of W `[outputs, inputs]` in the parameters.
    public let weight: Int
    /// Offset of b `[outputs]`.
    public let bias: Int

    /// Adds the parameters of a layer, `name.weight` and `name.bias`, to the layout.
    ///
    /// - Parameter decays: whether weight decay applies to W.
    public init(_ name: String, inputs: Int, outputs: Int, decays: Bool = true, in layout: inout ParameterLayout) {
        self.inputs = inputs
        self.outputs = outputs
        weight = layout.add("\(name).weight", [outputs, inputs], .xavierUniform, decays: decays)
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
