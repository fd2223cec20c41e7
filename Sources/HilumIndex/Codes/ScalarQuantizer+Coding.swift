import HilumCore

extension ScalarQuantizer {
    /// Little-endian: dimension u32 | 1 if exact, 2 if codes do not hold all elements u32 | step f32 | offsets f32 each | with 2: ranges u32 |
    /// first element u32 and the one behind the last u32 of each.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.integer(UInt32(offset.count))
        let isWhole = codeDimension == offset.count
        writer.integer((isExact ? Self.exactFlag : 0) | (isWhole ? 0 : Self.partFlag))
        writer.integer(step.bitPattern)
        for value in offset { writer.integer(value.bitPattern) }
        if !isWhole {
            writer.integer(UInt32(kept.count))
            for range in kept {
                writer.integer(UInt32(range.lowerBound))
                writer.integer(UInt32(range.upperBound))
            }
        }
        return writer.bytes
    }

    /// The quantizer of `encoded` bytes.
    ///
    /// - Throws: `IndexError` `.damagedLinks` when the bytes are not those of a quantizer.
    public init(decoding bytes: [UInt8]) throws {
        self = try bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            let count = Int(try reader.number())
            let flags = try reader.number()
            let step = Float(bitPattern: try reader.number())
            let offset = try reader.numbers(count).map { Float(bitPattern: $0) }
            let kept = flags & Self.partFlag == 0 ? nil : try Self.kept(&reader, dimension: count)
            guard reader.remaining == 0, flags <= Self.exactFlag | Self.partFlag, step > 0, step.isFinite,
                offset.allSatisfy(\.isFinite)
            else { throw IndexError.damaged("not a quantizer") }
            return ScalarQuantizer(offset: offset, step: step, isExact: flags & Self.exactFlag != 0, kept: kept)
        }
    }

    private static let exactFlag: UInt32 = 1
    private static let partFlag: UInt32 = 2

    private static func kept(_ reader: inout ByteReader, dimension: Int) throws(IndexError) -> [Range<Int>] {
        let numbers = try reader.numbers(2 * Int(try reader.number())).map { Int($0) }
        var ranges: [Range<Int>] = []
        for place in stride(from: 0, to: numbers.count, by: 2) {
            guard numbers[place] < numbers[place + 1] else { throw .damaged("not the elements of a code") }
            ranges.append(numbers[place]..<numbers[place + 1])
        }
        guard isPart(ranges, of: dimension) else { throw .damaged("not the elements of a code") }
        return ranges
    }
}
