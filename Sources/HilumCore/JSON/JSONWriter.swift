/// Appends JSON to a byte array: no tree in between, keys in the order written. `JSON` is the tree.
///
/// Commas and line feeds are set by the writer. Thread rule: a value type; one owner at a time.
public struct JSONWriter {
    /// How the text is laid out.
    public enum Layout: Sendable {
        /// All on one line, without spaces.
        case line
        /// Each member and element on a line of its own, two spaces a level, for files that people read.
        case indented
    }

    /// What was written so far.
    public private(set) var bytes: [UInt8] = []
    private let layout: Layout
    /// Objects and arrays that are open.
    private var depth = 0
    private var needsComma = false
    private var followsKey = false

    /// An empty writer.
    public init(layout: Layout = .line) {
        self.layout = layout
        bytes.reserveCapacity(256)
    }

    /// Continues `bytes` on one line; take them back from `bytes`.
    public init(continuing bytes: consuming [UInt8]) {
        layout = .line
        self.bytes = bytes
    }

    /// Opens an object; its members follow, each a key and a value.
    public mutating func beginObject() { open(UInt8(ascii: "{")) }
    /// Closes the object that was opened last.
    public mutating func endObject() { close(UInt8(ascii: "}")) }
    /// Opens an array.
    public mutating func beginArray() { open(UInt8(ascii: "[")) }
    /// Closes the array that was opened last.
    public mutating func endArray() { close(UInt8(ascii: "]")) }

    /// Writes the key of a member; its value comes next.
    public mutating func key(_ name: String) {
        separate()
        quoted(name)
        switch layout {
        case .line: bytes.append(UInt8(ascii: ":"))
        case .indented: bytes.append(contentsOf: " : ".utf8)
        }
        needsComma = false
        followsKey = true
    }

    /// Writes a string.
    public mutating func string(_ value: String) {
        separate()
        quoted(value)
        needsComma = true
    }

    /// Writes a whole number.
    public mutating func integer(_ value: Int) {
        separate()
        appendDecimal(value)
        needsComma = true
    }

    /// Writes `true` or `false`.
    public mutating func boolean(_ value: Bool) { literal(value ? "true" : "false") }

    /// Writes `null`.
    public mutating func null() { literal("null") }

    /// Writes a number in its own spelling.
    public mutating func number(spelled text: String) { literal(text) }

    /// Writes a string as a member.
    public mutating func member(_ name: String, _ value: String) {
        key(name)
        string(value)
    }

    /// Writes a whole number as a member.
    public mutating func member(_ name: String, _ value: Int) {
        key(name)
        integer(value)
    }

    /// Writes an array of whole numbers as a member.
    public mutating func member(_ name: String, _ values: [Int]) {
        key(name)
        beginArray()
        for value in values { integer(value) }
        endArray()
    }

    /// Writes an array of strings as a member.
    public mutating func member(_ name: String, _ values: [String]) {
        key(name)
        beginArray()
        for value in values { string(value) }
        endArray()
    }

    /// A score: four decimals, up to six where they are not zero; null if it is not finite.
    public mutating func score(_ value: Float) {
        guard value.isFinite, abs(value) < 1e9 else { return null() }
        separate()
        needsComma = true
        let millionths = Int((Double(value) * 1e6).rounded())
        if millionths < 0 { bytes.append(UInt8(ascii: "-")) }
        let magnitude = millionths.magnitude
        appendDecimal(Int(magnitude / 1_000_000))
        bytes.append(UInt8(ascii: "."))
        var rest = Int(magnitude % 1_000_000)
        var divisor = 100_000
        for place in 0..<6 {
            if place >= 4 && rest == 0 { break }
            bytes.append(48 + UInt8(rest / divisor))
            rest %= divisor
            divisor /= 10
        }
    }

    private mutating func literal(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    private mutating func open(_ byte: UInt8) {
        separate()
        bytes.append(byte)
        needsComma = false
        depth += 1
    }

    private mutating func close(_ byte: UInt8) {
        depth -= 1
        // An empty object or array stays on its line.
        if needsComma { breakLine() }
        bytes.append(byte)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        if !followsKey && depth > 0 { breakLine() }
        followsKey = false
    }

    private mutating func breakLine() {
        guard layout == .indented else { return }
        bytes.append(10)
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
    }

    private mutating func appendDecimal(_ value: Int) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        let start = bytes.count
        repeat {
            bytes.append(48 + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    private static let digits = Array("0123456789abcdef".utf8)

    /// Whether a byte stands for itself in a string.
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 32 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != 127
    }

    private mutating func quoted(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        // Nearly all texts have nothing to escape and are copied at once.
        let isWritten = text.utf8.withContiguousStorageIfAvailable { octets in
            guard octets.allSatisfy(Self.isPlain) else { return false }
            bytes.append(contentsOf: octets)
            return true
        }
        if isWritten == true { return bytes.append(UInt8(ascii: "\"")) }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 10: bytes.append(contentsOf: "\\n".utf8)
            case 13: bytes.append(contentsOf: "\\r".utf8)
            case 9: bytes.append(contentsOf: "\\t".utf8)
            case 0..<32, 127:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(Self.digits[Int(byte >> 4)])
                bytes.append(Self.digits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
