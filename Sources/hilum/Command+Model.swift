import Foundation
import HilumCore
import HilumMCR

extension Command {
    static let model = Command(
        name: "model",
        summary: "look into a model folder",
        usage: ["inspect MODEL [--json]"],
        operands: ["inspect", "MODEL"],
        options: [.json],
        details: """
            Shows the configuration of a model, its id, how many parameters it has, and which tensors of its weights are mapped,
            missing or extra. MODEL is a folder with weights, config and vocabulary; 'builtin' is the model that comes with Hilum.
            Exits 1 when a tensor is missing.
            """,
        examples: [("hilum model inspect builtin", "shows the built-in model")],
        run: runModel)
}

private func runModel(_ arguments: Arguments) throws -> ExitStatus {
    guard arguments.operands[0] == "inspect" else {
        throw CommandError.usage("'\(arguments.operands[0])' is nothing that can be done with a model; 'inspect' is")
    }
    let folder = try modelFolder(arguments.operands[1])
    let (configuration, inventory) = try MCRModel.inspect(folder)
    // A model that lacks a tensor cannot be loaded, but its inventory can still be shown.
    var model: MCRModel?
    do { model = try MCRModel(directory: folder) } catch { standardError("\(error)\n") }
    let parameterCount = MCRNetwork(configuration).layout.parameters.reduce(0) { $0 + $1.count }
    if arguments.has("json") {
        let object = JSON.object([
            ("folder", .string(folder)), ("config", .string(configuration.name)), ("id", .optional(model?.modelID)),
            ("parameters", .integer(parameterCount)), ("dimension", .integer(configuration.dimension)),
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
            text(configuration, inventory, folder: folder, id: model?.modelID, parameterCount: parameterCount))
    }
    return model == nil ? .failed : .done
}

private func text(
    _ configuration: MCRConfiguration, _ inventory: TensorInventory, folder: String, id: String?, parameterCount: Int
) -> String {
    func sizes(_ encoder: MCRConfiguration.Encoder) -> String {
        "\(encoder.layers) layers, \(encoder.heads) heads, width \(encoder.width)"
    }
    var table = TextTable([("what", .left), ("value", .left)])
    table.append(["folder", folder])
    table.append(["config", configuration.name])
    table.append(["id", id ?? "none: it cannot be loaded"])
    table.append(["parameters", String(parameterCount)])
    table.append(["image encoder", sizes(configuration.image)])
    table.append([
        "image input",
        "\(configuration.imageSide) x \(configuration.imageSide) grey, patches of \(configuration.patchSide)",
    ])
    table.append(["report encoder", sizes(configuration.report)])
    table.append(["report input", "\(configuration.maxTokens) of \(configuration.vocabularySize) pieces"])
    table.append(["decoder", "\(configuration.decoderKind.rawValue), \(sizes(configuration.decoder))"])
    table.append(["alignment", configuration.alignment.rawValue])
    table.append(["dimension", String(configuration.dimension)])
    for (name, tensors) in [
        ("mapped", inventory.mapped), ("missing", inventory.missing), ("extra", inventory.extra),
        ("misshapen", inventory.misshapen),
    ] {
        let names = name == "mapped" || tensors.isEmpty ? "" : ": " + tensors.map { shown($0) }.joined(separator: ", ")
        table.append([name, "\(tensors.count) tensors\(names)"])
    }
    return table.text
}
