import Foundation
import HilumCore
import HilumPrivacy

/// Reads the rows of a manifest: JSON lines, or a table with a header (`TableReader`).
///
/// A row that cannot be read (not UTF-8, not an object, too long, an unknown number of fields, no id) is refused by itself.
/// A byte-order mark and CR before LF are ignored, and so are empty lines. Paths are relative to the manifest's folder. `NaN` and
/// `Infinity`, which programs write although JSON has no such numbers, are read as null.
enum Manifest {
    static let rowByteCount = 4 << 20
    static let fileByteCount = 8 << 30

    /// - Throws: `.notFound`, `.io`, `.badRequest` for a table without a usable header, and for a manifest without a row.
    static func read(_ path: String) throws(ArchiveError) -> [SourceItem] {
        let absolute = SourceScanner.realPath(path) ?? path
        let bytes = try withArchiveErrors { try FileIO.read(absolute, limitInBytes: fileByteCount) }
        let folder = FilePath.folder(of: absolute)
        let content = withoutMark(bytes[...])
        let items =
            ["csv", "tsv"].contains(FileRole.ending(of: absolute))
            ? try readTable(bytes, path: absolute, folder: folder)
            : readLines(content, path: absolute, folder: folder)
        guard !items.isEmpty else { throw ArchiveError(.badRequest, "\(path): the manifest has no rows") }
        return withDates(items)
    }

    /// The rows with dates read in the order of day and month that one of the rows shows.
    private static func withDates(_ items: [SourceItem]) -> [SourceItem] {
        var texts: [String: [String]] = [:]
        for case .found(let source) in items {
            source.fields.forEachDate { key, text in
                if !DatePeriod.isStandard(text) { texts[key, default: []].append(text) }
            }
        }
        guard !texts.isEmpty else { return items }
        let orders = texts.mapValues { DateText.orders(of: $0) }
        return items.map { item in
            guard case .found(var source) = item else { return item }
            source.fields.settleDates(orders)
            return .found(source)
        }
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
        do { row = try json(parsing: line) } catch {
            return .refused(place: place, reason: "the row is not valid JSON: \(error)")
        }
        guard case .object(let members) = row else {
            return .refused(place: place, reason: "the row is not a JSON object")
        }
        var found = SourceCase(place: place, name: "")
        for (key, value) in members { found.set(key, value, folder: folder) }
        return finish(&found, path: path, folder: folder)
    }

    /// Reads JSON in which `NaN` and the like may stand for null.
    static func json(parsing line: ArraySlice<UInt8>) throws(JSONReader.Malformed) -> JSON {
        do { return try JSON(parsing: line) } catch {
            guard let mended = withoutNaN(line), let value = try? JSON(parsing: mended[...]) else { throw error }
            return value
        }
    }

    /// The row with null in place of `NaN`, `Infinity` and `-Infinity` outside of strings; nil when there are none.
    private static func withoutNaN(_ line: ArraySlice<UInt8>) -> [UInt8]? {
        var mended: [UInt8] = []
        var hasChanged = false
        var isQuoted = false
        var place = line.startIndex
        while place < line.endIndex {
            let byte = line[place]
            if !isQuoted,
                let word = ["NaN", "-NaN", "Infinity", "-Infinity"].first(where: {
                    line[place...].starts(with: $0.utf8)
                })
            {
                mended += Array("null".utf8)
                place += word.utf8.count
                hasChanged = true
                continue
            }
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            mended.append(byte)
            place += 1
            if isQuoted && byte == UInt8(ascii: "\\") && place < line.endIndex {
                mended.append(line[place])
                place += 1
            }
        }
        return hasChanged ? mended : nil
    }

    /// A row without an id is named by its image, or its report's file.
    static func finish(_ found: inout SourceCase, path: String, folder: String) -> SourceItem {
        if found.id.isEmpty, let file = found.imagePaths.first ?? found.reportPath {
            let relative = FilePath.relative(file, to: folder) ?? file
            found.id = CaseID.canonical(FilePath.withoutEnding(relative))
        }
        guard !found.id.isEmpty else { return .refused(place: found.place, reason: "the row has no id") }
        guard !found.imagePaths.isEmpty || found.report != nil || found.reportPath != nil else {
            return .refused(place: found.place, reason: "the row has neither an image nor a report")
        }
        found.name = "\(path)#\(found.id)"
        return .found(found)
    }

    // MARK: Tables

    private static func readTable(
        _ bytes: [UInt8], path: String, folder: String
    ) throws(ArchiveError) -> [SourceItem] {
        var reader = TableReader(bytes)
        guard let header = reader.header() else {
            throw ArchiveError(.badRequest, "\(path): the first line must name the columns")
        }
        let names = header.map(columnName)
        guard names.contains("id") || names.contains("image") || names.contains("report_file") else {
            throw ArchiveError(
                .badRequest,
                "\(path): no column is named id, image or report_file; \(reader.separatorName) separates "
                    + "the columns \(header.prefix(20).joined(separator: ", "))")
        }
        let firsts = names.map { name in names.firstIndex(of: name) ?? 0 }
        if let twice = disagreement(of: names, firsts, in: reader) {
            throw ArchiveError(
                .badRequest,
                "\(path): two columns are named \(header[twice.column]) and differ in line \(twice.line); "
                    + "which one counts cannot be told, so rename one")
        }
        var items: [SourceItem] = []
        while let row = reader.next() {
            switch row {
            case .malformed(let line, let reason): items.append(.refused(place: "\(path):\(line)", reason: reason))
            case .fields(let values, let line):
                let place = "\(path):\(line)"
                // Excel leaves out empty cells at the end of a row, or adds some.
                guard values.dropFirst(names.count).allSatisfy(\.isEmpty) else {
                    items.append(
                        .refused(place: place, reason: "\(values.count) fields where the header has \(names.count)"))
                    continue
                }
                var found = SourceCase(place: place, name: "")
                for (name, value) in zip(names, values) where !name.isEmpty {
                    set(&found, name, value, folder: folder)
                }
                items.append(finish(&found, path: path, folder: folder))
            }
        }
        return items
    }

    /// The first place where two columns of one name say two things; nil where there is none, and one may be taken for the other.
    ///
    /// - Parameters:
    ///   - firsts: by column, the first one of its name.
    ///   - reader: behind the header.
    private static func disagreement(
        of names: [String], _ firsts: [Int], in reader: TableReader
    ) -> (column: Int, line: Int)? {
        let doubled = names.indices.filter { !names[$0].isEmpty && firsts[$0] < $0 }
        guard !doubled.isEmpty else { return nil }
        var reader = reader
        while let row = reader.next() {
            guard case .fields(let values, let line) = row else { continue }
            // Of three, the second may be empty.
            var said: [Int: String] = [:]
            for column in values.indices where column < names.count && !names[column].isEmpty {
                let value = values[column].trimmingCharacters(in: .whitespaces)
                guard !value.isEmpty else { continue }
                if let other = said.updateValue(value, forKey: firsts[column]), other != value { return (column, line) }
            }
        }
        return nil
    }

    /// Known columns are known in any case; other names stay as they are.
    private static func columnName(_ name: String) -> String {
        let known = Set(CaseFields.Text.allCases.map(\.rawValue))
            .union(["id", "image", "report", "report_file", CaseFields.findingsKey])
        let lower = name.lowercased().replacing(" ", with: "_")
        return known.contains(lower) ? lower : name
    }

    /// Takes a cell. Several images of a row stand between semicolons; where a file has just this name, it is one.
    private static func set(_ found: inout SourceCase, _ name: String, _ value: String, folder: String) {
        let isList = name == "image" || name == CaseFields.Text.view.rawValue
        guard isList, value.contains(";"), access("\(folder)/\(value)", F_OK) != 0 else {
            return found.set(name, [value], isList: false, folder: folder)
        }
        let parts = value.split(separator: ";", omittingEmptySubsequences: false)
        found.set(name, parts.map { $0.trimmingCharacters(in: .whitespaces) }, isList: true, folder: folder)
    }
}
