/// What a search found, and what it cost.
public struct SearchResult: Sendable {
    /// The items found, nearest first; items of equal distance in ascending order.
    public var hits: [(item: UInt32, distance: Float)] = []
    /// Nodes whose links were read; 0 for an exact scan.
    public var visited = 0
    /// Distances that were computed.
    public var distanceCount = 0
    /// Whether every live (matching) vector was compared as well as the index knows it: exact for `f32` and `bf16`, to 16 bits of fixed
    /// point for `i8`.
    public var isExact = false

    /// Nothing found.
    public init() {}
}
