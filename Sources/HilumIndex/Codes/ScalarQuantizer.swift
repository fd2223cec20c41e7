import CHilumKernels

/// How vectors become 16-bit fixed point: an offset for each dimension, one step for all.
///
/// The upper 8 bits are the codes that a graph is walked on, the lower 8 order the hits. A step for all dimensions keeps the distance
/// of two codes a plain sum of squares; offsets take out what all vectors have in common, such as the mean of one modality.
public struct ScalarQuantizer: Sendable, Equatable {
    /// What code 0 stands for, a dimension each.
    public let offset: [Float]
    /// The step of the 16-bit numbers; codes alone have 256 times that.
    public let step: Float
    /// Whether codes alone are enough, since every vector lies on their grid, as pixels of 8 bits do.
    public let isExact: Bool

    /// - Parameter offset: `[dimension]`.
    /// - Precondition: a positive step.
    public init(offset: [Float], step: Float, isExact: Bool = false) {
        precondition(step > 0 && step.isFinite, "the step must be positive")
        self.offset = offset
        self.step = step
        self.isExact = isExact
    }

    /// Fits offsets and step to vectors.
    ///
    /// - Parameters:
    ///   - vectors: `[count, dimension]`, row-major, all finite (a mistake of the caller otherwise); all that will be stored, or a
    ///     sample.
    ///   - reach: how far elements may lie from the mean, in parts of the farthest one here, before they are cut to it.
    ///   - allowsExact: whole numbers within 256 need no second level; false where others may follow.
    /// - Complexity: O(count · dimension)
    public init(
        fitting vectors: UnsafeBufferPointer<Float>, dimension: Int, reach: Float = 1.0625, allowsExact: Bool = true
    ) {
        let count = vectors.count / max(dimension, 1)
        guard let base = vectors.baseAddress, count > 0 else {
            self.init(offset: [Float](repeating: 0, count: dimension), step: 1.0 / 32_768)
            return
        }
        var low = Float.infinity
        var high = -Float.infinity
        var isWhole = allowsExact
        // Safety: indices stay below the count of the buffer.
        for index in 0..<count * dimension {
            let value = base[index]
            low = min(low, value)
            high = max(high, value)
            isWhole = isWhole && value == value.rounded() && abs(value) <= 65_536
        }
        if isWhole && high - low <= 255 {
            self.init(offset: [Float](repeating: low + 128, count: dimension), step: 1.0 / 256, isExact: true)
            return
        }
        var sums = [Double](repeating: 0, count: dimension)
        for row in 0..<count {
            for index in 0..<dimension { sums[index] += Double(base[row * dimension + index]) }
        }
        let offset = sums.map { Float($0 / Double(count)) }
        var farthest: Float = 0
        for row in 0..<count {
            for index in 0..<dimension { farthest = max(farthest, abs(base[row * dimension + index] - offset[index])) }
        }
        let range = farthest > 0 ? farthest * max(reach, 1) : 1
        self.init(offset: offset, step: range / 32_639)
    }
}

/// A quantizer with the kernels that use it, bound to one metric.
///
/// Sendable: nothing changes after the initializer.
final class CodeBook: @unchecked Sendable {
    let quantizer: ScalarQuantizer
    let kernels: hilum_code_kernel_set
    private let dimension: Int
    // Safety: `dimension` floats, freed in `deinit`; `scale` holds the same address.
    private let offset: UnsafeMutablePointer<Float>
    private let scale: UnsafeMutablePointer<hilum_code_scale>

    init(_ quantizer: ScalarQuantizer, metric: Metric, kernels: hilum_code_kernel_set) {
        self.quantizer = quantizer
        self.kernels = kernels
        dimension = quantizer.offset.count
        offset = .allocate(capacity: max(dimension, 1))
        offset.initialize(from: quantizer.offset, count: dimension)
        scale = .allocate(capacity: 1)
        scale.initialize(
            to: hilum_code_scale(
                offset: offset, step: quantizer.step, factor: metric == .squaredEuclidean ? 1 : 0.5))
    }

    deinit {
        offset.deallocate()
        scale.deallocate()
    }

    // Safety, for all: codes, residuals and queries have the sizes that codes.h gives for `dimension`.

    func encode(_ vector: UnsafePointer<Float>, code: UnsafeMutableRawPointer, residual: UnsafeMutableRawPointer?) {
        kernels.encode(scale, vector, dimension, code, residual)
    }

    func decode(_ code: UnsafeRawPointer, residual: UnsafeRawPointer?, into vector: UnsafeMutablePointer<Float>) {
        hilum_code_decode(scale, code, residual, dimension, vector)
    }

    /// Makes a query of a vector.
    @inline(__always) func prepare(_ vector: UnsafePointer<Float>, into query: UnsafeMutableRawPointer) {
        kernels.prepare(scale, vector, dimension, query.assumingMemoryBound(to: hilum_code_query.self))
    }

    /// Makes a query of a stored vector, without `residual` of its code alone.
    @inline(__always)
    func prepare(code: UnsafeRawPointer, residual: UnsafeRawPointer?, into query: UnsafeMutableRawPointer) {
        kernels.prepare_stored(
            scale, code, residual, dimension, query.assumingMemoryBound(to: hilum_code_query.self))
    }
}
