/// A rectangle of whole pixels; `x` and `y` are its left and upper edge.
public struct PixelRect: Sendable, Equatable {
    public var x: Int
    public var y: Int
    public var width: Int
    public var height: Int

    public init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    /// The rectangle less `margin` on each side.
    public func inset(by margin: Int) -> PixelRect {
        PixelRect(x: x + margin, y: y + margin, width: max(0, width - 2 * margin), height: max(0, height - 2 * margin))
    }
}

/// A point in pixels; (0, 0) is the upper left corner of the upper left pixel.
public struct PixelPoint: Sendable, Equatable {
    public var x: Double
    public var y: Double

    public init(_ x: Double, _ y: Double) {
        self.x = x
        self.y = y
    }
}

/// Draws into an RGB image. What lies outside is cut off.
///
/// Thread rule: a value type; one owner at a time. The same calls give the same pixels.
public struct Canvas: Sendable {
    /// What has been drawn so far.
    public private(set) var image: RGBImage

    public var width: Int { image.width }
    public var height: Int { image.height }

    /// A canvas of one colour, sides in pixels.
    public init(width: Int, height: Int, background: RGBColor = .black) {
        image = RGBImage(width: width, height: height, color: background)
    }

    /// A canvas that begins with a picture.
    public init(_ image: RGBImage) { self.image = image }

    /// Makes every pixel `color`.
    public mutating func fill(_ color: RGBColor) {
        image = RGBImage(width: width, height: height, color: color)
    }

    /// Fills a rectangle; `opacity` 0 … 1.
    public mutating func fillRectangle(_ rect: PixelRect, _ color: RGBColor, opacity: Double = 1) {
        for y in max(0, rect.y)..<max(0, rect.y, min(height, rect.y + rect.height)) {
            for x in max(0, rect.x)..<max(0, rect.x, min(width, rect.x + rect.width)) {
                blend(x, y, color, opacity)
            }
        }
    }

    /// Draws the border of a rectangle, `thickness` pixels inwards.
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
    public mutating func line(
        from start: PixelPoint, to end: PixelPoint, _ color: RGBColor, thickness: Double = 1
    ) {
        polyline([start, end], color, thickness: thickness)
    }

    /// Draws straight lines from point to point, with round joints and smooth edges; one point gives a dot.
    ///
    /// A pixel's coverage is how far its centre lies inside the line, over one pixel. Points that are not finite are
    /// left out.
    public mutating func polyline(_ points: [PixelPoint], _ color: RGBColor, thickness: Double = 1) {
        let sound = points.filter { $0.x.isFinite && $0.y.isFinite }
        guard let first = sound.first else { return }
        var previous = first
        for point in sound.count == 1 ? sound[...] : sound.dropFirst() {
            segment(previous, point, color, thickness)
            previous = point
        }
    }

    /// Draws a filled circle with smooth edges.
    public mutating func disc(at center: PixelPoint, radius: Double, _ color: RGBColor) {
        polyline([center], color, thickness: 2 * radius)
    }

    /// Draws a grey image scaled into a rectangle by area averaging; its aspect is kept and it is centred, unless
    /// `stretched` asks for the whole rectangle.
    ///
    /// - Returns: the rectangle that the picture covers.
    @discardableResult
    public mutating func draw(_ picture: GrayImage, in rect: PixelRect, stretched: Bool = false) -> PixelRect {
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
    public mutating func draw(_ picture: RGBImage, x: Int, y: Int) {
        for row in 0..<picture.height where (0..<height).contains(y + row) {
            for column in 0..<picture.width where (0..<width).contains(x + column) {
                image[x + column, y + row] = picture[column, row]
            }
        }
    }

    /// The largest rectangle of the aspect `width` : `height` in the middle of `rect`.
    public static func fitted(_ width: Int, _ height: Int, in rect: PixelRect) -> PixelRect {
        let isWide = width * rect.height >= height * rect.width
        let fittedWidth = isWide ? rect.width : max(1, (width * rect.height + height / 2) / height)
        let fittedHeight = isWide ? max(1, (height * rect.width + width / 2) / width) : rect.height
        return PixelRect(
            x: rect.x + (rect.width - fittedWidth) / 2, y: rect.y + (rect.height - fittedHeight) / 2,
            width: fittedWidth, height: fittedHeight)
    }

    /// Mixes `color` into a pixel that lies inside.
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

    /// The pixels of one axis within `reach` of the stretch between two positions; nil when there are none.
    private static func pixels(_ one: Double, _ other: Double, _ reach: Double, _ count: Int) -> ClosedRange<Int>? {
        let lower = max(0, (min(one, other) - reach).rounded(.down))
        let upper = min(Double(count - 1), (max(one, other) + reach).rounded(.up))
        return lower <= upper ? Int(lower)...Int(upper) : nil
    }
}
