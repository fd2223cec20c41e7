import HilumCore

extension ScalarQuantizer {
    /// Little-endian: dimension u32 | 1 if exact u32 | step f32 | offsets f32 each.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.integer(UInt32(offset.count))
        writer.integer(UInt32(isExact ? 1 : 0))
        writer.integer(step.bitPattern)
        for value in offset { writer.integer(value.bitPattern) }
        return writer.bytes
    }

    /// The quantizer of `encoded` bytes.
    ///
    /// - Throws: `IndexError` `.damagedLinks` when the bytes are not those of a quantizer.
    public init(decoding bytes: [UInt8]) throws {
        self = try bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            let count = Int(try reader.number())
            let isExact = try reader.number() == 1
            let step = Float(bitPattern: try reader.number())
            let offset = try reader.numbers(count).map { Float(bitPattern: $0) }
            guard reader.remaining == 0, step > 0, step.isFinite, offset.allSatisfy(\.isFinite) else {
                throw IndexError.damaged("not a quantizer")
            }
            return ScalarQuantizer(offset: offset, step: step, isExact: isExact)
        }
    }
}
