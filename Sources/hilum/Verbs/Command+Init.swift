import Foundation
import HilumArchive
import HilumCore
import HilumMCR

extension Command {
    static let initialise = Command(
        name: "init",
        summary: "make an empty archive",
        usage: ["ARCHIVE [--model MODEL] [--precision F]"],
        operands: ["ARCHIVE"],
        options: [
            .value("model", "MODEL", "model folder; the built-in model without it", environment: "HILUM_MODEL"),
            .value(
                "precision", "F", "f32 or bf16: what its model multiplies in; without, as the model's folder says (f32)"
            ),
            .json,
        ],
        details: """
            Makes the folder ARCHIVE with an empty store. The model's files are copied into it, so that an archive is whole by
            itself; every vector in it belongs to that model. With --precision bf16 linear layers multiply in bfloat16: on a
            processor with avx512bf16 large models encode about 1.8 times as fast, on others more slowly than in f32. The vectors are
            close to those of f32 (cosine above 0.999), but belong to a model id of their own, and an archive has one or the other.
            """,
        examples: [
            ("hilum init archive", "an archive with the built-in model"),
            (
                "hilum init archive --model mcr-base --precision bf16",
                "a large model, where the processor has avx512bf16"
            ),
        ],
        run: runInit)
}

private func runInit(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let name = arguments.text("model") ?? builtinModelName
    let model = try loadModel(name, precision: try wantedPrecision(arguments))
    // Always written, so that a file left in the folder cannot decide instead.
    try Archive.create(
        at: path, modelDirectory: try modelFolder(name),
        modelFiles: [MCRModel.inferenceFile: MCRModel.inferenceSettings(model.precision)])
    if arguments.has("precision") { warnOfSlowEncoding(model, path) }
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([
                ("archive", .string(path)), ("model", .string(model.modelID)),
                ("precision", .string(model.precision.rawValue)),
            ]).text)
    }
    standardError("made an empty archive at \(path); 'hilum index \(path) SOURCE' fills it\n")
    return .done
}
