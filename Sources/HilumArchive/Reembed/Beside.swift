import HilumEmbedding

/// The generation beside the one that is searched, as its writer has it in memory: being made, complete, or kept for a return.
///
/// It is in memory so that a switch is quick, and so that changes reach it as they reach the one that is searched.
///
/// Thread rule: a value; the archive guards it, and whoever changes it holds `writing`.
struct Beside: Sendable {
    let generation: UInt32
    let dimension: Int
    var graphs: Graphs
    var attributes: Attributes
    /// The newest checkpoint; nil while there is none.
    var checkpoint: CheckpointHead?
    /// Nil until it is needed.
    var embedder: (any Embedder)?
}
