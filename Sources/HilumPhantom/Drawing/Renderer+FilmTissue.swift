import HilumCore

extension Renderer {
    // MARK: Soft tissue and lungs

    /// Soft tissue, heart and lungs of the variety `film`: thickness decides the level, so that edges are round.
    func drawFilmTissue(_ body: FilmBody) {
        let side = field.side
        let scale = field.scale
        // Safety: `field` outlives this function and both planes hold `side * side` floats.
        let lung = field.lung
        let value = field.value
        let centre = anatomy.centre
        let floor = (0..<side).map { anatomy.diaphragm((Float($0) + 0.5) / scale) }
        let sharpness = 1 / max(plan.isPortable ? 0.014 : 0.010, 1.5 / scale)
        let veilSide = plan.rotation?.sign ?? 0
        let aeration = 0.20 + body.aeration + (plan.volume == .high ? -0.03 : plan.volume == .low ? 0.04 : 0)
        for y in 0..<side {
            let v = (Float(y) + 0.5) / scale
            let reach = anatomy.lateral(v)
            let middle = anatomy.middle(v)
            let rightReach = anatomy.medial(.right, v)
            let leftReach = anatomy.medial(.left, v)
            let wide = anatomy.body(v)
            let row = y * side
            let top = (v - anatomy.apex) * 2
            for x in 0..<side {
                let u = (Float(x) + 0.5) / scale
                let inner = u < middle ? rightReach : leftReach
                let from = abs(u - middle)
                let off = abs(u - centre)
                let below = floor[x] - v
                let depth = min(min(min(from - inner, reach - off), below), top)
                let air = smooth(depth * sharpness + 0.5)
                let round = max(0, wide * wide - off * off).squareRoot() / max(wide, 0.34)
                let muscle = body.muscle * (0.30 + 0.70 * round)
                let organ = max(0, 1 - (from / inner) * (from / inner))
                let wall = smooth((off - reach + 0.03) * 14)
                let tissue =
                    muscle + 0.11 * organ + 0.12 * smooth(-below * 6) + (plan.isLarge ? 0.05 : -0.05) * wall
                // Lung is a little whiter near the hilum, near the wall and on the side to which the patient is turned.
                let core = max(0, 1 - off * 3.2)
                let rim = (off / reach) * (off / reach)
                var inside = aeration + 0.10 * core + 0.09 * rim * rim + 0.08 * v
                if veilSide != 0 && (u - middle) * veilSide > 0 { inside += 0.06 }
                // Lung behind the domes and behind the heart shows through.
                let behind = off < reach ? smooth(1 + below / 0.11) * (1 - air) : 0
                let shaded = air * (0.74 + 0.26 * max(depth, 0) / (max(depth, 0) + 0.035))
                let skin = smooth((wide - off) * 26 + 0.3)
                // Safety: x and y are below `side`.
                lung[row + x] = air
                value[row + x] = 0.02 + skin * (tissue - 0.05 * behind + (inside - tissue) * shaded - 0.02)
            }
        }
        drawFolds(body)
    }

    /// Breasts, shoulder joints, jaw and gas in the bowel.
    private func drawFolds(_ body: FilmBody) {
        var random = SeededGenerator(seed: plan.bodySeed, keys: 35)
        let centre = anatomy.centre
        let drop = random.float(-0.06, 0.06)
        for side in Laterality.allCases {
            let s = side.sign
            if body.breast > 0 {
                let place = SIMD2(centre + s * random.float(0.19, 0.24), 0.60 + drop)
                field.blob(
                    place, SIMD2(random.float(0.14, 0.19), random.float(0.14, 0.20)), .add(body.breast),
                    hardness: random.float(0.1, 0.9), lungOnly: false)
            }
            let joint = SIMD2(centre + s * random.float(0.42, 0.50), random.float(0.12, 0.20))
            field.blob(joint, SIMD2(0.075, 0.075), .add(random.float(0.05, 0.16)), hardness: 0.4, lungOnly: false)
        }
        if random.chance(0.35) {
            let jaw = SIMD2(centre + random.float(-0.03, 0.03), random.float(-0.07, -0.01))
            field.blob(jaw, SIMD2(0.17, 0.08), .add(0.18), hardness: 0.5, lungOnly: false)
        }
        var film = SeededGenerator(seed: plan.grainSeed, keys: 36)
        for _ in 0..<film.integer(below: 7) {
            let low = max(anatomy.domeLeft, anatomy.domeRight) + 0.15
            let place = SIMD2(centre + film.float(-0.30, 0.30), low + film.float(0, 0.22))
            let size = SIMD2(film.float(0.015, 0.05), film.float(0.012, 0.035))
            field.blob(
                place, size, .toward(0.36, film.float(0.15, 0.6)), hardness: film.float(0.2, 0.9), lungOnly: false)
        }
    }

    // MARK: Vessels and texture

    /// Vessels that branch twice, thinner each time.
    func drawFilmVessels(_ body: FilmBody) {
        var random = SeededGenerator(seed: plan.bodySeed, keys: 37)
        for side in Laterality.allCases {
            let row: Float = side == .right ? 0.425 : 0.405
            let hilum = SIMD2(anatomy.middle(row) + side.sign * 0.085, row)
            let isLarge = plan.hilum == side
            let size: SIMD2<Float> = isLarge ? SIMD2(0.105, 0.120) : SIMD2(0.045, 0.075)
            let amount: Float = isLarge ? 0.46 : 0.15 * body.vessels
            field.blob(hilum, size, .add(amount), hardness: isLarge ? 0.3 : 0.1, lungOnly: true)
            let count = 9 + random.integer(below: 5)
            for index in 0..<count {
                let angle = Float(index) / Float(count - 1) * 2.7 - 1.35 + random.float(-0.14, 0.14)
                let root = hilum + SIMD2(side.sign * 0.02, angle * 0.035)
                branch(root, angle, side.sign, width: random.float(0.009, 0.015), level: 0, body.vessels, &random)
            }
        }
    }

    private func branch(
        _ from: SIMD2<Float>, _ angle: Float, _ sign: Float, width: Float, level: Int, _ ink: Float,
        _ random: inout SeededGenerator
    ) {
        let half = angle * 0.5
        let turn = SIMD2((1 - half * half) / (1 + half * half), 2 * half / (1 + half * half))
        let end = from + SIMD2(turn.x * sign, turn.y) * random.float(0.055, 0.11)
        field.vessel(from, end, width, width * 0.72, amount: ink * (level == 0 ? 0.075 : 0.055))
        if level == 2 { return }
        for way in [Float(-1), 1] {
            let next = min(max(angle + way * random.float(0.1, 0.5), -1.7), 1.7)
            branch(end, next, sign, width: width * random.float(0.5, 0.75), level: level + 1, ink, &random)
        }
    }

    /// Structure of all sizes, weaker the finer it is, as tissue and bone have it.
    func drawTexture(_ amount: Float) {
        var random = SeededGenerator(seed: plan.grainSeed, keys: 38)
        let side = field.side
        for (cells, level) in [(9, Float(0.040)), (22, 0.024), (48, 0.014), (96, 0.0095), (190, 0.006)]
        where cells < side {
            let width = cells + 2
            let knots = (0..<(width * width)).map { _ in amount * level * random.float(-1, 1) }
            let step = Float(cells) / field.scale
            knots.withUnsafeBufferPointer { knots in
                for y in 0..<side {
                    let gy = Float(y) * step
                    let upper = Int(gy) * width
                    let fy = gy - Float(Int(gy))
                    for x in 0..<side {
                        let gx = Float(x) * step
                        let at = upper + Int(gx)
                        let fx = gx - Float(Int(gx))
                        // Safety: the grid has two knots more than `side * step`; x and y are below `side`.
                        let a = knots[at] + (knots[at + 1] - knots[at]) * fx
                        let b = knots[at + width] + (knots[at + width + 1] - knots[at + width]) * fx
                        let offset = y * side + x
                        field.value[offset] +=
                            (a + (b - a) * fy) * (0.3 + field.lung[offset])
                            * min(1, field.value[offset] * 6)
                    }
                }
            }
        }
    }
}
