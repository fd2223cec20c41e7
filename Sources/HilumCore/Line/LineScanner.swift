/// A position in the bytes of one line.
///
/// Thread rule: a value type; one owner at a time.
public struct LineScanner {
    /// Separates words.
    public static let space = UInt8(ascii: " ")
    /// Begins and ends a JSON string.
    public static let quote = UInt8(ascii: "\"")
    /// Follows a key.
    public static let equals = UInt8(ascii: "=")
    /// Before an `=`, negates.
    public static let bang = UInt8(ascii: "!")

    private let bytes: ArraySlice<UInt8>
    private var index: Int

    /// A scanner at the begin of a line.
    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    /// Whether nothing is left.
    public var isAtEnd: Bool { index >= bytes.endIndex }

    /// The next byte; nil at the end.
    public var peek: UInt8? { isAtEnd ? nil : bytes[index] }

    /// Goes over one byte.
    public mutating func advance() { index += 1 }

    /// Goes over spaces.
    public mutating func skipSpaces() {
        while peek == Self.space { index += 1 }
    }

    /// The bytes up to the next space.
    public mutating func takeWord() -> ArraySlice<UInt8> {
        let start = index
        while let byte = peek, byte != Self.space { index += 1 }
        return bytes[start..<index]
    }

    /// The bytes up to the next space, `=`, `!=` or quote.
    mutating func takeKey() -> ArraySlice<UInt8> {
        let start = index
        while let byte = peek, byte != Self.space, byte != Self.equals, byte != Self.quote {
            if byte == Self.bang, index + 1 < bytes.endIndex, bytes[index + 1] == Self.equals { break }
            index += 1
        }
        return bytes[start..<index]
    }

    /// The JSON string that begins at the quote where the scanner stands.
    mutating func takeString() -> Result<String, JSONString.Failure> { JSONString.read(bytes, at: &index) }

    /// Whether a byte is an ASCII letter.
    public static func isLetter(_ byte: UInt8) -> Bool { (byte | 32) >= 97 && (byte | 32) <= 122 }

    /// Whether a word has no C0 control, no DEL and no C1 control.
    public static func isPrintable(_ word: ArraySlice<UInt8>) -> Bool {
        var previous: UInt8 = 0
        for byte in word {
            if byte < 32 || byte == 127 || (previous == 0xC2 && byte < 0xA0) { return false }
            previous = byte
        }
        return true
    }

    /// Whether a word is a key.
    public static func isKey(_ word: ArraySlice<UInt8>) -> Bool {
        guard let first = word.first, first == 95 || (first >= 97 && first <= 122) else { return false }
        return word.allSatisfy(isOfKey)
    }

    /// Whether a key may hold a byte behind its first.
    static func isOfKey(_ byte: UInt8) -> Bool {
        byte == 95 || byte == 46 || (byte >= 97 && byte <= 122) || (byte >= 48 && byte <= 57)
    }
}
