import CHilumKernels
import Foundation

/// The two distance functions that one index uses, picked once for its metric, its codes and the CPU.
struct Kernels: Sendable {
    typealias Pair = @convention(c) (UnsafeRawPointer?, UnsafeRawPointer?, Int) -> Float
    typealias Gather =
        @convention(c) (
            UnsafePointer<Float>?, UnsafePointer<UnsafeRawPointer?>?, Int, Int, UnsafeMutablePointer<Float>?
        ) -> Void

    /// The name of the set: scalar, avx2, avx512.
    let name: String
    /// The distance of two codes.
    let pair: Pair
    /// The distances of an f32 query to many codes.
    let gather: Gather
    /// The distances of an f32 query to many f32 vectors.
    let gatherExact: Gather

    /// - Parameter name: a set by name; nil takes `HILUM_KERNELS`, else the best that this CPU runs.
    /// - Throws: `.kernelsUnavailable`, `.unsupportedPrecision`
    init(metric: Metric, precision: Precision, name requested: String? = nil) throws(IndexError) {
        let wanted = requested ?? ProcessInfo.processInfo.environment["HILUM_KERNELS"] ?? ""
        guard let set = hilum_kernels(wanted)?.pointee else { throw IndexError(.kernelsUnavailable(name: wanted)) }
        let isL2 = metric == .squaredEuclidean
        let pair: Pair?
        let gather: Gather?
        switch precision {
        case .f32:
            pair = isL2 ? set.l2_f32 : set.ip_f32
            gather = isL2 ? set.l2_f32_gather : set.ip_f32_gather
        case .bf16:
            pair = isL2 ? set.l2_bf16 : set.ip_bf16
            gather = isL2 ? set.l2_bf16_gather : set.ip_bf16_gather
        case .i8: throw IndexError(.unsupportedPrecision(precision))
        }
        guard let pair, let gather, let exact = isL2 ? set.l2_f32_gather : set.ip_f32_gather else {
            throw IndexError(.kernelsUnavailable(name: wanted))
        }
        self.name = String(cString: set.name)
        self.pair = pair
        self.gather = gather
        gatherExact = exact
    }
}
