import Foundation

/// A fragment of HTML. Interpolated strings are escaped and interpolated fragments are not, so that text from a manifest can
/// never become markup.
struct HTML: ExpressibleByStringInterpolation, Sendable, CustomStringConvertible {
    private(set) var text: String

    var description: String { text }

    init(stringLiteral value: String) { text = value }

    init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

    static func += (left: inout HTML, right: HTML) { left.text += right.text }

    static func joined(_ parts: some Sequence<HTML>) -> HTML {
        var all: HTML = ""
        for part in parts { all += part }
        return all
    }

    /// `text` escaped for the content of an element or a quoted attribute; control characters become blanks.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case _ where scalar.properties.generalCategory == .control: result += " "
            // Characters that change the text direction could make one name look like another.
            case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": result += " "
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// An image embedded in the page.
    static func image(png bytes: [UInt8], alternative: String) -> HTML {
        let data = Data(bytes).base64EncodedString()
        return "<img alt=\"\(alternative)\" src=\"data:image/png;base64,\(data)\">"
    }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        init(literalCapacity: Int, interpolationCount: Int) {}

        mutating func appendLiteral(_ literal: String) { text += literal }
        mutating func appendInterpolation(_ value: String) { text += HTML.escaped(value) }
        mutating func appendInterpolation(_ value: Int) { text += String(value) }
        mutating func appendInterpolation(_ value: HTML) { text += value.text }
    }
}
