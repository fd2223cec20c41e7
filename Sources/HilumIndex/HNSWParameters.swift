/// How the graph is built.
public struct HNSWParameters: Sendable, Equatable {
    /// Links that a new node makes on each layer; layer 0 holds up to `2 * m` a node, the layers above up to `m`.
    public var m: Int
    /// Candidates that are kept while the place of a new node is looked for.
    public var efConstruction: Int
    /// Decides the layers of the nodes; the same seed and the same calls give the same graph.
    public var seed: UInt64

    /// - Precondition: `m` in 2...64, `efConstruction` in 1...1,000,000.
    public init(m: Int = 16, efConstruction: Int = 200, seed: UInt64 = 1) {
        precondition((2...64).contains(m), "m must be in 2...64")
        precondition((1...1_000_000).contains(efConstruction), "efConstruction must be in 1...1,000,000")
        self.m = m
        self.efConstruction = efConstruction
        self.seed = seed
    }
}
