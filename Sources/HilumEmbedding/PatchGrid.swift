import HilumImaging

/// How the patches of a model lie over an image of which a part was fitted into the model's square.
public struct PatchGrid: Sendable, Equatable {
    /// Patches a row and a column.
    public let side: Int
    /// Pixels of a patch's side in the model's square.
    public let patchSide: Int
    /// Pixels of the original image.
    public let imageWidth: Int
    /// Pixels of the original image.
    public let imageHeight: Int

    /// The part of the original image that the square shows: all of it, or what is left without its borders.
    public let region: PixelRect

    /// A grid of `side · side` patches over an image of this size.
    ///
    /// - Parameter region: the part of the image that the square shows; nil: all of it.
    public init(side: Int, patchSide: Int, imageWidth: Int, imageHeight: Int, region: PixelRect? = nil) {
        self.side = side
        self.patchSide = patchSide
        self.imageWidth = imageWidth
        self.imageHeight = imageHeight
        self.region = region ?? PixelRect(x: 0, y: 0, width: imageWidth, height: imageHeight)
    }

    /// Patches.
    public var count: Int { side * side }

    /// The part of the original image that a patch covers, in its pixels; empty (no width or height) in the padding.
    public func rectangle(of patch: Int) -> PixelRect {
        let square = side * patchSide
        let longer = max(region.width, region.height)
        // As in `GrayImage.resizedToFit`.
        let fittedWidth = max(1, (region.width * square + longer / 2) / longer)
        let fittedHeight = max(1, (region.height * square + longer / 2) / longer)
        let (left, right) = Self.span(patch % side, patchSide, square, fittedWidth, region.width)
        let (top, bottom) = Self.span(patch / side, patchSide, square, fittedHeight, region.height)
        return PixelRect(x: region.x + left, y: region.y + top, width: right - left, height: bottom - top)
    }

    private static func span(
        _ index: Int, _ patchSide: Int, _ square: Int, _ fitted: Int, _ original: Int
    ) -> (Int, Int) {
        let padding = (square - fitted) / 2
        func place(_ position: Int) -> Int {
            let inside = min(max(position - padding, 0), fitted)
            return (inside * original + fitted / 2) / fitted
        }
        return (place(index * patchSide), place((index + 1) * patchSide))
    }

    /// The place of the largest value among the patches that show some of the image.
    public func hottest(_ values: [Float]) -> Int {
        precondition(values.count == count, "the values must fill the grid")
        var best = -1
        for patch in 0..<count where best < 0 || values[patch] > values[best] {
            let place = rectangle(of: patch)
            if place.width > 0 && place.height > 0 { best = patch }
        }
        return max(best, 0)
    }
}
