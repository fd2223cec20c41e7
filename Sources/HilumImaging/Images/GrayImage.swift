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
