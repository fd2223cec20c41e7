import Foundation
import HilumCore
import HilumNN

/// The same film as another hospital would have taken it: how an image is varied before a step masks it.
///
///     image ─ turn, scale, shift ─ gamma, contrast, brightness ─ blur ─ noise ─ corners erased ─► image
///
/// Nothing is mirrored, for reports say left and right. A variation is a function of (seed, step, sample) alone, so a step can be
/// replayed.
struct FilmVariation {
    /// Radians, counter-clockwise.
    let angle: Double
    let scale: Double
    /// Parts of the side.
    let shiftX: Double
    let shiftY: Double
    let gamma: Double
    let contrast: Double
    let brightness: Double
    /// Share of the mean of a pixel's neighbours in it.
    let blur: Double
    /// Deviation of the noise, in parts of the range.
    let noise: Double
    /// The corners that are erased, where markers stand, as rectangles of parts of the side.
    let erased: [(x: Double, y: Double, width: Double, height: Double)]
    private let noiseSeed: UInt64

    /// - Parameter strength: 0 leaves images as they are; 1 turns by up to 7°, scales and shifts by up to a tenth.
    init(strength: Float, seed: UInt64, step: Int, sample: Int) {
        var generator = SeededGenerator(seed: seed, keys: 0xF1_13, UInt64(step), UInt64(sample))
        let strength = Double(strength)
        func draw(_ most: Double) -> Double { generator.uniform(in: -1...1) * most * strength }
        angle = draw(7 * Double.pi / 180)
        scale = exp(draw(0.12))
        shiftX = draw(0.08)
        shiftY = draw(0.08)
        gamma = exp(draw(0.3))
        contrast = exp(draw(0.2))
        brightness = draw(0.08)
        blur = generator.chance(0.3) ? generator.uniform(in: 0...1) * strength : 0
        noise = generator.chance(0.3) ? generator.uniform(in: 0...0.03) * strength : 0
        var corners: [(x: Double, y: Double, width: Double, height: Double)] = []
        for (x, y) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] where generator.chance(0.2 * strength) {
            let (width, height) = (generator.uniform(in: 0.05...0.18), generator.uniform(in: 0.05...0.18))
            corners.append((x == 0 ? 0 : 1 - width, y == 0 ? 0 : 1 - height, width, height))
        }
        erased = corners
        noiseSeed = generator.next()
    }

    /// Varies an image in place.
    ///
    /// - Parameter patches: `[gridSide², patchSide²]` in 0…1.
    func apply(to patches: FloatPointer, gridSide: Int, patchSide: Int, _ workspace: Workspace) {
        let side = gridSide * patchSide
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let source = workspace.take(side * side)
        let target = workspace.take(side * side)
        Self.eachRow(gridSide, patchSide) { patchRow, imageRow in
            (source + imageRow).update(from: patches + patchRow, count: patchSide)
        }
        move(source, into: target, side: side)
        grade(target, count: side * side)
        if blur > 0 { soften(target, with: source, side: side) }
        if noise > 0 { addNoise(target, count: side * side) }
        for corner in erased { erase(corner, in: target, side: side) }
        Self.eachRow(gridSide, patchSide) { patchRow, imageRow in
            (patches + patchRow).update(from: target + imageRow, count: patchSide)
        }
    }

    /// Calls `body` with the first pixel of each row of each patch, in patch order and in the image.
    private static func eachRow(_ gridSide: Int, _ patchSide: Int, _ body: (Int, Int) -> Void) {
        let side = gridSide * patchSide
        for patch in 0..<(gridSide * gridSide) {
            let corner = (patch / gridSide * side + patch % gridSide) * patchSide
            for y in 0..<patchSide { body((patch * patchSide + y) * patchSide, corner + y * side) }
        }
    }

    /// Turns, scales and shifts about the middle, between the four nearest pixels; black comes in from outside.
    private func move(_ source: FloatPointer, into target: FloatPointer, side: Int) {
        let middle = Double(side - 1) / 2
        let (cosine, sine) = (Float(cos(angle) / scale), Float(sin(angle) / scale))
        let (offsetX, offsetY) = (Float(middle - shiftX * Double(side)), Float(middle - shiftY * Double(side)))
        let last = side - 1
        func pixel(_ x: Int, _ y: Int) -> Float {
            x >= 0 && y >= 0 && x <= last && y <= last ? source[y * side + x] : 0
        }
        for row in 0..<side {
            let v = Float(row) - Float(middle)
            for column in 0..<side {
                let u = Float(column) - Float(middle)
                let x = cosine * u + sine * v + offsetX
                let y = cosine * v - sine * u + offsetY
                guard x > -1, y > -1, x < Float(side), y < Float(side) else {
                    target[row * side + column] = 0
                    continue
                }
                let (left, top) = (Int(x.rounded(.down)), Int(y.rounded(.down)))
                let (fx, fy) = (x - Float(left), y - Float(top))
                let upper = pixel(left, top) * (1 - fx) + pixel(left + 1, top) * fx
                let lower = pixel(left, top + 1) * (1 - fx) + pixel(left + 1, top + 1) * fx
                target[row * side + column] = upper * (1 - fy) + lower * fy
            }
        }
    }

    /// Gamma by a table of 1,024 steps, then contrast about the middle and brightness; black stays black, for it is padding.
    private func grade(_ image: FloatPointer, count: Int) {
        let table = (0...1_024).map { step in
            let value = (pow(Double(step) / 1_024, gamma) - 0.5) * contrast + 0.5 + brightness
            return Float(step == 0 ? 0 : min(max(value, 0), 1))
        }
        for index in 0..<count { image[index] = table[Int(min(max(image[index], 0), 1) * 1_024)] }
    }

    /// Mixes each pixel with the mean of its neighbours above, below, left and right.
    private func soften(_ image: FloatPointer, with scratch: FloatPointer, side: Int) {
        let share = Float(blur) / 4
        scratch.update(from: image, count: side * side)
        for y in 1..<(side - 1) {
            for place in (y * side + 1)..<(y * side + side - 1) {
                let sum = scratch[place - 1] + scratch[place + 1] + scratch[place - side] + scratch[place + side]
                image[place] = scratch[place] * (1 - Float(blur)) + sum * share
            }
        }
    }

    /// Sums of four uniform numbers stand for a normal one.
    private func addNoise(_ image: FloatPointer, count: Int) {
        var generator = SeededGenerator(seed: noiseSeed)
        let scale = Float(noise) * Float(3).squareRoot() / 65_536
        for index in 0..<count {
            let bits = generator.next()
            let sum = Int(bits & 0xFFFF) + Int(bits >> 16 & 0xFFFF) + Int(bits >> 32 & 0xFFFF) + Int(bits >> 48)
            image[index] = min(max(image[index] + Float(sum - 131_070) * scale, 0), 1)
        }
    }

    private func erase(
        _ corner: (x: Double, y: Double, width: Double, height: Double), in image: FloatPointer, side: Int
    ) {
        let size = Double(side)
        let columns = Int(corner.x * size)..<min(side, Int((corner.x + corner.width) * size))
        for y in Int(corner.y * size)..<min(side, Int((corner.y + corner.height) * size)) {
            (image + y * side + columns.lowerBound).update(repeating: 0, count: columns.count)
        }
    }
}
