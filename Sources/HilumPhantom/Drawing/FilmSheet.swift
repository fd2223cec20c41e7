import Foundation
import HilumCore

/// A picture of levels while it is developed and scanned, `[side, side]` row-major.
struct FilmSheet {
    let side: Int
    var level: [Float]

    // MARK: Filters

    /// Replaces each level by `(1 − 2 weight)` of itself and `weight` of each neighbour, in both directions.
    mutating func soften(_ weight: Float) {
        if weight <= 0 { return }
        let side = side
        var line = [Float](repeating: 0, count: side)
        level.withUnsafeMutableBufferPointer { level in
            for y in 0..<side {
                let row = y * side
                var before = level[row]
                for x in 0..<(side - 1) {
                    let here = level[row + x]
                    level[row + x] = here + weight * (before + level[row + x + 1] - 2 * here)
                    before = here
                }
                level[row + side - 1] += weight * (before - level[row + side - 1])
            }
            for x in 0..<side { line[x] = level[x] }
            line.withUnsafeMutableBufferPointer { line in
                for y in 0..<side {
                    let row = y * side
                    let next = y + 1 < side ? row + side : row
                    for x in 0..<side {
                        let here = level[row + x]
                        level[row + x] = here + weight * (line[x] + level[next + x] - 2 * here)
                        line[x] = here
                    }
                }
            }
        }
    }

    /// Adds to each level its distance from its neighbourhood, as digital systems do.
    mutating func sharpen(_ amount: Float) {
        var soft = self
        soft.soften(0.25)
        soft.soften(0.25)
        for index in level.indices { level[index] += amount * (level[index] - soft.level[index]) }
    }

    /// The mean of each of `cells × cells` tiles.
    func tiles(_ cells: Int) -> [Float] {
        var sums = [Float](repeating: 0, count: cells * cells)
        var counts = [Float](repeating: 0, count: cells * cells)
        let columns = (0..<side).map { min(cells - 1, $0 * cells / side) }
        for y in 0..<side {
            let row = columns[y] * cells
            for x in 0..<side {
                sums[row + columns[x]] += level[y * side + x]
                counts[row + columns[x]] += 1
            }
        }
        return zip(sums, counts).map { $0 / max($1, 1) }
    }

    /// Mixes each level with `share` of a smooth surface through `tiles` (means of `cells × cells` tiles).
    mutating func mix(_ tiles: [Float], cells: Int, share: Float) {
        let step = Float(cells) / Float(side)
        let places = (0..<side).map { x -> (Int, Int, Float) in
            let g = min(max((Float(x) + 0.5) * step - 0.5, 0), Float(cells - 1))
            let first = Int(g)
            return (first, min(first + 1, cells - 1), g - Float(first))
        }
        for y in 0..<side {
            let (upper, lower, fy) = places[y]
            for x in 0..<side {
                let (left, right, fx) = places[x]
                let a = tiles[upper * cells + left] + (tiles[upper * cells + right] - tiles[upper * cells + left]) * fx
                let b = tiles[lower * cells + left] + (tiles[lower * cells + right] - tiles[lower * cells + left]) * fx
                level[y * side + x] += share * (a + (b - a) * fy - level[y * side + x])
            }
        }
    }

    /// A scan of fewer pixels, brought back to size.
    mutating func rescan(_ share: Float) {
        let cells = max(16, Int(Float(side) * share))
        if cells < side { mix(tiles(cells), cells: cells, share: 1) }
    }

    // MARK: Grain

    /// Quantum noise: stronger where fewer photons arrive, with the correlation that a detector gives.
    mutating func addGrain(_ amount: Float, blur: Float, _ random: inout SeededGenerator) {
        var grain = FilmSheet(side: side, level: [Float](repeating: 0, count: side * side))
        for index in grain.level.indices {
            // The sum of four 16-bit uniforms is close enough to a bell.
            let bits = random.next()
            let four = (bits & 0xFFFF) &+ ((bits >> 16) & 0xFFFF) &+ ((bits >> 32) & 0xFFFF) &+ (bits >> 48)
            grain.level[index] = (Float(four) - 131_070) * (1.732 / 65_536)
        }
        grain.soften(blur)
        // The blur in two directions leaves this share of the deviation.
        let kept = (1 - 2 * blur) * (1 - 2 * blur) + 2 * blur * blur
        let gain = amount / kept
        for index in level.indices {
            let dense = min(max(level[index], 0), 1)
            level[index] += gain * grain.level[index] * (0.35 + 1.1 * dense * dense)
        }
    }

    // MARK: Development

    /// The levels below which `shares` of the open pixels lie.
    func percentiles(_ shares: SIMD2<Float>, open: [Float]) -> SIMD2<Float> {
        let count = 512
        var bins = [Int](repeating: 0, count: count)
        var total = 0
        for index in level.indices where open[index] > 0.5 {
            bins[min(max(Int(level[index] * 400), 0), count - 1)] += 1
            total += 1
        }
        func place(_ share: Float) -> Float {
            var rest = Int(share * Float(total))
            for (bin, number) in bins.enumerated() {
                rest -= number
                if rest < 0 { return (Float(bin) + 0.5) / 400 }
            }
            return Float(count) / 400
        }
        return SIMD2(place(shares.x), place(shares.y))
    }

    /// Loses what a strong JPEG loses: the coefficients of 8 × 8 blocks become multiples of a step that grows with frequency.
    mutating func compress(_ quantum: Float) {
        if quantum <= 0 { return }
        let waves = Self.waves
        var block = [Float](repeating: 0, count: 64)
        var half = [Float](repeating: 0, count: 64)
        for top in stride(from: 0, to: side - 7, by: 8) {
            for left in stride(from: 0, to: side - 7, by: 8) {
                for y in 0..<8 { for x in 0..<8 { block[y * 8 + x] = level[(top + y) * side + left + x] } }
                Self.turn(block, &half, waves, isBack: false)
                Self.turn(half, &block, waves, isBack: false)
                for y in 0..<8 {
                    for x in 0..<8 {
                        let step = quantum * (1 + 0.55 * Float(x + y))
                        block[y * 8 + x] = (block[y * 8 + x] / step).rounded() * step
                    }
                }
                Self.turn(block, &half, waves, isBack: true)
                Self.turn(half, &block, waves, isBack: true)
                for y in 0..<8 { for x in 0..<8 { level[(top + y) * side + left + x] = block[y * 8 + x] } }
            }
        }
    }

    /// The cosine transform of eight points: row `k`, column `x`.
    private static let waves: [Float] = (0..<64).map { index in
        let k = index / 8
        let x = index % 8
        return (k == 0 ? 0.353_553_4 : 0.5) * cos((Float(x) + 0.5) * Float(k) * Float.pi / 8)
    }

    /// Transforms the rows of `block` into the columns of `out`; twice gives both directions.
    @inline(__always)
    private static func turn(_ block: [Float], _ out: inout [Float], _ waves: [Float], isBack: Bool) {
        block.withUnsafeBufferPointer { block in
            waves.withUnsafeBufferPointer { waves in
                out.withUnsafeMutableBufferPointer { out in
                    for y in 0..<8 {
                        for k in 0..<8 {
                            var sum: Float = 0
                            for x in 0..<8 { sum += block[y * 8 + x] * (isBack ? waves[x * 8 + k] : waves[k * 8 + x]) }
                            out[k * 8 + y] = sum
                        }
                    }
                }
            }
        }
    }
}
