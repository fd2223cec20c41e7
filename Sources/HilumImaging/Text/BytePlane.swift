/// A grey picture of one byte a pixel, stretched over its whole range, and reduced by a whole factor.
struct BytePlane {
    let width: Int
    let height: Int
    /// `[height, width]` row-major.
    private(set) var bytes: [UInt8]
    /// Pixels of the picture that one of these stands for, along each axis.
    private let factor: Int

    /// - Parameter longestSide: the factor is the least with which no side is longer.
    init(_ image: GrayImage, longestSide: Int) {
        let longer = max(image.width, image.height)
        factor = (longer + longestSide - 1) / longestSide
        width = max(1, image.width / factor)
        height = max(1, image.height / factor)
        let means = Self.means(of: image, width: width, height: height, factor: factor)
        let lowest = UInt32(means.min() ?? 0)
        let span = UInt32(means.max() ?? 0) - lowest
        bytes = means.map { span == 0 ? 0 : UInt8((UInt32($0) - lowest) * 255 / span) }
    }

    /// The mean of each block; what a side has less than a whole block of is left out.
    private static func means(of image: GrayImage, width: Int, height: Int, factor: Int) -> [UInt16] {
        let (columns, rows) = (min(factor, image.width), min(factor, image.height))
        if columns == 1, rows == 1 { return image.samples }
        var means = [UInt16](repeating: 0, count: width * height)
        var sums = [UInt32](repeating: 0, count: width)
        image.samples.withUnsafeBufferPointer { samples in
            for y in 0..<height {
                for x in 0..<width { sums[x] = 0 }
                for row in (y * factor)..<(y * factor + rows) {
                    let line = UnsafeBufferPointer(rebasing: samples[(row * image.width)..<((row + 1) * image.width)])
                    for x in 0..<width {
                        for column in (x * factor)..<(x * factor + columns) { sums[x] &+= UInt32(line[column]) }
                    }
                }
                for x in 0..<width { means[y * width + x] = UInt16(sums[x] / UInt32(columns * rows)) }
            }
        }
        return means
    }

    /// A plane of other values for the same picture.
    private init(_ other: BytePlane, _ bytes: [UInt8]) {
        width = other.width
        height = other.height
        factor = other.factor
        self.bytes = bytes
    }

    /// The negative.
    func inverted() -> BytePlane { BytePlane(self, bytes.map { 255 - $0 }) }

    /// A rectangle of this plane in pixels of the picture that it was made of.
    func original(_ place: PixelRect, of image: GrayImage) -> PixelRect {
        let (x, y) = (place.x * factor, place.y * factor)
        return PixelRect(
            x: x, y: y, width: min(place.width * factor, image.width - x),
            height: min(place.height * factor, image.height - y))
    }

    /// The pixels of at least `least` that stand out by more than `contrast` from the picture without what is narrower than `window`.
    func standingOut(by contrast: UInt8, from least: UInt8, window: Int) -> PixelMask {
        let ground = opened(window)
        let isSet = [Bool](unsafeUninitializedCapacity: bytes.count) { target, count in
            bytes.withUnsafeBufferPointer { bytes in
                ground.withUnsafeBufferPointer { ground in
                    // The ground is never above the value.
                    for index in 0..<bytes.count {
                        target[index] = bytes[index] >= least && bytes[index] &- ground[index] > contrast
                    }
                }
            }
            count = bytes.count
        }
        return PixelMask(width: width, height: height, isSet: isSet)
    }

    /// The grey opening by a square: the least value of the window that begins at each pixel, and then the greatest of the windows that
    /// hold it. All of these windows hold the pixel, so the result is never above its value.
    private func opened(_ window: Int) -> [UInt8] {
        var planes = (bytes, bytes)
        // Windows of doubled length are made of two; the last step lets two overlap.
        for step in [1, width] {
            Self.forEachShift(window) { combine(&planes, step: step, shift: $0, keepsFirst: true) { min($0, $1) } }
        }
        for step in [1, width] {
            Self.forEachShift(window) { combine(&planes, step: step, shift: $0, keepsFirst: false) { max($0, $1) } }
        }
        return planes.0
    }

    private static func forEachShift(_ window: Int, _ body: (Int) -> Void) {
        var length = 1
        while length < window {
            let shift = min(length, window - length)
            body(shift)
            length += shift
        }
    }

    /// Chooses between pixels that lie `shift` apart in their row (`step` 1) or column (`step` is the width); where there is no other, the
    /// pixel stays. The result goes to the other plane, so that the loop has no overlap and runs on vectors, and the planes are swapped.
    ///
    /// - Parameter keepsFirst: whether the result stands at the first of two pixels, or at the last.
    @inline(__always)
    private func combine(
        _ planes: inout ([UInt8], [UInt8]), step: Int, shift: Int, keepsFirst: Bool, _ choose: (UInt8, UInt8) -> UInt8
    ) {
        let (lineCount, lineLength, distance) =
            step == 1 ? (height, width, shift) : (1, width * height, shift * width)
        planes.0.withUnsafeBufferPointer { source in
            planes.1.withUnsafeMutableBufferPointer { target in
                // Safety: both planes hold `lineCount` lines of `lineLength` bytes.
                guard let source = source.baseAddress, let target = target.baseAddress else { return }
                for line in 0..<lineCount {
                    let (near, to) = (source + line * lineLength, target + line * lineLength)
                    let count = max(0, lineLength - distance)
                    let far = near + (lineLength - count)
                    let chosen = keepsFirst ? to : to + (lineLength - count)
                    for index in 0..<count { chosen[index] = choose(near[index], far[index]) }
                    let stays = keepsFirst ? count : 0
                    (to + stays).update(from: near + stays, count: lineLength - count)
                }
            }
        }
        swap(&planes.0, &planes.1)
    }
}
