import Foundation
import HilumCore

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

    /// The level of a slot, a pure function of seed and slot: floor(-ln(u) / ln(m)), as in section 4.1 of the paper.
    func level(ofSlot slot: UInt32) -> Int {
        var generator = SeededGenerator(seed: seed, key: UInt64(slot))
        let share = 1 - generator.uniform()
        // Most slots have level 0, which is told without a logarithm; what is close is left to it.
        if share * Double(m) > 1.000001 { return 0 }
        let level = -log(share) / log(Double(m))
        return min(Int(level), Self.maxLevel)
    }

    private static let maxLevel = 15
}
