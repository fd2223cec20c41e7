import HilumNN

/// The MCR network: where each tensor lies in the flat parameter buffer, and the passes over it.
///
///     image  [n,N,256] ─ (stem) ─ patch embed + positions ─ keep K ─ [CLS] ─ blocks ─┬─ map g ─ pool ─ unit vector [n,D]
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
    /// The linear way beside the transformer, if there is one. It is not trained by gradients.
    let shortcut: LinearShortcut?
    /// The linear way from words, if there is one. It is not trained by gradients.
    let latentWords: LatentWords?
    /// The directions that each kind has for itself, if there are any. They are not trained by gradients.
    let own: OwnDirections?
    /// Where the tensors of the stem lie, if there is one. They are not trained.
    let stemPlacement: ConvolutionalStem.Placement?
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
        if let cells = configuration.shortcutCells, let stem = configuration.stem {
            shortcut = LinearShortcut(configuration, cells: cells, channels: stem.channels, in: &layout)
        } else {
            shortcut = nil
        }
        latentWords = configuration.shortcutPairs.map { LatentWords(configuration, pairs: $0, in: &layout) }
        if let counts = configuration.own, let cells = configuration.shortcutCells, let stem = configuration.stem,
            let pairs = configuration.shortcutPairs
        {
            let image = LinearShortcut(
                configuration, name: "own.image", cells: cells, channels: stem.channels, dimension: counts.images,
                in: &layout)
            let report = LatentWords(
                configuration, name: "own.report", pairs: pairs, dimension: counts.reports, in: &layout)
            own = OwnDirections(configuration, image: image, report: report, in: &layout)
        } else {
            own = nil
        }
        stemPlacement = configuration.stem.map { ConvolutionalStem.place($0.blocks, in: &layout) }
        self.layout = layout
    }

    /// Start values: drawn from the seed, and those of the stem as they come with the program.
    ///
    /// - Throws: `MCRError` or `FileError` when the stem's weights cannot be read.
    func initialize(_ values: ParameterBuffer, seed: UInt64) throws {
        values.initialize(layout, seed: seed)
        guard configuration.stem != nil else { return }
        let file = try WeightReader(try ConvolutionalStem.builtInPath())
        let entries = file.entries
        for parameter in layout.parameters where parameter.name.hasPrefix("stem.") {
            guard let entry = entries[parameter.name], entry.shape == parameter.shape else {
                let reason = "tensor \(parameter.name) is missing or has another shape"
                throw MCRError(.badModel(reason: reason), path: file.path)
            }
            try file.read(entry, into: values.pointer + parameter.offset)
        }
    }

    /// The stem over these values, which must not change as long as it is used.
    func stem(_ values: ParameterBuffer) -> ConvolutionalStem? {
        stemPlacement.map { ConvolutionalStem($0, values: values) }
    }

    /// Whether gradients train the tensor.
    static func isTrained(_ name: String) -> Bool {
        !["stem.", "image.shortcut.", "report.words.", "own."].contains { name.hasPrefix($0) }
    }

    /// Whether inference needs the tensor (decoder and temperature serve training alone).
    static func servesInference(_ name: String) -> Bool { !name.hasPrefix("decoder.") && name != "logit_scale" }
}
