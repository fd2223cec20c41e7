/// A colour, 8 bits a channel.
public struct RGBColor: Sendable, Equatable, Hashable {
    public var red: UInt8
    public var green: UInt8
    public var blue: UInt8

    public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// A grey of `level` (0 black … 255 white).
    public init(gray level: UInt8) { self.init(level, level, level) }

    public static let black = RGBColor(gray: 0)
    public static let white = RGBColor(gray: 255)

    /// The colour on the way from `self` to `other` (`amount` 0 … 1).
    public func mixed(with other: RGBColor, _ amount: Double) -> RGBColor {
        let share = min(max(amount, 0), 1)
        func mix(_ from: UInt8, _ to: UInt8) -> UInt8 {
            UInt8((Double(from) + (Double(to) - Double(from)) * share).rounded())
        }
        return RGBColor(mix(red, other.red), mix(green, other.green), mix(blue, other.blue))
    }
}

/// One colour image: `[height, width, 3]` row-major, 8-bit red, green, blue, top row first.
public struct RGBImage: Sendable, Equatable {
    public let width: Int
    public let height: Int
    public var samples: [UInt8]

    public init(width: Int, height: Int, samples: [UInt8]) {
        precondition(width > 0 && height > 0 && samples.count == 3 * width * height, "the samples must fill the image")
        self.width = width
        self.height = height
        self.samples = samples
    }

    /// An image of one colour.
    public init(width: Int, height: Int, color: RGBColor = .black) {
        precondition(width > 0 && height > 0, "an image has at least one pixel")
        self.width = width
        self.height = height
        samples = [UInt8](unsafeUninitializedCapacity: 3 * width * height) { target, count in
            for pixel in 0..<(width * height) {
                target[3 * pixel] = color.red
                target[3 * pixel + 1] = color.green
                target[3 * pixel + 2] = color.blue
            }
            count = 3 * width * height
        }
    }

    /// The colour of pixel (`x`, `y`); the sides are the caller's to keep to.
    public subscript(x: Int, y: Int) -> RGBColor {
        get {
            let offset = 3 * (y * width + x)
            return RGBColor(samples[offset], samples[offset + 1], samples[offset + 2])
        }
        set {
            let offset = 3 * (y * width + x)
            samples[offset] = newValue.red
            samples[offset + 1] = newValue.green
            samples[offset + 2] = newValue.blue
        }
    }
}
