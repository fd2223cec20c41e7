import HilumArchive
import HilumCore

extension Command {
    static let stats = Command(
        name: "stats",
        summary: "what an archive holds",
        usage: ["ARCHIVE [--json]"],
        operands: ["ARCHIVE"],
        options: [.json],
        details:
            "Counts cases, images, reports and vectors, and says which model they belong to and how large the store is.",
        examples: [("hilum stats archive", "a table of counts")],
        run: runStats)
}

private func runStats(_ arguments: Arguments) throws -> ExitStatus {
    let archive = try openArchive(arguments.operands[0], .readOnly)
    defer { archive.close() }
    let stats = try archive.stats()
    if arguments.has("json") {
        standardOutputLine(stats.json.snakeCased.sorted.text)
        return .done
    }
    var table = TextTable([("what", .left), ("value", .right)])
    let counts: [(String, Int)] = [
        ("cases", stats.cases), ("with an image", stats.images), ("with a report", stats.reports),
        ("distinct image vectors", stats.imageNodes), ("distinct report vectors", stats.reportNodes),
        ("dimension", stats.dimension), ("generation", stats.generation), ("store, bytes", stats.fileBytes),
        ("graph in memory, bytes", stats.graphBytes),
        ("changes since the last checkpoint", stats.changesSinceCheckpoint),
        ("format", stats.formatVersion),
    ]
    for (what, value) in counts { table.append([what, String(value)]) }
    table.append(["model", stats.model.isEmpty ? "none yet" : String(stats.model.prefix(16))])
    standardOutput(table.text)
    return .done
}
