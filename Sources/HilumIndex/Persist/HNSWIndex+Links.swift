/// The links as bytes (see `LinkFormat`).
extension HNSWIndex {
    /// The links and postings as bytes, for `init(restoring:…)`; the same graph gives the same bytes. As the writer.
    ///
    /// - Complexity: about 100 bytes a node at m = 16.
    public func serializeLinks() -> [UInt8] { asWriter { $0.serializeLinks() } }

    /// The items of each slot as bytes, for `scan`, which then reads no links; the same graph gives the same bytes. As the writer.
    ///
    /// - Complexity: 4 bytes a slot and 4 an item.
    public func serializeOwners() -> [UInt8] { asWriter { $0.serializeOwners() } }

    /// The index of a checkpoint, with the vectors from where they are kept.
    ///
    /// Nothing in `bytes` is trusted: the checksum, every number and every link are checked, and the graph must be whole. Items whose
    /// vector is gone are removed with repair, items whose vector changed are linked again (`restoration` counts both). Items that
    /// came after the checkpoint are the caller's to insert; `contains(item:)` tells which are there.
    ///
    /// - Parameters:
    ///   - bytes: what `serializeLinks` gave.
    ///   - dimension, metric: must be those of the checkpoint.
    ///   - vectors: writes the vector of an item, `dimension` floats, into the buffer; false if there is none any more.
    /// - Throws: `IndexError` `.damagedLinks`; `.notFinite`, `.zeroLength`, `.notUnitLength` for a vector; what `vectors` throws.
    public convenience init(
        restoring bytes: [UInt8], dimension: Int, metric: Metric, precision: CodePrecision = .f32,
        quantizer: ScalarQuantizer? = nil,
        vectors: (_ item: UInt32, _ into: UnsafeMutableBufferPointer<Float>) throws -> Bool
    ) throws {
        let header = try LinkHeader(checking: bytes, dimension: dimension, metric: metric)
        try self.init(
            dimension: dimension, metric: metric, parameters: header.parameters, precision: precision,
            quantizer: quantizer)
        try writer.restore(bytes, header, vectors: vectors)
    }
}
