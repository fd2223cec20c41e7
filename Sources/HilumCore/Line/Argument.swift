/// One argument of a line: `key=value`, `key!=value` or a bare word.
///
/// Requests and filters are written with them; `ArgumentReader` reads them.
public struct Argument: Sendable, Equatable {
    /// `[a-z_][a-z0-9_.]*`; empty for a bare word.
    public let key: String
    /// What follows the sign, unquoted; of a bare word, the word.
    public let value: String
    /// Whether the sign is `!=`.
    public let isNegated: Bool

    /// An argument; with an empty key, a bare word.
    public init(key: String, value: String, isNegated: Bool = false) {
        self.key = key
        self.value = value
        self.isNegated = isNegated
    }

    /// `text` as a value that every line takes: a JSON string.
    public static func quoted(_ text: String) -> String {
        var writer = JSONWriter()
        writer.string(text)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension Argument {
    /// What to write in place of a bare word that was meant as a condition; nil where nothing is known. It names keys, never values.
    public var advice: String? {
        guard key.isEmpty else { return nil }
        let bytes = Array(value.utf8)
        guard let sign = bytes.firstIndex(where: { Set("<>:~".utf8).contains($0) }), LineScanner.isKey(bytes[..<sign])
        else { return nil }
        let name = String(decoding: bytes[..<sign], as: UTF8.self)
        return Set("<>".utf8).contains(bytes[sign]) ? Self.rangeAdvice(name) : "write \(name)=…"
    }

    /// The key that stands behind a comma, a semicolon or an ampersand in the value, as in `view=PA,site=B`; nil without one.
    ///
    /// - Complexity: O(length of the value): a key holds no separator, so no byte belongs to two of them.
    public var keyWithinValue: String? {
        let bytes = Array(value.utf8)
        for (place, byte) in bytes.enumerated() where Self.isSeparator(byte) {
            let rest = bytes[(place + 1)...].drop { $0 == LineScanner.space }
            let key = rest.prefix(while: LineScanner.isOfKey)
            let sign = rest[key.endIndex...].prefix(2)
            guard sign.first == LineScanner.equals || sign.elementsEqual([LineScanner.bang, LineScanner.equals]),
                LineScanner.isKey(key)
            else { continue }
            return String(decoding: key, as: UTF8.self)
        }
        return nil
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "&")
    }

    /// How a bound on `key` is written.
    static func rangeAdvice(_ key: String) -> String {
        "a bound on \(key) is written as a range: \(key)=A.. from A on, \(key)=..B up to B, \(key)=A..B"
    }
}
