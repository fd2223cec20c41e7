/// Reads JSON strings (RFC 8259, section 7); the one place that knows their escapes. `JSONWriter` writes them.
///
/// Stricter than the RFC: U+0000 is refused, because nothing that Hilum stores or shows may hold it.
enum JSONString {
    /// Why a string cannot be read.
    struct Failure: Error {
        let reason: String
        /// Whether the closing quote was found, so that what follows can still be read.
        let isTerminated: Bool
    }

    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    /// Reads the string at `place`, which ends up behind the closing quote, or at the end of the bytes where that is
    /// missing.
    ///
    /// A string with a fault is read to its end all the same; the first fault is the failure.
    /// - Precondition: `place` is that of the opening quote.
    static func read(_ bytes: ArraySlice<UInt8>, at place: inout Int) -> Result<String, Failure> {
        var reader = Body(bytes: bytes, place: place + 1)
        defer { place = reader.place }
        var text: [UInt8] = []
        var fault: String?
        while reader.place < bytes.endIndex {
            let start = reader.place
            while let byte = reader.peek, byte >= 0x20, byte != quote, byte != backslash { reader.place += 1 }
            text.append(contentsOf: bytes[start..<reader.place])
            guard let byte = reader.peek else { break }
            reader.place += 1
            switch byte {
            case quote:
                if fault == nil, let string = String(validating: text, as: UTF8.self) { return .success(string) }
                return .failure(Failure(reason: fault ?? "not valid UTF-8", isTerminated: true))
            case backslash:
                if let problem = reader.escape(into: &text) { fault = fault ?? problem }
            default: fault = fault ?? "control characters in a JSON string are written as escapes"
            }
        }
        return .failure(Failure(reason: "the closing quote is missing", isTerminated: false))
    }

    /// A place within a string.
    private struct Body {
        let bytes: ArraySlice<UInt8>
        var place: Int

        var peek: UInt8? { place < bytes.endIndex ? bytes[place] : nil }

        /// Reads what follows a backslash; what is wrong with it, nil if nothing is.
        mutating func escape(into text: inout [UInt8]) -> String? {
            guard let byte = peek else { return nil }
            place += 1
            switch byte {
            case quote, backslash, UInt8(ascii: "/"): text.append(byte)
            case UInt8(ascii: "n"): text.append(10)
            case UInt8(ascii: "r"): text.append(13)
            case UInt8(ascii: "t"): text.append(9)
            case UInt8(ascii: "b"): text.append(8)
            case UInt8(ascii: "f"): text.append(12)
            case UInt8(ascii: "u"): return unicode(into: &text)
            default: return "unknown escape; a JSON string knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"
            }
            return nil
        }

        private mutating func unicode(into text: inout [UInt8]) -> String? {
            let lone = "\\u with half a surrogate pair is no character"
            let short = "\\u takes four hexadecimal digits"
            guard var code = hexadecimal() else { return short }
            if code == 0 { return "the character NUL is refused" }
            if 0xD800..<0xDC00 ~= code {
                guard peek == backslash, place + 1 < bytes.endIndex, bytes[place + 1] == UInt8(ascii: "u") else {
                    return lone
                }
                place += 2
                guard let low = hexadecimal() else { return short }
                guard 0xDC00..<0xE000 ~= low else { return lone }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { return lone }
            text.append(contentsOf: String(Character(scalar)).utf8)
            return nil
        }

        private mutating func hexadecimal() -> UInt32? {
            var code: UInt32 = 0
            for _ in 0..<4 {
                guard let byte = peek else { return nil }
                switch byte {
                case 48...57: code = code << 4 | UInt32(byte - 48)
                case 65...70: code = code << 4 | UInt32(byte - 55)
                case 97...102: code = code << 4 | UInt32(byte - 87)
                default: return nil
                }
                place += 1
            }
            return code
        }
    }
}
