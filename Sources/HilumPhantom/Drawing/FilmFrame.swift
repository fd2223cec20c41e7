import Foundation
import HilumCore

/// Where the film lies: posture, field of view and collimation. Maps a place in the picture to a place in the drawing.
struct FilmFrame: Sendable {
    /// Cosine and sine of the rotation.
    private let turn: SIMD2<Float>
    private let zoom: SIMD2<Float>
    private let shear: Float
    private let tilt: SIMD2<Float>
    private let shift: SIMD2<Float>
    /// Small smooth displacements: frequency in x and y, phase, unused; and amplitude.
    private let waves: [(wave: SIMD4<Float>, swing: SIMD2<Float>)]
    /// The margins that the collimation hides: left, top, right, bottom.
    private let margins: SIMD4<Float>
    private let corner: Float
    private let lean: SIMD2<Float>
    /// The level outside of the collimation.
    let outside: Float

    /// - Parameter strength: 1 for the frame that the case drew, 0 for the whole drawing as it is.
    init(_ plan: CasePlan, strength: Float) {
        var random = SeededGenerator(seed: plan.grainSeed, keys: 33)
        let angle = (random.float(-1, 1) + random.float(-1, 1)) * 0.065 * strength
        turn = SIMD2(cos(angle), sin(angle))
        let whole = random.float(-0.08, 0.26)
        let aspect = random.float(-0.11, 0.11)
        zoom = SIMD2(1 + (whole + aspect) * strength, 1 + (whole - aspect) * strength)
        shear = random.float(-0.04, 0.04) * strength
        tilt = SIMD2(random.float(-0.10, 0.10), random.float(-0.16, 0.16)) * strength
        shift = SIMD2(random.float(-0.035, 0.035), random.float(-0.030, 0.070)) * strength
        var body = SeededGenerator(seed: plan.bodySeed, keys: 34)
        waves = (0..<5).map { index in
            let pitch = 3 + 2.4 * Float(index)
            let wave = SIMD4(
                body.float(-1, 1) * pitch, body.float(-1, 1) * pitch, body.float(0, 6.28), 0)
            return (wave, SIMD2(body.float(-1, 1), body.float(-1, 1)) * (0.026 / (1 + Float(index))) * strength)
        }
        var edges = SIMD4<Float>(repeating: 0)
        if random.chance(plan.site == .a ? 0.3 : 0.5) {
            for index in 0..<4 where random.chance(0.6) { edges[index] = random.scale(0.004, 0.06) }
        }
        if random.chance(0.14) {
            // Bars on two sides, as when a film of another shape is made square.
            let bar = random.float(0.03, 0.14)
            if random.chance(0.7) { edges.x = bar; edges.z = bar } else { edges.y = bar; edges.w = bar }
        }
        margins = edges * strength
        corner = random.chance(0.3) ? random.float(0.02, 0.12) * strength : 0
        let slant = random.chance(0.5) ? random.float(-0.03, 0.03) * strength : 0
        lean = SIMD2(cos(slant), sin(slant))
        let draw = random.uniform()
        outside = draw < 0.78 ? random.float(0, 0.03) : draw < 0.96 ? random.float(0.05, 0.35) : random.float(0.8, 1)
    }

    /// The place in the drawing that is seen at a place of the picture; both in `0...1`, or a little beyond.
    func source(_ place: SIMD2<Float>) -> SIMD2<Float> {
        let p = place - 0.5
        let turned = SIMD2(p.x * turn.x - p.y * turn.y, p.x * turn.y + p.y * turn.x)
        let depth = 1 + tilt.x * turned.x + tilt.y * turned.y
        var result = SIMD2(turned.x + shear * turned.y, turned.y) / (zoom * depth) + 0.5 + shift
        for (wave, swing) in waves { result += swing * sin(wave.x * p.x + wave.y * p.y + wave.z) }
        return result
    }

    /// 1 inside of the collimation, 0 outside, in between within a pixel of the edge.
    @inline(__always)
    func open(_ place: SIMD2<Float>, scale: Float) -> Float {
        let p = place - 0.5
        let q = SIMD2(p.x * lean.x - p.y * lean.y, p.x * lean.y + p.y * lean.x) + 0.5
        // A side without a margin never closes, whatever the slant.
        let far: Float = 1
        let left = margins.x > 0 ? q.x - margins.x : far
        let right = margins.z > 0 ? 1 - margins.z - q.x : far
        let top = margins.y > 0 ? q.y - margins.y : far
        let bottom = margins.w > 0 ? 1 - margins.w - q.y : far
        let across = min(left, right)
        let along = min(top, bottom)
        var depth = min(across, along)
        if corner > 0 {
            let ax = corner - min(across, min(place.x, 1 - place.x))
            let ay = corner - min(along, min(place.y, 1 - place.y))
            if ax > 0 && ay > 0 { depth = min(depth, corner - (ax * ax + ay * ay).squareRoot()) }
        }
        return min(max(depth * scale + 0.5, 0), 1)
    }
}
