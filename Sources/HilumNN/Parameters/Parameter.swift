/// One named tensor inside the flat parameter buffer.
public struct Parameter: Sendable, Equatable {
    /// Its name in weight files.
    public let name: String
    /// Row-major.
    public let shape: [Int]
    /// Index of its first float in the flat buffer.
    public let offset: Int
    /// How it is filled before training.
    public let initializer: Initializer
    /// Whether weight decay applies.
    public let decays: Bool

    /// Floats it holds.
    public var count: Int { shape.reduce(1, *) }
}
