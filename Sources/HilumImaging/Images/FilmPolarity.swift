/// Tells a chest radiograph from its negative.
///
/// In a film as radiologists read it, spine, heart and diaphragm are bright; the air around the shoulders is dark. The sign of the
/// product with a small template says which it is. The template is a ridge regression on thumbnails of films whose licence allows
/// it, and their mirror images; `tools/fit-polarity` makes it.
enum FilmPolarity {
    static let side = 8
    /// `[8, 8]` in thousandths.
    private static let template: [Float] = [
        -40, -26, -21, 10, 10, -21, -26, -40, -19, 1, -13, 26, 26, -13, 1, -19,
        -7, 1, -30, 20, 20, -30, 1, -7, -8, -10, -27, 35, 35, -27, -10, -8,
        -3, -5, -3, 56, 56, -3, -5, -3, -6, 3, 5, 63, 63, 5, 3, -6,
        -24, -7, 9, 45, 45, 9, -7, -24, -46, -4, 11, 13, 13, 11, -4, -46,
    ]

    /// Whether the picture is a negative. A picture that resembles neither stays as it is.
    static func isInverted(_ image: GrayImage, _ levels: GrayLevels) -> Bool { score(image, levels) < -0.02 }

    /// About 1 for a film as it is read, about −1 for its negative, near 0 for what is no chest film.
    static func score(_ image: GrayImage, _ levels: GrayLevels) -> Float {
        var clipped = image
        levels.stretch(&clipped, inverting: false)
        let thumbnail = clipped.resized(width: side, height: side).samples.map { Float($0) / 65_535 }
        let mean = thumbnail.reduce(0, +) / Float(thumbnail.count)
        let deviation = (thumbnail.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(thumbnail.count)).squareRoot()
        guard deviation > 1e-3 else { return 0 }
        return zip(thumbnail, template).reduce(0) { $0 + ($1.0 - mean) * $1.1 } / (1_000 * deviation)
    }
}
