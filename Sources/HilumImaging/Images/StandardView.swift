/// A radiograph as an encoder wants it: without borders, bones bright, the whole range of grey, its aspect kept.
///
///     picture ─ square of 2·side ─ crop uniform borders ─ polarity ─ fit to side ─ stretch between percentiles ─ pad with black
///
/// One film comes in many forms. At half contrast, as 12 bits in 16 or inverted it has the same view up to rounding; in a white frame
/// nearly so, as the crop moves by parts of a pixel. Everything is integer arithmetic but the polarity's sum of 64 products, so every machine computes the same samples.
public struct StandardView: Sendable, Equatable {
    /// The view, `side · side`.
    public let image: GrayImage
    /// The part of the picture that the square covers, in the picture's pixels, before padding to a square.
    public let region: PixelRect
    /// Whether black and white were exchanged.
    public let isInverted: Bool

    /// The side of the square that a picture is fitted into first: a picture and its `resizedToFit(side:)` of this side have the
    /// same view.
    public static func readingSide(_ side: Int) -> Int { 2 * side }

    /// The view of a picture, a square of `side` pixels.
    ///
    /// - Complexity: O(width · height).
    public init(of picture: GrayImage, side: Int) {
        let square = Self.readingSide(side)
        let place = FittedPlace(width: picture.width, height: picture.height, side: square)
        let source = picture.resizedToFit(side: square)
        let crop = BorderCrop.content(of: source)
        let content = source.cropped(to: crop)
        let levels = GrayLevels(content)
        isInverted = FilmPolarity.isInverted(content, levels)
        let fit = FittedPlace(width: content.width, height: content.height, side: side)
        var small = content.resized(width: fit.width, height: fit.height)
        levels.stretch(&small, inverting: isInverted)
        image = fit.padded(small)
        region = Self.region(crop, of: picture, place)
    }

    /// Where a rectangle of the reading square lies in the picture.
    private static func region(_ crop: PixelRect, of picture: GrayImage, _ place: FittedPlace) -> PixelRect {
        func span(_ start: Int, _ length: Int, _ fitted: Int, _ original: Int) -> (Int, Int) {
            let padding = (place.side - fitted) / 2
            func position(_ value: Int) -> Int {
                (min(max(value - padding, 0), fitted) * original + fitted / 2) / fitted
            }
            let first = min(position(start), original - 1)
            return (first, max(position(start + length), first + 1))
        }
        let (left, right) = span(crop.x, crop.width, place.width, picture.width)
        let (top, bottom) = span(crop.y, crop.height, place.height, picture.height)
        return PixelRect(x: left, y: top, width: right - left, height: bottom - top)
    }
}
