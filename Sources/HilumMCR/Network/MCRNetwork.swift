import HilumNN

/// The MCR network: where each tensor lies in the flat parameter buffer, and the passes over it.
///
///     image  [n,N,256] ─ patch embed + positions ─ keep K ─ [CLS] ─ blocks ─┬─ map g ─ pool ─ unit vector [n,D]
///                                                                          └─ joint decoder ─ pixels of hidden patches
///     report [n,≤T]    ─ token + position ─────────────────────── blocks ─┬─ map g ─ pool ─ unit vector [n,D]
///                                                                          └─ joint decoder ─ hidden words
///
/// Sequences are packed, not padded: a report of 23 tokens is 23 rows, so padding can never change an embedding.
/// Source of the objective: arXiv 2312.15840; the sizes are this project's own.
/// Thread rule: immutable; any number of threads, each with its own workspace.
public struct MCRNetwork: Sendable {
    /// The sizes.
    public let configuration: MCRConfiguration
    /// Where each tensor lies.
    public let layout: ParameterLayout
    let imageEncoder: ImageEncoder
    let reportEncoder: ReportEncoder
    let imageHead: CommonSpaceHead
    let reportHead: CommonSpaceHead
    let decoder: ReconstructionDecoder?
    /// The logarithm of the inverse temperature, one float.
    let logitScale: Int

    /// A network of these sizes.
    public init(_ configuration: MCRConfiguration) {
        self.configuration = configuration
        var layout = ParameterLayout()
        imageEncoder = ImageEncoder(configuration, in: &layout)
        reportEncoder = ReportEncoder(configuration, in: &layout)
        imageHead = CommonSpaceHead(
            "image", width: configuration.image.width, hidden: configuration.mapHidden,
            dimension: configuration.dimension,
            alignment: configuration.alignment, in: &layout)
        reportHead = CommonSpaceHead(
            "report", width: configuration.report.width, hidden: configuration.mapHidden,
            dimension: configuration.dimension,
            alignment: configuration.alignment, in: &layout)
        logitScale = layout.add("logit_scale", [1], .constant(2.6592600), decays: false)
        decoder = configuration.decoderKind == .none ? nil : ReconstructionDecoder(configuration, in: &layout)
        self.layout = layout
    }

    /// Whether inference needs the tensor (decoder and temperature serve training alone).
    static func servesInference(_ name: String) -> Bool { !name.hasPrefix("decoder.") && name != "logit_scale" }
}
