import HilumEmbedding

/// A model on its way into an archive: loaded, and where its files are.
public struct LoadedModel: Sendable {
    /// The model.
    public let embedder: any Embedder
    /// The folder whose files the archive copies.
    public let folder: String
    /// Files by name that the archive gets in place of those in the folder.
    public let files: [String: [UInt8]]

    /// A loaded model.
    public init(_ embedder: any Embedder, folder: String, files: [String: [UInt8]] = [:]) {
        self.embedder = embedder
        self.folder = folder
        self.files = files
    }
}
