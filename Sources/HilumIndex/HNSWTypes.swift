/// How the distance of two vectors is measured; smaller is nearer.
public enum Metric: String, Sendable, Codable, CaseIterable {
    /// The sum of squared differences.
    case squaredEuclidean
    /// 1 − dot product; stored vectors have length 1.
    case cosine
}

/// What the graph is walked on.
///
/// The order of hits comes from the f32 vectors with `f32` and `bf16`, and from 16-bit fixed point with `i8`, which holds no floats
/// (see `ScalarQuantizer`).
public enum Precision: String, Sendable, Codable, CaseIterable {
    case f32, bf16, i8
}

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

    public init() {}
}

/// A distance and a node in one integer that sorts by distance, then node; the lowest bit marks a node whose links were read.
///
/// Layout: 32 bits of the distance (order-preserving, negative ones too), 31 bits of the node, 1 bit.
struct Candidate {
    let key: UInt64

    @inline(__always) init(key: UInt64) { self.key = key }

    @inline(__always) init(distance: Float, node: UInt32) {
        let bits = distance.bitPattern
        let ordered = bits ^ (UInt32(bitPattern: Int32(bitPattern: bits) >> 31) | 0x8000_0000)
        key = UInt64(ordered) << 32 | UInt64(node) << 1
    }

    @inline(__always) var node: UInt32 { UInt32(truncatingIfNeeded: key) >> 1 }

    @inline(__always) var distance: Float {
        let ordered = UInt32(truncatingIfNeeded: key >> 32)
        return Float(bitPattern: ordered & 0x8000_0000 != 0 ? ordered ^ 0x8000_0000 : ~ordered)
    }
}

/// No node, no item.
let absent = UInt32.max
