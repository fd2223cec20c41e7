/// Which parts of a radiograph match which words of a text, as one image.
///
///     ┌ title ──────────────────────────────┐
///     │ radiograph with heat, bar │ word map │
///     │                           │ word map │
///     │ the text, words shaded by evidence   │
///     └──────────────────────────────────────┘
public struct EvidenceSheet: Sendable {
    /// A word of the text.
    public struct Word: Sendable {
        var text: String
        var total: Float
        var values: [Float]

        /// - Parameters:
        ///   - total: the word's evidence, which decides its shade; words below 0 are faint.
        ///   - values: its evidence per cell, `[rows, columns]`.
        public init(text: String, total: Float, values: [Float]) {
            self.text = text
            self.total = total
            self.values = values
        }
    }

    var title: String
    var note: String
    var image: GrayImage
    var columns: Int
    var rows: Int
    var heat: [Float]
    var noise: Float
    var words: [Word]

    /// - Parameters:
    ///   - note: a line below the title; may be empty.
    ///   - image: the square that the grid covers, including its padding (`resizedToFit`).
    ///   - heat: the evidence per cell, `[rows, columns]`.
    ///   - noise: evidence that words without meaning reach; what lies below it stays grey.
    public init(
        title: String, note: String = "", image: GrayImage, columns: Int, rows: Int, heat: [Float], noise: Float = 0,
        words: [Word]
    ) {
        precondition(columns > 0 && rows > 0 && heat.count == columns * rows, "the values must fill the grid")
        self.title = title
        self.note = note
        self.image = image
        self.columns = columns
        self.rows = rows
        self.heat = heat
        self.noise = noise
        self.words = words
    }

    private static let margin = 16
    private static let pictureSide = 512
    private static let smallSide = 232
    private static let textScale = 2.0
    private static let textLineCount = 8
    /// How many words get a map of their own.
    private static let mapCount = 4
    /// Shorter words, mostly articles and prepositions, get no map.
    private static let shortestMappedWord = 3

    /// The words of at least three characters with the most evidence, best first, at most `mapCount`.
    var leadingWords: [Word] {
        var seen: Set<String> = []
        let able = words.filter {
            $0.total > 0 && $0.text.count >= Self.shortestMappedWord && $0.text.contains(where: \.isLetter)
        }
        let sorted = able.enumerated().sorted { ($1.element.total, $0.offset) < ($0.element.total, $1.offset) }
        return Array(sorted.map(\.element).filter { seen.insert($0.text.lowercased()).inserted }.prefix(Self.mapCount))
    }

    /// Draws the sheet.
    public func render() -> RGBImage {
        let leading = leadingWords
        let side = Self.pictureSide
        let clamped = heat.map { $0.isFinite ? max($0, 0) : 0 }
        let main = HeatMap.overlay(
            image, values: clamped, columns: columns, rows: rows, noise: noise, style: HeatMap.Style(side: side))
        let mapColumns = leading.isEmpty ? 0 : leading.count > 2 ? 2 : 1
        let lineHeight = Canvas.lineHeight(scale: Self.textScale)
        let head = Self.margin + Canvas.lineHeight(scale: 3) + (note.isEmpty ? 0 : lineHeight)
        let width = main.width + mapColumns * (Self.smallSide + 12) + (mapColumns > 0 ? Self.margin : 0)
        let lines = wrappedWords(width: width - 2 * Self.margin)
        let bodyHeight = max(main.height, 2 * (Self.smallSide + lineHeight) + 40)
        let textTop = head + bodyHeight + 4
        var canvas = Canvas(
            width: width, height: textTop + lines.count * (lineHeight + 6) + Self.margin,
            background: Theme.background)
        let columnCount = (width - 2 * Self.margin) / BitmapFont.advance(3)
        canvas.text(
            Canvas.shortened(title, columns: columnCount), x: Self.margin, y: Self.margin, Theme.text, scale: 3)
        if !note.isEmpty {
            let columnCount = (width - 2 * Self.margin) / BitmapFont.advance(1.5)
            canvas.text(
                Canvas.shortened(note, columns: columnCount), x: Self.margin, y: head - lineHeight + 2, Theme.faint,
                scale: 1.5)
        }
        canvas.draw(main, x: 0, y: head)
        drawMaps(leading, &canvas, x: main.width, y: head + Self.margin)
        drawText(lines, &canvas, y: textTop)
        return canvas.image
    }

    private func drawMaps(_ leading: [Word], _ canvas: inout Canvas, x: Int, y: Int) {
        let lineHeight = Canvas.lineHeight(scale: Self.textScale)
        let most = leading.flatMap(\.values).filter(\.isFinite).max() ?? 0
        // A word has a part of the text's evidence, and is held against as much of the noise.
        let lowest = noise / Float(max(words.count, 1))
        let highest = max(most, Float(HeatMap.spanOverNoise) * lowest)
        for (index, word) in leading.enumerated() {
            let columnCount = leading.count > 2 ? 2 : 1
            let left = x + index % columnCount * (Self.smallSide + 12)
            let top = y + index / columnCount * (Self.smallSide + lineHeight + 12)
            canvas.text(
                Canvas.shortened(word.text, columns: Self.smallSide / BitmapFont.advance(Self.textScale)), x: left,
                y: top, Theme.text, scale: Self.textScale)
            HeatMap.draw(
                image, values: word.values, columns: columns, rows: rows, lowest: lowest, highest: highest,
                into: &canvas, x: left, y: top + lineHeight, style: HeatMap.Style(side: Self.smallSide))
        }
    }

    /// The words in lines; a text that is too long ends with an ellipsis.
    private func wrappedWords(width: Int) -> [[(text: String, total: Float)]] {
        let advance = BitmapFont.advance(Self.textScale)
        var lines: [[(text: String, total: Float)]] = []
        var line: [(text: String, total: Float)] = []
        var used = 0
        for word in words {
            let needed = (word.text.count + 1) * advance
            if used + needed > width && !line.isEmpty {
                lines.append(line)
                line = []
                used = 0
                if lines.count == Self.textLineCount {
                    lines[lines.count - 1].append(("...", 0))
                    return lines
                }
            }
            line.append((word.text, word.total))
            used += needed
        }
        if !line.isEmpty { lines.append(line) }
        return lines
    }

    private func drawText(_ lines: [[(text: String, total: Float)]], _ canvas: inout Canvas, y: Int) {
        let advance = BitmapFont.advance(Self.textScale)
        let lineHeight = Canvas.lineHeight(scale: Self.textScale)
        let highest = words.map(\.total).filter(\.isFinite).max() ?? 0
        for (row, line) in lines.enumerated() {
            var x = Self.margin
            let top = y + row * (lineHeight + 6)
            for word in line {
                let strength = highest > 0 && word.total.isFinite ? Double(min(max(word.total / highest, 0), 1)) : 0
                let width = word.text.count * advance
                if strength > 0.05 {
                    canvas.fillRectangle(
                        PixelRect(x: x - 3, y: top - 3, width: width + 4, height: lineHeight + 2),
                        ColorMap.heat.color(strength), opacity: 0.25 + 0.55 * strength)
                }
                let ink = strength > 0.65 ? Theme.background : strength > 0.05 ? Theme.text : Theme.faint
                canvas.text(word.text, x: x, y: top, ink, scale: Self.textScale)
                x += width + advance
            }
        }
    }
}
