/// A part of a segment of up to about 64 KiB, to be stored under its key. `BlockBuilder` draws its bytes.
public struct WordBlock: Sendable, Equatable {
    /// The key: at most 210 bytes, in the order in which the blocks of an index are read.
    public let key: [UInt8]
    /// The block.
    public let value: [UInt8]
}
