import Foundation
import HilumCore
import HilumNN

/// An encoder published elsewhere, recognised by the names of its tensors, and how it becomes one of an MCR model.
///
///     file ─ names ─► scheme and prefix ─ shapes ─► sizes ─ name table ─► inventory ─ values ─► parameters of an MCR model
///
/// | file | what it holds |
/// | --- | --- |
/// | `WeightImport.swift` | recognising, sizes, inventory, making the model |
/// | `WeightImport+Names.swift` | the name tables |
/// | `WeightImport+Values.swift` | how values are made: grey patches, positions, joined projections |
/// | `ForeignWeights.swift` | files, shards and the settings beside them |
///
/// Sources of the architectures: Dosovitskiy et al. 2021 (ViT, arXiv 2010.11929), He et al. 2022 (MAE, arXiv 2111.06377),
/// Devlin et al. 2019 (BERT, arXiv 1810.04805). Names: timm's `VisionTransformer` (MAE's are the same), `ViTModel` and
/// `BertModel` of Hugging Face transformers.
public struct WeightImport: Sendable {
    /// Whose names they are.
    public enum Scheme: String, Sendable, CaseIterable {
        case timmViT = "timm or MAE ViT"
        case hfViT = "HF ViT"
        case hfBERT = "HF BERT"

        /// Whether it is an encoder of images; the others encode reports.
        public var isImage: Bool { self != .hfBERT }

        /// The name by which it is known that an encoder of the scheme is there.
        var mark: String {
            switch self {
            case .timmViT: "patch_embed.proj.weight"
            case .hfViT: "embeddings.patch_embeddings.projection.weight"
            case .hfBERT: "embeddings.word_embeddings.weight"
            }
        }
    }

    /// What the file's names and shapes come to.
    public struct Inventory: Sendable, Equatable {
        /// Tensors of the MCR model that are filled, with those they are made of.
        public var mapped: [(name: String, sources: [String])] = []
        /// Tensors that the encoder needs and the file lacks.
        public var missing: [String] = []
        /// Tensors whose shape is not the one that is needed, with both.
        public var misshapen: [String] = []
        /// Tensors that the encoder would not be the same without, and that this network has no place for.
        public var foreign: [String] = []
        /// Tensors that nothing asks for: heads, decoders, poolers.
        public var extra: [String] = []

        /// Whether two inventories list the same, in the same order.
        public static func == (left: Inventory, right: Inventory) -> Bool {
            left.mapped.elementsEqual(right.mapped) { $0 == $1 } && left.missing == right.missing
                && left.misshapen == right.misshapen && left.foreign == right.foreign && left.extra == right.extra
        }
    }

    /// Choices of the caller; nil leaves a choice to the files.
    public struct Options: Sendable {
        /// How images were normalised where the encoder was trained.
        public var imageNormalisation: ImageNormalisation?
        /// Side of the model input in pixels; positions of another grid are resampled.
        public var imageSide: Int?
        /// Attention heads of the image encoder.
        public var imageHeads: Int?
        /// Attention heads of the report encoder.
        public var reportHeads: Int?
        /// Most tokens of a report.
        public var maxTokens: Int?
        /// Of the start values of what is not imported.
        public var seed: UInt64 = 1

        /// Nothing is chosen.
        public init() {}
    }

    /// Whose names the tensors have.
    public let scheme: Scheme
    /// What stands before the scheme's names: `vit.`, `bert.`, `module.` or nothing.
    public let prefix: String
    /// The file.
    public let weights: ForeignWeights
    let sizes: Sizes

    /// What the shapes say.
    struct Sizes: Sendable {
        var width: Int
        var layers: Int
        /// Rows of the position table.
        var positions: Int
        var patchSide = 0
        var vocabulary = 0
        /// Patches of a row; zero where the positions are no square grid.
        var grid = 0
        /// Whether the first row of the position table belongs to [CLS].
        var hasClassPosition = false
    }

    /// The encoders in a file.
    public static func recognise(_ weights: ForeignWeights) -> [WeightImport] {
        var found: [WeightImport] = []
        for scheme in Scheme.allCases {
            for name in weights.names where name == scheme.mark || name.hasSuffix("." + scheme.mark) {
                if let one = WeightImport(scheme, prefix: String(name.dropLast(scheme.mark.count)), weights) {
                    found.append(one)
                }
            }
        }
        return found
    }

    private init?(_ scheme: Scheme, prefix: String, _ weights: ForeignWeights) {
        guard let mark = weights.shape(prefix + scheme.mark),
            let table = weights.shape(prefix + Self.positionTable(scheme)), table.count >= 2
        else { return nil }
        self.scheme = scheme
        self.prefix = prefix
        self.weights = weights
        var layers = 0
        while layers < 64, weights.shape(prefix + Self.layerMark(scheme, layers, weights, prefix)) != nil {
            layers += 1
        }
        if scheme.isImage {
            guard mark.count == 4, mark[0] > 0 else { return nil }
            let rows = table[table.count - 2]
            let side = Int(Double(max(rows - 1, 0)).squareRoot().rounded())
            let bareSide = Int(Double(rows).squareRoot().rounded())
            let hasClassPosition = side > 0 && side * side == rows - 1
            sizes = Sizes(
                width: mark[0], layers: layers, positions: rows, patchSide: mark[2],
                grid: hasClassPosition ? side : (bareSide * bareSide == rows ? bareSide : 0),
                hasClassPosition: hasClassPosition)
        } else {
            guard mark.count == 2, mark[1] > 0 else { return nil }
            sizes = Sizes(width: mark[1], layers: layers, positions: table[0], vocabulary: mark[0])
        }
    }

    /// The sizes of a model with these encoders; everything else is as in mcr-base.
    ///
    /// Heads: the option, `config.json`, or 64 floats each, as in every ViT-B and BERT-base.
    static func configuration(
        image: WeightImport?, report: WeightImport?, vocabularySize: Int, _ options: Options
    ) throws -> MCRConfiguration {
        var configuration = MCRConfiguration.base
        configuration.vocabularySize = vocabularySize
        if let image {
            guard image.sizes.grid > 0 else { throw image.refuse("its position table is no square grid") }
            // Looked at before anything is divided by it.
            guard image.sizes.patchSide > 0 else { throw image.refuse("its patch kernel has no pixels") }
            configuration.patchSide = image.sizes.patchSide
            configuration.imageSide = options.imageSide ?? image.sizes.grid * image.sizes.patchSide
            configuration.image = image.encoder(heads: options.imageHeads, placement: .pre)
            configuration.imagePositions = try image.positionsAreFixed(configuration) ? .sinCos2D : .learned
        }
        if let report {
            configuration.maxTokens = min(options.maxTokens ?? configuration.maxTokens, report.sizes.positions)
            configuration.vocabularySize = report.sizes.vocabulary
            configuration.report = report.encoder(heads: options.reportHeads, placement: .post)
            configuration.reportEmbeddingNorm = true
        }
        let problems = configuration.problems
        guard problems.isEmpty else {
            throw MCRError(
                .badModel(reason: problems.joined(separator: "; ")), path: (image ?? report)?.weights.path)
        }
        return configuration
    }

    private func encoder(heads: Int?, placement: NormPlacement) -> MCRConfiguration.EncoderSizes {
        MCRConfiguration.EncoderSizes(
            width: sizes.width, layers: sizes.layers,
            heads: heads ?? weights.settings.heads ?? max(1, sizes.width / 64),
            norm: placement, epsilon: weights.settings.epsilon ?? (scheme == .timmViT ? 1e-6 : 1e-12))
    }

    /// Makes a model whose encoders hold the imported values; what is not imported starts from the seed.
    ///
    /// - Parameter vocabulary: BERT's own, where a report encoder is imported.
    /// - Throws: `MCRError` naming what cannot be mapped, or `FileError`.
    public static func makeModel(
        image: WeightImport?, report: WeightImport?, vocabulary: Vocabulary, _ options: Options
    ) throws -> MCRModel {
        let configuration = try configuration(
            image: image, report: report, vocabularySize: vocabulary.count, options)
        guard vocabulary.count <= configuration.vocabularySize else {
            throw MCRError(
                .badVocabulary(
                    reason:
                        "it has \(vocabulary.count) pieces and the weights \(configuration.vocabularySize) embeddings"))
        }
        let network = MCRNetwork(configuration)
        let values = ParameterBuffer(count: network.layout.count)
        values.initialize(network.layout, seed: options.seed)
        for one in [image, report].compactMap({ $0 }) {
            try one.check()
            try one.fill(values, network, options)
        }
        return MCRModel(network: network, values: values, tokenizer: Tokenizer(vocabulary: vocabulary))
    }

    /// What is mapped, missing, misshapen, foreign and extra.
    ///
    /// Extra tensors include those of another encoder in the same file.
    public func inventory() -> Inventory {
        var inventory = Inventory()
        var used: Set<String> = []
        for slot in slots() {
            used.formUnion(slot.sources)
            let lacking = slot.sources.filter { weights.shape($0) == nil }
            let misshapen = zip(slot.sources, slot.shapes).filter { source, shape in
                weights.shape(source).map { $0 != shape } ?? false
            }
            inventory.missing += lacking
            inventory.misshapen += misshapen.map { source, shape in
                "\(source) \(weights.shape(source) ?? []), needed \(shape)"
            }
            if lacking.isEmpty && misshapen.isEmpty { inventory.mapped.append((slot.name, slot.sources)) }
        }
        inventory.missing = Array(Set(inventory.missing)).sorted()
        inventory.misshapen = Array(Set(inventory.misshapen)).sorted()
        for name in weights.names where !used.contains(name) {
            if isForeign(name) { inventory.foreign.append(name) } else { inventory.extra.append(name) }
        }
        inventory.extra += weights.skipped
        return inventory
    }

    /// Which normalisation is folded into the patch embedding, and who says so.
    public func normalisation(_ options: Options) -> (value: ImageNormalisation, origin: String) {
        if let given = options.imageNormalisation { return (given, "as asked for") }
        if let stored = weights.normalisation { return (stored, "as the settings beside the weights say") }
        return scheme == .timmViT
            ? (.imageNet, "the default for timm and MAE") : (.half, "the default for HF ViT")
    }

    private func check() throws {
        let inventory = inventory()
        func list(_ names: [String]) -> String {
            names.prefix(3).map { SafeTensors.quoted($0) }.joined(separator: ", ") + (names.count > 3 ? ", …" : "")
        }
        guard inventory.missing.isEmpty else {
            throw refuse("\(inventory.missing.count) tensors are missing: \(list(inventory.missing))")
        }
        guard inventory.misshapen.isEmpty else {
            throw refuse("\(inventory.misshapen.count) tensors have another shape: \(list(inventory.misshapen))")
        }
        guard inventory.foreign.isEmpty else {
            throw refuse("the encoder also computes with \(list(inventory.foreign)), for which there is no place")
        }
        guard sizes.layers > 0 else { throw refuse("no layers were found") }
        if let activation = weights.settings.activation, activation != "gelu" {
            throw refuse("its activation is \(SafeTensors.quoted(activation)); only the exact gelu can be taken over")
        }
        if let positions = weights.settings.positions, positions != "absolute" {
            throw refuse("its positions are \(SafeTensors.quoted(positions)); only absolute ones can be taken over")
        }
    }

    func refuse(_ reason: String) -> MCRError {
        MCRError(.badModel(reason: "as \(scheme.rawValue): \(reason)"), path: weights.path)
    }
}
