import CHilumKernels

/// The element-wise kernels for the floor above, which does not import the C module itself.
///
/// Pointers need no alignment and must not overlap unless said. Thread rule: any thread.
public enum NetworkKernels {
    /// The set in use: `scalar`, `avx2` or `avx512`.
    public static var set: String { String(cString: hilum_network_kernels()) }

    /// `c[m,n] = op(a) · b` or `op(a) · bᵀ`, row-major; a transposed operand is given by its stored row length.
    ///
    /// Each element is one sum in ascending order, so it has the same bits whatever the other sizes are. The layers multiply so;
    /// this entrance serves benches that compare it with `OpenBLAS`.
    public static func multiply(
        _ a: UnsafePointer<Float>, transposed aTransposed: Bool = false, stride aStride: Int,
        _ b: UnsafePointer<Float>, secondTransposed bTransposed: Bool = false, stride bStride: Int,
        into c: FloatPointer, stride cStride: Int, m: Int, n: Int, k: Int
    ) {
        let operand = bTransposed ? hilum_transposed : hilum_plain
        var product =
            aTransposed
            ? hilum_product(
                columns: a, stride: aStride, b, operand, stride: bStride, into: c, stride: cStride, m: m, n: n, k: k)
            : hilum_product(
                rows: a, stride: aStride, b, operand, stride: bStride, into: c, stride: cStride, m: m, n: n, k: k)
        hilum_multiply(&product)
    }

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

    /// y = scale·x + shift; y may be x.
    @inline(__always)
    public static func affine(
        _ y: FloatPointer, _ x: UnsafePointer<Float>, scale: Float, shift: Float, _ count: Int
    ) {
        hilum_affine(y, x, scale, shift, count)
    }

    /// y = scale·x of 16-bit samples.
    @inline(__always)
    public static func floats(_ y: FloatPointer, _ x: UnsafePointer<UInt16>, scale: Float, _ count: Int) {
        hilum_u16_to_f32(y, x, scale, count)
    }

    /// Squared error of `row` against `truth` normalised by its mean and deviation (ε = 1e-4); `row` becomes the difference
    /// times `scale`.
    @inline(__always)
    public static func pixelLoss(
        _ row: FloatPointer, _ truth: UnsafePointer<Float>, _ count: Int, scale: Float
    ) -> Float {
        hilum_pixel_loss(row, truth, count, scale)
    }
}
