import CHilumKernels

/// A quantizer with the kernels that use it, bound to one metric.
///
/// Sendable: nothing changes after the initializer.
final class CodeBook: @unchecked Sendable {
    let quantizer: ScalarQuantizer
    let kernels: hilum_code_kernel_set
    /// Elements of a code.
    private let dimension: Int
    private let isWhole: Bool
    /// The elements that codes do not hold.
    private let leftOut: [Range<Int>]
    // Safety: `dimension` floats, freed in `deinit`; `scale` holds the same address.
    private let offset: UnsafeMutablePointer<Float>
    private let scale: UnsafeMutablePointer<hilum_code_scale>

    init(_ quantizer: ScalarQuantizer, metric: Metric, kernels: hilum_code_kernel_set) {
        self.quantizer = quantizer
        self.kernels = kernels
        dimension = quantizer.codeDimension
        isWhole = dimension == quantizer.offset.count
        leftOut = quantizer.leftOut
        offset = .allocate(capacity: max(dimension, 1))
        offset.initialize(from: quantizer.kept.flatMap { quantizer.offset[$0] }, count: dimension)
        scale = .allocate(capacity: 1)
        scale.initialize(
            to: hilum_code_scale(
                offset: offset, step: quantizer.step, factor: metric == .squaredEuclidean ? 1 : 0.5))
    }

    deinit {
        offset.deallocate()
        scale.deallocate()
    }

    // Safety, for all: vectors have the floats of the quantizer's offset; codes, residuals and queries have the sizes that codes.h gives
    // for `dimension`.

    /// Whether a vector can become a code: it has the offset in all elements that codes do not hold.
    func covers(_ vector: UnsafePointer<Float>) -> Bool {
        leftOut.allSatisfy { range in range.allSatisfy { vector[$0] == quantizer.offset[$0] } }
    }

    func encode(_ vector: UnsafePointer<Float>, code: UnsafeMutableRawPointer, residual: UnsafeMutableRawPointer?) {
        guard !isWhole else { return kernels.encode(scale, vector, dimension, code, residual) }
        withKept(vector) { kernels.encode(scale, $0, dimension, code, residual) }
    }

    func decode(_ code: UnsafeRawPointer, residual: UnsafeRawPointer?, into vector: UnsafeMutablePointer<Float>) {
        guard !isWhole else { return hilum_code_decode(scale, code, residual, dimension, vector) }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: dimension) { buffer in
            guard var kept = buffer.baseAddress else { return }
            hilum_code_decode(scale, code, residual, dimension, kept)
            vector.update(from: quantizer.offset, count: quantizer.offset.count)
            for range in quantizer.kept {
                (vector + range.lowerBound).update(from: kept, count: range.count)
                kept += range.count
            }
        }
    }

    /// Makes a query of a vector.
    @inline(__always) func prepare(_ vector: UnsafePointer<Float>, into query: UnsafeMutableRawPointer) {
        let made = query.assumingMemoryBound(to: hilum_code_query.self)
        guard !isWhole else { return kernels.prepare(scale, vector, dimension, made) }
        withKept(vector) { kernels.prepare(scale, $0, dimension, made) }
        // What a query has where all vectors are equal is as far from each of them.
        var square = 0.0
        for range in leftOut {
            for element in range {
                let difference = Double(vector[element] - quantizer.offset[element])
                square += difference * difference
            }
        }
        made.pointee.base += Double(scale.pointee.factor) * square
    }

    /// Makes a query of a stored vector, without `residual` of its code alone.
    @inline(__always)
    func prepare(code: UnsafeRawPointer, residual: UnsafeRawPointer?, into query: UnsafeMutableRawPointer) {
        kernels.prepare_stored(
            scale, code, residual, dimension, query.assumingMemoryBound(to: hilum_code_query.self))
    }

    /// Lends the elements of a vector that codes hold.
    private func withKept(_ vector: UnsafePointer<Float>, _ body: (UnsafePointer<Float>) -> Void) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: dimension) { buffer in
            guard let base = buffer.baseAddress else { return }
            var next = base
            for range in quantizer.kept {
                next.initialize(from: vector + range.lowerBound, count: range.count)
                next += range.count
            }
            body(base)
        }
    }
}
