/// A rectangle of whole pixels.
public struct PixelRect: Sendable, Equatable {
    /// Column of the left edge.
    public var x: Int
    /// Row of the upper edge.
    public var y: Int
    /// Columns.
    public var width: Int
    /// Rows.
    public var height: Int

    /// A rectangle with its upper left corner at (`x`, `y`).
    public init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }
}

/// A point in pixels; (0, 0) is the upper left corner of the upper left pixel.
struct PixelPoint: Sendable, Equatable {
    var x: Double
    var y: Double

    init(_ x: Double, _ y: Double) {
        self.x = x
        self.y = y
    }
}

/// Draws into an RGB image. Whatever falls outside is clipped.
///
/// Thread rule: a value type; one owner at a time. The same calls give the same pixels.
public struct Canvas: Sendable {
    /// What has been drawn so far.
    public private(set) var image: RGBImage

    var width: Int { image.width }
    var height: Int { image.height }

    /// A canvas filled with one colour; sides in pixels.
    public init(width: Int, height: Int, background: RGBColor = .black) {
        image = RGBImage(width: width, height: height, color: background)
    }

    /// A canvas that starts from an image.
    init(_ image: RGBImage) { self.image = image }

    /// Fills a rectangle; `opacity` 0 … 1.
    mutating func fillRectangle(_ rect: PixelRect, _ color: RGBColor, opacity: Double = 1) {
        for y in max(0, rect.y)..<max(0, rect.y, min(height, rect.y + rect.height)) {
            for x in max(0, rect.x)..<max(0, rect.x, min(width, rect.x + rect.width)) {
                blend(x, y, color, opacity)
            }
        }
    }

    /// Draws the border of a rectangle, `thickness` pixels wide and inside the rectangle.
    public mutating func strokeRectangle(_ rect: PixelRect, _ color: RGBColor, thickness: Int = 1) {
        let inner = max(0, rect.height - 2 * thickness)
        fillRectangle(PixelRect(x: rect.x, y: rect.y, width: rect.width, height: thickness), color)
        fillRectangle(
            PixelRect(x: rect.x, y: rect.y + rect.height - thickness, width: rect.width, height: thickness), color)
        fillRectangle(PixelRect(x: rect.x, y: rect.y + thickness, width: thickness, height: inner), color)
        fillRectangle(
            PixelRect(x: rect.x + rect.width - thickness, y: rect.y + thickness, width: thickness, height: inner), color
        )
    }

    /// Draws a straight line with round ends and smooth edges.
    mutating func line(
        from start: PixelPoint, to end: PixelPoint, _ color: RGBColor, thickness: Double = 1
    ) {
        polyline([start, end], color, thickness: thickness)
    }

    /// Draws straight lines from point to point, with round joints and smooth edges; a single point gives a dot.
    ///
    /// A pixel's coverage grows from 0 to 1 over the last pixel before the edge of the line. Points that are not finite
    /// are skipped.
    mutating func polyline(_ points: [PixelPoint], _ color: RGBColor, thickness: Double = 1) {
        let sound = points.filter { $0.x.isFinite && $0.y.isFinite }
        guard let first = sound.first else { return }
        var previous = first
        for point in sound.count == 1 ? sound[...] : sound.dropFirst() {
            segment(previous, point, color, thickness)
            previous = point
        }
    }

    /// Draws a filled circle with smooth edges.
    mutating func disc(at center: PixelPoint, radius: Double, _ color: RGBColor) {
        polyline([center], color, thickness: 2 * radius)
    }

    /// Draws a grey image into a rectangle, scaled by area averaging.
    ///
    /// - Parameter stretched: fills the whole rectangle; otherwise the image keeps its aspect ratio and is centred.
    /// - Returns: the rectangle that the image covers.
    @discardableResult
    mutating func draw(_ picture: GrayImage, in rect: PixelRect, stretched: Bool = false) -> PixelRect {
        guard rect.width > 0 && rect.height > 0 else { return rect }
        let place = stretched ? rect : Self.fitted(picture.width, picture.height, in: rect)
        let scaled = picture.resized(width: place.width, height: place.height)
        for row in 0..<place.height where (0..<height).contains(place.y + row) {
            for column in 0..<place.width where (0..<width).contains(place.x + column) {
                let level = UInt8((UInt32(scaled.samples[row * place.width + column]) + 128) / 257)
                image[place.x + column, place.y + row] = RGBColor(gray: level)
            }
        }
        return place
    }

    /// Draws a colour image, pixel for pixel, with its upper left corner at (`x`, `y`).
    mutating func draw(_ picture: RGBImage, x: Int, y: Int) {
        for row in 0..<picture.height where (0..<height).contains(y + row) {
            for column in 0..<picture.width where (0..<width).contains(x + column) {
                image[x + column, y + row] = picture[column, row]
            }
        }
    }

    /// The largest rectangle with the aspect ratio `width` : `height`, centred in `rect`.
    static func fitted(_ width: Int, _ height: Int, in rect: PixelRect) -> PixelRect {
        let isWide = width * rect.height >= height * rect.width
        let fittedWidth = isWide ? rect.width : max(1, (width * rect.height + height / 2) / height)
        let fittedHeight = isWide ? max(1, (height * rect.width + width / 2) / width) : rect.height
        return PixelRect(
            x: rect.x + (rect.width - fittedWidth) / 2, y: rect.y + (rect.height - fittedHeight) / 2,
            width: fittedWidth, height: fittedHeight)
    }

    /// Mixes `color` into a pixel, which must lie inside the canvas.
    @inline(__always)
    mutating func blend(_ x: Int, _ y: Int, _ color: RGBColor, _ opacity: Double) {
        if opacity >= 1 {
            image[x, y] = color
        } else if opacity > 0 {
            image[x, y] = image[x, y].mixed(with: color, opacity)
        }
    }

    private mutating func segment(_ from: PixelPoint, _ to: PixelPoint, _ color: RGBColor, _ thickness: Double) {
        let reach = thickness / 2 + 1
        guard let columns = Self.pixels(from.x, to.x, reach, width), let rows = Self.pixels(from.y, to.y, reach, height)
        else { return }
        let (dx, dy) = (to.x - from.x, to.y - from.y)
        let square = dx * dx + dy * dy
        for y in rows {
            for x in columns {
                let (px, py) = (Double(x) + 0.5 - from.x, Double(y) + 0.5 - from.y)
                let along = square > 0 ? min(max((px * dx + py * dy) / square, 0), 1) : 0
                let (ox, oy) = (px - along * dx, py - along * dy)
                let coverage = thickness / 2 + 0.5 - (ox * ox + oy * oy).squareRoot()
                if coverage > 0 { blend(x, y, color, min(coverage, thickness)) }
            }
        }
    }

    /// The pixels along one axis that lie within `reach` of the span between two positions; nil if there are none.
    private static func pixels(_ one: Double, _ other: Double, _ reach: Double, _ count: Int) -> ClosedRange<Int>? {
        let lower = max(0, (min(one, other) - reach).rounded(.down))
        let upper = min(Double(count - 1), (max(one, other) + reach).rounded(.up))
        return lower <= upper ? Int(lower)...Int(upper) : nil
    }
}
