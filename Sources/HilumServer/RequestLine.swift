/// One line of the protocol, taken apart: a pure function of its bytes.
///
/// ```
/// [ "@" tag SP ] verb *( SP arg ) [ SP "bytes=" N ]      arg = key "=" value | key "!=" value | bare
/// ```
/// A line that breaks the grammar still yields its tag and its `bytes=N`, so that the reply can be matched and the
/// literal skipped.
struct RequestLine: Sendable, Equatable {
    var tag: String?
    var verb = ""
    var arguments: [Request.Argument] = []
    var literalByteCount: Int?
    /// The first fault of the line; nil if it is well formed.
    var fault: String?

    static let longestTagInBytes = 64

    private enum Value { case none, text(String), fault(String) }

    /// - Parameter line: the bytes before the line feed, without a carriage return before it.
    init(_ line: ArraySlice<UInt8>) {
        var scanner = Scanner(bytes: line)
        let isText = String(validating: line, as: UTF8.self) != nil
        if !isText { note("the line is not valid UTF-8") }
        scanner.skipSpaces()
        if scanner.peek == Scanner.at { readTag(&scanner, isText: isText) }
        scanner.skipSpaces()
        readVerb(&scanner)
        while !scanner.isAtEnd {
            scanner.skipSpaces()
            if scanner.isAtEnd { break }
            if !readArgument(&scanner) { break }
        }
    }

    private mutating func note(_ text: String) {
        if fault == nil { fault = text }
    }

    private mutating func readTag(_ scanner: inout Scanner, isText: Bool) {
        let word = scanner.takeWord().dropFirst()
        if word.isEmpty || word.count > Self.longestTagInBytes || !Scanner.isPrintable(word)
            || word.contains(Scanner.quote)
        {
            note("a tag is 1 to \(Self.longestTagInBytes) printable bytes after @, then a space")
        } else if let text = String(validating: word, as: UTF8.self) {
            tag = text
        }
    }

    private mutating func readVerb(_ scanner: inout Scanner) {
        let word = scanner.takeWord()
        if word.isEmpty {
            note("a verb is missing after the tag")
        } else if word.count > 32 || !word.allSatisfy(Scanner.isLetter) {
            note("a request begins with a verb of letters, such as SEARCH")
        } else {
            verb = String(decoding: word, as: UTF8.self).uppercased()
        }
    }

    /// False when nothing behind this argument can be told apart any more.
    private mutating func readArgument(_ scanner: inout Scanner) -> Bool {
        let head = scanner.takeKey()
        guard let separator = scanner.peek,
            separator == Scanner.equals || separator == Scanner.bang || separator == Scanner.quote
        else {
            readBare(head)
            return true
        }
        if separator == Scanner.quote {
            note("a quote may only stand after key= (write text=\"…\")")
            return scanner.skipBrokenWord()
        }
        scanner.advance()
        let isNegated = separator == Scanner.bang
        if isNegated {
            guard scanner.peek == Scanner.equals else {
                note("after ! a = is expected (key!=value)")
                return scanner.skipBrokenWord()
            }
            scanner.advance()
        }
        let key = Scanner.isKey(head) ? String(decoding: head, as: UTF8.self) : nil
        if key == nil { note("a key is a-z or _ first, then a-z, 0-9, _ or a point") }
        return readValue(&scanner, key: key, isNegated: isNegated)
    }

    private mutating func readValue(_ scanner: inout Scanner, key: String?, isNegated: Bool) -> Bool {
        let name = key ?? "key"
        let value: String
        if scanner.peek == Scanner.quote {
            switch JSONStringReader.read(&scanner) {
            case .failure(let failure):
                note("\(name)=: \(failure.text)")
                return failure.isTerminated
            case .success(let text): value = text
            }
            if let next = scanner.peek, next != Scanner.space {
                note("\(name)=: a space is expected after the closing quote")
                return scanner.skipBrokenWord()
            }
        } else {
            let word = scanner.takeWord()
            if word.isEmpty {
                note("\(name)= has no value (write \(name)=\"\" for an empty one)")
                return true
            }
            if word.contains(Scanner.quote) {
                note("\(name)=: a value with a quote in it is written as a JSON string")
                return true
            }
            guard Scanner.isPrintable(word), let text = String(validating: word, as: UTF8.self) else {
                note("\(name)=: control characters are refused; write them as escapes in a JSON string")
                return true
            }
            value = text
        }
        if let key { add(key, value, isNegated) }
        return true
    }

    private mutating func readBare(_ word: ArraySlice<UInt8>) {
        guard Scanner.isPrintable(word), let text = String(validating: word, as: UTF8.self) else {
            note("control characters are refused")
            return
        }
        arguments.append(Request.Argument(key: "", value: text))
    }

    private mutating func add(_ key: String, _ value: String, _ isNegated: Bool) {
        if key == "bytes" {
            guard !isNegated, !value.isEmpty, value.utf8.count <= 18, value.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
                let count = Int(value)
            else {
                note("bytes= takes a number of octets in decimal digits")
                return
            }
            if literalByteCount != nil {
                note("bytes= stands twice in the line")
            } else {
                literalByteCount = count
            }
            return
        }
        if arguments.contains(where: { $0.key == key && $0.isNegated == isNegated }) {
            note("\(key)\(isNegated ? "!" : "")= stands twice in the line; join several values with commas")
            return
        }
        arguments.append(Request.Argument(key: key, value: value, isNegated: isNegated))
    }
}

/// A position in the bytes of one line.
struct Scanner {
    static let space = UInt8(ascii: " ")
    static let quote = UInt8(ascii: "\"")
    static let equals = UInt8(ascii: "=")
    static let bang = UInt8(ascii: "!")
    static let at = UInt8(ascii: "@")
    static let backslash = UInt8(ascii: "\\")

    let bytes: ArraySlice<UInt8>
    private(set) var index: Int

    init(bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    var isAtEnd: Bool { index >= bytes.endIndex }
    var peek: UInt8? { isAtEnd ? nil : bytes[index] }
    /// The byte behind `peek`.
    var second: UInt8? { index + 1 < bytes.endIndex ? bytes[index + 1] : nil }

    mutating func advance() { index += 1 }

    mutating func skipSpaces() {
        while peek == Self.space { index += 1 }
    }

    /// The bytes up to the next space.
    mutating func takeWord() -> ArraySlice<UInt8> {
        let start = index
        while let byte = peek, byte != Self.space { index += 1 }
        return bytes[start..<index]
    }

    /// The bytes up to the next space, `=`, `!=` or quote.
    mutating func takeKey() -> ArraySlice<UInt8> {
        let start = index
        while let byte = peek, byte != Self.space, byte != Self.equals, byte != Self.quote {
            if byte == Self.bang, second == Self.equals { break }
            index += 1
        }
        return bytes[start..<index]
    }

    /// Goes to the end of a word that is malformed; false if a quote in it makes the rest of the line a guess.
    mutating func skipBrokenWord() -> Bool {
        !takeWord().contains(Self.quote)
    }

    static func isLetter(_ byte: UInt8) -> Bool { (byte | 32) >= 97 && (byte | 32) <= 122 }

    /// No C0 control, no DEL, no C1 control.
    static func isPrintable(_ word: ArraySlice<UInt8>) -> Bool {
        var previous: UInt8 = 0
        for byte in word {
            if byte < 32 || byte == 127 || (previous == 0xC2 && byte < 0xA0) { return false }
            previous = byte
        }
        return true
    }

    static func isKey(_ word: ArraySlice<UInt8>) -> Bool {
        guard let first = word.first, first == 95 || (first >= 97 && first <= 122) else { return false }
        return word.allSatisfy { $0 == 95 || $0 == 46 || ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) }
    }
}

/// Reads a JSON string (RFC 8259, section 7) at the scanner's position.
enum JSONStringReader {
    struct Failure: Error {
        let text: String
        /// Whether the closing quote was found, so that the rest of the line can be read.
        let isTerminated: Bool
    }

    /// - Precondition: the scanner stands on the opening quote. It ends behind the closing one, or at the end of the line.
    static func read(_ scanner: inout Scanner) -> Result<String, Failure> {
        scanner.advance()
        var fault: String?
        var text: [UInt8] = []
        while let byte = scanner.peek {
            scanner.advance()
            if byte == Scanner.quote {
                if let fault { return .failure(Failure(text: fault, isTerminated: true)) }
                guard let string = String(validating: text, as: UTF8.self) else {
                    return .failure(Failure(text: "not valid UTF-8", isTerminated: true))
                }
                return .success(string)
            }
            if byte == Scanner.backslash {
                if let problem = readEscape(&scanner, into: &text) { fault = fault ?? problem }
            } else if byte < 32 {
                fault = fault ?? "control characters in a JSON string are written as escapes"
            } else {
                text.append(byte)
            }
        }
        return .failure(Failure(text: "the closing quote is missing", isTerminated: false))
    }

    /// What is wrong with the escape, nil if nothing is.
    private static func readEscape(_ scanner: inout Scanner, into text: inout [UInt8]) -> String? {
        guard let byte = scanner.peek else { return nil }
        scanner.advance()
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "u"): return readUnicode(&scanner, into: &text)
        default: return "unknown escape; a JSON string knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"
        }
        return nil
    }

    private static func readUnicode(_ scanner: inout Scanner, into text: inout [UInt8]) -> String? {
        let lone = "\\u with half a surrogate pair is no character"
        guard var code = readHexadecimal(&scanner) else { return "\\u takes four hexadecimal digits" }
        if code == 0 { return "the character NUL is refused" }
        if code >= 0xDC00 && code <= 0xDFFF { return lone }
        if code >= 0xD800 && code <= 0xDBFF {
            guard scanner.peek == Scanner.backslash, scanner.second == UInt8(ascii: "u") else { return lone }
            scanner.advance()
            scanner.advance()
            guard let low = readHexadecimal(&scanner) else { return "\\u takes four hexadecimal digits" }
            guard low >= 0xDC00 && low <= 0xDFFF else { return lone }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { return lone }
        text.append(contentsOf: String(Character(scalar)).utf8)
        return nil
    }

    private static func readHexadecimal(_ scanner: inout Scanner) -> UInt32? {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = scanner.peek else { return nil }
            switch byte {
            case 48...57: code = code << 4 | UInt32(byte - 48)
            case 65...70: code = code << 4 | UInt32(byte - 55)
            case 97...102: code = code << 4 | UInt32(byte - 87)
            default: return nil
            }
            scanner.advance()
        }
        return code
    }
}
