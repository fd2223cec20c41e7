/// Vectors as text: `f32:` and the little-endian floats in base64 (RFC 4648, section 4).
enum VectorText {
    static let prefix = "f32:"
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, byte) in alphabet.enumerated() { values[Int(byte)] = UInt8(value) }
        return values
    }()

    static func encode(_ vector: [Float]) -> String {
        var octets: [UInt8] = []
        octets.reserveCapacity(vector.count * 4)
        for value in vector {
            let bits = value.bitPattern
            for shift in [0, 8, 16, 24] as [UInt32] { octets.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        }
        return prefix + encodeBase64(octets)
    }

    /// - Throws: `ServerError.refused(.badVector)` for anything but finite floats, not all of them zero.
    static func decode(_ text: String) throws(ServerError) -> [Float] {
        guard text.hasPrefix(prefix) else {
            throw .refused(.badVector, "vec= takes f32: and then the little-endian floats in base64")
        }
        guard let octets = decodeBase64(Array(text.utf8.dropFirst(prefix.utf8.count))) else {
            throw .refused(.badVector, "vec=: this is not base64 (RFC 4648 with padding)")
        }
        guard !octets.isEmpty, octets.count % 4 == 0 else {
            throw .refused(.badVector, "vec=: \(octets.count) bytes are not a whole number of 32-bit floats")
        }
        var vector: [Float] = []
        vector.reserveCapacity(octets.count / 4)
        var square = 0.0
        for start in stride(from: 0, to: octets.count, by: 4) {
            var bits: UInt32 = 0
            for offset in 0..<4 { bits |= UInt32(octets[start + offset]) << UInt32(8 * offset) }
            let value = Float(bitPattern: bits)
            square += Double(value) * Double(value)
            vector.append(value)
        }
        guard square.isFinite else { throw .refused(.badVector, "vec=: the vector holds a NaN or an infinity") }
        guard square > 1e-30 else { throw .refused(.badVector, "vec=: the vector is zero and points nowhere") }
        return vector
    }

    static func encodeBase64(_ octets: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((octets.count + 2) / 3 * 4)
        for start in stride(from: 0, to: octets.count, by: 3) {
            let count = min(3, octets.count - start)
            var word = UInt32(octets[start]) << 16
            if count > 1 { word |= UInt32(octets[start + 1]) << 8 }
            if count > 2 { word |= UInt32(octets[start + 2]) }
            for place in 0..<4 {
                text.append(place > count ? UInt8(ascii: "=") : alphabet[Int(word >> UInt32(18 - 6 * place)) & 63])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for a foreign character, a wrong length, padding within, or bits left over.
    static func decodeBase64(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var end = text.count
        while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count / 4 * 3)
        var word: UInt32 = 0
        var bitCount: UInt32 = 0
        for byte in text[..<end] {
            let value = values[Int(byte)]
            if value == 255 { return nil }
            word = word << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                octets.append(UInt8(truncatingIfNeeded: word >> bitCount))
            }
        }
        return word & ((1 << bitCount) - 1) == 0 ? octets : nil
    }
}
