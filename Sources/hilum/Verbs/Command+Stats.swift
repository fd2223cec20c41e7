import HilumArchive
import HilumCore

extension Command {
    static let stats = Command(
        name: "stats",
        summary: "what an archive holds",
        usage: ["ARCHIVE [--findings | --logged NAME] [--json]"],
        operands: ["ARCHIVE"],
        options: [
            .flag("findings", "in place of that: how many reports affirm, deny and doubt each finding"),
            .value(
                "logged", "NAME",
                "in place of that: by which hash the daemon's log names this case or file of the inbox"), .json,
        ],
        details: """
            Counts cases, images, reports and vectors, and says which model they belong to and how large the store is.
            With --findings --json, one object a line: {"name":"effusion","affirmed":12,"denied":340,"uncertain":3}.
            """,
        examples: [
            ("hilum stats archive", "a table of counts"),
            ("hilum stats archive --findings", "what the reports of an archive say, in numbers"),
        ],
        run: runStats)
}

private func runStats(_ arguments: Arguments) throws -> ExitStatus {
    let archive = try openArchive(arguments.operands[0], .readOnly)
    defer { archive.close() }
    if let name = arguments.text("logged") {
        // The daemon knows its files by their whole paths.
        let whole = OutputFolder.resolved(name) ?? name
        standardOutputLine(try LogNames(file: arguments.operands[0] + "/log.key").name(whole))
        return .done
    }
    if arguments.has("findings") { return try showFindings(archive, asJSON: arguments.has("json")) }
    let stats = try archive.stats()
    if arguments.has("json") {
        standardOutputLine(stats.json.snakeCased.sorted.text)
        return .done
    }
    var table = TextTable([("what", .left), ("value", .right)])
    let counts: [(String, Int)] = [
        ("cases", stats.cases), ("images", stats.images), ("reports", stats.reports),
        ("distinct image vectors", stats.imageNodes), ("distinct report vectors", stats.reportNodes),
        ("dimension", stats.dimension), ("generation", stats.generation), ("store, bytes", stats.fileBytes),
        ("graph in memory, bytes", stats.graphBytes), ("filters in memory, bytes", stats.filterBytes),
        ("changes since the last checkpoint", stats.changesSinceCheckpoint),
        ("format", stats.formatVersion),
    ]
    for (what, value) in counts { table.append([what, String(value)]) }
    table.append(["identifiers", stats.deidentification])
    table.append(["dates", stats.dates])
    table.append(["model", stats.model.isEmpty ? "none yet" : String(stats.model.prefix(16))])
    standardOutput(table.text)
    return .done
}

private func showFindings(_ archive: Archive, asJSON: Bool) throws -> ExitStatus {
    let findings = try archive.saidFindings()
    var table = TextTable([("finding", .left), ("affirmed", .right), ("denied", .right), ("uncertain", .right)])
    for finding in findings {
        if asJSON {
            var json = JSONWriter()
            json.beginObject()
            json.member("name", finding.name)
            json.member("affirmed", finding.affirmed)
            json.member("denied", finding.denied)
            json.member("uncertain", finding.uncertain)
            json.endObject()
            standardOutputLine(String(decoding: json.bytes, as: UTF8.self))
        } else {
            table.append([finding.name, String(finding.affirmed), String(finding.denied), String(finding.uncertain)])
        }
    }
    if !asJSON, !findings.isEmpty { standardOutput(table.text) }
    let unread = try archive.unreadReportCount()
    if unread > 0 {
        standardError("\(unread) older reports are not counted yet; 'hilum index' and 'hilum serve' read them\n")
    }
    return .done
}
