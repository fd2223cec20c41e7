import Foundation
import HilumCore

/// Smooth step of `x` clamped to `0...1`.
@inline(__always)
func smooth(_ x: Float) -> Float {
    let t = min(max(x, 0), 1)
    return t * t * (3 - 2 * t)
}

/// The positions of the organs of one case, in fractions of the image's side (`0...1`, origin in the upper left corner).
struct Anatomy {
    let plan: CasePlan
    let centre: Float
    let apex: Float
    /// Half the widest inner width of the chest.
    let chest: Float
    let domeRight: Float
    let domeLeft: Float
    let heartRight: Float
    let heartLeft: Float
    let heartRow: Float
    let heartHeight: Float
    let angleDrop: Float
    let shift: Float
    let ribPitch: Float
    let carina: Float = 0.355
    private let neckBase: Float
    private let wall: Float
    private let flare: Float
    private let shoulder: Float
    private let border: Float?

    /// - Parameter body: what the variety `film` changes about the body; nil leaves everybody alike but for a little.
    init(_ plan: CasePlan, body: FilmBody? = nil) {
        self.plan = plan
        var random = SeededGenerator(seed: plan.bodySeed, keys: 11)
        func spread(_ middle: Float, _ width: Float) -> Float { middle + width * Float(random.uniform(in: -1...1)) }
        centre = spread(0.5, 0.010)
        apex = spread(0.115, 0.010) + (body?.apex ?? 0)
        chest = spread(0.365, 0.012) + (body?.chest ?? 0)
        ribPitch = spread(0.068, 0.002)
        var base: Float
        switch plan.volume {
        case .low: base = spread(0.625, 0.010)
        case .normal: base = spread(0.745, 0.010)
        case .high: base = spread(0.845, 0.010)
        }
        base += body?.base ?? 0
        domeRight = base - 0.008 - (plan.elevation == .right ? 0.135 : 0)
        domeLeft = base + 0.010 - (plan.elevation == .left ? 0.135 : 0)
        angleDrop = (plan.volume == .high ? 0.035 : 0.105) * (body?.angle ?? 1)
        let heart = plan.lesion(.cardiomegaly)
        let ratio: Float
        switch heart?.level {
        case 0: ratio = spread(0.560, 0.008)
        case 1: ratio = spread(0.645, 0.008)
        case 2: ratio = spread(0.735, 0.008)
        default: ratio = spread(plan.volume == .high ? 0.41 : 0.45, 0.012)
        }
        let width = ratio * 2 * chest
        heartRight = width * (0.34 + (body?.share ?? 0))
        heartLeft = width * (0.66 - (body?.share ?? 0))
        heartHeight = 0.155 + 0.18 * (ratio - 0.44) + (body?.rise ?? 0)
        heartRow = min(base, 0.80) - 0.105
        shift = (plan.rotation?.sign ?? 0) * 0.046
        neckBase = 0.15 + (body?.top ?? 0)
        wall = body?.wall ?? (plan.isLarge ? 0.20 : 0.062)
        border = body?.border
        flare = body?.flare ?? 1
        shoulder = body?.neck ?? -0.02
    }

    /// The middle of the mediastinum at a row. A deviated trachea shifts its upper part.
    func middle(_ v: Float) -> Float {
        let pull = (plan.trachea?.sign ?? 0) * 0.030 * smooth((0.42 - v) / 0.16)
        return centre + shift + pull
    }

    func tracheaX(_ v: Float) -> Float {
        let pull = (plan.trachea?.sign ?? 0) * 0.022 * smooth((0.40 - v) / 0.14)
        return middle(v) + pull - 0.003
    }

    func spineX(_ v: Float) -> Float {
        let bend = (plan.scoliosis?.sign ?? 0) * 0.080
        let t = min(max((v - 0.08) / 0.80, 0), 1)
        return centre + bend * sin(Float.pi * t)
    }

    func dome(_ side: Laterality) -> Float { side == .right ? domeRight : domeLeft }

    /// Half the inner width of the chest at a row.
    func lateral(_ v: Float) -> Float {
        let t = min(max((v - apex) / (0.745 * 0.75 * flare), 0), 1)
        return neckBase + (chest - neckBase) * (1 - (1 - t) * (1 - t)).squareRoot()
    }

    /// How far the mediastinum and the heart extend to one side of `middle`.
    func medial(_ side: Laterality, _ v: Float) -> Float {
        let top = min(max((v - apex) / 0.07, 0), 1)
        let tip = 0.15 - 0.092 * (1 - (1 - top) * (1 - top)).squareRoot()
        var reach = max(0.058, tip)
        let row = (v - heartRow) / heartHeight
        if row > -1 {
            // Below its widest row the heart stays broad and rests on the diaphragm.
            let curve = row > 0 ? 0.62 * row : row
            var part = max(0, 1 - curve * curve).squareRoot()
            if let border, side == .left, row < 0 { part = max(0, 1 - exponentiate(-row, border)) }
            reach = max(reach, (side == .right ? heartRight : heartLeft) * part)
        }
        if side == .left {
            let isWide = plan.knob == .prominent
            let bump = (v - 0.285) / (isWide ? 0.078 : 0.045)
            if abs(bump) < 1 { reach = max(reach, 0.044 + (isWide ? 0.104 : 0.038) * (1 - bump * bump)) }
            let artery = (v - 0.395) / 0.06
            if abs(artery) < 1 { reach = max(reach, 0.050 + 0.027 * (1 - artery * artery)) }
        }
        return min(reach, lateral(v) - 0.012)
    }

    /// The row of the diaphragm at a column.
    func diaphragm(_ u: Float) -> Float {
        let s = abs(u - centre) / chest
        let t = (s - 0.5) * 2
        let drop = t > 0 ? angleDrop * t * t : 0.03 * t * t
        return (u < centre + shift ? domeRight : domeLeft) + drop
    }

    /// Half the width of the body at a row (shoulders, chest wall).
    func body(_ v: Float) -> Float {
        let neck = 0.125 + 0.50 * smooth((v + shoulder) / 0.17)
        let flank = lateral(v) + wall
        let waist = flank + (0.60 - flank) * smooth((0.40 - v) / 0.24)
        return min(neck, waist)
    }

    /// The centre of a lesion of this `radius` in a zone, displaced by `jitter`.
    func place(_ side: Laterality, _ zone: LungZone, radius: Float, jitter: SIMD2<Float>) -> SIMD2<Float> {
        let bottom = dome(side) + 0.02
        let third = (bottom - apex - 0.03) / 3
        let v = apex + 0.03 + third * (Float(zone.rawValue) + 0.5 + 0.16 * jitter.y)
        let inner = medial(side, v) + side.sign * (middle(v) - centre)
        let outer = lateral(v)
        let low = inner + radius * 0.7
        let high = outer - radius * 0.9
        let depth = low < high ? low + (high - low) * (0.5 + 0.38 * jitter.x) : (inner + outer) / 2
        return SIMD2(centre + side.sign * depth, v)
    }
}
