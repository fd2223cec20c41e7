/// Vectors as text: `f32:` and the little-endian floats in base64 (RFC 4648, section 4).
enum VectorText {
    static let prefix = "f32:"
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    /// By byte, the six bits that it stands for; of bytes that stand for none, `foreign`.
    private static let values: [UInt32] = {
        var values = [UInt32](repeating: foreign, count: 256)
        for (value, byte) in alphabet.enumerated() { values[Int(byte)] = UInt32(value) }
        return values
    }()
    private static let foreign: UInt32 = 1 << 31

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
        var text = text
        let decoded = text.withUTF8 { decodeBase64(UnsafeBufferPointer(rebasing: $0[prefix.utf8.count...])) }
        guard let octets = decoded else {
            throw .refused(.badVector, "vec=: this is not base64 (RFC 4648 with padding)")
        }
        guard !octets.isEmpty, octets.count % 4 == 0 else {
            throw .refused(.badVector, "vec=: \(octets.count) bytes are not a whole number of 32-bit floats")
        }
        var square = 0.0
        let vector = [Float](unsafeUninitializedCapacity: octets.count / 4) { memory, count in
            octets.withUnsafeBytes { octets in
                for place in 0..<(octets.count / 4) {
                    // Safety: four bytes are left at `4 * place`, and the memory has room for each fourth of the bytes.
                    let bits = octets.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self)
                    let value = Float(bitPattern: UInt32(littleEndian: bits))
                    square += Double(value) * Double(value)
                    memory.initializeElement(at: place, to: value)
                }
            }
            count = octets.count / 4
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
    static func decodeBase64(_ text: [UInt8]) -> [UInt8]? { text.withUnsafeBufferPointer { decodeBase64($0) } }

    private static func decodeBase64(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var end = text.count
        while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        // Four characters are three octets; of two or three that are left, one or two.
        let (wholeCount, rest) = (end / 4, end % 4)
        var seen: UInt32 = 0
        let octets = values.withUnsafeBufferPointer { values in
            [UInt8](unsafeUninitializedCapacity: 3 * wholeCount + 2) { memory, count in
                for place in 0..<wholeCount {
                    // Safety: `place` is below a fourth of the text and a third of the memory.
                    let (first, second) = (values[Int(text[4 * place])], values[Int(text[4 * place + 1])])
                    let (third, fourth) = (values[Int(text[4 * place + 2])], values[Int(text[4 * place + 3])])
                    seen |= first | second | third | fourth
                    let word = first << 18 | second << 12 | third << 6 | fourth
                    memory.initializeElement(at: 3 * place, to: UInt8(truncatingIfNeeded: word >> 16))
                    memory.initializeElement(at: 3 * place + 1, to: UInt8(truncatingIfNeeded: word >> 8))
                    memory.initializeElement(at: 3 * place + 2, to: UInt8(truncatingIfNeeded: word))
                }
                count = 3 * wholeCount
                guard rest > 0 else { return }
                var word: UInt32 = 0
                for byte in text[(4 * wholeCount)..<end] {
                    seen |= values[Int(byte)]
                    word = word << 6 | values[Int(byte)]
                }
                // Bits that belong to no octet must be zero.
                let bitCount = UInt32(6 * rest) % 8
                if word & ((1 << bitCount) - 1) != 0 { seen |= foreign }
                for left in stride(from: rest - 2, through: 0, by: -1) {
                    memory.initializeElement(
                        at: count, to: UInt8(truncatingIfNeeded: word >> (bitCount + UInt32(8 * left))))
                    count += 1
                }
            }
        }
        return seen & foreign == 0 && rest != 1 ? octets : nil
    }
}
