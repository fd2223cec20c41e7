/// A grid of evidence as a small picture with opacity, one pixel a patch, to be laid over a radiograph and enlarged by whoever shows it.
public enum HeatOverlay {
    /// The PNG: clear where the evidence is not above the noise; four times the noise is the strongest, from yellow to red.
    ///
    /// The page of `hilum view` draws the same (`paint` in its `case.js`).
    /// - Parameters:
    ///   - values: `[rows, columns]` row-major, top row first.
    ///   - noise: what words without meaning bring; at 0 the highest value is the strongest.
    /// - Returns: nil where no patch is above the noise.
    /// - Throws: `encoding`, `outOfMemory`.
    public static func png(
        _ values: [Float], columns: Int, rows: Int, noise: Float
    ) throws(ImagingError) -> [UInt8]? {
        precondition(columns > 0 && rows > 0 && values.count == columns * rows, "the values must fill the grid")
        let top = noise > 0 ? 4 * noise : max(values.max() ?? 0, 1e-6)
        var pixels: [UInt8] = []
        var isClear = true
        for value in values {
            let strength = value.isFinite ? min(max((value - noise) / (top - noise), 0), 1) : 0
            isClear = isClear && strength <= 0
            pixels += [
                255, UInt8((190 * (1 - strength)).rounded() + 30), 20,
                strength > 0 ? UInt8((60 + 130 * strength).rounded()) : 0,
            ]
        }
        return isClear ? nil : try PNGEncoder.encode(pixels: pixels, width: columns, height: rows)
    }
}
