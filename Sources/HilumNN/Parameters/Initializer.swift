/// How a parameter is filled before training.
public enum Initializer: Sendable, Equatable {
    case zeros
    case ones
    /// Uniform in ±√(6 / (inputs + outputs)) of a `[outputs, inputs]` matrix (Glorot and Bengio 2010).
    case xavierUniform
    case normal(deviation: Float)
    case constant(Float)
}
