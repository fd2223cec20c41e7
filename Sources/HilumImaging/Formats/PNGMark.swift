/// The program that made a PNG, as a `tEXt` chunk `Software` right behind the header (PNG specification, 11.3.4.3).
///
/// Decoders skip the chunk. It lets a program replace its own pictures and leave all others alone.
public enum PNGMark {
    /// The signature (8 bytes) and the chunk IHDR (25 bytes).
    private static let headByteCount = 33
    private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// The PNG with the mark, which names `program`.
    public static func marked(_ png: [UInt8], program: String) -> [UInt8] {
        precondition(png.count > headByteCount && png.starts(with: signature), "only a PNG can be marked")
        return Array(png[..<headByteCount]) + chunk(program) + png[headByteCount...]
    }

    /// Whether bytes begin as a PNG does that `marked` made for `program`; a hundred bytes of the file are enough.
    public static func isMarked(_ head: [UInt8], program: String) -> Bool {
        head.starts(with: signature) && head.dropFirst(headByteCount).starts(with: chunk(program))
    }

    /// Length, type, keyword, NUL, text, CRC-32 of type and data.
    private static func chunk(_ program: String) -> [UInt8] {
        let data = Array("Software".utf8) + [0] + Array(program.utf8)
        let body = Array("tEXt".utf8) + data
        return bigEndian(UInt32(data.count)) + body + bigEndian(checksum(body))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// CRC-32 with the polynomial of the PNG specification, annex D; bit by bit, as a chunk is short.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}
