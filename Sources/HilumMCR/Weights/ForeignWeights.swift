import Foundation
import HilumCore

/// Weights published elsewhere: one safetensors file or its shards, with the settings that stand beside them.
///
/// A folder is searched for `model.safetensors`, then for `model.safetensors.index.json` with its shards, then for a single
/// file ending in `.safetensors`. `config.json` and `preprocessor_config.json` beside it are read where they are there.
/// Thread rule: immutable; any number of threads.
public final class ForeignWeights: Sendable {
    /// The file, or the index of its shards.
    public let path: String
    /// Names of tensors that hold no floats.
    let skipped: [String]
    let settings: Settings
    /// How images were normalised, if a file beside the weights says so.
    let normalisation: ImageNormalisation?
    private let readers: [WeightReader]
    private let places: [String: Place]

    private struct Place {
        let reader: Int
        let entry: SafeTensorsHeader.Entry
    }

    /// What `config.json` says of the encoder, as far as it matters here.
    struct Settings: Sendable {
        var heads: Int?
        var epsilon: Float?
        var activation: String?
        var positions: String?
    }

    /// Opens weights: headers are checked, values are read when they are asked for.
    ///
    /// - Throws: `MCRError.badWeights` saying what is wrong and what to do, or `FileError`.
    public init(_ path: String) throws {
        let file = try Self.file(of: path)
        self.path = file
        let files = file.hasSuffix(".json") ? try Self.shards(file) : [file]
        readers = try files.map { try WeightReader($0, skipsIntegers: true) }
        var places: [String: Place] = [:]
        for (index, reader) in readers.enumerated() {
            for (name, entry) in reader.entries {
                guard places.updateValue(Place(reader: index, entry: entry), forKey: name) == nil else {
                    throw MCRError(
                        .badWeights(reason: "tensor \(SafeTensors.quoted(name)) is in two shards"), path: file)
                }
            }
        }
        self.places = places
        skipped = readers.flatMap(\.skipped).sorted()
        let configuration = try Self.json(beside: file, "config.json")
        settings = Settings(
            heads: configuration["num_attention_heads"]?.integer,
            epsilon: configuration["layer_norm_eps"]?.double.map { Float($0) },
            activation: configuration["hidden_act"]?.string,
            positions: configuration["position_embedding_type"]?.string)
        normalisation =
            ImageNormalisation(
                settings: try Self.json(beside: file, "preprocessor_config.json"), "image_mean", "image_std")
            ?? configuration["pretrained_cfg"].flatMap { ImageNormalisation(settings: $0, "mean", "std") }
    }

    /// `vocab.txt` beside the weights, if there is one.
    public var vocabularyPath: String? {
        let path = FilePath.sibling(of: path, named: "vocab.txt")
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    /// Names of the float tensors, in order.
    public var names: [String] { places.keys.sorted() }

    func shape(_ name: String) -> [Int]? { places[name]?.entry.shape }

    /// The values of a tensor; empty for a name that is not there.
    func floats(_ name: String) throws -> [Float] {
        guard let place = places[name] else { return [] }
        return try readers[place.reader].floats(place.entry)
    }

    private static func file(of path: String) throws -> String {
        let pickles = [".bin", ".pt", ".pth", ".ckpt", ".pkl"]
        if pickles.contains(where: path.lowercased().hasSuffix) {
            throw MCRError(.badWeights(reason: SafeTensors.pickleAdvice), path: path)
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw FileError(.notFound, path: path, call: "open")
        }
        guard isFolder.boolValue else { return path }
        let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        let candidates = names.filter { $0.hasSuffix(".safetensors") }
        for wanted in ["model.safetensors", "model.safetensors.index.json"] where names.contains(wanted) {
            return path + "/" + wanted
        }
        if candidates.count == 1 { return path + "/" + candidates[0] }
        if candidates.isEmpty, let pickle = names.first(where: { name in pickles.contains(where: name.hasSuffix) }) {
            throw MCRError(.badWeights(reason: SafeTensors.pickleAdvice), path: path + "/" + pickle)
        }
        let reason =
            candidates.isEmpty
            ? "the folder holds no safetensors file"
            : "the folder holds several safetensors files; name the one that is meant"
        throw MCRError(.badWeights(reason: reason), path: path)
    }

    /// The files that an index of shards names; all of them lie beside it.
    private static func shards(_ path: String) throws -> [String] {
        let map: [String: String]
        do { map = try json(beside: path, FilePath.name(of: path)).member("weight_map") } catch {
            throw MCRError(.badWeights(reason: "this is no index of safetensors shards: \(error)"), path: path)
        }
        guard !map.isEmpty else {
            throw MCRError(.badWeights(reason: "this index of safetensors shards is empty"), path: path)
        }
        let files = Set(map.values).sorted()
        guard files.count <= 256, files.allSatisfy({ !$0.contains("/") && $0.hasSuffix(".safetensors") }) else {
            throw MCRError(.badWeights(reason: "the index names files that are no shards beside it"), path: path)
        }
        return files.map { FilePath.sibling(of: path, named: $0) }
    }

    /// What a small JSON file beside the weights holds; an empty object where there is no file.
    private static func json(beside file: String, _ name: String) throws -> JSON {
        let path = FilePath.sibling(of: file, named: name)
        guard FileManager.default.fileExists(atPath: path) else { return .object([]) }
        let bytes = try FileIO.read(path, limitInBytes: 16 << 20)
        do { return try JSON(parsing: bytes[...]) } catch {
            throw MCRError(.badWeights(reason: "this is not valid JSON: \(error)"), path: path)
        }
    }
}
