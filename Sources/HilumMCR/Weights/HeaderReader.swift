/// Reads just the JSON a safetensors header may hold: objects, strings, lists of whole numbers. It stops at the first
/// thing that should not be there, so a hostile header costs no more than the bytes before that.
struct HeaderReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Calls `body` at each value of an object.
    mutating func object(
        _ body: (String, inout HeaderReader) throws(MCRError) -> Void
    ) throws(MCRError) {
        try expect("{")
        if take("}") { return }
        repeat {
            let key = try string()
            try expect(":")
            try body(key, &self)
        } while take(",")
        try expect("}")
    }

    /// A list of whole numbers from 0 on.
    mutating func integers(limit: Int) throws(MCRError) -> [Int] {
        var values: [Int] = []
        try expect("[")
        if take("]") { return values }
        repeat {
            guard values.count < limit else { throw malformed("a list is longer than \(limit)") }
            values.append(try integer())
        } while take(",")
        try expect("]")
        return values
    }

    mutating func string() throws(MCRError) -> String {
        try expect("\"")
        var output: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case 0x22:
                guard let text = String(validating: output, as: UTF8.self) else {
                    throw malformed("a text is not UTF-8")
                }
                return text
            case 0x5C: try escape(into: &output)
            case ..<0x20: throw malformed("a control character in a text")
            default: output.append(byte)
            }
        }
        throw malformed("a text does not end")
    }

    /// Nothing but white space may follow.
    mutating func end() throws(MCRError) {
        skipSpace()
        guard position == bytes.count else { throw malformed("something follows the header's object") }
    }

    private mutating func escape(into output: inout [UInt8]) throws(MCRError) {
        guard position < bytes.count else { throw malformed("a text does not end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: output.append(byte)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"):
            var value = try hexadecimal()
            if 0xD800..<0xDC00 ~= value, position + 1 < bytes.count, bytes[position] == 0x5C,
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                guard 0xDC00..<0xE000 ~= low else { throw malformed("half a surrogate pair") }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw malformed("half a surrogate pair") }
            output.append(contentsOf: Array(String(scalar).utf8))
        default: throw malformed("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws(MCRError) -> UInt32 {
        guard position + 4 <= bytes.count else { throw malformed("a short escape") }
        var value: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(byte - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt32(byte - 0x61 + 10)
            default: throw malformed("a bad escape")
            }
        }
        position += 4
        return value
    }

    private mutating func integer() throws(MCRError) -> Int {
        skipSpace()
        let start = position
        var value = 0
        while position < bytes.count, 0x30...0x39 ~= bytes[position] {
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = product.addingReportingOverflow(Int(bytes[position] - 0x30))
            guard !overflows && !overflowsToo else { throw malformed("a number is too large to be true") }
            value = sum
            position += 1
        }
        guard position > start else { throw malformed("a whole number from 0 on is missing") }
        guard position == start + 1 || bytes[start] != 0x30 else { throw malformed("a number begins with 0") }
        return value
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(MCRError) {
        guard take(character) else { throw malformed("\(character) is missing") }
    }

    private func malformed(_ reason: String) -> MCRError {
        SafeTensorsHeader.refuse("the header is malformed at byte \(8 + position): \(reason)")
    }
}
