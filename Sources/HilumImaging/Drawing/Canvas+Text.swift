extension Canvas {
    /// Which point of a text the given position means.
    public enum TextAnchor: Sendable { case left, center, right }

    /// Writes one line of text in the built-in font.
    ///
    /// - Parameters:
    ///   - x: left edge, middle or right edge of the text, depending on `anchor`.
    ///   - y: upper edge of the text.
    ///   - scale: 1 (5 × 7 pixels per letter) to 6, in steps of one half.
    /// - Returns: the first column to the right of the text.
    @discardableResult
    public mutating func text(
        _ string: String, x: Int, y: Int, _ color: RGBColor, scale: Double = 1, anchor: TextAnchor = .left
    ) -> Int {
        let glyphs = BitmapFont.glyphs(string)
        var left = Self.start(x, glyphs.count * BitmapFont.advance(scale), anchor)
        for glyph in glyphs {
            let mask = BitmapFont.mask(glyph, scale: scale)
            for row in 0..<mask.height {
                for column in 0..<mask.width {
                    blendInside(left + column, y + row, color, mask.coverage[row * mask.width + column])
                }
            }
            left += BitmapFont.advance(scale)
        }
        return left
    }

    /// Writes one line of text that runs upwards.
    ///
    /// - Parameters:
    ///   - x: left edge of the text.
    ///   - y: the row of its anchor; `left` means the lower end.
    mutating func verticalText(
        _ string: String, x: Int, y: Int, _ color: RGBColor, scale: Double = 1, anchor: TextAnchor = .left
    ) {
        let glyphs = BitmapFont.glyphs(string)
        var bottom = -Self.start(-y, glyphs.count * BitmapFont.advance(scale), anchor)
        for glyph in glyphs {
            let mask = BitmapFont.mask(glyph, scale: scale)
            for row in 0..<mask.height {
                for column in 0..<mask.width {
                    blendInside(x + row, bottom - 1 - column, color, mask.coverage[row * mask.width + column])
                }
            }
            bottom -= BitmapFont.advance(scale)
        }
    }

    /// The width of a text in pixels.
    static func textWidth(_ string: String, scale: Double = 1) -> Int {
        BitmapFont.glyphs(string).count * BitmapFont.advance(scale)
    }

    /// The distance between two lines of text, in pixels.
    static func lineHeight(scale: Double = 1) -> Int { BitmapFont.lineHeight(scale) }

    /// Breaks a text into lines of at most `width` pixels, between words where possible. A text longer than `maxLines` is
    /// cut and ends with an ellipsis.
    static func wrapped(_ string: String, width: Int, scale: Double = 1, maxLines: Int = .max) -> [String] {
        let columns = max(1, width / BitmapFont.advance(scale))
        var lines: [String] = []
        var line = ""
        for word in string.split(whereSeparator: \.isWhitespace) {
            var rest = Substring(word)
            if !line.isEmpty && line.count + 1 + rest.count <= columns {
                line += " " + rest
                continue
            }
            if !line.isEmpty { lines.append(line) }
            while rest.count > columns {
                lines.append(String(rest.prefix(columns)))
                rest = rest.dropFirst(columns)
            }
            line = String(rest)
            if lines.count > maxLines { break }
        }
        if !line.isEmpty { lines.append(line) }
        guard lines.count > maxLines else { return lines }
        var kept = Array(lines.prefix(maxLines))
        if let last = kept.popLast() { kept.append(shortened(last + "...", columns: columns)) }
        return kept
    }

    /// A text of at most `columns` characters; a longer one is cut and ends with an ellipsis.
    static func shortened(_ string: String, columns: Int) -> String {
        guard string.count > columns else { return string }
        if columns <= 3 { return String(string.prefix(columns)) }
        var kept = string.prefix(columns - 3)
        while kept.hasSuffix(".") || kept.hasSuffix(" ") { kept = kept.dropLast() }
        return kept + "..."
    }

    private static func start(_ position: Int, _ length: Int, _ anchor: TextAnchor) -> Int {
        switch anchor {
        case .left: position
        case .center: position - length / 2
        case .right: position - length
        }
    }

    private mutating func blendInside(_ x: Int, _ y: Int, _ color: RGBColor, _ coverage: UInt8) {
        guard coverage > 0, (0..<width).contains(x), (0..<height).contains(y) else { return }
        blend(x, y, color, Double(coverage) / 255)
    }
}
