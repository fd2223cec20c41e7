import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let index = Command(
        name: "index",
        summary: "store the cases of folders and manifests, in bulk",
        usage: [
            "ARCHIVE SOURCE… [--manifest F] [--preset LAYOUT] [--replace] [--again] [--dry-run] [--jobs N] [--json]"
        ],
        operands: ["ARCHIVE", "SOURCE"],
        allowsMoreOperands: true,
        optionalOperandCount: 1,
        options: [
            .value("manifest", "FILE", "a cases.jsonl or CSV file, in place of or beside SOURCE"),
            .value(
                "jobs", "N", "threads that read and encode (default: the cores)", letter: "j", environment: "HILUM_JOBS"
            ),
            .value(
                "preset", "LAYOUT",
                "how the sources are laid out, if it is not recognised: "
                    + KnownLayout.allCases.map(\.rawValue).joined(separator: ", ")),
            .flag(
                "replace",
                "let a source replace a case that came from another one, and let go of what has left a folder"),
            .flag("again", "take in cases that were deleted, though their files are the same"),
            .reportFilter,
            .flag("dry-run", "show which files would make a case, and change nothing"),
            .quiet, .json,
        ],
        details: """
            A SOURCE is a folder or a manifest (JSONL or CSV). In a folder, a cases.jsonl at any depth is read where it lies; the
            tables of known data sets are read; otherwise an image and a text with equal stems in one folder, or at the same path in
            parallel trees (images/…, reports/…), are one case. Its id is its path below SOURCE without the ending. A report may also be an
            HL7 message (ORU^R01; .hl7, .oru, or any file that begins with MSH), a DICOM structured report or the XML of Open-i. It
            joins the case with its study UID, else its accession number, else its name, whichever comes first, if the patient is the
            same; keys that do not agree are refused by name. A case remembers
            where it came from: another source that has its id is refused, unless --replace says otherwise. One file by name
            adds to the case that has it already, or updates it. An image or a report whose file has left stays with its case.
            A deleted case stays deleted while its files hold the same; --again takes it in.
            Dates of other forms (31.12.2019, 12/31/2019, Dec 31 2019) are stored as 2019-12-31; what cannot be read is named.
            A run that was stopped goes on where it was; what is stored already is reported as unchanged. The summary on standard
            output counts what was stored, replaced, unchanged and refused, and names each refused file with its reason; it also
            counts cases that have an image or a report alone, and what was passed over. Exits 3 if any was refused. Ctrl-C ends the
            run after the batch it is at.
            """,
        examples: [
            ("hilum index archive phantoms", "stores the cases of the folder ./phantoms"),
            ("hilum index archive scans --dry-run", "shows which files of ./scans belong together"),
        ],
        run: runIndex)
}

private func runIndex(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let sources = Array(arguments.operands.dropFirst())
    let manifest = arguments.text("manifest")
    if sources.isEmpty && manifest == nil { throw CommandError.usage("SOURCE is missing") }
    let jobs = try arguments.integer("jobs", in: 1...1024) ?? defaultThreadCount
    let presets = KnownLayout.allCases.map(\.rawValue)
    let preset = try arguments.choice("preset", among: presets).flatMap(KnownLayout.init)
    if arguments.has("dry-run") {
        let archive = try openArchive(path, .readOnly)
        defer { archive.close() }
        let summary = try BulkIndexer(archive: archive).dryRun(
            sources: sources, manifest: manifest, preset: preset, replaces: arguments.has("replace"),
            again: arguments.has("again"))
        return show(summary, asJSON: arguments.has("json"))
    }
    let archive = try openArchive(path, .readWrite, withModel: true, filter: arguments.text("report-filter"))
    defer { archive.close() }
    Interruption.watch("stopping after the batch at hand; the same call goes on from there")
    try readOldReports(archive, isQuiet: arguments.has("quiet"))
    let summary = try BulkIndexer(archive: archive).run(
        sources: sources, manifest: manifest, preset: preset, replaces: arguments.has("replace"),
        again: arguments.has("again"), jobs: jobs, isQuiet: arguments.has("quiet"), interrupt: Interruption.flag)
    return show(summary, asJSON: arguments.has("json"))
}

/// Prints what a bulk run did; the exit status says whether all went well.
func show(_ summary: IndexSummary, asJSON: Bool) -> ExitStatus {
    if asJSON {
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
    var members: [(key: String, value: JSON)] = [
        ("stored", .integer(summary.stored)), ("replaced", .integer(summary.replaced)),
        ("unchanged", .integer(summary.unchanged)), ("deleted", .integer(summary.deleted)),
        ("deleted_places", .strings(summary.deletedPlaces)),
        ("reports_without_vector", .integer(summary.reportsWithoutVector)),
        ("blank_images", .strings(summary.blankImages)), ("odd_images", .strings(summary.oddImages)),
        ("text_images", .strings(summary.textImages)), ("quarantined", .integer(summary.quarantined)),
        (
            "refused",
            .array(
                summary.refused.map { refusal in
                    .object([("source", .string(refusal.source)), ("reason", .string(refusal.reason))])
                })
        ),
        ("passed_over", .object(summary.passedOver.sorted.map { ($0.reason, .integer($0.count)) })),
        ("image_only", .integer(summary.imageOnly)), ("report_only", .integer(summary.reportOnly)),
        ("masked", .object(summary.masked.byKind.map { ($0.kind, .integer($0.count)) })),
        ("seconds", .number(summary.seconds, decimals: 3)),
        ("cases_per_second", .number(summary.casesPerSecond, decimals: 2)),
        ("interrupted", .bool(summary.isInterrupted)), ("notes", .strings(summary.notes)),
    ]
    if !summary.pairings.isEmpty {
        let cases = summary.pairings.map { pairing in
            JSON.object([
                ("id", .string(pairing.id)), ("images", .strings(pairing.images)),
                ("report", .optional(pairing.report)),
                ("fate", .string(pairing.fate.rawValue)),
            ])
        }
        members.append(("cases", .array(cases)))
    }
    return .object(members)
}

/// A line that says of which cases something is worth knowing; empty for none.
private func note(_ ids: [String], _ what: String) -> String {
    guard !ids.isEmpty else { return "" }
    let most = 10
    let more = ids.count > most ? " and \(ids.count - most) more" : ""
    return "note: \(ids.count) with \(what): \(ids.prefix(most).map(shown).joined(separator: ", "))\(more)\n"
}

private func text(of summary: IndexSummary) -> String {
    var text = ""
    for pairing in summary.pairings {
        let files = pairing.images + [pairing.report].compactMap(\.self)
        text += "\(pairing.fate.rawValue) \(shown(pairing.id)): \(files.map(shown).joined(separator: " + "))\n"
    }
    for refusal in summary.refused { text += "refused: \(shown(refusal.source)): \(shown(refusal.reason))\n" }
    for (reason, count) in summary.passedOver.sorted { text += "passed over: \(shown(reason)): \(count)\n" }
    for note in summary.notes { text += "note: \(shown(note))\n" }
    if summary.deleted > 0 {
        text +=
            "note: \(summary.deleted) deleted before, and left out as their files are the same; --again takes them in\n"
        for place in summary.deletedPlaces { text += "note: \(shown(place)): a deleted case\n" }
        let more = summary.deleted - summary.deletedPlaces.count
        if more > 0 { text += "note: and \(more) more of deleted cases\n" }
    }
    text += note(summary.blankImages, "an image of one even grey, in which nothing can be seen")
    text += note(summary.oddImages, "an image of which the decoder warned; every pixel of it is there")
    text += note(summary.textImages, "an image near whose border text stands, which may name the patient")
    if summary.quarantined > 0 {
        text += "note: \(summary.quarantined) images were set aside, as words may be written into them; "
        text += "'hilum quarantine' shows them\n"
    }
    if summary.reportsWithoutVector > 0 {
        text += "note: \(summary.reportsWithoutVector) reports have no word that is known, and so no vector; "
        text += "their own words find them\n"
    }
    if summary.masked.total > 0 {
        let kinds = summary.masked.byKind.filter { $0.count > 0 }.map { "\($0.kind) \($0.count)" }
        text += "note: \(summary.masked.total) identifiers were masked: \(kinds.joined(separator: ", "))\n"
    }
    let rate = String(format: "%.1f cases/s", summary.casesPerSecond)
    text += "\(summary.stored) stored, \(summary.replaced) replaced, \(summary.unchanged) unchanged, "
    text += "\(summary.refused.count) refused in \(durationText(summary.seconds)) (\(rate))\n"
    if summary.imageOnly + summary.reportOnly > 0 {
        text += "of them \(summary.imageOnly) with an image alone and \(summary.reportOnly) with a report alone\n"
    }
    if summary.isInterrupted { text += "interrupted; the same call goes on from here\n" }
    return text
}
