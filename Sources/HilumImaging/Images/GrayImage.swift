/// One grey image: `[height, width]` row-major, 16-bit samples (0 black … 65,535 white), top row first.
public struct GrayImage: Sendable, Equatable {
    public let width: Int
    public let height: Int
    public var samples: [UInt16]

    public init(width: Int, height: Int, samples: [UInt16]) {
        precondition(width > 0 && height > 0 && samples.count == width * height, "the samples must fill the image")
        self.width = width
        self.height = height
        self.samples = samples
    }
}
