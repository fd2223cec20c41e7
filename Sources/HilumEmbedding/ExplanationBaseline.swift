/// What evidence is held against: the mean local features of reference images, and what is said when nothing is found.
public struct ExplanationBaseline: Sendable, Equatable {
    /// What a text is held against unless said otherwise.
    public static let neutralTexts = [
        "No acute cardiopulmonary abnormality.", "normal chest", "The lungs are clear.",
    ]

    /// `[patches + 1, dimension]`: mean of α_i y_i / ‖v‖, row 0 for [CLS].
    public let rows: [Float]
    /// `[dimension]`: mean of the neutral texts' unit vectors.
    public let neutral: [Float]
    /// How many images the mean is of.
    public let imageCount: Int

    /// A baseline of these means.
    public init(rows: [Float], neutral: [Float], imageCount: Int) {
        self.rows = rows
        self.neutral = neutral
        self.imageCount = imageCount
    }
}
