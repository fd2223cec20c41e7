import COpenBLAS
import CHilumKernels

/// A pointer to 32-bit floats that the caller keeps alive; the shape stands beside every use.
public typealias FloatPointer = UnsafeMutablePointer<Float>

/// Matrix products by OpenBLAS, one thread a call (Hilum works on several samples at once instead).
///
/// Thread rule: any thread, after `load()` has returned once.
public enum BLAS {
    /// Loads the library; cheap when it is loaded already.
    /// - Throws: `NumericError.blasUnavailable` with what to install.
    public static func load() throws(NumericError) {
        if let reason = hilum_blas_load() {
            throw NumericError(code: .blasUnavailable(reason: String(cString: reason)))
        }
    }

    /// The kernels OpenBLAS runs and those of this module: `Cooperlake, avx512`.
    public static var description: String {
        "\(String(cString: hilum_blas_core())), \(String(cString: hilum_network_kernels()))"
    }
}

/// `c[m,n] = alpha · op(a) · op(b) + beta · c`, row-major; a transposed operand is given by its stored row length.
@inline(__always)
public func multiply(
    _ a: UnsafePointer<Float>, transposed aTransposed: Bool = false, stride aStride: Int,
    _ b: UnsafePointer<Float>, secondTransposed bTransposed: Bool = false, stride bStride: Int,
    into c: FloatPointer, stride cStride: Int, m: Int, n: Int, k: Int, alpha: Float = 1, beta: Float = 0
) {
    guard m > 0 && n > 0 else { return }
    hilum_sgemm(
        aTransposed ? 1 : 0, bTransposed ? 1 : 0, Int32(m), Int32(n), Int32(k), alpha, a, Int32(aStride), b,
        Int32(bStride),
        beta, c, Int32(cStride))
}
