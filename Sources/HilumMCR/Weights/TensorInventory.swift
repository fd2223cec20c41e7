/// What a model folder holds, tensor by tensor, against what its configuration asks for.
public struct TensorInventory: Sendable, Equatable {
    /// Tensors that were found with the right shape.
    public var mapped: [String] = []
    /// Tensors that the configuration asks for and the file lacks.
    public var missing: [String] = []
    /// Tensors that the file holds and nothing asks for.
    public var extra: [String] = []
    /// Tensors whose shape is not the one that is asked for.
    public var misshapen: [String] = []
}
