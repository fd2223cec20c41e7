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
func loadModel(_ name: String, precision: MCRModel.Precision = .f32) throws -> MCRModel {
    try MCRModel(directory: try modelFolder(name), precision: precision)
}

/// Loads the model whose vectors an archive holds.
func loadModel(ofArchive path: String) throws -> MCRModel {
    guard let folder = Archive.modelDirectory(of: path) else {
        throw CommandError(.failed, "\(path): there is no archive with a model here; 'hilum init \(path)' makes one")
    }
    return try MCRModel(directory: folder)
}
