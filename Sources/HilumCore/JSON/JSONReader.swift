/// Reads JSON (RFC 8259) piece by piece and strictly, in the order of the text.
///
/// A key that stands twice in an object, text after the value, half a surrogate pair, U+0000, a control character in a
/// string, a number with a leading zero and nesting beyond 64 levels are errors. It stops at the first thing that should
/// not be there, so hostile bytes cost no more than what lies before that. `JSON` reads a whole value into memory.
///
///     try reader.beginObject()
///     while let key = try reader.nextKey() { … read or skip one value … }
///     try reader.finish()
///
/// Thread rule: a value type; one owner at a time.
public struct JSONReader {
    /// The text is not JSON, or not the JSON that was asked for.
    public struct Malformed: Error, CustomStringConvertible, Sendable {
        /// What is wrong, in words that hold none of the text.
        public let reason: String
        /// Where, from 0.
        public let byteOffset: Int

        /// The reason and the place, counted from 1.
        public var description: String { "\(reason) at byte \(byteOffset + 1)" }
    }

    /// What kind of value comes next.
    public enum Kind: Sendable {
        /// `{`
        case object
        /// `[`
        case array
        /// `"`
        case string
        /// A digit or a minus sign.
        case number
        /// `true` or `false`.
        case boolean
        /// `null`.
        case null
    }

    /// Objects and arrays within each other.
    static let depthLimit = 64

    /// An object or array that was entered.
    private struct Level {
        let isObject: Bool
        var isEmpty = true
        var keys: Set<String> = []
    }

    private let bytes: ArraySlice<UInt8>
    private var place: Int
    private var levels: [Level] = []

    /// A reader of UTF-8 text.
    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    // MARK: Objects and arrays

    /// Enters an object.
    public mutating func beginObject() throws(Malformed) { try begin("{", isObject: true) }

    /// The next key of the object that was entered last, whose value must be read before the next call; nil once it is
    /// over.
    public mutating func nextKey() throws(Malformed) -> String? {
        guard try advance(to: "}") else { return nil }
        skipSpace()
        let start = place
        let key = try string()
        guard levels[levels.count - 1].keys.insert(key).inserted else {
            place = start
            throw malformed("a key that stands twice")
        }
        try expect(":")
        return key
    }

    /// Enters an array.
    public mutating func beginArray() throws(Malformed) { try begin("[", isObject: false) }

    /// Whether the array that was entered last has another element, which must be read before the next call.
    public mutating func nextElement() throws(Malformed) -> Bool { try advance(to: "]") }

    private mutating func begin(_ bracket: Unicode.Scalar, isObject: Bool) throws(Malformed) {
        try expect(bracket)
        guard levels.count < Self.depthLimit else {
            throw malformed("nesting deeper than \(Self.depthLimit) levels")
        }
        levels.append(Level(isObject: isObject))
    }

    /// Goes on to the next member; false at the closing bracket.
    private mutating func advance(to bracket: Unicode.Scalar) throws(Malformed) -> Bool {
        precondition(levels.last?.isObject == (bracket == "}"), "an object or array must have been entered")
        if take(bracket) {
            levels.removeLast()
            return false
        }
        if levels[levels.count - 1].isEmpty {
            levels[levels.count - 1].isEmpty = false
        } else if !take(",") {
            throw malformed("a comma or \(bracket) is missing")
        }
        return true
    }

    // MARK: Values

    /// The kind of the next value.
    ///
    /// - Throws: `Malformed` where no value begins.
    public mutating func kind() throws(Malformed) -> Kind {
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        case .some(let byte) where byte == UInt8(ascii: "-") || 48...57 ~= byte: return .number
        default: throw malformed("a value is missing")
        }
    }

    /// A string.
    public mutating func string() throws(Malformed) -> String {
        skipSpace()
        guard peek == UInt8(ascii: "\"") else { throw malformed("the opening \" is missing") }
        switch JSONString.read(bytes, at: &place) {
        case .success(let text): return text
        case .failure(let failure): throw malformed(failure.reason)
        }
    }

    /// A number in its own spelling, such as `1.50` or `-2e9`.
    public mutating func number() throws(Malformed) -> String {
        skipSpace()
        let start = place
        if peek == UInt8(ascii: "-") { place += 1 }
        if peek == UInt8(ascii: "0") {
            place += 1
            if let next = peek, 48...57 ~= next { throw malformed("a number that begins with 0") }
        } else {
            try digits("a number is missing")
        }
        if peek == UInt8(ascii: ".") {
            place += 1
            try digits("a digit is missing")
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            place += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { place += 1 }
            try digits("a digit is missing")
        }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    /// A whole number from 0 on that fits an `Int`.
    public mutating func count() throws(Malformed) -> Int {
        skipSpace()
        let start = place
        guard let first = peek, 48...57 ~= first else { throw malformed("a whole number from 0 on is missing") }
        let text = try number()
        guard text.utf8.allSatisfy({ 48...57 ~= $0 }) else {
            place = start
            throw malformed("a whole number from 0 on is missing")
        }
        guard let value = Int(text) else {
            place = start
            throw malformed("a number is too large to be true")
        }
        return value
    }

    /// `true` or `false`.
    public mutating func boolean() throws(Malformed) -> Bool {
        skipSpace()
        if takeWord("true") { return true }
        if takeWord("false") { return false }
        throw malformed("true or false is missing")
    }

    /// `null`.
    public mutating func null() throws(Malformed) {
        skipSpace()
        guard takeWord("null") else { throw malformed("null is missing") }
    }

    /// Reads over the next value, which must be well formed.
    public mutating func skip() throws(Malformed) {
        switch try kind() {
        case .object:
            try beginObject()
            while try nextKey() != nil { try skip() }
        case .array:
            try beginArray()
            while try nextElement() { try skip() }
        case .string: _ = try string()
        case .number: _ = try number()
        case .boolean: _ = try boolean()
        case .null: try null()
        }
    }

    /// Makes sure that nothing but white space follows.
    public mutating func finish() throws(Malformed) {
        precondition(levels.isEmpty, "every object and array must be read to its end")
        skipSpace()
        guard place == bytes.endIndex else { throw malformed("something follows the value") }
    }

    // MARK: Characters

    private var peek: UInt8? { place < bytes.endIndex ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { place += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard let byte = peek, UInt32(byte) == character.value else { return false }
        place += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(Malformed) {
        guard take(character) else { throw malformed("\(character) is missing") }
    }

    private mutating func takeWord(_ word: StaticString) -> Bool {
        let isThere = word.withUTF8Buffer { bytes[place...].starts(with: $0) }
        if isThere { place += word.utf8CodeUnitCount }
        return isThere
    }

    private mutating func digits(_ reason: String) throws(Malformed) {
        let start = place
        while let byte = peek, 48...57 ~= byte { place += 1 }
        guard place > start else { throw malformed(reason) }
    }

    private func malformed(_ reason: String) -> Malformed {
        Malformed(reason: reason, byteOffset: place - bytes.startIndex)
    }
}
