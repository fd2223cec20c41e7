/// How a parameter is filled before training.
public enum Initializer: Sendable, Equatable {
    case zeros
    case ones
    /// Uniform in ±√(6 / (inputs + outputs)) of a `[outputs, inputs]` matrix (Glorot and Bengio 2010).
    case xavierUniform
    case normal(deviation: Float)
    case constant(Float)
}

/// One named tensor inside the flat parameter buffer.
public struct Parameter: Sendable, Equatable {
    public let name: String
    public let shape: [Int]
    /// Index of its first float in the flat buffer.
    public let offset: Int
    public let initializer: Initializer
    /// Whether weight decay applies.
    public let decays: Bool

    public var count: Int { shape.reduce(1, *) }
}
