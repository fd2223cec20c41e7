/// How large the graph of a checkpoint is once it is in memory.
public struct GraphSize: Sendable, Equatable {
    /// Distinct vectors.
    public let nodeCount: Int
    /// As `HNSWIndex.graphByteCount`.
    public let byteCount: Int

    /// - Parameters:
    ///   - nodeCount: distinct vectors.
    ///   - byteCount: of vectors, codes and links.
    public init(nodeCount: Int = 0, byteCount: Int = 0) {
        self.nodeCount = nodeCount
        self.byteCount = byteCount
    }

    /// Reads the header of a checkpoint.
    ///
    /// - Parameters:
    ///   - linkByteCount, links, dimension, metric: as `HNSWIndex.init(restoring:links:…)`; only the first piece is read.
    ///   - quantizer: nil for a graph without codes.
    /// - Throws: `IndexError` `.damagedLinks`; what `links` throws.
    public init(
        restoring linkByteCount: Int, links: HNSWIndex.PieceReader, dimension: Int, metric: Metric,
        quantizer: ScalarQuantizer?
    ) throws {
        let header = try LinkHeader(restoring: linkByteCount, links, dimension: dimension, metric: metric)
        nodeCount = header.nodeCount
        let bytesPerNode = NodeStore.bytesPerNode(
            dimension: quantizer?.codeDimension ?? dimension, precision: quantizer == nil ? .f32 : .i8,
            m: header.parameters.m, hasResiduals: quantizer?.isExact != true)
        byteCount = header.slotCount * bytesPerNode
    }
}
