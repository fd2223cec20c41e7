import CHilumKernels
import Foundation

/// A query in the form that the kernels of an index take: f32 elements, or a `hilum_code_query` for codes of 8 bits.
typealias Target = UnsafeRawPointer

/// The distance functions that one index uses, picked once for its metric, its codes and the CPU.
struct DistanceKernels: Sendable {
    typealias Gather =
        @convention(c) (
            UnsafeRawPointer?, UnsafePointer<UnsafeRawPointer?>?, Int, Int, UnsafeMutablePointer<Float>?
        ) -> Void

    /// The name of the set: scalar, avx2, avx512, avx512vnni.
    let name: String
    /// The distances of a query to many codes.
    let gather: Gather
    /// The distances of an f32 query to many f32 vectors.
    let gatherExact: Gather
    /// Makes codes of 8 bits; nil for other precisions.
    let codeBook: CodeBook?

    /// - Parameters:
    ///   - quantizer: for `i8`, which needs one.
    ///   - name: a set by name; nil takes `HILUM_KERNELS`, else the best that this CPU runs.
    /// - Throws: `.kernelsUnavailable`, `.noQuantizer`
    init(
        metric: Metric, precision: CodePrecision, quantizer: ScalarQuantizer? = nil, name requested: String? = nil
    ) throws(IndexError) {
        let wanted = requested ?? ProcessInfo.processInfo.environment["HILUM_KERNELS"] ?? ""
        // VNNI has instructions for 8 bits only; floats take what it implies.
        let floats = wanted == "avx512vnni" ? "avx512" : wanted
        guard let set = hilum_kernels(floats)?.pointee, let codes = hilum_code_kernels(wanted)?.pointee else {
            throw IndexError(.kernelsUnavailable(name: wanted))
        }
        let isL2 = metric == .squaredEuclidean
        let gather: Gather?
        switch precision {
        case .f32:
            gather = isL2 ? set.l2_f32_gather : set.ip_f32_gather
            codeBook = nil
        case .bf16:
            gather = isL2 ? set.l2_bf16_gather : set.ip_bf16_gather
            codeBook = nil
        case .i8:
            guard let quantizer else { throw IndexError(.noQuantizer) }
            gather = codes.gather
            codeBook = CodeBook(quantizer, metric: metric, kernels: codes)
        }
        guard let gather, let exact = isL2 ? set.l2_f32_gather : set.ip_f32_gather else {
            throw IndexError(.kernelsUnavailable(name: wanted))
        }
        self.name = String(cString: precision == .i8 ? codes.name : set.name)
        self.gather = gather
        gatherExact = exact
    }
}
