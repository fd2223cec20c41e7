import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let index = Command(
        name: "index",
        summary: "store the cases of folders and manifests, in bulk",
        usage: ["ARCHIVE SOURCE… [--manifest F] [--jobs N] [--json]"],
        operands: ["ARCHIVE", "SOURCE"],
        allowsMoreOperands: true,
        optionalOperandCount: 1,
        options: [
            .value("manifest", "FILE", "a cases.jsonl or CSV file, in place of or beside SOURCE"),
            .value(
                "jobs", "N", "threads that read and encode (default: the cores)", letter: "j", environment: "HILUM_JOBS"
            ),
            .quiet, .json,
        ],
        details: """
            A SOURCE is a folder with a cases.jsonl, a folder of images and texts with equal stems, or a manifest (JSONL or CSV).
            A run that was stopped goes on where it was; what is stored already is reported as unchanged. The summary on standard
            output counts what was stored, unchanged and refused, and names each refused file with its reason. Exits 3 if any was
            refused. Ctrl-C ends the run after the batch it is at.
            """,
        examples: [("hilum index archive phantoms", "stores the cases of the folder ./phantoms")],
        run: runIndex)
}

private func runIndex(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let sources = Array(arguments.operands.dropFirst())
    let manifest = arguments.text("manifest")
    if sources.isEmpty && manifest == nil { throw CommandError.usage("SOURCE is missing") }
    let jobs = try arguments.integer("jobs", in: 1...1024) ?? defaultThreadCount
    let archive = try openArchive(path, .readWrite, withModel: true)
    defer { archive.close() }
    Interruption.watch("stopping after the batch at hand; the same call goes on from there")
    try readOldReports(archive, isQuiet: arguments.has("quiet"))
    let summary = try BulkIndexer(archive: archive).run(
        sources: sources, manifest: manifest, jobs: jobs, isQuiet: arguments.has("quiet"), interrupt: Interruption.flag)
    if arguments.has("json") {
        standardOutputLine(json(of: summary).text)
    } else {
        standardOutput(text(of: summary))
    }
    if summary.isInterrupted { return .interrupted }
    return summary.refused.isEmpty ? .done : .partlyDone
}

/// Reads the reports of a release that kept no words of them; an interrupted run goes on there.
private func readOldReports(_ archive: Archive, isQuiet: Bool) throws {
    let count = try archive.unreadReportCount()
    guard count > 0 else { return }
    let progress = HilumCore.Progress("older reports", total: count, unit: "reports", quiet: isQuiet)
    var left = count
    while !Interruption.flag.isRaised, try archive.readOldReports() > 0 {
        let now = try archive.unreadReportCount()
        progress.advance(by: left - now)
        left = now
    }
    progress.finish()
}

private func json(of summary: IndexSummary) -> JSON {
    .object([
        ("stored", .integer(summary.stored)), ("unchanged", .integer(summary.unchanged)),
        ("reports_without_vector", .integer(summary.reportsWithoutVector)),
        (
            "refused",
            .array(
                summary.refused.map { refusal in
                    .object([("source", .string(refusal.source)), ("reason", .string(refusal.reason))])
                })
        ),
        ("seconds", .number(summary.seconds, decimals: 3)),
        ("cases_per_second", .number(summary.casesPerSecond, decimals: 2)),
        ("interrupted", .bool(summary.isInterrupted)), ("notes", .strings(summary.notes)),
    ])
}

private func text(of summary: IndexSummary) -> String {
    var text = ""
    for refusal in summary.refused { text += "refused: \(shown(refusal.source)): \(shown(refusal.reason))\n" }
    for note in summary.notes { text += "note: \(shown(note))\n" }
    if summary.reportsWithoutVector > 0 {
        text += "note: \(summary.reportsWithoutVector) reports have no word that is known, and so no vector; "
        text += "their own words find them\n"
    }
    let rate = String(format: "%.1f cases/s", summary.casesPerSecond)
    text += "\(summary.stored) stored, \(summary.unchanged) unchanged, \(summary.refused.count) refused"
    text += " in \(durationText(summary.seconds)) (\(rate))\n"
    if summary.isInterrupted { text += "interrupted; the same call goes on from here\n" }
    return text
}
