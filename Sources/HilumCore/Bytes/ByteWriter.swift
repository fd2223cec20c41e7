/// Builds bytes to be stored: integers little-endian, lengths with 7 bits a byte, low bits first, and text as length
/// and UTF-8.
///
/// `ByteReader` reads them back. Thread rule: a value type; one owner at a time.
public struct ByteWriter {
    /// What was written so far.
    @inlinable public var bytes: [UInt8] { storage }

    @usableFromInline var storage: [UInt8] = []

    /// An empty writer.
    @inlinable public init() {}

    /// Makes room for `byteCount` bytes in all, so that a large value is not copied while it grows.
    @inlinable public mutating func reserve(_ byteCount: Int) { storage.reserveCapacity(byteCount) }

    /// Appends one byte.
    @inlinable public mutating func byte(_ value: UInt8) { storage.append(value) }

    /// Appends an integer in as many bytes as its type has.
    @inlinable public mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { storage.append(contentsOf: $0) }
    }

    /// Appends a length in 1 to 6 bytes.
    ///
    /// - Precondition: `value` is at least 0 and below 2⁴².
    public mutating func length(_ value: Int) {
        precondition(value >= 0 && value < 1 << ByteReader.lengthBitCount, "a length must fit its coding")
        var rest = UInt64(value)
        while rest > 127 {
            storage.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        storage.append(UInt8(rest))
    }

    /// Appends a text: its length in UTF-8 bytes, then these.
    public mutating func text(_ value: String) {
        var copy = value
        copy.withUTF8 { utf8 in
            length(utf8.count)
            storage.append(contentsOf: utf8)
        }
    }

    /// Appends 0 for nil, or 1 and the text.
    public mutating func optionalText(_ value: String?) {
        byte(value == nil ? 0 : 1)
        if let value { text(value) }
    }

    /// Appends bytes as they are, without a length.
    @inlinable public mutating func raw(_ value: some Sequence<UInt8>) { storage.append(contentsOf: value) }
}
