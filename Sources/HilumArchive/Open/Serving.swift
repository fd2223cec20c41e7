import HilumEmbedding

/// The generation that searches use: its graphs, and the model that made its vectors.
///
/// Thread rule: a value. A search takes it once and ends with it, whatever is switched meanwhile.
struct Serving: Sendable {
    let generation: UInt32
    /// Nil as long as the archive was never opened for writing with a model.
    let modelID: String?
    let dimension: Int?
    /// Encodes texts and images; nil: only searches by id and by vector are possible.
    var embedder: (any Embedder)?
    /// Nil as long as there is no model.
    var graphs: Graphs?
    /// What of its vectors pictures and reports share; nil where they share all of them.
    var parts: VectorParts?

    /// The space, where its vectors were imported and no model makes them.
    var space: String? { ImportedSpace.name(ofModel: modelID) }

    func key(_ item: UInt32) -> VectorKey { VectorKey(generation: generation, item: item) }
}
