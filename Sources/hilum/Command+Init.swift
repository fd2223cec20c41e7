import Foundation
import HilumArchive
import HilumCore
import HilumMCR

extension Command {
    static let initialise = Command(
        name: "init",
        summary: "make an empty archive",
        usage: ["ARCHIVE [--model MODEL]"],
        operands: ["ARCHIVE"],
        options: [
            .value("model", "MODEL", "model folder; the built-in model without it", environment: "HILUM_MODEL"),
            .json,
        ],
        details: """
            Makes the folder ARCHIVE with an empty store. The model's files are copied into it, so that an archive is whole by
            itself; every vector in it belongs to that model.
            """,
        examples: [("hilum init archive", "an archive with the built-in model")],
        run: runInit)
}

private func runInit(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let model = try loadModel(arguments.text("model") ?? builtinModelName)
    try Archive.create(at: path, modelDirectory: try modelFolder(arguments.text("model") ?? builtinModelName))
    if arguments.has("json") {
        standardOutputLine(JSON.object([("archive", .string(path)), ("model", .string(model.modelID))]).text)
    }
    standardError("made an empty archive at \(path); 'hilum index \(path) SOURCE' fills it\n")
    return .done
}
