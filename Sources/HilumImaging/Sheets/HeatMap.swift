/// Draws a grid of numbers over an image.
public enum HeatMap {
    /// How a heat map is drawn.
    public struct Style: Sendable {
        /// The longer side of the image in pixels.
        var side: Int
        var opacity: Double
        var isSmooth: Bool
        var title: String

        /// - Parameters:
        ///   - side: the longer side of the image in pixels.
        ///   - opacity: how strongly the colour covers the image where the value is highest, 0 … 1; it fades with the value.
        ///   - isSmooth: interpolates between the centres of the cells; otherwise cells are squares of one colour.
        ///   - title: a line above the image; empty for none.
        public init(side: Int = 512, opacity: Double = 0.75, isSmooth: Bool = true, title: String = "") {
            self.side = side
            self.opacity = opacity
            self.isSmooth = isSmooth
            self.title = title
        }
    }

    /// The image with the grid over it and a colour bar to its right.
    ///
    /// The grid covers the whole image. For a model's patches, pass the square that the model saw (`resizedToFit`), because
    /// the grid includes its padding.
    ///
    /// - Parameter values: `[rows, columns]` row-major, top row first. The colours span from the smallest to the largest
    ///   value; values that are not finite count as the smallest.
    /// - Parameter noise: if it is above 0, the colours span from it to four times as much, or to the largest value if that is more;
    ///   what lies below stays grey. So maps of several texts can be compared.
    static func overlay(
        _ image: GrayImage, values: [Float], columns: Int, rows: Int, noise: Float = 0, style: Style = Style()
    ) -> RGBImage {
        precondition(columns > 0 && rows > 0 && values.count == columns * rows, "the values must fill the grid")
        let place = Canvas.fitted(
            image.width, image.height, in: PixelRect(x: 0, y: 0, width: style.side, height: style.side))
        let finite = values.filter(\.isFinite)
        let lowest = noise > 0 ? Double(noise) : Double(finite.min() ?? 0)
        let highest = max(Double(finite.max() ?? 0), noise > 0 ? Double(noise) * Self.spanOverNoise : -.infinity)
        let span = highest > lowest ? highest - lowest : 1
        let grid = values.map { $0.isFinite ? max(Double($0) - lowest, 0) / span : 0 }
        let margin = 16
        let top = style.title.isEmpty ? margin : margin + Canvas.lineHeight(scale: 2) + 8
        let pictureX = margin
        let barX = pictureX + place.width + 20
        var canvas = Canvas(
            width: barX + 16 + 8 + 8 * 9 + margin, height: top + max(place.height, 120) + margin,
            background: Theme.background)
        if !style.title.isEmpty {
            let columns = (canvas.width - 2 * margin) / BitmapFont.advance(2)
            canvas.text(Canvas.shortened(style.title, columns: columns), x: margin, y: margin, Theme.text, scale: 2)
        }
        canvas.draw(
            image, in: PixelRect(x: pictureX, y: top, width: place.width, height: place.height), stretched: true)
        blend(
            &canvas, PixelRect(x: pictureX, y: top, width: place.width, height: place.height), grid, columns, rows,
            style)
        drawBar(
            &canvas, PixelRect(x: barX, y: top, width: 16, height: place.height), lowest, highest)
        return canvas.image
    }

    /// Draws an image with the grid over it into a square of a canvas, without a colour bar.
    ///
    /// - Parameters:
    ///   - values: `[rows, columns]` row-major, top row first.
    ///   - lowest: the value from which there is colour.
    ///   - highest: the value with the hottest colour.
    public static func draw(
        _ image: GrayImage, values: [Float], columns: Int, rows: Int, lowest: Float = 0, highest: Float,
        into canvas: inout Canvas, x: Int, y: Int, style: Style = Style()
    ) {
        precondition(columns > 0 && rows > 0 && values.count == columns * rows, "the values must fill the grid")
        let square = PixelRect(x: x, y: y, width: style.side, height: style.side)
        let place = canvas.draw(image, in: square)
        let span = highest > lowest ? Double(highest - lowest) : 1
        let grid = values.map { $0.isFinite ? min(max(Double($0 - lowest) / span, 0), 1) : 0 }
        blend(&canvas, place, grid, columns, rows, style)
    }

    /// How many times the noise has the hottest colour.
    static let spanOverNoise = 4.0

    private static func blend(
        _ canvas: inout Canvas, _ place: PixelRect, _ grid: [Double], _ columns: Int, _ rows: Int, _ style: Style
    ) {
        for y in 0..<place.height {
            for x in 0..<place.width {
                let gridX = (Double(x) + 0.5) / Double(place.width) * Double(columns)
                let gridY = (Double(y) + 0.5) / Double(place.height) * Double(rows)
                let value =
                    style.isSmooth
                    ? smooth(grid, gridX, gridY, columns, rows) : grid[Int(gridY) * columns + Int(gridX)]
                // Cold areas keep the radiograph's own grey.
                canvas.blend(
                    place.x + x, place.y + y, ColorMap.heat.color(value), style.opacity * min(1, 1.3 * value * value))
            }
        }
    }

    /// Bilinear interpolation between the centres of the cells, constant beyond the outermost.
    private static func smooth(_ grid: [Double], _ x: Double, _ y: Double, _ columns: Int, _ rows: Int) -> Double {
        let (px, py) = (min(max(x - 0.5, 0), Double(columns - 1)), min(max(y - 0.5, 0), Double(rows - 1)))
        let (x0, y0) = (Int(px), Int(py))
        let (x1, y1) = (min(x0 + 1, columns - 1), min(y0 + 1, rows - 1))
        let (fx, fy) = (px - Double(x0), py - Double(y0))
        let upper = grid[y0 * columns + x0] * (1 - fx) + grid[y0 * columns + x1] * fx
        let lower = grid[y1 * columns + x0] * (1 - fx) + grid[y1 * columns + x1] * fx
        return upper * (1 - fy) + lower * fy
    }

    private static func drawBar(_ canvas: inout Canvas, _ rect: PixelRect, _ lowest: Double, _ highest: Double) {
        for row in 0..<rect.height {
            let value = 1 - (Double(row) + 0.5) / Double(rect.height)
            canvas.fillRectangle(
                PixelRect(x: rect.x, y: rect.y + row, width: rect.width, height: 1), ColorMap.heat.color(value))
        }
        canvas.strokeRectangle(rect, Theme.edge)
        let half = Canvas.lineHeight(scale: 1.5) / 2
        for part in 0...4 where rect.height >= 80 || part % 4 == 0 {
            let y = rect.y + rect.height * (4 - part) / 4
            let value = lowest + (highest - lowest) * Double(part) / 4
            let label = AxisTicks.label(value, step: max((highest - lowest) / 20, 1e-9))
            let textY = min(max(y - half + 2, rect.y), rect.y + rect.height - 2 * half + 3)
            canvas.text(label, x: rect.x + rect.width + 8, y: textY, Theme.text, scale: 1.5)
        }
    }
}

/// The colours of sheets that show radiographs. They are dark, so that the images are the brightest part.
enum Theme {
    static let background = RGBColor(17, 20, 25)
    static let card = RGBColor(29, 34, 42)
    static let edge = RGBColor(62, 71, 84)
    static let text = RGBColor(228, 232, 238)
    static let faint = RGBColor(150, 160, 174)
    static let accent = RGBColor(110, 190, 250)
    static let good = RGBColor(120, 205, 130)
    static let bad = RGBColor(235, 120, 110)
}
