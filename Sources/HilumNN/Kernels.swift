import CHilumKernels

/// The element-wise kernels for the floor above, which does not import the C module itself.
///
/// Pointers need no alignment and must not overlap unless said. Thread rule: any thread.
public enum Kernels {
    /// Σ a·b
    @inline(__always)
    public static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
        hilum_dot_f32(a, b, count)
    }

    /// y += x
    @inline(__always)
    public static func add(_ y: FloatPointer, _ x: UnsafePointer<Float>, _ count: Int) { hilum_add(y, x, count) }

    /// y += a·x
    @inline(__always)
    public static func addScaled(_ y: FloatPointer, _ x: UnsafePointer<Float>, _ a: Float, _ count: Int) {
        hilum_axpy(y, x, a, count)
    }

    /// Σ x²
    @inline(__always)
    public static func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
        hilum_sum_of_squares(x, count)
    }

    /// Each of `rows` rows of `width` floats becomes softmax(scale·x), in place.
    @inline(__always)
    public static func softmax(_ x: FloatPointer, rows: Int, width: Int, scale: Float = 1) {
        hilum_softmax(x, rows, width, width, scale)
    }

    /// pre += bias; y = gelu(pre); `[rows, width]`.
    @inline(__always)
    public static func biasGELU(
        _ pre: FloatPointer, _ bias: UnsafePointer<Float>, into y: FloatPointer, rows: Int, width: Int
    ) {
        hilum_bias_gelu(pre, bias, y, rows, width)
    }

    /// dy ⊙= gelu′(pre), in place.
    @inline(__always)
    public static func geluBackward(_ pre: UnsafePointer<Float>, _ dy: FloatPointer, _ count: Int) {
        hilum_gelu_backward(pre, dy, count)
    }

    /// sum[width] += the column sums of x `[rows, width]`.
    @inline(__always)
    public static func addColumnSums(_ sum: FloatPointer, _ x: UnsafePointer<Float>, rows: Int, width: Int) {
        hilum_column_sum(sum, x, rows, width)
    }

    /// Each row of y `[rows, width]` += bias.
    @inline(__always)
    public static func addBias(_ y: FloatPointer, _ bias: UnsafePointer<Float>, rows: Int, width: Int) {
        hilum_bias_add(y, bias, rows, width)
    }
}
