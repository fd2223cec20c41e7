import Foundation
import HilumCore

/// Reads the rows of a manifest: JSON lines, or CSV with a header (RFC 4180).
///
/// A row that cannot be read (not UTF-8, not an object, too long, an unknown number of fields, no id) is refused by itself.
/// A byte-order mark and CR before LF are ignored, and so are empty lines. Paths are relative to the manifest's folder.
enum Manifest {
    static let rowByteCount = 4 << 20
    static let fileByteCount = 8 << 30

    /// - Throws: `.notFound`, `.io`, `.badRequest` for a CSV file without a usable header.
    static func read(_ path: String) throws(ArchiveError) -> [SourceItem] {
        let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        let bytes = try withArchiveErrors { try FileIO.read(absolute, limitInBytes: fileByteCount) }
        let folder = (absolute as NSString).deletingLastPathComponent
        let content = withoutMark(bytes[...])
        return absolute.lowercased().hasSuffix(".csv")
            ? try readCSV(content, path: absolute, folder: folder)
            : readLines(content, path: absolute, folder: folder)
    }

    static func withoutMark(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes
    }

    // MARK: JSON lines

    private static func readLines(_ bytes: ArraySlice<UInt8>, path: String, folder: String) -> [SourceItem] {
        var items: [SourceItem] = []
        var number = 0
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
            number += 1
            let line = bytes[start..<end]
            start = end + 1
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            items.append(row(line, place: "\(path):\(number)", path: path, folder: folder))
        }
        return items
    }

    private static func row(_ line: ArraySlice<UInt8>, place: String, path: String, folder: String) -> SourceItem {
        guard line.count <= rowByteCount else {
            return .refused(place: place, reason: "the row is longer than \(rowByteCount) bytes")
        }
        let row: JSON
        do { row = try JSON(parsing: line) } catch {
            return .refused(place: place, reason: "the row is not valid JSON: \(error)")
        }
        guard case .object(let members) = row else {
            return .refused(place: place, reason: "the row is not a JSON object")
        }
        var found = SourceCase(place: place, name: "")
        for (key, value) in members {
            if let text = text(of: value) {
                found.set(key, [text], isList: false, folder: folder)
            } else if case .array(let values) = value {
                found.set(key, values.compactMap(text(of:)), isList: true, folder: folder)
            }
        }
        return finish(&found, path: path, folder: folder)
    }

    /// A string, or a number, true or false in its own spelling; nil for what a row may hold and a case does not keep.
    private static func text(of value: JSON) -> String? {
        switch value {
        case .string(let text), .numeral(let text): text
        case .bool(let value): value ? "true" : "false"
        case .null, .array, .object: nil
        }
    }

    /// A row without an id is named by its image, or its report's file.
    static func finish(_ found: inout SourceCase, path: String, folder: String) -> SourceItem {
        if found.id.isEmpty, let file = found.imagePaths.first ?? found.reportPath {
            let relative = file.hasPrefix(folder + "/") ? String(file.dropFirst(folder.count + 1)) : file
            found.id = (relative as NSString).deletingPathExtension
        }
        guard !found.id.isEmpty else { return .refused(place: found.place, reason: "the row has no id") }
        guard !found.imagePaths.isEmpty || found.report != nil || found.reportPath != nil else {
            return .refused(place: found.place, reason: "the row has neither an image nor a report")
        }
        found.name = "\(path)#\(found.id)"
        return .found(found)
    }

    // MARK: CSV

    private static func readCSV(_ bytes: ArraySlice<UInt8>, path: String, folder: String) throws(ArchiveError)
        -> [SourceItem]
    {
        var reader = CSVReader(bytes)
        guard case .fields(let header, _)? = reader.next(), !header.isEmpty else {
            throw ArchiveError(.badRequest, "\(path): the first line must name the columns")
        }
        let names = header.map { $0.trimmingCharacters(in: .whitespaces) }
        guard names.contains("id") || names.contains("image") || names.contains("report_file") else {
            throw ArchiveError(.badRequest, "\(path): no column is named id, image or report_file")
        }
        var items: [SourceItem] = []
        while let row = reader.next() {
            switch row {
            case .malformed(let line, let reason): items.append(.refused(place: "\(path):\(line)", reason: reason))
            case .fields(let values, let line):
                let place = "\(path):\(line)"
                guard values.count == names.count else {
                    items.append(
                        .refused(place: place, reason: "\(values.count) fields where the header has \(names.count)"))
                    continue
                }
                var found = SourceCase(place: place, name: "")
                for (name, value) in zip(names, values) where !name.isEmpty {
                    found.set(name, [value], isList: false, folder: folder)
                }
                items.append(finish(&found, path: path, folder: folder))
            }
        }
        return items
    }
}

/// Rows of comma-separated values: quotes, doubled quotes, and line ends inside of quotes.
struct CSVReader {
    enum Row: Equatable {
        case fields([String], line: Int)
        case malformed(line: Int, reason: String)
    }

    private let bytes: ArraySlice<UInt8>
    private var place: Int
    private var line = 1

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    /// The next row that is not empty; nil at the end. After a malformed one, reading goes on at the next line.
    mutating func next() -> Row? {
        while place < bytes.endIndex {
            let start = place
            let startLine = line
            guard let fields = readFields() else {
                // A quote that is not closed would swallow the rest of the file: give up this line alone.
                let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
                place = min(end + 1, bytes.endIndex)
                line = startLine + 1
                return .malformed(
                    line: startLine,
                    reason: "a quote is not closed, or text follows a closing quote, or the row is too long")
            }
            if fields.count == 1 && fields[0].isEmpty { continue }
            var texts: [String] = []
            for field in fields {
                guard let text = String(validating: field, as: UTF8.self) else {
                    return .malformed(line: startLine, reason: "the row is not UTF-8 text")
                }
                texts.append(text)
            }
            return .fields(texts, line: startLine)
        }
        return nil
    }

    private mutating func readFields() -> [[UInt8]]? {
        let quote = UInt8(ascii: "\"")
        let comma = UInt8(ascii: ",")
        let newline = UInt8(ascii: "\n")
        var fields: [[UInt8]] = []
        var field: [UInt8] = []
        var isQuoted = false
        var wasQuoted = false
        let limit = min(bytes.endIndex, place + Manifest.rowByteCount)
        while place < limit {
            let byte = bytes[place]
            place += 1
            if byte == newline { line += 1 }
            if isQuoted {
                if byte != quote {
                    field.append(byte)
                } else if place < bytes.endIndex && bytes[place] == quote {
                    field.append(quote)
                    place += 1
                } else {
                    isQuoted = false
                    wasQuoted = true
                }
            } else if byte == comma || byte == newline {
                fields.append(field)
                if byte == newline { return fields }
                field = []
                wasQuoted = false
            } else if byte == quote && field.isEmpty && !wasQuoted {
                isQuoted = true
            } else if byte == UInt8(ascii: "\r") && (place == bytes.endIndex || bytes[place] == newline) {
                continue
            } else if wasQuoted {
                return nil
            } else {
                field.append(byte)
            }
        }
        guard !isQuoted && place == bytes.endIndex else { return nil }
        fields.append(field)
        return fields
    }
}
