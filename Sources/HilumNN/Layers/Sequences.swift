/// Several sequences packed one after the other: sequence i holds the rows `offsets[i]..<offsets[i + 1]`.
///
/// Packing stands in for padding: a row that would be padding is never computed.
public struct Sequences: Sendable {
    /// First row of each sequence, and the count of all rows at the end.
    public let offsets: [Int]

    /// Sequences of these lengths, one after the other.
    public init(lengths: [Int]) {
        var offsets = [0]
        offsets.reserveCapacity(lengths.count + 1)
        for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
        self.offsets = offsets
    }

    /// Sequences.
    public var count: Int { offsets.count - 1 }
    /// Rows of all sequences.
    public var tokenCount: Int { offsets[offsets.count - 1] }

    /// The rows of a sequence.
    @inline(__always)
    public func range(_ sequence: Int) -> Range<Int> { offsets[sequence]..<offsets[sequence + 1] }

    /// Rows of the longest sequence.
    public var longest: Int { (0..<count).reduce(0) { max($0, range($1).count) } }

    /// Sum of squared lengths: floats of one head's attention weights.
    var squaredLengthSum: Int {
        (0..<count).reduce(0) { $0 + range($1).count * range($1).count }
    }
}
