import Foundation
import HilumArchive
import HilumCore
import HilumReports

extension Command {
    static let findings = Command(
        name: "findings",
        summary: "what reports say: findings, denied or affirmed, with side, place and size",
        usage: [
            "[--lang L] [--json] (--text T | --file F)…",
            "[--lang L] [--json] --manifest F",
            "--names [--json]",
        ],
        operands: [],
        options: [
            .value("text", "TEXT", "a report or a phrase ('-' reads standard input); may be given more than once"),
            .value("file", "FILE", "a report, UTF-8 text ('-' reads standard input); may be given more than once"),
            .value(
                "manifest", "FILE",
                "a cases.jsonl, CSV manifest or folder; reports in its order ('-' reads JSON lines from standard input)"
            ),
            .value("lang", "L", "en, ja, or auto to tell by the words (the default)"),
            .flag("names", "list the names of findings, devices and places with what each language calls them"),
            .json,
        ],
        details: """
            Reads reports without a model and without an archive. A finding is present, absent, uncertain, or other: of another
            time or person, or only asked for. Ranges count UTF-8 bytes of the report. With --json a report is one line:
            {"id":…,"language":"en","sections":[{"name":…,"range":[a,b]}],"findings":[{"name":…,"assertion":…,"side":…,"place":…,
            "size":…,"section":…,"range":[a,b]}]}; what a report does not say has no key. Rows that cannot be read are left out,
            named on standard error, and the exit status is 3.
            """,
        examples: [
            ("hilum findings --text 'No effusion but a small left pneumothorax.'", "a sentence, as a table"),
            ("hilum findings --manifest cases.jsonl --json", "every report of a data set, one a line"),
        ],
        run: runFindings)
}

/// A report and the id it is printed under.
private struct ReportText {
    let id: String
    let text: String
}

private func runFindings(_ arguments: Arguments) throws -> ExitStatus {
    let lexicon = try Lexicon.shared()
    if arguments.has("names") {
        printNames(lexicon, asJSON: arguments.has("json"))
        return .done
    }
    let codes = lexicon.languages.map(\.rawValue)
    let wanted = try arguments.choice("lang", among: codes + ["auto"])
    let language = wanted.flatMap { $0 == "auto" ? nil : ReportLanguage(rawValue: $0) }
    var refused: [(source: String, reason: String)] = []
    let reports = try wantedReports(arguments, &refused)
    let reader = ReportReader(lexicon: lexicon)
    for (index, report) in reports.enumerated() {
        let reading = reader.read(report.text, language: language)
        if arguments.has("json") {
            standardOutput(findingsLine(report.id, reading))
        } else {
            standardOutput((index > 0 ? "\n" : "") + table(report, reading, hasMany: reports.count > 1))
        }
    }
    for (source, reason) in refused { standardError("refused: \(shown(source)): \(shown(reason))\n") }
    return refused.isEmpty ? .done : .partlyDone
}

// MARK: Input

private func wantedReports(
    _ arguments: Arguments, _ refused: inout [(source: String, reason: String)]
) throws -> [ReportText] {
    var reports: [ReportText] = []
    for (name, value) in arguments.given {
        guard let value else { continue }
        if name == "text" {
            reports.append(ReportText(id: "text-\(reports.count + 1)", text: try inputText(value)))
        } else if name == "file" {
            let bytes = try readInput(value, limitInBytes: ArchiveLimits.reportByteCount)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw CommandError(.failed, "\(shown(value)) is not UTF-8 text; convert it")
            }
            reports.append(ReportText(id: value, text: text))
        }
    }
    guard let manifest = arguments.text("manifest") else {
        if reports.isEmpty { throw CommandError.usage("--text, --file, --manifest or --names is missing") }
        return reports
    }
    if !reports.isEmpty { throw CommandError.usage("--manifest excludes --text and --file") }
    if manifest == "-" { return try inputReports(&refused) }
    let read = try CaseFiles(source: manifest)
    showPassedOver(read.passedOver)
    refused = read.refused.map { ($0.source, $0.reason) }
    let found = read.cases.compactMap { item in item.report.map { ReportText(id: item.id, text: $0) } }
    let without = read.cases.count - found.count
    if without > 0 { standardError("\(without) of \(read.cases.count) cases have no report\n") }
    return found
}

/// The rows of standard input; paths are relative to the current folder.
private func inputReports(_ refused: inout [(source: String, reason: String)]) throws -> [ReportText] {
    var reports: [ReportText] = []
    var number = 0
    for line in try readInput("-").split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
        number += 1
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
        do {
            reports.append(try inputReport(line))
        } catch {
            refused.append(("-:\(number)", "\(error)"))
        }
    }
    return reports
}

private func inputReport(_ line: ArraySlice<UInt8>) throws -> ReportText {
    let row = try JSON(parsing: line)
    guard let id = row["id"]?.string, !id.isEmpty else { throw CommandError(.failed, "the row has no id") }
    if let text = row["report"]?.string { return ReportText(id: id, text: text) }
    guard let path = row["report_file"]?.string else { throw CommandError(.failed, "the row has no report") }
    let bytes = try FileIO.read(path, limitInBytes: ArchiveLimits.reportByteCount)
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw CommandError(.failed, "the report is not UTF-8 text; convert it")
    }
    return ReportText(id: id, text: text)
}

// MARK: Output

/// What was read of one report, as one line of JSON with its line feed.
func findingsLine(_ id: String, _ reading: ReportReading) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.member("id", id)
    json.member("language", reading.language.rawValue)
    json.key("sections")
    json.beginArray()
    for section in reading.sections {
        json.beginObject()
        json.member("name", section.name.rawValue)
        json.member("range", [section.range.lowerBound, section.range.upperBound])
        json.endObject()
    }
    json.endArray()
    json.key("findings")
    json.beginArray()
    for finding in reading.findings { write(finding, to: &json) }
    json.endArray()
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self) + "\n"
}

private func write(_ finding: ReportFinding, to json: inout JSONWriter) {
    json.beginObject()
    json.member("name", finding.name)
    json.member("assertion", finding.assertion.rawValue)
    if let side = finding.side { json.member("side", side.value.rawValue) }
    if let place = finding.place { json.member("place", place.value) }
    if let size = finding.size { json.member("size", size.value) }
    if let severity = finding.severity { json.member("severity", severity.value) }
    if let change = finding.change { json.member("change", change.value.rawValue) }
    json.member("section", finding.section.rawValue)
    json.member("range", [finding.range.lowerBound, finding.range.upperBound])
    json.endObject()
}

private func table(_ report: ReportText, _ reading: ReportReading, hasMany: Bool) -> String {
    let head = hasMany ? "\(shown(report.id)) (\(reading.language))\n" : ""
    guard !reading.findings.isEmpty else { return head + "no finding is named\n" }
    var table = TextTable([
        ("assertion", .left), ("finding", .left), ("side", .left), ("place", .left), ("size", .left),
        ("severity", .left), ("change", .left), ("section", .left), ("words", .left),
    ])
    let bytes = Array(report.text.utf8)
    for finding in reading.findings {
        let words = String(decoding: bytes[finding.range], as: UTF8.self)
        table.append([
            finding.assertion.rawValue, finding.name, finding.side?.value.rawValue ?? "", finding.place?.value ?? "",
            finding.size?.value ?? "", finding.severity?.value ?? "", finding.change?.value.rawValue ?? "",
            finding.section.rawValue, shown(words),
        ])
    }
    return head + table.text
}

private func printNames(_ lexicon: Lexicon, asJSON: Bool) {
    for name in lexicon.names {
        if asJSON {
            var json = JSONWriter()
            json.beginObject()
            json.member("name", name.name)
            json.member("kind", name.kind.rawValue)
            if let parent = name.parent { json.member("parent", parent) }
            json.key("synonyms")
            json.beginObject()
            for language in lexicon.languages {
                json.member(language.rawValue, lexicon.synonyms(of: name.name, in: language))
            }
            json.endObject()
            json.endObject()
            standardOutput(String(decoding: json.bytes, as: UTF8.self) + "\n")
        } else {
            let kind = name.parent.map { "\(name.kind.rawValue), a kind of \($0)" } ?? name.kind.rawValue
            standardOutput("\(name.name) (\(kind))\n")
            for language in lexicon.languages {
                let synonyms = lexicon.synonyms(of: name.name, in: language)
                if !synonyms.isEmpty { standardOutput("  \(language): \(synonyms.joined(separator: ", "))\n") }
            }
        }
    }
}
