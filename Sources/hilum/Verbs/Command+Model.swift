import Foundation
import HilumCore
import HilumMCR

extension Command {
    static let model = Command(
        name: "model",
        summary: "look into a model, average two, or bring in weights published elsewhere",
        usage: [
            "inspect MODEL [--json]",
            "average MODEL OTHER [--share S] --out MODEL",
            "import [--image WEIGHTS] [--report WEIGHTS] [--vocab FILE] --out MODEL",
        ],
        operands: ["inspect, average or import", "MODEL"],
        allowsMoreOperands: true,
        optionalOperandCount: 1,
        options: [
            .value(
                "image", "WEIGHTS", "a ViT under timm, MAE or HF names: safetensors file, index of shards or folder"),
            .value("report", "WEIGHTS", "a BERT under HF names, likewise"),
            .value("vocab", "FILE", "BERT's vocab.txt (default: the one beside the report weights)"),
            .value("out", "MODEL", "folder for the model that is made"),
            .value("share", "S", "how much of OTHER goes into the average, 0 to 1 (default 0.5)"),
            .value(
                "image-normalisation", "NAME",
                "imagenet, half or none: what the ViT was trained with (default: preprocessor_config.json beside it, "
                    + "else imagenet for timm and MAE names, half for HF)"),
            .value("image-side", "PIXELS", "side of the input; positions are resampled (default: the ViT's own)"),
            .value("image-heads", "N", "attention heads (default: config.json beside the weights, else width / 64)"),
            .value("report-heads", "N", "likewise for the BERT"),
            .value("max-tokens", "N", "the longest report in tokens (default 256, at most BERT's own)"),
            .value("precision", "TYPE", "f16 or f32: how the weights are saved (default f16)"),
            .value("seed", "S", "of the start values of what is not imported (default 1)"),
            .json,
        ],
        details: """
            inspect shows the configuration of a model, its id, how many parameters it has, and which tensors of its weights are
            mapped, missing or extra. MODEL is a folder with weights, config and vocabulary; 'builtin' is the model that comes
            with Hilum. Of weights published elsewhere it shows whose names they are and what they would fill. Exits 1 when a
            tensor is missing.

            average makes a model whose weights lie between those of two that were trained on from the same weights: it keeps
            most of what both can do. Where the two differ in the directions that each kind has for itself, the average has none.

            import makes a model of the sizes of mcr-base (heads to the common space, decoder) whose image encoder is a ViT,
            whose report encoder is a BERT, or both. What is not imported starts from the seed, so it must be trained before
            it finds anything: 'hilum train --init MODEL'. Pickles are refused.
            """,
        examples: [
            ("hilum model inspect builtin", "shows the built-in model"),
            (
                "hilum model import --image vit/model.safetensors --report bert/model.safetensors --out start",
                "makes a model of both; 'hilum train --init start --data my-cases --out my-model' trains it"
            ),
        ],
        run: runModel)
}

private func runModel(_ arguments: Arguments) throws -> ExitStatus {
    switch arguments.operands[0] {
    case "inspect": break
    case "average": return try runModelAverage(arguments)
    case "import": return try runModelImport(arguments)
    case let other:
        throw CommandError.usage(
            "'\(other)' is nothing that can be done with a model; 'inspect', 'average' and 'import' are")
    }
    guard arguments.operands.count > 1 else { throw CommandError.usage("MODEL is missing") }
    guard arguments.operands.count == 2 else {
        throw CommandError.usage("'\(arguments.operands[2])' is one operand too many: 'inspect' takes one MODEL")
    }
    if let (name, _) = arguments.given.first(where: { $0.name != "json" }) {
        throw CommandError.usage("--\(name) belongs to 'average' or 'import', not to 'inspect'")
    }
    let folder = try modelFolder(arguments.operands[1])
    if !FileManager.default.fileExists(atPath: folder + "/weights.safetensors")
        && FileManager.default.fileExists(atPath: folder)
    {
        return try inspectForeign(folder, asJSON: arguments.has("json"))
    }
    let (configuration, inventory) = try MCRModel.inspect(folder)
    // A model with a missing tensor cannot be loaded, but its inventory can still be shown.
    var model: MCRModel?
    do { model = try MCRModel(directory: folder) } catch { standardError("\(error)\n") }
    let parameterCount = MCRNetwork(configuration).layout.parameters.reduce(0) { $0 + $1.count }
    if arguments.has("json") {
        let object = JSON.object([
            ("folder", .string(folder)), ("config", .string(configuration.name)), ("id", .optional(model?.modelID)),
            ("precision", .optional(model?.precision.rawValue)),
            ("parameters", .integer(parameterCount)), ("dimension", .integer(configuration.vectorDimension)),
            ("image_side", .integer(configuration.imageSide)), ("patch_side", .integer(configuration.patchSide)),
            ("max_tokens", .integer(configuration.maxTokens)), ("vocabulary", .integer(configuration.vocabularySize)),
            ("alignment", .string(configuration.alignment.rawValue)),
            ("decoder", .string(configuration.decoderKind.rawValue)),
            ("mapped", .strings(inventory.mapped)), ("missing", .strings(inventory.missing)),
            ("extra", .strings(inventory.extra)), ("misshapen", .strings(inventory.misshapen)),
        ])
        standardOutputLine(object.text)
    } else {
        standardOutput(
            text(configuration, inventory, folder: folder, model, parameterCount: parameterCount))
    }
    return model == nil ? .failed : .done
}

private func runModelAverage(_ arguments: Arguments) throws -> ExitStatus {
    guard arguments.operands.count == 3 else { throw CommandError.usage("'average' takes two models") }
    let output = try arguments.required("out")
    let known: Set = ["out", "share", "json"]
    if let (name, _) = arguments.given.first(where: { !known.contains($0.name) }) {
        throw CommandError.usage("--\(name) belongs to 'import', not to 'average'")
    }
    try OutputFolder.checkModel(output)
    let share = Float(try arguments.number("share", in: 0...1) ?? 0.5)
    let (model, other) = (
        try loadModel(arguments.operands[1], precision: .f32), try loadModel(arguments.operands[2], precision: .f32)
    )
    try model.averaged(with: other, share: share).save(to: output)
    if share > 0, share < 1, !model.hasOwnDirections(of: other) {
        standardError("note: the models differ in the directions that each kind has for itself; the average has none\n")
    }
    // Load the saved file: rounded to half precision, its weights are a different model from those in memory.
    let saved = try MCRModel(directory: output)
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([("out", .string(output)), ("model", .string(saved.modelID))]).text)
    } else {
        standardOutputLine("\(output): model \(saved.modelID.prefix(16)), \(saved.parameterCount) parameters")
    }
    return .done
}

private func text(
    _ configuration: MCRConfiguration, _ inventory: TensorInventory, folder: String, _ model: MCRModel?,
    parameterCount: Int
) -> String {
    func sizes(_ encoder: MCRConfiguration.EncoderSizes) -> String {
        "\(encoder.layers) layers, \(encoder.heads) heads, width \(encoder.width), \(encoder.norm.rawValue)-norm"
    }
    var table = TextTable([("what", .left), ("value", .left)])
    table.append(["folder", folder])
    table.append(["config", configuration.name])
    table.append(["id", model?.modelID ?? "none: it cannot be loaded"])
    if let model { table.append(["precision", model.precision.rawValue]) }
    table.append(["parameters", String(parameterCount)])
    table.append(["image encoder", sizes(configuration.image)])
    table.append([
        "image input",
        "\(configuration.imageSide) x \(configuration.imageSide) grey, patches of \(configuration.patchSide), "
            + (configuration.imagePositions == .learned ? "learned positions" : "fixed positions"),
    ])
    table.append(["report encoder", sizes(configuration.report)])
    table.append(["report input", "\(configuration.maxTokens) of \(configuration.vocabularySize) pieces"])
    table.append(["decoder", "\(configuration.decoderKind.rawValue), \(sizes(configuration.decoder))"])
    table.append(["alignment", configuration.alignment.rawValue])
    table.append(["dimension", String(configuration.vectorDimension)])
    for (name, tensors) in [
        ("mapped", inventory.mapped), ("missing", inventory.missing), ("extra", inventory.extra),
        ("misshapen", inventory.misshapen),
    ] {
        let names = name == "mapped" || tensors.isEmpty ? "" : ": " + tensors.map { shown($0) }.joined(separator: ", ")
        table.append([name, "\(tensors.count) tensors\(names)"])
    }
    return table.text
}
