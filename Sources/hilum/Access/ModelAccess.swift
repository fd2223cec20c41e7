import Foundation
import HilumArchive
import HilumCore
import HilumMCR

/// What stands for the model that comes with the program wherever a model folder is asked for.
let builtinModelName = "builtin"

/// The folder of a model: as given, or that of the built-in one.
func modelFolder(_ name: String) throws -> String {
    guard name == builtinModelName else { return name }
    return try MCRModel.builtInDirectory()
}

/// Loads a model folder, or the built-in model for `builtin`.
///
/// - Parameter precision: what it multiplies in; nil: as the folder says, with a line on standard error where the processor has
///   no instruction for that.
func loadModel(_ name: String, precision: MCRModel.Precision? = nil) throws -> MCRModel {
    let model = try MCRModel(directory: try modelFolder(name), precision: precision)
    if precision == nil { warnOfSlowEncoding(model, name) }
    return model
}

/// One line on standard error when the processor has no instruction for what the model multiplies in.
func warnOfSlowEncoding(_ model: MCRModel, _ place: String) {
    guard !model.precision.isNative else { return }
    standardError(
        "\(place): the model multiplies in \(model.precision.rawValue), for which this processor has no instruction "
            + "(avx512bf16): encoding is slow; an archive made with 'hilum init --precision f32' encodes faster here\n")
}

/// What `--precision` asks for; nil when it is not given.
func wantedPrecision(_ arguments: Arguments) throws -> MCRModel.Precision? {
    try arguments.choice("precision", among: MCRModel.Precision.allCases.map(\.rawValue))
        .flatMap(MCRModel.Precision.init)
}

/// Loads the model whose vectors an archive holds.
func loadModel(ofArchive path: String) throws -> MCRModel {
    guard let folder = Archive.modelDirectory(of: path) else {
        throw CommandError(.failed, "\(path): there is no archive with a model here; 'hilum init \(path)' makes one")
    }
    return try loadModel(folder)
}
