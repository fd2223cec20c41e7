/// Logits against a table of token embeddings, `y[rows, count] = x[rows, width] · Eᵀ + b`, whose table also serves elsewhere.
public struct TiedWords: Sendable {
    private let linear: Linear

    /// - Parameters:
    ///   - embedding: offset of E `[count, width]` in the parameters.
    ///   - bias: offset of b `[count]`.
    public init(count: Int, width: Int, embedding: Int, bias: Int) {
        linear = Linear(inputs: width, outputs: count, weight: embedding, bias: bias)
    }

    /// Writes the logits `[rows, count]` of x `[rows, width]`.
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
