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
