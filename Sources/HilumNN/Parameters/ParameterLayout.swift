/// Where each tensor of a network lies in one flat buffer; values, gradients and moments share it.
public struct ParameterLayout: Sendable {
    /// The tensors in the order in which they were added.
    public private(set) var parameters: [Parameter] = []
    /// Floats in the flat buffer.
    public private(set) var count = 0

    /// An empty layout.
    public init() {}

    /// Adds a tensor and returns its offset.
    public mutating func add(_ name: String, _ shape: [Int], _ initializer: Initializer, decays: Bool) -> Int {
        precondition(!parameters.contains { $0.name == name }, "two parameters of the same name")
        let parameter = Parameter(name: name, shape: shape, offset: count, initializer: initializer, decays: decays)
        parameters.append(parameter)
        count += (parameter.count + 15) & ~15
        return parameter.offset
    }
}
