import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let export = Command(
        name: "export",
        summary: "write an archive's vectors for other programs",
        usage: ["ARCHIVE OUT [--format npy|fvecs|clip] [--with fields,report] [--settled] [--json]"],
        operands: ["ARCHIVE", "OUT"],
        options: [
            .value(
                "format", "F",
                "npy, for NumPy and most others (default), fvecs, for programs that benchmark indexes, or clip, the layout of "
                    + "clip-retrieval"
            ),
            CaseLine.value,
            .flag(
                "settled",
                "lines prove, by log.key, that identifiers were taken out of them, so that 'hilum import --settled' need not do it again"
            ),
            .quiet, .json,
        ],
        details: """
            OUT is a new or empty folder. It gets images.npy and reports.npy, [rows, dimension] float32 unit vectors of the generation that is
            searched, and beside each a .jsonl whose line i says what row i is: {"row":0,"id":"case-1","kind":"image","image":0,"case":1},
            where image counts the images of a case from 0, and case orders the cases. The first line also seals both files (model and SHA-256).
            Report text and metadata are written only --with them; keep such a folder as safe as the archive. Folder and files are for their
            owner alone. Cases that no vector stands for, whose reports have no known word, get lines of their own --with either, in
            without-vectors.jsonl. 'hilum import' reads it all. All rows are of one moment, also where the archive is served meanwhile.
            With --format clip, img_emb, text_emb and metadata hold the cases that have both an image and a report, the first image of each.
            """,
        examples: [
            ("hilum export archive vectors", "vectors/images.npy, images.jsonl, reports.npy and reports.jsonl"),
            (
                "hilum export archive all --with fields,report",
                "and what is needed to search elsewhere by filters and words"
            ),
        ],
        run: runExport)
}

private func runExport(_ arguments: Arguments) throws -> ExitStatus {
    let (place, folder) = (arguments.operands[0], arguments.operands[1])
    let names = VectorExport.Format.allCases.map(\.rawValue)
    let format = try arguments.choice("format", among: names).flatMap(VectorExport.Format.init) ?? .npy
    var export = VectorExport(folder: folder, format: format)
    export.extras = try CaseLine(arguments)
    let archive = try openArchive(place, .readOnly)
    defer { archive.close() }
    if arguments.has("settled") {
        guard format != .clip else { throw CommandError.usage("--settled and --format clip exclude each other") }
        export.proof = try LineProof(keyFile: place + "/log.key", settings: archive.privacySettings, makesKey: true)
    }
    if let name = try? FileManager.default.contentsOfDirectory(atPath: folder).first {
        throw CommandError(.failed, "\(folder): the folder holds other files (\(name)); choose a new or empty folder")
    }
    try OutputFolder.make(folder, isPrivate: true)
    let stats = try archive.stats()
    Interruption.watch("stopping; what was not written whole is not there")
    let progress = Progress(
        "export", total: stats.images + stats.reports, unit: "vectors", quiet: arguments.has("quiet"))
    let rows = try export.write(archive, model: stats.model, columns: stats.dimension, progress)
    progress.finish()
    if arguments.has("json") {
        standardOutputLine(
            JSON.object(
                rows.map { ($0.name, .integer($0.count)) } + [
                    ("out", .string(folder)), ("dimension", .integer(stats.dimension)),
                    ("model", .string(stats.model)), ("generation", .integer(stats.generation)),
                ]
            ).text)
    }
    return .done
}
