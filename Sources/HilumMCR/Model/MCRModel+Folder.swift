import Foundation
import HilumCore
import HilumNN

extension MCRModel {
    static let weightsFile = "weights.safetensors"
    static let configurationFile = "config.json"
    static let vocabularyFile = "vocab.txt"
    /// May be missing: `{"precision":"bf16"}`.
    public static let inferenceFile = "inference.json"

    /// What the model of a folder multiplies in unless something else is asked for: as `inference.json` says, f32 without one.
    ///
    /// - Throws: `MCRError` when the file says nothing that is known: its vectors would be those of another model.
    public static func precision(of directory: String) throws -> Precision {
        let path = directory + "/" + inferenceFile
        guard access(path, F_OK) == 0 else { return .f32 }
        let bytes = try FileIO.read(path, limitInBytes: 1 << 16)
        guard let settings = try? JSON(parsing: bytes[...]),
            let precision = settings["precision"]?.string.flatMap(Precision.init)
        else {
            throw MCRError(
                .badModel(
                    reason:
                        "it says neither {\"precision\":\"f32\"} nor {\"precision\":\"bf16\"}; write one of them, or "
                        + "remove the file for f32"), path: path)
        }
        return precision
    }

    /// The bytes of an `inference.json`.
    public static func inferenceSettings(_ precision: Precision) -> [UInt8] {
        Array((JSON(members: ["precision": precision.rawValue]).text + "\n").utf8)
    }

    /// Loads `weights.safetensors`, `config.json` and `vocab.txt` of a folder, and `inference.json` where there is one.
    ///
    /// Tensors of the decoder may be missing: inference does not need them.
    /// - Parameter precision: what inference multiplies in, on any processor; ask `Precision.isNative` whether bf16 pays. nil:
    ///   as the folder says.
    /// - Throws: `MCRError` or `FileError` naming the file and what is wrong.
    public convenience init(directory: String, precision: Precision? = nil) throws {
        let precision = try precision ?? Self.precision(of: directory)
        let configuration = try Self.configuration(directory)
        let vocabulary = try Vocabulary(path: directory + "/" + Self.vocabularyFile)
        guard vocabulary.count <= configuration.vocabularySize else {
            throw MCRError(
                .badModel(
                    reason:
                        "vocab.txt has \(vocabulary.count) pieces and config.json says \(configuration.vocabularySize)"),
                path: directory)
        }
        let weightsPath = directory + "/" + Self.weightsFile
        let file = try WeightReader(weightsPath)
        let network = MCRNetwork(configuration)
        let inventory = Self.inventory(file, network)
        let lacking = inventory.missing.filter { MCRNetwork.servesInference($0) } + inventory.misshapen
        guard lacking.isEmpty else {
            throw MCRError(
                .badModel(
                    reason: "\(lacking.count) tensors are missing or have another shape, such as \(lacking[0]); "
                        + "`hilum model inspect` lists them"), path: weightsPath)
        }
        let values = ParameterBuffer(count: network.layout.count)
        if !inventory.missing.isEmpty { values.initialize(network.layout, seed: 0) }
        let entries = file.entries
        for parameter in network.layout.parameters {
            guard let entry = entries[parameter.name] else { continue }
            try file.read(entry, into: values.pointer + parameter.offset)
        }
        self.init(
            network: network, values: values, tokenizer: Tokenizer(vocabulary: vocabulary), precision: precision)
    }

    /// The configuration of a model folder, its sizes checked.
    public static func configuration(_ directory: String) throws -> MCRConfiguration {
        let path = directory + "/" + configurationFile
        guard access(path, F_OK) == 0 else {
            throw MCRError(
                .badModel(
                    reason: "there is no \(configurationFile) in it; a model is a folder with \(weightsFile), "
                        + "\(configurationFile) and \(vocabularyFile)"), path: directory)
        }
        let bytes = try FileIO.read(path, limitInBytes: 1 << 20)
        let configuration: MCRConfiguration
        do {
            configuration = try MCRConfiguration(parsing: bytes)
        } catch {
            throw MCRError(.badModel(reason: "this is no MCR configuration in JSON: \(error)"), path: path)
        }
        let problems = configuration.problems
        guard problems.isEmpty else {
            throw MCRError(.badModel(reason: problems.joined(separator: "; ")), path: path)
        }
        return configuration
    }

    /// Which tensors of the folder's weights are mapped, missing, extra or of another shape.
    public static func inspect(_ directory: String) throws -> (MCRConfiguration, TensorInventory) {
        let configuration = try configuration(directory)
        let file = try WeightReader(directory + "/" + weightsFile, skipsIntegers: true)
        return (configuration, inventory(file, MCRNetwork(configuration)))
    }

    private static func inventory(_ file: WeightReader, _ network: MCRNetwork) -> TensorInventory {
        let shapes = file.shapes
        var inventory = TensorInventory()
        var wanted: Set<String> = []
        for parameter in network.layout.parameters {
            wanted.insert(parameter.name)
            guard let shape = shapes[parameter.name] else {
                inventory.missing.append(parameter.name)
                continue
            }
            if shape == parameter.shape {
                inventory.mapped.append(parameter.name)
            } else {
                inventory.misshapen.append(parameter.name)
            }
        }
        inventory.extra = (shapes.keys.filter { !wanted.contains($0) } + file.skipped).sorted()
        return inventory
    }

    /// Floats of all tensors, decoder included.
    public var parameterCount: Int { network.layout.parameters.reduce(0) { $0 + $1.count } }

    /// Writes the model folder; each file is replaced in one step.
    public func save(to directory: String, format: SafeTensors.Format = .f16) throws {
        try Self.save(network, values, tokenizer, to: directory, format: format)
    }

    static func save(
        _ network: MCRNetwork, _ values: ParameterBuffer, _ tokenizer: Tokenizer, to directory: String,
        format: SafeTensors.Format = .f16
    ) throws {
        try FileIO.makeFolder(directory)
        let configuration = network.configuration.json.sorted.indentedText
        try FileIO.writeAtomically(directory + "/" + configurationFile, Array(configuration.utf8))
        try tokenizer.vocabulary.write(to: directory + "/" + vocabularyFile)
        try SafeTensors.write(
            values.spans(network.layout), metadata: ["format": "hilum-mcr-1"], to: directory + "/" + weightsFile,
            as: format)
    }

    /// Where the built-in model is: `HILUM_MODEL`, else beside the program.
    /// - Throws: `MCRError.badModel` saying where it was looked for.
    public static func builtInDirectory() throws(MCRError) -> String {
        if let path = ProcessInfo.processInfo.environment["HILUM_MODEL"], !path.isEmpty { return path }
        let places = ResourceBundle.places(of: "HilumMCR").map { $0 + "/mcr-default" }
        for place in places where ResourceBundle.isThere(place + "/" + configurationFile) {
            return place
        }
        throw MCRError(
            .badModel(reason: "the built-in model is not beside the program; set HILUM_MODEL to a model folder"),
            path: places[0])
    }
}
