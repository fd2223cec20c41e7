import HilumCore
import HilumNN

/// The sizes of an MCR model; one code path serves all of them.
///
/// `mcr-tiny`, `mcr-small` and `mcr-base` are the rows of this project's table of shapes; the paper (arXiv 2312.15840)
/// does not give sizes.
public struct MCRConfiguration: Sendable, Equatable {
    /// The sizes of a stack of transformer blocks.
    public struct EncoderSizes: Sendable, Equatable {
        /// Floats of a row.
        public var width: Int
        /// Blocks.
        public var layers: Int
        /// Attention heads; they divide the width.
        public var heads: Int
        /// Where the norms of its blocks stand; post-norm blocks have no final norm.
        public var norm: NormPlacement
        /// What its norms add to a variance.
        public var epsilon: Float

        init(
            width: Int, layers: Int, heads: Int, norm: NormPlacement = .pre,
            epsilon: Float = LayerNorm.standardEpsilon
        ) {
            self.width = width
            self.layers = layers
            self.heads = heads
            self.norm = norm
            self.epsilon = epsilon
        }
    }

    /// The positions of the patches: a fixed table (`Positions.grid`), or one that is learned.
    public enum ImagePositions: String, Sendable, CaseIterable, JSONReadable, JSONWritable { case sinCos2D, learned }

    /// What an image goes through before the network sees it; see `Preprocessing`.
    public enum View: String, Sendable, CaseIterable, JSONReadable, JSONWritable {
        /// Fitted into the square as it is.
        case padded
        /// `StandardView`: without borders, as a positive, stretched.
        case standard
    }

    /// A convolutional network that makes the local features which the transformer reads, in place of the patches' pixels.
    public enum Stem: String, Sendable, CaseIterable, JSONReadable, JSONWritable {
        /// EfficientNet-Lite0 up to block 10, with weights of ImageNet: a feature of 112 numbers for 16 · 16 pixels.
        case efficientNetLite0 = "efficientnet-lite0"
        /// The same network, read after blocks 4, 7 and 10: a feature of 232 numbers for 16 · 16 pixels.
        case efficientNetLite0Levels = "efficientnet-lite0-levels"

        /// Where features are read.
        struct Level: Sendable {
            /// Blocks before it.
            let blocks: Int
            /// Brings features to a deviation of about 1: on radiographs it is 8.5, 8.9 and 6.6.
            let scale: Float
        }

        var blocks: [ConvolutionalBlock] { ConvolutionalStem.efficientNetLite0 }
        /// What a feature is made of, in this order; see `ImageEncoder.stemFeatures`.
        var levels: [Level] {
            let last = Level(blocks: blocks.count, scale: 1 / 6.5)
            switch self {
            case .efficientNetLite0: return [last]
            case .efficientNetLite0Levels:
                return [Level(blocks: 5, scale: 1 / 8.5), Level(blocks: 8, scale: 1 / 8.5), last]
            }
        }
        /// Numbers of a feature.
        var channels: Int { levels.reduce(0) { $0 + blocks[$1.blocks - 1].outputs } }
        /// Side of the square of pixels for which there is one feature.
        var stride: Int { 16 }
    }

    /// Where the map to the common space stands: before the aggregation (MbA) or after it (ABM, for comparison).
    public enum Alignment: String, Sendable, CaseIterable, JSONReadable, JSONWritable { case mba, abm }

    /// What the reconstruction decoder sees: both modalities, each by itself, or there is none.
    public enum DecoderKind: String, Sendable, CaseIterable, JSONReadable, JSONWritable { case joint, unimodal, none }

    /// How many directions each kind has for itself, beside the common space; see `OwnDirections`.
    public struct OwnCounts: Sendable, Equatable {
        /// Of pictures.
        public var images: Int
        /// Of reports.
        public var reports: Int
    }

    /// What `--config` calls it.
    public var name: String
    /// Side of the square model input in pixels.
    public var imageSide: Int
    /// Side of a patch in pixels.
    public var patchSide: Int
    /// The image encoder.
    public var image: EncoderSizes
    /// The report encoder.
    public var report: EncoderSizes
    /// Most tokens of a report, [CLS] and [SEP] included.
    public var maxTokens: Int
    /// Pieces of the vocabulary.
    public var vocabularySize: Int
    /// Hidden width of the map g.
    var mapHidden: Int
    /// Floats of the common space.
    public var dimension: Int
    /// The reconstruction decoder.
    public var decoder: EncoderSizes
    /// What the decoder sees.
    public var decoderKind: DecoderKind
    /// Where the map to the common space stands.
    public var alignment: Alignment
    /// Where the positions of the patches come from.
    public var imagePositions: ImagePositions
    /// What an image goes through first.
    public var view: View
    /// What makes the local features; nil: they are the pixels of the patches.
    public var stem: Stem?
    /// Parts of a row of the picture that a linear way from the stem to the common space tells apart; nil: there is none. See
    /// `LinearShortcut`.
    public var shortcutCells: Int?
    /// Features that pairs of neighbouring pieces share in a linear way from a report's words to the common space; nil: there is
    /// none. See `LatentWords`.
    public var shortcutPairs: Int?
    /// Directions that each kind has for itself; nil: there are none. Needs both linear ways. See `OwnDirections`.
    public var own: OwnCounts?
    /// Whether the sum of token and position embedding is normalised before the first block, as in BERT.
    var reportEmbeddingNorm: Bool

    init(
        name: String, imageSide: Int, patchSide: Int, image: EncoderSizes, report: EncoderSizes, maxTokens: Int,
        vocabularySize: Int,
        mapHidden: Int, dimension: Int, decoder: EncoderSizes, decoderKind: DecoderKind = .joint,
        alignment: Alignment = .mba,
        imagePositions: ImagePositions = .sinCos2D, reportEmbeddingNorm: Bool = false, view: View = .padded,
        stem: Stem? = nil, shortcutCells: Int? = nil, shortcutPairs: Int? = nil,
        own: OwnCounts? = nil
    ) {
        self.name = name
        self.imageSide = imageSide
        self.patchSide = patchSide
        self.image = image
        self.report = report
        self.maxTokens = maxTokens
        self.vocabularySize = vocabularySize
        self.mapHidden = mapHidden
        self.dimension = dimension
        self.decoder = decoder
        self.decoderKind = decoderKind
        self.alignment = alignment
        self.imagePositions = imagePositions
        self.reportEmbeddingNorm = reportEmbeddingNorm
        self.view = view
        self.stem = stem
        self.shortcutCells = shortcutCells
        self.shortcutPairs = shortcutPairs
        self.own = own
    }

    /// What changes a vector besides the sizes and tensors, in words for the model id; empty for what was always so.
    var departures: String {
        var words: [String] = []
        if imagePositions != .sinCos2D { words.append("positions \(imagePositions.rawValue)") }
        if view != .padded { words.append("view \(view.rawValue) \(Preprocessing.standardVersion)") }
        if let stem { words.append("stem \(stem.rawValue)") }
        if let shortcutCells { words.append("shortcut \(shortcutCells)") }
        if let shortcutPairs { words.append("word pairs \(shortcutPairs)") }
        if let own { words.append("own beside \(own.images) \(own.reports)") }
        if reportEmbeddingNorm { words.append("embedding norm") }
        for (label, encoder) in [("image", image), ("report", report)] {
            if encoder.norm != .pre { words.append("\(label) norm \(encoder.norm.rawValue)") }
            if encoder.epsilon != LayerNorm.standardEpsilon { words.append("\(label) epsilon \(encoder.epsilon)") }
        }
        return words.joined(separator: ", ")
    }

    /// Floats of an embedding: those of the common space and of the own directions of both kinds.
    public var vectorDimension: Int { dimension + (own.map { $0.images + $0.reports } ?? 0) }
    /// Patches of an image, N.
    public var patchCount: Int { (imageSide / patchSide) * (imageSide / patchSide) }
    /// Patches of a row of the grid.
    var gridSide: Int { imageSide / patchSide }
    /// Numbers of a local feature as the transformer's first layer reads it.
    var patchFeatures: Int { stem?.channels ?? patchPixels }
    /// Pixels of a patch.
    var patchPixels: Int { patchSide * patchSide }

    /// For tests and trials of the recipe.
    public static let micro = MCRConfiguration(
        name: "mcr-micro", imageSide: 48, patchSide: 8, image: EncoderSizes(width: 64, layers: 3, heads: 2),
        report: EncoderSizes(width: 64, layers: 2, heads: 2), maxTokens: 96, vocabularySize: 2048, mapHidden: 128,
        dimension: 64,
        decoder: EncoderSizes(width: 64, layers: 1, heads: 2))
    /// The smallest that is of use, for drawings.
    public static let compact = MCRConfiguration(
        name: "mcr-compact", imageSide: 96, patchSide: 12, image: EncoderSizes(width: 128, layers: 4, heads: 4),
        report: EncoderSizes(width: 128, layers: 3, heads: 4), maxTokens: 128, vocabularySize: 4096, mapHidden: 256,
        dimension: 128,
        decoder: EncoderSizes(width: 96, layers: 1, heads: 2))
    /// The smallest row of the table of shapes.
    public static let tiny = MCRConfiguration(
        name: "mcr-tiny", imageSide: 128, patchSide: 16, image: EncoderSizes(width: 192, layers: 6, heads: 3),
        report: EncoderSizes(width: 192, layers: 4, heads: 3), maxTokens: 96, vocabularySize: 4096, mapHidden: 384,
        dimension: 128,
        decoder: EncoderSizes(width: 128, layers: 2, heads: 2))
    /// The sizes that the built-in model was trained with, before it got own directions: the transformer reads features of a stem that knows pictures.
    public static let film = MCRConfiguration(
        name: "mcr-film", imageSide: 224, patchSide: 16, image: EncoderSizes(width: 192, layers: 4, heads: 3),
        report: EncoderSizes(width: 192, layers: 3, heads: 3), maxTokens: 128, vocabularySize: 4096, mapHidden: 384,
        dimension: 128,
        decoder: EncoderSizes(width: 96, layers: 1, heads: 2), view: .standard, stem: .efficientNetLite0,
        shortcutCells: 4, shortcutPairs: 4096)
    /// What `hilum train` takes unless told otherwise, for radiographs and archives of a few thousand pairs: `film` with features of
    /// three levels of the stem.
    public static let levels: MCRConfiguration = {
        var sizes = film
        sizes.name = "mcr-levels"
        sizes.stem = .efficientNetLite0Levels
        return sizes
    }()
    /// The middle row.
    public static let small = MCRConfiguration(
        name: "mcr-small", imageSide: 224, patchSide: 16, image: EncoderSizes(width: 256, layers: 8, heads: 4),
        report: EncoderSizes(width: 256, layers: 6, heads: 4), maxTokens: 160, vocabularySize: 8192, mapHidden: 512,
        dimension: 256,
        decoder: EncoderSizes(width: 192, layers: 2, heads: 3))
    /// The sizes of ViT-B/16 and BERT-base, for imported weights.
    public static let base = MCRConfiguration(
        name: "mcr-base", imageSide: 224, patchSide: 16, image: EncoderSizes(width: 768, layers: 12, heads: 12),
        report: EncoderSizes(width: 768, layers: 12, heads: 12), maxTokens: 256, vocabularySize: 30522, mapHidden: 2048,
        dimension: 512, decoder: EncoderSizes(width: 512, layers: 4, heads: 8))

    /// The configurations that `--config` knows.
    public static let named: [MCRConfiguration] = [.micro, .compact, .film, .levels, .tiny, .small, .base]

    /// What makes these sizes unusable, in words; empty if they are fine. Weights from elsewhere are checked with it.
    var problems: [String] {
        var found: [String] = []
        let positive = [imageSide, patchSide, maxTokens, vocabularySize, mapHidden, dimension]
        if positive.contains(where: { $0 <= 0 || $0 > 1 << 20 }) { return ["a size is not in 1…1048576"] }
        if imageSide > 4096 || patchSide > 64 { found.append("imageSide is over 4096 or patchSide over 64") }
        if patchCount > 4096 { found.append("there are more than 4096 patches") }
        if mapHidden > 16_384 || dimension > 4096 { found.append("mapHidden is over 16384 or dimension over 4096") }
        if maxTokens > 4096 { found.append("maxTokens is over 4096") }
        if imageSide % patchSide != 0 { found.append("patchSide does not divide imageSide") }
        if let stem, patchSide != stem.stride {
            found.append("a stem of \(stem.rawValue) needs patchSide \(stem.stride)")
        }
        if let shortcutCells, stem == nil || !(1...max(1, gridSide)).contains(shortcutCells) {
            found.append("shortcutCells needs a stem and is at most the patches of a row")
        }
        if let shortcutPairs, !(0...1 << 20).contains(shortcutPairs) {
            found.append("shortcutPairs is not in 0…1048576")
        }
        if let own {
            if shortcutCells == nil || shortcutPairs == nil {
                found.append("own needs shortcutCells and shortcutPairs")
            }
            if !(1...4096).contains(own.images) || !(1...4096).contains(own.reports) || vectorDimension > 4096 {
                found.append("own is below 1, or a vector has more than 4096 floats")
            }
        }
        for (label, encoder) in [("image", image), ("report", report), ("decoder", decoder)] {
            if encoder.width <= 0 || encoder.width > 4096 || encoder.layers < 0 || encoder.layers > 64
                || encoder.heads <= 0
            {
                found.append("\(label): width, layers or heads out of range")
                continue
            }
            if !(encoder.epsilon > 0 && encoder.epsilon < 1) {
                found.append("\(label): epsilon is not between 0 and 1")
            }
            if encoder.width % encoder.heads != 0 { found.append("\(label): heads do not divide the width") }
            if encoder.width % 4 != 0 { found.append("\(label): the width is no multiple of 4, which positions need") }
        }
        if maxTokens < 8 { found.append("maxTokens is below 8") }
        return found
    }
}
