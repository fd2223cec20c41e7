import Foundation
import HilumArchive
import HilumCore
import HilumMCR

/// The name of the built-in model, accepted wherever a model folder is expected.
let builtinModelName = "builtin"

/// The folder of a model: `name` itself, or the folder of the built-in model.
func modelFolder(_ name: String) throws -> String {
    guard name == builtinModelName else { return name }
    return try MCRModel.builtInDirectory()
}

/// Loads a model folder, or the built-in model for `builtin`.
///
/// - Parameter precision: the number format of its products. nil takes the format that the folder names, and warns on standard
///   error if the processor lacks instructions for it.
func loadModel(_ name: String, precision: MCRModel.Precision? = nil) throws -> MCRModel {
    try checkModel(name)
    let model = try MCRModel(directory: try modelFolder(name), precision: precision)
    if precision == nil { warnOfSlowEncoding(model, name) }
    return model
}

/// Loads a model that an archive is to copy, or that it has: the number format becomes a file of the copy.
func loadForArchive(_ name: String, _ precision: String?) throws -> LoadedModel {
    var wanted: MCRModel.Precision?
    if let precision {
        wanted = MCRModel.Precision(rawValue: precision)
        guard wanted != nil else {
            let known = MCRModel.Precision.allCases.map(\.rawValue).joined(separator: " or ")
            throw CommandError(.failed, "the precision is \(known), not '\(precision)'")
        }
    }
    try checkModel(name)
    let model = try MCRModel(directory: try modelFolder(name), precision: wanted)
    return LoadedModel(
        model, folder: try modelFolder(name),
        files: [MCRModel.inferenceFile: MCRModel.inferenceSettings(model.precision)])
}

/// Warns on standard error if the processor lacks instructions for the model's number format.
func warnOfSlowEncoding(_ model: MCRModel, _ place: String) {
    guard !model.precision.isNative else { return }
    standardError(
        "\(place): the model multiplies in \(model.precision.rawValue), for which this processor has no instruction "
            + "(avx512bf16): encoding is slow; an archive made with 'hilum init --precision f32' encodes faster here\n")
}

/// The value of `--precision`; nil if it is not given.
func wantedPrecision(_ arguments: Arguments) throws -> MCRModel.Precision? {
    try arguments.choice("precision", among: MCRModel.Precision.allCases.map(\.rawValue))
        .flatMap(MCRModel.Precision.init)
}

/// Refuses what stands for vectors of another encoder in place of a model.
private func checkModel(_ folder: String) throws {
    guard let space = ImportedSpace.read(folder: folder) else { return }
    throw CommandError(
        .failed,
        "\(folder): these vectors are those of the space \(space.name), which another encoder made; there is no model that could encode here"
    )
}

/// The model that computed an archive's vectors; nil where they were imported into a space without one.
func modelOrSpace(ofArchive path: String) throws -> MCRModel? {
    if let folder = Archive.modelDirectory(of: path), ImportedSpace.read(folder: folder) != nil { return nil }
    return try loadModel(ofArchive: path)
}

/// Loads the model that computed an archive's vectors.
func loadModel(ofArchive path: String) throws -> MCRModel {
    guard let folder = Archive.modelDirectory(of: path) else {
        var status = stat()
        if stat(path, &status) == 0, access(path, R_OK | X_OK) != 0 {
            throw CommandError(.failed, "\(path): this user has no right to look into the folder")
        }
        throw CommandError(.failed, "\(path): there is no archive with a model here; 'hilum init \(path)' makes one")
    }
    return try loadModel(folder)
}

/// Why an archive cannot be asked by text or image; nil where it can, or is not meant to be.
func modelFault(ofArchive path: String) -> String? {
    // One that was made without a model is asked with one of the caller's.
    guard Archive.modelDirectory(of: path) != nil else { return nil }
    do {
        guard let model = try modelOrSpace(ofArchive: path),
            // What else may be wrong with it is not said here.
            let archive = try? openArchive(path, .readOnly)
        else { return nil }
        defer { archive.close() }
        guard let known = archive.modelID, known != model.modelID else { return nil }
        return "the vectors belong to the model \(known), not to \(model.modelID)"
    } catch { return "\(error)" }
}
