/// How vectors become 16-bit fixed point: an offset for each dimension, one step for all.
///
/// The upper 8 bits are the codes that a graph is walked on, the lower 8 order the hits. A step for all dimensions keeps the distance
/// of two codes a plain sum of squares; offsets take out what all vectors have in common, such as the mean of one modality. Elements that
/// are equal in all vectors need no code.
public struct ScalarQuantizer: Sendable, Equatable {
    /// What code 0 stands for, a dimension each.
    public let offset: [Float]
    /// The step of the 16-bit numbers; codes alone have 256 times that.
    public let step: Float
    /// Whether codes alone are enough, since every vector lies on their grid, as pixels of 8 bits do.
    public let isExact: Bool
    /// The elements that codes hold, ascending. Every vector has the offset itself in the others.
    public let kept: [Range<Int>]

    /// - Parameters:
    ///   - offset: `[dimension]`.
    ///   - kept: the elements that codes hold, ascending, at least one; nil for all.
    /// - Precondition: a positive step; `kept` names some elements of a vector, and no two of its ranges touch.
    public init(offset: [Float], step: Float, isExact: Bool = false, kept: [Range<Int>]? = nil) {
        precondition(step > 0 && step.isFinite, "the step must be positive")
        precondition(kept.map { Self.isPart($0, of: offset.count) } ?? true, "a code has other elements than a vector")
        self.offset = offset
        self.step = step
        self.isExact = isExact
        self.kept = kept ?? [offset.indices]
    }

    /// Whether ranges are elements of a code that does not hold all of a vector: not empty, ascending, with gaps between.
    static func isPart(_ kept: [Range<Int>], of dimension: Int) -> Bool {
        guard let first = kept.first, let last = kept.last, first.lowerBound >= 0, last.upperBound <= dimension,
            kept.allSatisfy({ !$0.isEmpty })
        else { return false }
        return zip(kept, kept.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound }
            && kept != [0..<dimension]
    }

    /// Elements of a code.
    var codeDimension: Int { kept.reduce(0) { $0 + $1.count } }

    /// The elements that codes do not hold, ascending.
    var leftOut: [Range<Int>] {
        var ranges: [Range<Int>] = []
        var first = 0
        for range in kept + [offset.count..<offset.count] {
            if range.lowerBound > first { ranges.append(first..<range.lowerBound) }
            first = range.upperBound
        }
        return ranges
    }

    /// Fits offsets and step to vectors.
    ///
    /// - Parameters:
    ///   - vectors: `[count, dimension]`, row-major, all finite (a mistake of the caller otherwise); all that will be stored, or a
    ///     sample.
    ///   - reach: how far elements may lie from the mean, in parts of the farthest one here, before they are cut to it.
    ///   - allowsExact: whole numbers within 256 need no second level; false where others may follow.
    ///   - constants: the elements that are equal in all vectors that will be stored, which codes can do without; nil for none.
    /// - Complexity: O(count · dimension)
    public init(
        fitting vectors: UnsafeBufferPointer<Float>, dimension: Int, reach: Float = 1.0625, allowsExact: Bool = true,
        constants: ConstantElements? = nil
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
        var offset = sums.map { Float($0 / Double(count)) }
        constants?.forEach { offset[$0] = $1 }
        var farthest: Float = 0
        for row in 0..<count {
            for index in 0..<dimension { farthest = max(farthest, abs(base[row * dimension + index] - offset[index])) }
        }
        let range = farthest > 0 ? farthest * max(reach, 1) : 1
        self.init(offset: offset, step: range / 32_639, kept: constants?.rest)
    }
}
