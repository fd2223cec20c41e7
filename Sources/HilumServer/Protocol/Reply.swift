import HilumCore

/// The bytes of one reply: JSON objects, a line each, then the status line; with a tag, every line begins with `@tag `.
struct Reply: Sendable, Equatable {
    var bytes: [UInt8]
    /// Whether the connection ends after this reply.
    var closes: Bool
    /// The code of an `ERR`, nil for `OK`.
    var code: ReplyCode?
    /// Whether `bytes` are in the client's form already (`written(as:)`).
    var isWritten = false

    private static let longestErrorInCharacters = 1000

    /// `ERR CODE text`, in one line whatever the text holds.
    static func error(_ code: ReplyCode, _ text: String, tag: String?, closes: Bool = false) -> Reply {
        var builder = ReplyBuilder(tag: tag)
        var line = "ERR \(code.rawValue) "
        for scalar in text.unicodeScalars.prefix(longestErrorInCharacters) {
            line.unicodeScalars.append(scalar.value < 32 || (scalar.value >= 127 && scalar.value < 160) ? " " : scalar)
        }
        builder.status(line)
        return Reply(bytes: builder.bytes, closes: closes, code: code)
    }
}

/// Builds a reply line by line.
struct ReplyBuilder {
    private let prefix: [UInt8]
    private(set) var bytes: [UInt8] = []

    init(tag: String?) { prefix = tag.map { Array("@\($0) ".utf8) } ?? [] }

    /// One JSON object on a line of its own.
    mutating func object(_ write: (inout JSONWriter) -> Void) {
        bytes.append(contentsOf: prefix)
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        var writer = JSONWriter(continuing: taken)
        taken = []
        writer.beginObject()
        write(&writer)
        writer.endObject()
        bytes = writer.bytes
        bytes.append(10)
    }

    /// A JSON object that was made elsewhere; must not hold a line feed.
    mutating func object(raw json: [UInt8]) {
        bytes.append(contentsOf: prefix)
        bytes.append(contentsOf: json)
        bytes.append(10)
    }

    /// JSON objects that were made elsewhere, a line each.
    mutating func objects(raw lines: [UInt8]) {
        if prefix.isEmpty { return bytes.append(contentsOf: lines) }
        for line in lines.split(separator: 10) { object(raw: Array(line)) }
    }

    mutating func status(_ line: String) {
        bytes.append(contentsOf: prefix)
        bytes.append(contentsOf: line.utf8)
        bytes.append(10)
    }

    /// Ends the reply with `OK text`.
    consuming func ok(_ text: String = "", closes: Bool = false) -> Reply {
        status(text.isEmpty ? "OK" : "OK \(text)")
        return Reply(bytes: bytes, closes: closes, code: nil)
    }

    /// A value of a status line: as it is, or as a JSON string where the grammar asks for one.
    static func statusValue(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 32 && $0 != 34 && $0 < 127 }
        return isPlain ? text : Argument.quoted(text)
    }
}
