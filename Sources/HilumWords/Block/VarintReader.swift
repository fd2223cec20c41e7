/// Reads unsigned numbers of 7 bits a byte, low bits first, from borrowed bytes.
///
/// It does what `ByteReader.length` does, without the window of bytes that come in pieces: a question decodes hundreds of
/// thousands of them.
/// Thread rule: a value type; one owner at a time. The bytes must outlive it.
struct VarintReader {
    /// A number has at most so many bytes, enough for 42 bits.
    private static let limit = 6

    private let bytes: UnsafeRawBufferPointer
    /// Where the next number begins.
    private(set) var offset: Int

    init(_ bytes: UnsafeRawBufferPointer, from offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    var isAtEnd: Bool { offset >= bytes.count }

    /// The next number.
    @inline(__always)
    mutating func next() throws(WordsError) -> Int {
        // Safety: the offsets are below the length, and the bytes outlive the reader.
        if offset < bytes.count {
            let first = Int(bytes[offset])
            if first < 128 {
                offset += 1
                return first
            }
            if offset + 1 < bytes.count {
                let second = Int(bytes[offset + 1])
                if second < 128 {
                    offset += 2
                    return first & 127 | second << 7
                }
            }
        }
        // By value, so that the reader can stay in registers.
        let (value, end) = try Self.longer(bytes, offset)
        offset = end
        return value
    }

    /// A number of three bytes and more with its end, or the error that there is none.
    private static func longer(
        _ bytes: UnsafeRawBufferPointer, _ start: Int
    ) throws(WordsError) -> (value: Int, end: Int) {
        var value = 0
        for place in 0..<limit {
            guard start + place < bytes.count else { throw WordsError.damaged("cut off") }
            let byte = bytes[start + place]
            value |= Int(byte & 127) << (7 * place)
            if byte < 128 { return (value, start + place + 1) }
        }
        throw WordsError.damaged("a number is too long")
    }

    /// Goes over `count` numbers without decoding them.
    @inline(__always)
    mutating func skip(_ count: Int) throws(WordsError) {
        var left = count
        while left > 0 {
            guard offset < bytes.count else { throw WordsError.damaged("cut off") }
            if bytes[offset] < 128 { left -= 1 }
            offset += 1
        }
    }

    /// Goes over `count` bytes and lends them.
    mutating func lend(_ count: Int) throws(WordsError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= bytes.count - offset else { throw WordsError.damaged("cut off") }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    }

    /// The next byte.
    mutating func byte() throws(WordsError) -> UInt8 {
        guard offset < bytes.count else { throw WordsError.damaged("cut off") }
        defer { offset += 1 }
        return bytes[offset]
    }
}

extension [UInt8] {
    /// Appends a number as `VarintReader` reads it.
    @inline(__always)
    mutating func appendVarint(_ value: Int) {
        var rest = UInt(bitPattern: value)
        while rest > 127 {
            append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}
