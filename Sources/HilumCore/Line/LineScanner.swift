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
        // Words may be vectors of kilobytes.
        index = bytes[index...].firstIndex(of: Self.space) ?? bytes.endIndex
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
        if isPlain(word) { return true }
        var previous: UInt8 = 0
        for byte in word {
            if byte < 32 || byte == 127 || (previous == 0xC2 && byte < 0xA0) { return false }
            previous = byte
        }
        return true
    }

    /// Whether all bytes are printable ASCII, the space included.
    ///
    /// Looks at every byte, without a way out, so that the compiler makes it look at many at once.
    private static func isPlain(_ word: ArraySlice<UInt8>) -> Bool {
        word.withUnsafeBufferPointer { bytes in
            var others: UInt8 = 0
            for byte in bytes { others |= byte &- 32 < 95 ? 0 : 1 }
            return others == 0
        }
    }

    /// Bytes as text; nil where they are not valid UTF-8.
    public static func text(_ word: ArraySlice<UInt8>) -> String? {
        guard isPlain(word) else { return String(validating: word, as: UTF8.self) }
        // Cheaper than validating kilobytes.
        return String(unsafeUninitializedCapacity: word.count) { memory in
            // Safety: the memory has room for `word.count` bytes, all of which are written.
            memory.initialize(fromContentsOf: word)
        }
    }

    /// Whether bytes are valid UTF-8.
    public static func isText(_ bytes: ArraySlice<UInt8>) -> Bool {
        isPlain(bytes) || String(validating: bytes, as: UTF8.self) != nil
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
