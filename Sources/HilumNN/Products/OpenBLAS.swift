import COpenBLAS

/// Matrix products by OpenBLAS, for the large products of training, contrast and evaluation.
///
/// The library is loaded when the first value is made, so a process that only embeds never maps it. The layers of the encoders
/// do not use it: in their products (`Linear`) a row has the same bits whatever shares its batch, which OpenBLAS does not promise.
/// One thread a call; Hilum works on several samples at once instead.
/// Thread rule: any thread.
public struct OpenBLAS: Sendable {
    /// The set of kernels that the library chose for this processor, such as `Cooperlake`.
    public var kernelSet: String { String(cString: hilum_blas_core()) }

    private init() {}

    /// Loads the library; cheap when it is loaded already.
    ///
    /// - Throws: `NumericError.blasUnavailable` with what to install.
    public static func load() throws(NumericError) -> OpenBLAS {
        if let reason = hilum_blas_load() {
            throw NumericError(code: .blasUnavailable(reason: String(cString: reason)))
        }
        return OpenBLAS()
    }

    /// `c[m,n] = alpha · op(a) · op(b) + beta · c`, row-major; a transposed operand is given by its stored row length.
    public func multiply(
        _ a: UnsafePointer<Float>, transposed aTransposed: Bool = false, stride aStride: Int,
        _ b: UnsafePointer<Float>, secondTransposed bTransposed: Bool = false, stride bStride: Int,
        into c: FloatPointer, stride cStride: Int, m: Int, n: Int, k: Int, alpha: Float = 1, beta: Float = 0
    ) {
        guard m > 0 && n > 0 else { return }
        hilum_sgemm(
            aTransposed ? 1 : 0, bTransposed ? 1 : 0, Int32(m), Int32(n), Int32(k), alpha, a, Int32(aStride), b,
            Int32(bStride), beta, c, Int32(cStride))
    }
}
