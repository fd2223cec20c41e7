/// A value of a manifest's row.
enum JSONField: Equatable {
    /// A string, or a number, true or false in its own spelling.
    case scalar(String)
    /// A list of scalars; what is nested in it is left out.
    case list([String])
    /// null, or an object.
    case ignored
}

/// Parses one JSON object (RFC 8259) into its keys and values. Numbers keep their spelling, so `0070` is refused and `70` stays
/// `70`; of a key that is there twice the last counts, as the caller takes them in order.
struct JSONRow {
    struct Malformed: Error { let reason: String }

    private let bytes: ArraySlice<UInt8>
    private var place: Int
    private static let depthLimit = 64

    static func parse(_ bytes: ArraySlice<UInt8>) throws(Malformed) -> [(String, JSONField)] {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw Malformed(reason: "the row is not UTF-8 text")
        }
        var parser = JSONRow(bytes: bytes, place: bytes.startIndex)
        parser.skipSpace()
        guard parser.peek == UInt8(ascii: "{") else { throw Malformed(reason: "the row is not a JSON object") }
        var fields: [(String, JSONField)] = []
        try parser.object(depth: 0) { fields.append(($0, $1)) }
        parser.skipSpace()
        guard parser.place == bytes.endIndex else { throw Malformed(reason: "something follows the JSON object") }
        return fields
    }

    private var peek: UInt8? { place < bytes.endIndex ? bytes[place] : nil }

    private func fail(_ what: String) -> Malformed {
        Malformed(reason: "the row is not valid JSON: \(what) at byte \(place - bytes.startIndex + 1)")
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A { place += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard peek == byte else { return false }
        place += 1
        return true
    }

    private mutating func object(depth: Int, _ body: (String, JSONField) -> Void) throws(Malformed) {
        guard depth < Self.depthLimit else { throw fail("too deep") }
        guard take(UInt8(ascii: "{")) else { throw fail("an object expected") }
        if take(UInt8(ascii: "}")) { return }
        repeat {
            skipSpace()
            let key = try string()
            guard take(UInt8(ascii: ":")) else { throw fail("a colon expected") }
            body(key, try value(depth: depth + 1))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw fail("a comma or a closing brace expected") }
    }

    private mutating func value(depth: Int) throws(Malformed) -> JSONField {
        skipSpace()
        switch peek {
        case UInt8(ascii: "\""): return .scalar(try string())
        case UInt8(ascii: "{"):
            try object(depth: depth) { _, _ in }
            return .ignored
        case UInt8(ascii: "["): return try list(depth: depth)
        case UInt8(ascii: "t"): return try word("true", .scalar("true"))
        case UInt8(ascii: "f"): return try word("false", .scalar("false"))
        case UInt8(ascii: "n"): return try word("null", .ignored)
        default: return .scalar(try number())
        }
    }

    private mutating func list(depth: Int) throws(Malformed) -> JSONField {
        guard depth < Self.depthLimit else { throw fail("too deep") }
        place += 1
        var values: [String] = []
        if take(UInt8(ascii: "]")) { return .list([]) }
        repeat {
            if case .scalar(let text) = try value(depth: depth + 1) { values.append(text) }
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw fail("a comma or a closing bracket expected") }
        return .list(values)
    }

    private mutating func word(_ text: StaticString, _ field: JSONField) throws(Malformed) -> JSONField {
        let count = text.utf8CodeUnitCount
        let matches = text.withUTF8Buffer { bytes[place...].prefix(count).elementsEqual($0) }
        guard matches else { throw fail("an unknown word") }
        place += count
        return field
    }

    private mutating func number() throws(Malformed) -> String {
        let start = place
        func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
        if peek == UInt8(ascii: "-") { place += 1 }
        guard isDigit(peek) else { throw fail("a value expected") }
        if peek == UInt8(ascii: "0") { place += 1 } else { while isDigit(peek) { place += 1 } }
        if peek == UInt8(ascii: ".") {
            place += 1
            guard isDigit(peek) else { throw fail("a digit expected") }
            while isDigit(peek) { place += 1 }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            place += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { place += 1 }
            guard isDigit(peek) else { throw fail("a digit expected") }
            while isDigit(peek) { place += 1 }
        }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    private mutating func string() throws(Malformed) -> String {
        guard peek == UInt8(ascii: "\"") else { throw fail("a string expected") }
        place += 1
        var utf8: [UInt8] = []
        while let byte = peek {
            place += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: utf8, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &utf8)
            case 0..<0x20: throw fail("a control character in a string")
            default: utf8.append(byte)
            }
        }
        throw fail("a string that is not closed")
    }

    private mutating func escape(into utf8: inout [UInt8]) throws(Malformed) {
        guard let byte = peek else { throw fail("a string that is not closed") }
        place += 1
        switch byte {
        case UInt8(ascii: "n"): utf8.append(0x0A)
        case UInt8(ascii: "t"): utf8.append(0x09)
        case UInt8(ascii: "r"): utf8.append(0x0D)
        case UInt8(ascii: "b"): utf8.append(0x08)
        case UInt8(ascii: "f"): utf8.append(0x0C)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): utf8.append(byte)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                guard peek == UInt8(ascii: "\\"), place + 1 < bytes.endIndex, bytes[place + 1] == UInt8(ascii: "u")
                else {
                    throw fail("half of a character")
                }
                place += 2
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw fail("half of a character") }
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fail("half of a character") }
            utf8.append(contentsOf: String(Character(scalar)).utf8)
        default: throw fail("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws(Malformed) -> UInt32 {
        let digits = bytes[place...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ $0 < 128 && Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw fail("four hexadecimal digits expected") }
        place += 4
        return code
    }
}
