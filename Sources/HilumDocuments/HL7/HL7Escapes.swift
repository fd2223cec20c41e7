/// What the escape sequences of a message stand for: separators, line ends and other formats of a text, and bytes as digits (chapter 2.7).
///
/// A sign of escape that begins no sequence of the standard stands for itself, as in a path of Windows.
struct HL7Escapes {
    private let separators: HL7Message.Separators
    private let decoder: TextDecoder
    private static let longestNumber = 80

    init(_ message: HL7Message) {
        separators = message.separators
        decoder = message.decoder
    }

    /// The text of a part of a message: lines end with LF, and other control characters are left out.
    func text(_ part: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(part.count)
        var rest = part[...]
        while let byte = rest.first {
            if byte == separators.escape, let end = rest.dropFirst().firstIndex(of: byte),
                let meaning = meaning(Array(rest[..<end].dropFirst()))
            {
                text += meaning.utf8
                rest = rest[end...].dropFirst()
            } else {
                if byte >= 32 && byte != 127 || byte == 9 || byte == 10 { text.append(byte) }
                rest = rest.dropFirst()
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private func meaning(_ code: [UInt8]) -> String? {
        guard let kind = code.first else { return nil }
        func sign(_ byte: UInt8?) -> String { byte.map { String(decoding: [$0], as: UTF8.self) } ?? "" }
        if code.count == 1 {
            switch kind {
            case UInt8(ascii: "F"): return sign(separators.field)
            case UInt8(ascii: "S"): return sign(separators.component)
            case UInt8(ascii: "T"): return sign(separators.subcomponent)
            case UInt8(ascii: "R"): return sign(separators.repetition)
            case UInt8(ascii: "E"): return sign(separators.escape)
            case UInt8(ascii: "P"): return "#"
            // Highlighting begins and ends.
            case UInt8(ascii: "H"), UInt8(ascii: "N"): return ""
            default: return nil
            }
        }
        switch kind {
        case UInt8(ascii: "X"): return bytes(code.dropFirst()).map(decoded)
        // The escape sequences of another character set, and what sites make up (Z).
        case UInt8(ascii: "C"), UInt8(ascii: "M"): return bytes(code.dropFirst()) == nil ? nil : ""
        case UInt8(ascii: "Z"): return code.dropFirst().allSatisfy { 33...126 ~= $0 } ? "" : nil
        case UInt8(ascii: "."): return format(String(decoding: code.dropFirst(), as: UTF8.self).lowercased())
        default: return nil
        }
    }

    private func format(_ code: String) -> String? {
        let name = code.prefix(2)
        let digits = code.dropFirst(2).filter { $0.isASCII && $0.isNumber }
        guard code.dropFirst(2).allSatisfy({ $0.isASCII && ($0.isNumber || "+- ".contains($0)) }) else { return nil }
        let number = min(Int(digits) ?? 1, Self.longestNumber)
        switch name {
        case "br", "ce": return "\n"
        case "sp": return String(repeating: "\n", count: max(1, number))
        case "sk": return String(repeating: " ", count: number)
        case "in", "ti", "fi", "nf": return ""
        default: return nil
        }
    }

    private func bytes(_ digits: ArraySlice<UInt8>) -> [UInt8]? {
        guard !digits.isEmpty, digits.count % 2 == 0 else { return nil }
        let values = digits.compactMap { Character(Unicode.Scalar($0)).hexDigitValue.map(UInt8.init) }
        guard values.count == digits.count else { return nil }
        return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }

    /// Text of bytes that stood as digits; without what is no text.
    private func decoded(_ bytes: [UInt8]) -> String {
        var lines: [UInt8] = []
        for (place, byte) in bytes.enumerated() {
            if byte == 13 {
                if place + 1 >= bytes.count || bytes[place + 1] != 10 { lines.append(10) }
            } else if byte >= 32 && byte != 127 || byte == 9 || byte == 10 || byte == 0x1B {
                lines.append(byte)
            }
        }
        return (try? decoder.decode(lines)) ?? ""
    }
}
