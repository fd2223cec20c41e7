/// Which patches of an image answer to which words of a text.
///
/// Every token is mapped to the common space before it is pooled (MbA), so the cosine of an image and a text is a sum over
/// pairs of a patch and a word and can be taken apart exactly:
///
///     s = e_I · e_T = Σ_i Σ_j (α_i y_i / ‖v_I‖) · (β_j y_j / ‖v_T‖)
///
/// Against a baseline the evidence is Σ_i Σ_j (α_i y_i / ‖v_I‖ − r_i) · β_j (y_j / ‖v_T‖ − n): r_i is what a patch at this
/// place brings on average over reference images, n what is said when nothing is found. It sums to (e_I − Σr) · (e_T − n).
/// The idea of reading pooled maps as local evidence is that of class activation maps (Zhou et al. 2016).
public struct Explanation: Sendable, Equatable {
    /// A word of the text, its pieces taken together.
    public struct Word: Sendable, Equatable {
        /// As it stands in the text.
        public let text: String
        /// UTF-8 bytes of the text.
        public let byteRange: Range<Int>
        /// How much it counts in the text's embedding, 0 … 1; the words and [CLS] sum to 1.
        public let weight: Float
        /// `[patches]`, row-major from the upper left.
        public let evidence: [Float]
        /// What falls on the image as a whole ([CLS]) rather than on a patch.
        public let wholeImage: Float

        /// All evidence of the word.
        public var total: Float { evidence.reduce(wholeImage, +) }

        /// A word and its evidence.
        public init(text: String, byteRange: Range<Int>, weight: Float, evidence: [Float], wholeImage: Float) {
            self.text = text
            self.byteRange = byteRange
            self.weight = weight
            self.evidence = evidence
            self.wholeImage = wholeImage
        }
    }

    /// The cosine of image and text.
    public let score: Float
    /// What all evidence sums to: the score, or what is left of it above the baseline.
    public let total: Float
    /// `[patches]`: evidence of the whole text, [CLS] included.
    public let heat: [Float]
    /// `[patches]`: α, how much each patch counts in the image's embedding.
    public let patchWeights: [Float]
    /// In the order of the text; what lies beyond the model's longest text is missing.
    public let words: [Word]
    /// The image and how the model cut it.
    public let grid: PatchGrid
    /// How many reference images the baseline was made of; 0: there was none.
    public let referenceCount: Int
    /// Whether the text was held against what is said when nothing is found.
    public let isContrasted: Bool
    /// The most that a patch of this image brings for words that mean nothing (`nonsenseTexts`), in the units of `heat`; 0: it was
    /// not measured. What stays below it is no evidence.
    public let noise: Float

    /// Invented words, against which evidence is measured.
    public static let nonsenseTexts = [
        "blorvane", "quistrel", "zempholar", "drabbit", "oxnavel", "plimquor", "vastrind", "krelumby",
    ]

    /// An explanation of these parts.
    public init(
        score: Float, total: Float, heat: [Float], patchWeights: [Float], words: [Word], grid: PatchGrid,
        referenceCount: Int, isContrasted: Bool, noise: Float = 0
    ) {
        self.score = score
        self.total = total
        self.heat = heat
        self.patchWeights = patchWeights
        self.words = words
        self.grid = grid
        self.referenceCount = referenceCount
        self.isContrasted = isContrasted
        self.noise = noise
    }

    /// The patch with the most evidence for the whole text; patches that show padding alone do not count.
    public var hottest: Int { grid.hottest(heat) }

    /// Whether any patch brings more for the text than for words that mean nothing.
    public var isAboveNoise: Bool { heat[hottest] > noise }
}
