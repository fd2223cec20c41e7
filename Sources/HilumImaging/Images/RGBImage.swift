/// A colour with 8 bits per channel.
public struct RGBColor: Sendable, Equatable, Hashable {
    var red: UInt8
    var green: UInt8
    var blue: UInt8

    /// A colour from its channels, 0 … 255.
    public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// A grey (0 black … 255 white).
    init(gray level: UInt8) { self.init(level, level, level) }

    /// Black, the default background.
    public static let black = RGBColor(gray: 0)
    static let white = RGBColor(gray: 255)

    /// The colour between `self` (`amount` 0) and `other` (`amount` 1).
    func mixed(with other: RGBColor, _ amount: Double) -> RGBColor {
        let share = min(max(amount, 0), 1)
        func mix(_ from: UInt8, _ to: UInt8) -> UInt8 {
            UInt8((Double(from) + (Double(to) - Double(from)) * share).rounded())
        }
        return RGBColor(mix(red, other.red), mix(green, other.green), mix(blue, other.blue))
    }
}

/// A colour image with 8 bits per channel.
public struct RGBImage: Sendable, Equatable {
    let width: Int
    let height: Int
    /// `[height, width, 3]` row-major: red, green, blue; top row first.
    var samples: [UInt8]

    init(width: Int, height: Int, samples: [UInt8]) {
        precondition(width > 0 && height > 0 && samples.count == 3 * width * height, "the samples must fill the image")
        self.width = width
        self.height = height
        self.samples = samples
    }

    /// An image of one colour.
    init(width: Int, height: Int, color: RGBColor = .black) {
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

    /// The colour of pixel (`x`, `y`), which must lie inside the image.
    subscript(x: Int, y: Int) -> RGBColor {
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
