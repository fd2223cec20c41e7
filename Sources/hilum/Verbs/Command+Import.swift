import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let importVectors = Command(
        name: "import",
        summary: "bring vectors of other programs or machines into an archive",
        usage: [
            "ARCHIVE SOURCE… [--kind KIND] [--shard] [--settled KEY] [--replace] [--again] [--json]",
            "ARCHIVE SOURCE… --generation next (--name NAME | --model MODEL [--precision F]) [--json]",
        ],
        operands: ["ARCHIVE", "SOURCE"],
        allowsMoreOperands: true,
        options: [
            .value("kind", "KIND", "image or report: what rows are whose line does not say it (default image)"),
            .flag(
                "shard",
                "the archive is one of several: parts of 'hilum embed --shard' that are not named are not missed"),
            .value(
                "settled", "KEY",
                "the lines were exported with --settled from an archive of the same --deid and --dates, whose log.key this is; may stand several times"
            ),
            .flag("replace", "let vectors change cases that were not imported"),
            .flag("again", "take in cases that were deleted"),
            .value(
                "generation", "WHICH",
                "next: make a generation beside the one that is searched, of stored cases; 'hilum reembed' switches to it"
            ),
            .value("name", "NAME", "with --generation: the space of the vectors, made by an encoder that is not here"),
            .value(
                "model", "MODEL", "with --generation: the model that made the vectors; it encodes what the files lack"),
            .value("precision", "F", "with --model: f32 or bf16, as it was when it made the vectors"),
            .value("jobs", "N", "threads that read and link (default: the cores)", letter: "j"),
            .reportFilter, .quiet, .json,
        ],
        details: """
            A SOURCE is V.npy [IDS.jsonl], a part that 'hilum embed --shard' made, or a FOLDER; several may stand there.
            Line i of IDS.jsonl, a JSON object, says what row i of V.npy is: {"id":"case-1","kind":"image"}, with "image":1 for the second
            image of a case, and with any field of a manifest (patient, view, date, findings, report, …; an image's path as "image"). Without
            IDS.jsonl it is V.jsonl, as 'hilum export' and 'hilum embed' write it. V.npy holds float16, float32 or float64 in C order;
            V.fvecs works too. A FOLDER holds such pairs, or is in the layout of clip-retrieval (img_emb, text_emb, and metadata as JSON
            lines). Vectors of one case may come in several files. A row that is NaN, zero or of no use is refused by its line, and the
            others are stored; a file of another dimension or model is refused as a whole, and so is a part of 'hilum embed --shard' that is
            damaged; one that is missing is named. What is stored already is unchanged, so a run that was stopped is called again. In an archive
            that masks, a row is refused whose picture 'hilum index' would set aside, or a person dropped (see 'hilum quarantine').
            A case that was deleted is known by its id and left out, until it is stored otherwise; --again takes it in.

            An archive of 'hilum init --space' takes vectors of any encoder, and is searched by vec=, by id= and by the words of reports. With
            --generation next the vectors may have another dimension; a stored case that gets none is a gap, which --switch has to be told
            to accept (--partial). Exits 3 if something was refused or is missing.
            """,
        examples: [
            ("hilum import archive vectors.npy ids.jsonl", "stores the vectors, and the cases that they are of"),
            ("hilum import archive part1 part2 part3", "joins the parts of 'hilum embed --shard', in any order"),
            (
                "hilum import archive new.npy --generation next --name biovil-t",
                "vectors of another encoder, beside the present ones"
            ),
        ],
        run: runImport)
}

private func runImport(_ arguments: Arguments) throws -> ExitStatus {
    do { return try carryOut(arguments) } catch let error as ArchiveError {
        guard case .busy = error.code else { throw error }
        throw CommandError(.failed, "\(error); if that is a daemon, stop it for the import")
    }
}

private func carryOut(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let kinds = VectorKind.allCases.map(\.rawValue)
    let kind = try arguments.choice("kind", among: kinds).flatMap(VectorKind.init) ?? .image
    let jobs = try arguments.integer("jobs", in: 1...1024) ?? defaultThreadCount
    let maker = try maker(arguments)
    if maker != nil, !arguments.texts("settled").isEmpty {
        throw CommandError.usage(
            "--settled and --generation exclude each other; a generation beside takes vectors alone")
    }
    if maker != nil, arguments.has("replace") {
        throw CommandError.usage("--replace and --generation exclude each other; a new generation replaces nothing")
    }
    if maker != nil, arguments.has("again") {
        throw CommandError.usage("--again and --generation exclude each other; a new generation stores no case")
    }
    let sources = try VectorSource.find(Array(arguments.operands.dropFirst()))
    let archive = try openNamed(path, filter: arguments.text("report-filter"))
    defer { archive.close() }
    Interruption.watch("stopping after the batch at hand; the same call goes on from there")
    var importer = VectorImporter(archive: archive)
    importer.kind = kind
    importer.jobs = jobs
    importer.isQuiet = arguments.has("quiet")
    importer.interrupt = Interruption.flag
    importer.isShard = arguments.has("shard")
    importer.again = arguments.has("again")
    importer.proofs = try arguments.texts("settled").map {
        try LineProof(keyFile: $0, settings: archive.privacySettings, makesKey: false)
    }
    guard let maker else {
        return show(
            try importer.run(sources, replaces: arguments.has("replace")), asJSON: arguments.has("json"),
            hasFiles: false)
    }
    try archive.removeLeavingGenerations { Interruption.flag.isRaised }
    let shown = show(try importer.run(sources, into: maker), asJSON: arguments.has("json"), hasFiles: false)
    guard shown == .done, try archive.reembedStatus().nextGeneration != nil else { return shown }
    return try archive.reembedStatus().missingCount > 0 ? .partlyDone : .done
}

/// Opens the archive for writing. Its model is loaded only if no process has named it yet.
private func openNamed(_ path: String, filter: String?) throws -> Archive {
    let archive = try openArchive(path, .readWrite, filter: filter)
    guard archive.modelID == nil else { return archive }
    archive.close()
    return try openArchive(path, .readWrite, withModel: true, filter: filter)
}

/// Whose vectors come into a generation beside; nil for the one that is searched.
private func maker(_ arguments: Arguments) throws -> VectorImporter.Maker? {
    let wants = try arguments.choice("generation", among: ["next"]) != nil
    for name in ["name", "model", "precision"] where !wants && arguments.text(name) != nil {
        throw CommandError.usage("--\(name) needs --generation next")
    }
    guard wants else { return nil }
    let precision = try wantedPrecision(arguments)
    switch (arguments.text("name"), arguments.text("model")) {
    case (let name?, nil):
        if precision != nil { throw CommandError.usage("--precision needs --model") }
        return .space(name)
    case (nil, let model?): return .model(try loadForArchive(model, precision?.rawValue))
    case (nil, nil): throw CommandError.usage("--generation needs --name, or --model")
    default: throw CommandError.usage("--name and --model exclude each other")
    }
}
