import Foundation
import HilumCore
import HilumImaging

@inline(__always)
func exponentiate(_ base: Float, _ exponent: Float) -> Float { Foundation.pow(base, exponent) }

extension Renderer {
    /// Lesions that lie behind the ribs, and the box of the heart.
    mutating func drawLungLesions() {
        if let side = plan.granulomaSide {
            let spot = anatomy.place(side, plan.granulomaZone, radius: 0.024, jitter: plan.granulomaJitter)
            field.blob(spot, SIMD2(repeating: 0.0195), .toward(1, 1), hardness: 0.9, lungOnly: false)
        }
        for (index, lesion) in plan.lesions.enumerated() {
            switch lesion.kind {
            case .effusion: boxes[index] = field.tracking(index) { drawEffusion(lesion) }
            case .consolidation: boxes[index] = field.tracking(index) { drawConsolidation(lesion, index) }
            case .nodule: boxes[index] = field.tracking(index) { drawNodule(lesion) }
            case .pneumothorax: boxes[index] = field.tracking(index) { drawPneumothorax(lesion) }
            case .cardiomegaly: boxes[index] = heartBox(index)
            default: continue
            }
        }
    }

    private func heartBox(_ index: Int) -> PixelRect? {
        let middle = anatomy.middle(anatomy.heartRow)
        var tracker = BoxTracker()
        let last = field.side - 1
        func clamp(_ value: Float) -> Int { min(max(Int(value * field.scale), 0), last) }
        let left = min(anatomy.heartLeft, anatomy.lateral(anatomy.heartRow))
        tracker.note(clamp(middle - anatomy.heartRight), clamp(anatomy.heartRow - anatomy.heartHeight))
        tracker.note(clamp(middle + left), clamp(max(anatomy.domeLeft, anatomy.domeRight) + 0.03))
        if look != nil { markHeart(index) }
        return tracker.box
    }

    /// Marks the pixels of the heart, so that its box follows the film.
    private func markHeart(_ index: Int) {
        _ = field.tracking(index) {
            for y in field.span(anatomy.heartRow - anatomy.heartHeight, max(anatomy.domeLeft, anatomy.domeRight) + 0.03)
            {
                let v = (Float(y) + 0.5) / field.scale
                let middle = anatomy.middle(v)
                for x in field.span(middle - anatomy.medial(.right, v), middle + anatomy.medial(.left, v)) {
                    field.note(x, y)
                }
            }
        }
    }

    /// Fluid from the costophrenic angle upwards, its upper edge a meniscus that climbs towards the chest wall.
    private func drawEffusion(_ lesion: Lesion) {
        let side = lesion.side ?? .right
        let heights: [Float] = [0.185, 0.40, 0.66]
        let tall = (heights[lesion.level] + 0.02 * lesion.jitter.y) * (anatomy.dome(side) - anatomy.apex)
        let angle = anatomy.dome(side) + anatomy.angleDrop
        let edge = 1 / max(look?.edge ?? 0.018, 2 / field.scale)
        let low = side == .right ? anatomy.centre - anatomy.chest - 0.01 : anatomy.centre - 0.05
        let columns = field.span(low, low + anatomy.chest + 0.06)
        for y in field.span(angle - tall - 0.04, angle + 0.03) {
            let v = (Float(y) + 0.5) / field.scale
            let row = y * field.side
            let middle = anatomy.middle(v)
            for x in columns {
                let u = (Float(x) + 0.5) / field.scale
                if (u - middle) * side.sign < 0 { continue }
                let s = abs(u - anatomy.centre) / anatomy.chest
                let line = angle - tall * (0.35 + 0.65 * s * s)
                let lung = field.lung[row + x]
                let alpha = smooth((v - line) * edge + 0.5) * min(1, lung * 4)
                if alpha <= 0.001 { continue }
                // Safety: x and y are below `side` by `span`.
                let old = field.value[row + x]
                field.value[row + x] = old + ((look?.fluid ?? 0.67) - old) * 0.96 * alpha
                field.lung[row + x] = lung * (1 - 0.75 * alpha)
                if alpha > 0.3 { field.note(x, y) }
            }
        }
    }

    private func drawConsolidation(_ lesion: Lesion, _ index: Int) {
        let side = lesion.side ?? .right
        let radius: Float = lesion.level == 0 ? 0.078 : 0.135
        let centre = anatomy.place(side, lesion.zone ?? .lower, radius: radius * 0.85, jitter: lesion.jitter)
        var random = SeededGenerator(seed: plan.grainSeed, keys: 15, UInt64(index))
        if lesion.variant == 0 {
            for spot in 0..<9 {
                let ring = Float(spot) / 9
                let angle = Float(spot) * 2.4
                let far = ring.squareRoot() * radius * 0.95
                let place = centre + SIMD2(cos(angle) * far, sin(angle) * far * 0.9)
                let size = radius * (0.36 + 0.16 * Float(random.uniform()))
                field.blob(
                    place, SIMD2(size, size), .toward(0.66, 0.80 * (look?.nodule ?? 1)), hardness: 0.1, lungOnly: true)
            }
        } else {
            field.blob(
                centre, SIMD2(radius, radius * 0.74), .toward(0.72, 0.90 * (look?.nodule ?? 1)), hardness: 0.22,
                lungOnly: true)
            for _ in 0..<6 {
                let nudge = SIMD2(Float(random.uniform(in: -1...1)), Float(random.uniform(in: -1...1)))
                let size = radius * 0.55
                field.blob(
                    centre + nudge * radius * 0.58, SIMD2(size, size), .toward(0.70, 0.6), hardness: 0.2, lungOnly: true
                )
            }
        }
    }

    private func drawNodule(_ lesion: Lesion) {
        let side = lesion.side ?? .right
        let diameter = Float(Lesion.noduleDiametersInMillimetres[lesion.level]) / Lesion.pictureWidthInMillimetres
        let centre = anatomy.place(side, lesion.zone ?? .mid, radius: diameter / 2 + 0.01, jitter: lesion.jitter)
        let radius = diameter / 2 * 1.08
        field.blob(
            centre, SIMD2(radius, radius), .toward(0.76, 0.95 * (look?.nodule ?? 1)), hardness: look?.nodule ?? 1,
            lungOnly: false)
    }

    /// Air between chest wall and lung: darker, without vessels, bounded by a thin pleural line.
    private func drawPneumothorax(_ lesion: Lesion) {
        let side = lesion.side ?? .right
        let dome = anatomy.dome(side)
        let low = side == .right ? anatomy.centre - anatomy.chest - 0.01 : anatomy.centre - 0.05
        let columns = field.span(low, low + anatomy.chest + 0.06)
        let whiter: Float = lesion.level == 2 ? 0.17 : lesion.level == 1 ? 0.05 : 0
        for y in field.span(anatomy.apex - 0.02, dome + anatomy.angleDrop) {
            let v = (Float(y) + 0.5) / field.scale
            let t = min(max((v - anatomy.apex) / (dome - anatomy.apex), 0), 1)
            let outer = anatomy.lateral(v)
            let middle = anatomy.middle(v)
            let width = outer - anatomy.medial(side, v) - side.sign * (middle - anatomy.centre)
            let gap: Float
            switch lesion.level {
            case 0: gap = 0.13 * (1 - t / 0.50)
            case 1: gap = 0.115 + 0.085 * (1 - t) * (1 - t)
            default: gap = width * (0.62 + 0.5 * max(0, 0.22 - t) * 4)
            }
            if gap <= 0 { continue }
            let row = y * field.side
            for x in columns {
                let u = (Float(x) + 0.5) / field.scale
                if (u - middle) * side.sign < 0 { continue }
                let depth = outer - abs(u - anatomy.centre)
                let lung = field.lung[row + x]
                if lung < 0.02 { continue }
                let free = smooth((gap - depth) * 150 + 0.5) * lung
                let line = max(0, 1 - abs(depth - gap) / 0.009) * lung
                // Safety: x and y are below `side` by `span`.
                let old = field.value[row + x]
                let collapsed = old + whiter * (lung - free)
                field.value[row + x] = collapsed + (0.085 - collapsed) * 0.9 * free + 0.34 * (look?.rim ?? 1) * line
                if free > 0.4 || line > 0.5 { field.note(x, y) }
            }
        }
    }
}
