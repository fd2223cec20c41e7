import Foundation

/// Queries and their hits as one image: the query at the left, its hits in a grid at the right.
public struct ContactSheet: Sendable {
    /// What was asked: an image, a text or both.
    public struct Query: Sendable {
        /// A short heading, such as `image query` or an id.
        var title: String
        var image: GrayImage?
        var text: String
        /// Whether there is an image that cannot be read.
        var isImageMissing: Bool

        /// A query with a short heading, such as `image` or an id.
        ///
        /// - Parameter isImageMissing: says so in place of the image.
        public init(title: String, image: GrayImage? = nil, text: String = "", isImageMissing: Bool = false) {
            self.title = title
            self.image = image
            self.text = text
            self.isImageMissing = isImageMissing
        }
    }

    /// One case that was found.
    public struct Hit: Sendable {
        var rank: Int
        var score: Double
        var id: String
        var via: String
        var details: String
        var labels: [String]
        var text: String
        var image: GrayImage?
        var isImageMissing: Bool
        var isRelevant: Bool?

        /// - Parameters:
        ///   - via: which vector matched: `image`, `report` or both; may be empty.
        ///   - details: one line below the id, such as view and date.
        ///   - text: the report or its beginning; a few lines of it are shown.
        ///   - image: nil shows a placeholder, `report only`.
        ///   - isImageMissing: the case has an image, but it cannot be read; the placeholder is `image missing`.
        ///   - isRelevant: draws a green or red border; nil draws neither.
        public init(
            rank: Int, score: Double, id: String, via: String = "", details: String = "", labels: [String] = [],
            text: String = "", image: GrayImage? = nil, isImageMissing: Bool = false, isRelevant: Bool? = nil
        ) {
            self.rank = rank
            self.score = score
            self.id = id
            self.via = via
            self.details = details
            self.labels = labels
            self.text = text
            self.image = image
            self.isImageMissing = isImageMissing
            self.isRelevant = isRelevant
        }
    }

    /// A query with its hits, best first.
    public struct Row: Sendable {
        var query: Query
        var hits: [Hit]

        /// A query with its hits, best first.
        public init(query: Query, hits: [Hit]) {
            self.query = query
            self.hits = hits
        }
    }

    var title: String
    var rows: [Row]
    /// Hits side by side.
    var columns = 5
    /// Side of an image in pixels.
    var tileSide = 240
    /// Lines of report text under a hit.
    var textLineCount = 5

    /// A sheet with one row per query; an empty title is left out.
    public init(title: String, rows: [Row]) {
        self.title = title
        self.rows = rows
    }

    private static let margin = 20
    private static let gap = 12
    private static let padding = 8
    private static let queryGap = 28

    private var cardWidth: Int { tileSide + 2 * Self.padding }
    private var hitHeight: Int {
        Self.padding + tileSide + 8 + Canvas.lineHeight(scale: 2) + 3 * Canvas.lineHeight(scale: 1.5) + 2
            + textLineCount * Canvas.lineHeight(scale: 1) + (textLineCount > 0 ? 4 : 0) + Self.padding
    }
    private var columnCount: Int { max(1, min(columns, rows.map(\.hits.count).max() ?? 1)) }
    private var headHeight: Int { title.isEmpty ? Self.margin : Self.margin + Canvas.lineHeight(scale: 3) + 10 }

    /// Width and height of the image that `render` returns, in pixels.
    var size: (width: Int, height: Int) {
        let width = 2 * Self.margin + cardWidth + Self.queryGap + columnCount * (cardWidth + Self.gap) - Self.gap
        let rowsHeight = rows.reduce(0) { $0 + rowHeight($1) + Self.gap + 6 }
        return (width, headHeight + max(rowsHeight - Self.gap - 6, 0) + Self.margin)
    }

    /// Draws the sheet.
    public func render() -> RGBImage {
        let size = size
        var canvas = Canvas(width: size.width, height: size.height, background: Theme.background)
        if !title.isEmpty {
            let columns = (size.width - 2 * Self.margin) / BitmapFont.advance(3)
            canvas.text(
                Canvas.shortened(title, columns: columns), x: Self.margin, y: Self.margin, Theme.text, scale: 3)
        }
        var y = headHeight
        for row in rows {
            drawQuery(row.query, &canvas, x: Self.margin, y: y)
            let firstX = Self.margin + cardWidth + Self.queryGap
            drawArrow(&canvas, x: firstX - Self.queryGap, y: y + Self.padding + tileSide / 2)
            for (index, hit) in row.hits.enumerated() {
                let x = firstX + index % columnCount * (cardWidth + Self.gap)
                drawHit(hit, &canvas, x: x, y: y + index / columnCount * (hitHeight + Self.gap))
            }
            if row.hits.isEmpty {
                canvas.text("no hits", x: firstX + 8, y: y + tileSide / 2, Theme.faint, scale: 2)
            }
            y += rowHeight(row) + Self.gap + 6
        }
        return canvas.image
    }

    private func rowHeight(_ row: Row) -> Int {
        let lines = max(1, (row.hits.count + columnCount - 1) / columnCount)
        return lines * hitHeight + (lines - 1) * Self.gap
    }

    private func drawQuery(_ query: Query, _ canvas: inout Canvas, x: Int, y: Int) {
        let card = PixelRect(x: x, y: y, width: cardWidth, height: hitHeight)
        canvas.fillRectangle(card, Theme.card)
        canvas.strokeRectangle(card, Theme.accent, thickness: 2)
        let tile = PixelRect(x: x + Self.padding, y: y + Self.padding, width: tileSide, height: tileSide)
        var textY = tile.y + tileSide + 8
        if query.image != nil || query.isImageMissing {
            if let image = query.image {
                canvas.fillRectangle(tile, .black)
                canvas.draw(image.levelledForDisplay(), in: tile)
            } else {
                placeholder("image missing", &canvas, in: tile)
            }
            textY = line("query: " + query.title, &canvas, x: tile.x, y: textY, Theme.accent, scale: 1.5)
            let room = max(0, y + hitHeight - Self.padding - textY) / Canvas.lineHeight(scale: 1.5)
            paragraph(query.text, &canvas, x: tile.x, y: textY, Theme.text, scale: 1.5, lines: room)
        } else {
            let topY = line("query: " + query.title, &canvas, x: tile.x, y: tile.y, Theme.accent, scale: 1.5)
            let room = max(0, y + hitHeight - Self.padding - topY - 6) / Canvas.lineHeight(scale: 2)
            paragraph(query.text, &canvas, x: tile.x, y: topY + 6, Theme.text, scale: 2, lines: room)
        }
    }

    private func drawHit(_ hit: Hit, _ canvas: inout Canvas, x: Int, y: Int) {
        let card = PixelRect(x: x, y: y, width: cardWidth, height: hitHeight)
        canvas.fillRectangle(card, Theme.card)
        let edge = hit.isRelevant.map { $0 ? Theme.good : Theme.bad } ?? Theme.edge
        canvas.strokeRectangle(card, edge, thickness: hit.isRelevant == nil ? 1 : 2)
        let tile = PixelRect(x: x + Self.padding, y: y + Self.padding, width: tileSide, height: tileSide)
        if let image = hit.image {
            canvas.fillRectangle(tile, .black)
            canvas.draw(image.levelledForDisplay(), in: tile)
        } else {
            placeholder(hit.isImageMissing ? "image missing" : "report only", &canvas, in: tile)
        }
        var textY = tile.y + tileSide + 8
        canvas.text("\(hit.rank)", x: tile.x, y: textY, Theme.accent, scale: 2)
        canvas.text(
            String(format: "%.3f", hit.score), x: tile.x + tileSide, y: textY, Theme.text, scale: 2, anchor: .right)
        if !hit.via.isEmpty {
            canvas.text(
                hit.via, x: x + cardWidth / 2 - 6, y: textY + 3, Theme.faint, scale: 1.5, anchor: .center)
        }
        textY += Canvas.lineHeight(scale: 2)
        textY = line(hit.id, &canvas, x: tile.x, y: textY, Theme.text, scale: 1.5)
        textY = line(hit.details, &canvas, x: tile.x, y: textY, Theme.text, scale: 1.5)
        textY =
            line(
                hit.labels.joined(separator: ", "), &canvas, x: tile.x, y: textY, Theme.good, scale: 1.5) + 4
        paragraph(hit.text, &canvas, x: tile.x, y: textY, Theme.faint, scale: 1, lines: textLineCount)
    }

    /// What stands where an image would be.
    private func placeholder(_ text: String, _ canvas: inout Canvas, in tile: PixelRect) {
        canvas.fillRectangle(tile, Theme.background)
        canvas.strokeRectangle(tile, Theme.edge)
        canvas.text(
            text, x: tile.x + tileSide / 2, y: tile.y + tileSide / 2 - 8, Theme.faint, scale: 2, anchor: .center)
    }

    private func drawArrow(_ canvas: inout Canvas, x: Int, y: Int) {
        let (left, right, middle) = (Double(x) + 7, Double(x + Self.queryGap) - 7, Double(y))
        let tip = PixelPoint(right, middle)
        canvas.line(from: PixelPoint(left, middle), to: tip, Theme.accent, thickness: 2)
        canvas.polyline(
            [PixelPoint(right - 6, middle - 6), tip, PixelPoint(right - 6, middle + 6)], Theme.accent, thickness: 2)
    }

    /// Writes one line, cut to the width of a tile, and returns the position of the next.
    private func line(
        _ string: String, _ canvas: inout Canvas, x: Int, y: Int, _ color: RGBColor, scale: Double
    ) -> Int {
        let columns = tileSide / BitmapFont.advance(scale)
        canvas.text(Canvas.shortened(string, columns: columns), x: x, y: y, color, scale: scale)
        return y + Canvas.lineHeight(scale: scale)
    }

    private func paragraph(
        _ string: String, _ canvas: inout Canvas, x: Int, y: Int, _ color: RGBColor, scale: Double, lines: Int
    ) {
        guard lines > 0 else { return }
        let wrapped = Canvas.wrapped(string, width: tileSide, scale: scale, maxLines: lines)
        for (index, text) in wrapped.enumerated() {
            canvas.text(text, x: x, y: y + index * Canvas.lineHeight(scale: scale), color, scale: scale)
        }
    }
}

extension GrayImage {
    /// Images whose brightest sample is below a quarter of the range would look black.
    private static let displayableFrom: UInt16 = 16_384

    /// The image for display. If it uses less than a quarter of the range (10 or 12 bits stored in 16), it is stretched from
    /// its darkest to its brightest sample; otherwise it is unchanged.
    func levelledForDisplay() -> GrayImage {
        guard let highest = samples.max(), let lowest = samples.min(), highest < Self.displayableFrom, highest > lowest
        else {
            return self
        }
        let span = UInt32(highest - lowest)
        return GrayImage(
            width: width, height: height,
            samples: samples.map { UInt16((UInt32($0 - lowest) * 65_535 + span / 2) / span) })
    }
}
