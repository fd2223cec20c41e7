/// One tensor of a weight file.
public struct TensorView: Sendable, Equatable {
    /// Row-major; empty for a scalar.
    public let shape: [Int]
    /// As many as the product of `shape`.
    public let floats: [Float]

    public init(shape: [Int], floats: [Float]) {
        precondition(shape.reduce(1, *) == floats.count, "a tensor has as many values as its shape says")
        self.shape = shape
        self.floats = floats
    }
}
