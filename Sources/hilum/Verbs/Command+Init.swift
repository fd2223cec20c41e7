import Foundation
import HilumArchive
import HilumCore
import HilumMCR
import HilumPrivacy

extension Command {
    static let initialise = Command(
        name: "init",
        summary: "make an empty archive",
        usage: [
            "ARCHIVE [--model MODEL] [--precision F] [--deid MODE] [--dates RULE]",
            "ARCHIVE --space NAME --dim N [--deid MODE] [--dates RULE]",
            "ARCHIVE --set [--deid MODE] [--dates RULE]",
        ],
        operands: ["ARCHIVE"],
        options: [
            .value("model", "MODEL", "model folder; the built-in model without it", environment: "HILUM_MODEL"),
            .value(
                "precision", "F", "f32 or bf16: what its model multiplies in; without, as the model's folder says (f32)"
            ),
            .value(
                "space", "NAME", "no model: vectors of another encoder, by a name of yours, which 'hilum import' brings"
            ),
            .value("dim", "N", "with --space: values of a vector"),
            .value(
                "deid", "MODE", "what becomes of identifiers of patients: mask (default), require or off",
                environment: "HILUM_DEID"),
            .value(
                "dates", "RULE", "what becomes of the dates of cases: keep (default), shift or drop",
                environment: "HILUM_DATES"),
            .flag("set", "change these two of an archive that is there"),
            .json,
        ],
        details: """
            Makes the folder ARCHIVE with an empty store. The model's files are copied into it, so that an archive is whole by
            itself; every vector in it belongs to that model. With --precision bf16 linear layers multiply in bfloat16: on a
            processor with avx512bf16 large models encode about 1.8 times as fast, on others more slowly than in f32. The vectors are
            close to those of f32 (cosine above 0.999), but belong to a model id of their own, and an archive has one or the other.

            With --space the archive has no model. 'hilum import' brings vectors of any encoder and the cases that they are of. A question
            is a vector of that encoder (vec=), a stored case (id=), or asks the words of reports (mode=words); texts and images cannot be
            encoded.

            --deid mask hides names, dates, numbers and addresses in reports and free metadata before they are stored, by rules for English
            and Japanese; ids, patients and names of files stay as they are given. --deid require also stores ids, patients, sites and UIDs
            as pseudonyms by the key of the archive (ARCHIVE/log.key) and seals names of files; it is chosen when an archive is made.
            --dates shift moves the dates of a patient by the same 1 to 365 days, and leaves out what it cannot move. An archive of
            an earlier release counts as off until --set says otherwise; the next 'hilum index' of a source then reads it again. No
            rule knows every name: look at what is stored.
            """,
        examples: [
            ("hilum init archive", "an archive with the built-in model"),
            (
                "hilum init archive --model mcr-base --precision bf16",
                "a large model, where the processor has avx512bf16"
            ),
            ("hilum init archive --space biovil-t --dim 128", "for vectors of another encoder"),
        ],
        run: runInit)
}

private func runInit(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    if arguments.has("set") { return try setPrivacy(path, arguments) }
    let privacy = try privacySettings(arguments, from: PrivacySettings())
    if let name = arguments.text("space") { return try makeSpace(named: name, path, privacy, arguments) }
    if arguments.text("dim") != nil { throw CommandError.usage("--dim needs --space") }
    let name = arguments.text("model") ?? builtinModelName
    let model = try loadModel(name, precision: try wantedPrecision(arguments))
    // Always written, so that a file left in the folder cannot decide instead.
    try Archive.create(
        at: path, modelDirectory: try modelFolder(name),
        modelFiles: [MCRModel.inferenceFile: MCRModel.inferenceSettings(model.precision)], privacy: privacy)
    if arguments.has("precision") { warnOfSlowEncoding(model, path) }
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([
                ("archive", .string(path)), ("model", .string(model.modelID)),
                ("precision", .string(model.precision.rawValue)),
                ("deid", .string(privacy.deidentification.rawValue)), ("dates", .string(privacy.dates.rawValue)),
            ]).text)
    }
    standardError("made an empty archive at \(path); 'hilum index \(path) SOURCE' fills it\n")
    return .done
}

private func makeSpace(
    named name: String, _ path: String, _ privacy: PrivacySettings, _ arguments: Arguments
) throws -> ExitStatus {
    if let other = arguments.given.first(where: { ["model", "precision"].contains($0.name) }) {
        throw CommandError.usage("--space and --\(other.name) exclude each other; a space has no model")
    }
    guard let dimension = try arguments.integer("dim", in: 1...65_536) else {
        throw CommandError.usage("--space needs --dim, the values of a vector")
    }
    let space = try ImportedSpace(name: name, dimension: dimension)
    try Archive.create(at: path, space: space, privacy: privacy)
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([
                ("archive", .string(path)), ("space", .string(name)), ("dimension", .integer(dimension)),
                ("model", .string(space.modelID)), ("deid", .string(privacy.deidentification.rawValue)),
                ("dates", .string(privacy.dates.rawValue)),
            ]).text)
    }
    standardError("made an empty archive at \(path); 'hilum import \(path) V.npy IDS.jsonl' fills it\n")
    return .done
}

private func privacySettings(_ arguments: Arguments, from present: PrivacySettings) throws -> PrivacySettings {
    var settings = present
    let modes = PrivacySettings.Deidentification.allCases.map(\.rawValue)
    if let mode = try arguments.choice("deid", among: modes).flatMap(PrivacySettings.Deidentification.init) {
        settings.deidentification = mode
    }
    let rules = DateShift.Mode.allCases.map(\.rawValue)
    if let rule = try arguments.choice("dates", among: rules).flatMap(DateShift.Mode.init) { settings.dates = rule }
    return settings
}

private func setPrivacy(_ path: String, _ arguments: Arguments) throws -> ExitStatus {
    guard arguments.text("deid") != nil || arguments.text("dates") != nil else {
        throw CommandError.usage("--set needs --deid or --dates")
    }
    guard !arguments.given.contains(where: { ["precision", "model", "space", "dim"].contains($0.name) }) else {
        throw CommandError.usage("--set changes --deid and --dates alone")
    }
    let present = try openArchive(path, .readOnly)
    let now = present.privacySettings
    present.close()
    let settings = try privacySettings(arguments, from: now)
    try Archive.set(settings, at: path)
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([
                ("archive", .string(path)), ("deid", .string(settings.deidentification.rawValue)),
                ("dates", .string(settings.dates.rawValue)),
            ]).text)
    }
    standardError(
        "\(path): deid \(settings.deidentification.rawValue), dates \(settings.dates.rawValue); "
            + "what is stored stays until 'hilum index' reads its source again\n")
    return .done
}
