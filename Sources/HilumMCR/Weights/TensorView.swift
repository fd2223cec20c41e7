/// One tensor of a weight file.
struct TensorView: Sendable, Equatable {
    /// Row-major; empty for a scalar.
    let shape: [Int]
    /// As many as the product of `shape`.
    let floats: [Float]

    init(shape: [Int], floats: [Float]) {
        precondition(shape.reduce(1, *) == floats.count, "a tensor has as many values as its shape says")
        self.shape = shape
        self.floats = floats
    }
}
