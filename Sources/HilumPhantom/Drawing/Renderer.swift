import HilumCore
import HilumImaging

/// Draws a plan: soft tissue, lungs, vessels, lesions, bones and devices, then film and grain.
///
/// Thread rule: one renderer per case, one thread at a time.
struct Renderer {
    let plan: CasePlan
    let anatomy: Anatomy
    let field: Field
    var boxes: [PixelRect?]
    /// What the variety `film` changes; nil for `plain`.
    let look: FilmLook?

    static func render(
        _ plan: CasePlan, side: Int, variety: PhantomVariety = .plain
    ) -> (image: GrayImage, boxes: [PixelRect?]) {
        var renderer = Renderer(plan: plan, side: side, variety: variety)
        if let look = renderer.look {
            renderer.drawFilmTissue(look.body)
            renderer.drawFilmVessels(look.body)
        } else {
            renderer.drawTissue()
            renderer.drawVessels()
        }
        renderer.drawLungLesions()
        renderer.drawBones()
        if let look = renderer.look { renderer.drawTexture(look.texture) }
        renderer.drawMarks()
        renderer.drawDevices()
        if let look = renderer.look { return renderer.developFilm(look) }
        return (renderer.develop(), renderer.boxes)
    }

    init(plan: CasePlan, side: Int, variety: PhantomVariety) {
        self.plan = plan
        look = variety == .film ? FilmLook(plan) : nil
        anatomy = Anatomy(plan, body: look?.body)
        field = Field(side: side, isMasked: look != nil)
        field.pen = look?.pen ?? 1
        field.ink = look?.ink ?? 1
        boxes = Array(repeating: nil, count: plan.lesions.count)
    }

    // MARK: Soft tissue and lungs

    private func drawTissue() {
        let side = field.side
        let scale = field.scale
        // Safety: `field` outlives this function and both planes hold `side * side` floats.
        let lung = field.lung
        let value = field.value
        let centre = anatomy.centre
        let floor = (0..<side).map { anatomy.diaphragm((Float($0) + 0.5) / scale) }
        let sharpness = 1 / max(0.008, 1.5 / scale)
        let wall: Float = plan.isLarge ? 0.64 : 0.48
        let veilSide = plan.rotation?.sign ?? 0
        var random = SeededGenerator(seed: plan.bodySeed, keys: 12)
        let aeration =
            0.205 + 0.02 * Float(random.uniform(in: -1...1))
            + (plan.volume == .high ? -0.03 : plan.volume == .low ? 0.04 : 0)
        for y in 0..<side {
            let v = (Float(y) + 0.5) / scale
            let reach = anatomy.lateral(v)
            let middle = anatomy.middle(v)
            let rightOuter = anatomy.centre - reach
            let leftOuter = anatomy.centre + reach
            let rightInner = middle - anatomy.medial(.right, v)
            let leftInner = middle + anatomy.medial(.left, v)
            let body = anatomy.body(v)
            let row = y * side
            let top = (v - anatomy.apex) * 2
            for x in 0..<side {
                let u = (Float(x) + 0.5) / scale
                let across = u < middle ? min(u - rightOuter, rightInner - u) : min(u - leftInner, leftOuter - u)
                let below = floor[x] - v
                let depth = min(min(across, below), top)
                let air = smooth(depth * sharpness + 0.5)
                let off = abs(u - centre)
                let bulk = max(0, 1 - abs(u - middle - 0.03) * 4.2)
                let outside = smooth((off - reach + 0.03) * 14)
                let tissue = 0.60 + (wall - 0.60) * outside + 0.07 * smooth(-below * 8) + 0.075 * bulk
                // Lung is a little whiter near the hilum and on the side to which the patient is turned.
                let core = max(0, 1 - off * 3.2)
                var inside = aeration + 0.10 * core
                if veilSide != 0 && (u - middle) * veilSide > 0 { inside += 0.07 }
                let skin = smooth((body - off) * 22 + 0.3)
                // Safety: x and y are below `side`.
                lung[row + x] = air
                value[row + x] = 0.02 + skin * (tissue + (inside - tissue) * air - 0.02)
            }
        }
    }

    private func drawVessels() {
        var random = SeededGenerator(seed: plan.bodySeed, keys: 13)
        for side in Laterality.allCases {
            let row: Float = side == .right ? 0.425 : 0.405
            let hilum = SIMD2(anatomy.middle(row) + side.sign * 0.085, row)
            let isLarge = plan.hilum == side
            let size: SIMD2<Float> = isLarge ? SIMD2(0.105, 0.120) : SIMD2(0.052, 0.075)
            field.blob(hilum, size, .add(isLarge ? 0.50 : 0.20), hardness: isLarge ? 0.35 : 0.15, lungOnly: true)
            for index in 0..<13 {
                let angle = Float(index) / 12 * 2.5 - 1.25 + 0.12 * Float(random.uniform(in: -1...1))
                let length = 0.15 + 0.09 * Float(random.uniform())
                // The rational parametrisation of the circle avoids a sine per stroke.
                let half = angle * 0.5
                let turn = SIMD2((1 - half * half) / (1 + half * half), 2 * half / (1 + half * half))
                let middle = hilum + SIMD2(turn.x * side.sign, turn.y) * (length * 0.5)
                let bend = 0.03 * Float(random.uniform(in: -1...1))
                let end = hilum + SIMD2(turn.x * side.sign, turn.y) * length + SIMD2(-turn.y, turn.x) * bend
                let root = hilum + SIMD2(turn.x * side.sign * 0.035, turn.y * 0.05)
                field.vessel(root, middle, 0.012, 0.009, amount: 0.075)
                field.vessel(middle, end, 0.009, 0.004, amount: 0.070)
            }
        }
    }

    // MARK: Film

    /// Tone curve, grain, collimation and the side marker; samples are multiples of 257.
    private func develop() -> GrayImage {
        let side = field.side
        var random = SeededGenerator(seed: plan.grainSeed, keys: 14)
        let isA = plan.site == .a
        let tone = toneTable(&random)
        let grain: Float = (isA ? 0.013 : 0.028) * Float(tone.count - 1)
        let mottle = mottleGrid(&random)
        let frame = isA ? 0 : Int(field.scale * Float(random.uniform(in: 0.022...0.038)))
        let last = Float(tone.count - 1)
        var samples = [UInt16](repeating: 0, count: side * side)
        // Safety: `field` outlives this function and both planes hold `side * side` floats.
        let lung = field.lung
        let value = field.value
        let step = Float(Self.mottleCells) / field.scale
        samples.withUnsafeMutableBufferPointer { out in
            for y in frame..<(side - frame) {
                let gy = Float(y) * step
                let iy = Int(gy)
                let fy = gy - Float(iy)
                let upper = iy * (Self.mottleCells + 2)
                let lower = upper + Self.mottleCells + 2
                for x in frame..<(side - frame) {
                    let gx = Float(x) * step
                    let ix = Int(gx)
                    let fx = gx - Float(ix)
                    let a = mottle[upper + ix] + (mottle[upper + ix + 1] - mottle[upper + ix]) * fx
                    let b = mottle[lower + ix] + (mottle[lower + ix + 1] - mottle[lower + ix]) * fx
                    let cloud = a + (b - a) * fy
                    // The sum of four 16-bit uniforms is close enough to a bell; its deviation is 1/√3 of 65,536.
                    let bits = random.next()
                    let four = (bits & 0xFFFF) &+ ((bits >> 16) & 0xFFFF) &+ ((bits >> 32) & 0xFFFF) &+ (bits >> 48)
                    let bell = (Float(four) - 131_070) * (1.732 / 65_536)
                    // Safety: x and y are below `side`, the table index is clamped to the table.
                    let ideal = value[y * side + x] + cloud * (0.4 + lung[y * side + x])
                    let place = min(max(ideal * last + bell * grain * (0.25 + ideal), 0), last)
                    out[y * side + x] = tone[Int(place)]
                }
            }
        }
        return GrayImage(width: side, height: side, samples: samples)
    }

    private static let mottleCells = 40

    private func mottleGrid(_ random: inout SeededGenerator) -> [Float] {
        let width = Self.mottleCells + 2
        return (0..<(width * width)).map { _ in 0.022 * Float(random.uniform(in: -1...1)) }
    }

    private func toneTable(_ random: inout SeededGenerator) -> [UInt16] {
        let isA = plan.site == .a
        let gamma: Float
        switch plan.exposure {
        case .under: gamma = 0.52
        case .normal: gamma = 1.0
        case .over: gamma = 1.85
        }
        let jitter = 1 + 0.06 * Float(random.uniform(in: -1...1))
        let low: Float = isA ? 0.0 : 0.11
        let high: Float = isA ? 0.98 : 0.88
        let power = gamma * jitter * (isA ? 1.08 : 0.90)
        let count = 2048
        return (0..<count).map { index in
            let x = Float(index) / Float(count - 1)
            let level = low + (high - low) * raised(x, power)
            return UInt16((level * 255).rounded()) * 257
        }
    }

    private func raised(_ x: Float, _ exponent: Float) -> Float { x <= 0 ? 0 : exponentiate(x, exponent) }
}
