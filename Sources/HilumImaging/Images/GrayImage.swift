/// A grey image with 16-bit samples (0 black … 65,535 white).
public struct GrayImage: Sendable, Equatable {
    /// Pixels per row.
    public let width: Int
    /// Rows.
    public let height: Int
    /// `[height, width]` row-major, top row first.
    public var samples: [UInt16]

    /// An image of `width · height` samples; any other count is a programming error.
    public init(width: Int, height: Int, samples: [UInt16]) {
        precondition(width > 0 && height > 0 && samples.count == width * height, "the samples must fill the image")
        self.width = width
        self.height = height
        self.samples = samples
    }
}

extension GrayImage {
    /// The part of the image in a rectangle, which must lie inside of it and have a pixel.
    public func cropped(to rect: PixelRect) -> GrayImage {
        precondition(
            rect.x >= 0 && rect.y >= 0 && rect.x + rect.width <= width && rect.y + rect.height <= height,
            "the rectangle must lie inside of the image")
        if rect.width == width && rect.height == height { return self }
        var part: [UInt16] = []
        part.reserveCapacity(rect.width * rect.height)
        for y in rect.y..<(rect.y + rect.height) {
            let start = y * width + rect.x
            part += samples[start..<(start + rect.width)]
        }
        return GrayImage(width: rect.width, height: rect.height, samples: part)
    }
}
