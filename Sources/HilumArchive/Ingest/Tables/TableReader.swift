import Foundation

/// Rows of a table as people and spreadsheets write them: RFC 4180 with its variants.
///
/// - The separator is a comma, semicolon, tab or bar: the one that the header has most of, or what Excel's line `sep=;` says.
/// - Lines end with LF, CR LF or CR alone. A quoted field may hold any of them, and doubled quotes.
/// - Text is UTF-8 or, with its mark, UTF-16; a row that is neither is read as Windows-1252, which contains Latin-1.
/// - `="001"`, by which Excel keeps zeros, is `001`, also where the cell is quoted.
struct TableReader {
    enum Row: Equatable {
        case fields([String], line: Int)
        case malformed(line: Int, reason: String)
    }

    private let bytes: [UInt8]
    private var place = 0
    private var line = 1
    private(set) var separator = UInt8(ascii: ",")

    private static let quote = UInt8(ascii: "\"")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let separators: [(byte: UInt8, name: String)] = [
        (UInt8(ascii: ","), "a comma"), (UInt8(ascii: ";"), "a semicolon"), (UInt8(ascii: "\t"), "a tab"),
        (UInt8(ascii: "|"), "a bar"),
    ]

    init(_ bytes: [UInt8]) { self.bytes = Self.utf8(bytes) }

    /// The separator, for people.
    var separatorName: String { Self.separators.first { $0.byte == separator }?.name ?? "a comma" }

    /// The names of the columns, which also say what separates them; nil when there is no such line.
    mutating func header() -> [String]? {
        while place < bytes.count, [Self.lineFeed, Self.carriageReturn].contains(bytes[place]) {
            place += 1
            line += 1
        }
        let end = bytes[place...].firstIndex { $0 == Self.lineFeed || $0 == Self.carriageReturn } ?? bytes.count
        let first = bytes[place..<end]
        if first.count == 5, first.starts(with: "sep=".utf8), let byte = first.last {
            separator = byte
            place = end
            _ = takeLineEnd()
        } else {
            separator = Self.separator(of: first)
        }
        guard case .fields(let names, _)? = next(), names.contains(where: { !$0.isEmpty }) else { return nil }
        return names.map { $0.trimmingCharacters(in: .whitespaces) }
    }

    private static func separator(of header: ArraySlice<UInt8>) -> UInt8 {
        var counts: [UInt8: Int] = [:]
        var isQuoted = false
        for byte in header {
            if byte == quote { isQuoted.toggle() } else if !isQuoted { counts[byte, default: 0] += 1 }
        }
        var best = separators[0].byte
        for (byte, _) in separators where counts[byte, default: 0] > counts[best, default: 0] { best = byte }
        return best
    }

    /// The next row that is not empty; nil at the end. After a malformed one, reading goes on at the next line.
    mutating func next() -> Row? {
        while place < bytes.count {
            let start = place
            let startLine = line
            guard let fields = readFields() else {
                // A quote that is not closed would swallow the rest of the file: give up this line alone.
                place = bytes[start...].firstIndex { $0 == Self.lineFeed || $0 == Self.carriageReturn } ?? bytes.count
                line = startLine
                _ = takeLineEnd()
                return .malformed(
                    line: startLine,
                    reason: "a quote is not closed, or text follows a closing quote, or the row is too long")
            }
            if fields.allSatisfy(\.isEmpty) { continue }
            return .fields(fields.map { Self.withoutFormula(Self.text($0)) }, line: startLine)
        }
        return nil
    }

    private mutating func readFields() -> [[UInt8]]? {
        var fields: [[UInt8]] = []
        var field: [UInt8] = []
        var isQuoted = false
        var wasQuoted = false
        let limit = min(bytes.count, place + Manifest.rowByteCount)
        while place < limit {
            let byte = bytes[place]
            if isQuoted {
                place += 1
                if byte != Self.quote {
                    if byte == Self.lineFeed { line += 1 }
                    field.append(byte)
                } else if place < bytes.count && bytes[place] == Self.quote {
                    field.append(Self.quote)
                    place += 1
                } else {
                    isQuoted = false
                    wasQuoted = true
                }
            } else if takeLineEnd() {
                return fields + [field]
            } else {
                place += 1
                if byte == separator {
                    fields.append(field)
                    field = []
                    wasQuoted = false
                } else if byte == Self.quote && !wasQuoted && (field.isEmpty || field == [UInt8(ascii: "=")]) {
                    isQuoted = true
                    field = []
                } else if wasQuoted {
                    // Spaces between a closing quote and the separator mean nothing.
                    guard byte == UInt8(ascii: " ") else { return nil }
                } else {
                    field.append(byte)
                }
            }
        }
        guard !isQuoted && place == bytes.count else { return nil }
        return fields + [field]
    }

    /// Steps over LF, CR LF or CR.
    private mutating func takeLineEnd() -> Bool {
        guard place < bytes.count, bytes[place] == Self.lineFeed || bytes[place] == Self.carriageReturn else {
            return false
        }
        if bytes[place] == Self.carriageReturn, place + 1 < bytes.count, bytes[place + 1] == Self.lineFeed {
            place += 1
        }
        place += 1
        line += 1
        return true
    }

    // MARK: Text

    /// `001` of `="001"`: a program that quotes every cell writes that with doubled quotes.
    private static func withoutFormula(_ text: String) -> String {
        guard text.utf8.count >= 3, text.hasPrefix("=\""), text.hasSuffix("\"") else { return text }
        let inner = text.dropFirst(2).dropLast()
        return inner.contains("\"") ? text : String(inner)
    }

    private static func text(_ field: [UInt8]) -> String {
        String(validating: field, as: UTF8.self) ?? TextEncoding.windows1252(field)
    }

    /// UTF-16 with a mark as UTF-8; a UTF-8 mark is left out.
    private static func utf8(_ bytes: [UInt8]) -> [UInt8] {
        guard let units = TextEncoding.utf16(bytes) else { return Array(Manifest.withoutMark(bytes[...])) }
        return Array(String(decoding: units, as: UTF16.self).utf8)
    }
}
