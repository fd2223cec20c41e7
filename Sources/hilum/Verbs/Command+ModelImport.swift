import Foundation
import HilumCore
import HilumMCR

/// `hilum model import`: makes a model folder from published weights.
func runModelImport(_ arguments: Arguments) throws -> ExitStatus {
    guard arguments.operands.count == 1 else {
        throw CommandError.usage(
            "'\(arguments.operands[1])' is one operand too many: weights are named by --image and --report")
    }
    let output = try arguments.required("out")
    try OutputFolder.checkModel(output)
    guard arguments.has("image") || arguments.has("report") else {
        throw CommandError.usage("--image or --report is missing: there is nothing to import")
    }
    let options = try importOptions(arguments)
    let image = try arguments.text("image").map { try encoder(in: $0, isImage: true) }
    let report = try arguments.text("report").map { try encoder(in: $0, isImage: false) }
    guard let vocabularyPath = arguments.text("vocab") ?? report?.weights.vocabularyPath else {
        throw CommandError.usage("--vocab is missing: there is no vocab.txt beside the report weights")
    }
    let vocabulary = try Vocabulary(path: vocabularyPath)
    noteCase(of: vocabulary)
    let model = try WeightImport.makeModel(image: image, report: report, vocabulary: vocabulary, options)
    let format = try arguments.choice("precision", among: SafeTensors.Format.allCases.map(\.rawValue))
    try model.save(to: output, format: format.flatMap(SafeTensors.Format.init(rawValue:)) ?? .f16)
    // As it was saved: half-precision weights are another model than the ones in memory.
    let saved = try MCRModel(directory: output)
    let parts = [image, report].compactMap { $0 }
    if arguments.has("json") {
        let members: [(key: String, value: JSON)] = [
            ("out", .string(output)), ("model", .string(saved.modelID)), ("config", .string(saved.configuration.name)),
            ("parameters", .integer(saved.parameterCount)), ("dimension", .integer(saved.dimension)),
            ("image_normalisation", .optional(image.map { $0.normalisation(options).value.description })),
            ("encoders", .array(parts.map { json($0) })),
        ]
        standardOutputLine(JSON.object(members).text)
        return .done
    }
    for part in parts {
        let inventory = part.inventory()
        standardOutputLine(
            "\(part.weights.path): \(part.scheme.rawValue), \(inventory.mapped.count) tensors mapped, "
                + "\(inventory.extra.count) not needed")
    }
    if let (value, origin) = image.map({ $0.normalisation(options) }) {
        standardOutputLine("image normalisation: \(value.description), \(origin)")
    }
    standardOutputLine("\(output): model \(saved.modelID.prefix(16)), \(saved.parameterCount) parameters")
    return .done
}

private func importOptions(_ arguments: Arguments) throws -> WeightImport.Options {
    var options = WeightImport.Options()
    let names = ImageNormalisation.named.map(\.name)
    if let name = try arguments.choice("image-normalisation", among: names) {
        options.imageNormalisation = ImageNormalisation.named.first { $0.name == name }?.value
    }
    options.imageSide = try arguments.integer("image-side", in: 8...4096)
    options.imageHeads = try arguments.integer("image-heads", in: 1...256)
    options.reportHeads = try arguments.integer("report-heads", in: 1...256)
    options.maxTokens = try arguments.integer("max-tokens", in: 8...4096)
    options.seed = try arguments.seed()
    return options
}

/// The image or report encoder in a file or folder.
private func encoder(in path: String, isImage: Bool) throws -> WeightImport {
    let found = WeightImport.recognise(try ForeignWeights(path))
    guard let encoder = found.first(where: { $0.scheme.isImage == isImage }) else {
        let wanted = isImage ? "a ViT under timm, MAE or HF names" : "a BERT under HF names"
        throw CommandError(.failed, "\(path): \(wanted) is not in here; 'hilum model inspect' shows what is")
    }
    return encoder
}

/// Warns about a cased vocabulary: reports are lower-cased, so its capitalised pieces are never used.
private func noteCase(of vocabulary: Vocabulary) {
    let cased = vocabulary.pieces.count { piece in
        !piece.hasPrefix("[") && piece.unicodeScalars.contains { ("A"..."Z").contains($0) }
    }
    guard cased * 100 > vocabulary.count else { return }
    standardError("note: \(cased) pieces of the vocabulary are cased and never match: reports are read in lower case\n")
}

/// `hilum model inspect` for weights that are not a Hilum model folder.
func inspectForeign(_ path: String, asJSON: Bool) throws -> ExitStatus {
    let weights = try ForeignWeights(path)
    let found = WeightImport.recognise(weights)
    if asJSON {
        let object = JSON.object([
            ("file", .string(weights.path)), ("tensors", .integer(weights.names.count)),
            ("encoders", .array(found.map { json($0) })),
        ])
        standardOutputLine(object.text)
    } else {
        var table = TextTable([("what", .left), ("value", .left)])
        table.append(["file", weights.path])
        table.append(["tensors", "\(weights.names.count), such as \(shown(weights.names.first ?? "none"))"])
        for encoder in found {
            let inventory = encoder.inventory()
            let prefix = encoder.prefix.isEmpty ? "" : ", behind \(shown(encoder.prefix))"
            table.append(["recognised", encoder.scheme.rawValue + prefix])
            table.append(["mapped", "\(inventory.mapped.count) tensors of a Hilum model"])
            for (name, tensors) in [
                ("missing", inventory.missing), ("misshapen", inventory.misshapen), ("foreign", inventory.foreign),
                ("extra", inventory.extra),
            ] {
                let names = tensors.isEmpty ? "" : ": " + tensors.map { shown($0) }.joined(separator: ", ")
                table.append([name, "\(tensors.count) tensors\(names)"])
            }
        }
        if found.isEmpty {
            table.append(["recognised", "nothing: these are no names of timm, MAE, HF ViT or HF BERT"])
        }
        standardOutput(table.text)
    }
    let isUsable = found.contains { encoder in
        let inventory = encoder.inventory()
        return inventory.missing.isEmpty && inventory.misshapen.isEmpty && inventory.foreign.isEmpty
    }
    return isUsable ? .done : .failed
}

private func json(_ encoder: WeightImport) -> JSON {
    let inventory = encoder.inventory()
    return .object([
        ("scheme", .string(encoder.scheme.rawValue)), ("prefix", .string(encoder.prefix)),
        ("file", .string(encoder.weights.path)),
        ("mapped", .object(inventory.mapped.map { ($0.name, JSON.strings($0.sources)) })),
        ("missing", .strings(inventory.missing)), ("misshapen", .strings(inventory.misshapen)),
        ("foreign", .strings(inventory.foreign)), ("extra", .strings(inventory.extra)),
    ])
}
