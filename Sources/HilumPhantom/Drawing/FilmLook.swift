import HilumCore

extension SeededGenerator {
    /// A uniform number between two bounds.
    @inline(__always)
    mutating func float(_ low: Float, _ high: Float) -> Float { low + (high - low) * Float(uniform()) }

    /// A number between two bounds whose logarithm is uniform.
    mutating func scale(_ low: Float, _ high: Float) -> Float { low * exponentiate(high / low, Float(uniform())) }
}

/// What makes one body differ from another in the variety `film`; the same for each study of a patient.
struct FilmBody: Sendable {
    // Shifts of the organs, in fractions of the side.
    let chest: Float
    let apex: Float
    let base: Float
    let rise: Float
    let share: Float
    let top: Float
    let neck: Float
    /// Factor on the length over which the chest widens.
    let flare: Float
    let wall: Float
    /// Factor on the depth of the costophrenic angles.
    let angle: Float
    /// The left border of the heart: 2 is round, 1 is straight.
    let border: Float
    // Contrast of structures, 1 as in the variety `plain`.
    let ribs: Float
    let vessels: Float
    let spine: Float
    let trachea: Float
    /// How much steeper the ribs fall.
    let slope: Float
    let breast: Float
    let muscle: Float
    let aeration: Float

    init(_ plan: CasePlan) {
        var random = SeededGenerator(seed: plan.bodySeed, keys: 31)
        chest = random.float(-0.070, 0.020)
        apex = random.float(-0.020, 0.035)
        base = random.float(-0.020, 0.020)
        rise = random.float(-0.010, 0.055)
        share = random.float(-0.060, 0.030)
        top = random.float(-0.055, 0.015)
        flare = random.float(0.85, 1.35)
        neck = random.float(-0.02, 0.06)
        wall = plan.isLarge ? random.float(0.17, 0.27) : random.float(0.045, 0.20)
        angle = random.float(0.55, 1.15)
        border = random.float(1.15, 1.9)
        ribs = random.scale(0.35, 1.25)
        vessels = random.scale(0.5, 1.5)
        spine = random.float(0.25, 0.95)
        trachea = random.float(0.35, 0.85)
        slope = random.float(-0.02, 0.05)
        breast = random.chance(0.45) ? random.float(0.03, 0.11) : 0
        muscle = random.float(0.58, 0.68)
        aeration = random.float(-0.04, 0.05)
    }
}

/// How one study was taken, developed and scanned in the variety `film`.
struct FilmLook: Sendable {
    let body: FilmBody

    // Contrast of findings.
    /// Factors on the width and the contrast of lines, tubes and wires.
    let pen: Float
    let ink: Float
    let fluid: Float
    /// How gradually an effusion ends.
    let edge: Float
    let nodule: Float
    let rim: Float

    // Exposure.
    let haze: Float
    let heel: SIMD2<Float>
    let grid: Float
    let gridPitch: Float
    let noise: Float
    let noiseBlur: Float
    let texture: Float

    // Development.
    let gamma: Float
    let bend: Float
    let clip: SIMD2<Float>
    let black: Float
    let white: Float

    // Scan.
    /// Positive sharpens, negative softens.
    let sharpness: Float
    /// The side of the scan as a share of the picture's; 1 for none.
    let scan: Float
    /// Step of the coefficients of 8 × 8 blocks; 0 for none.
    let quantum: Float

    init(_ plan: CasePlan) {
        body = FilmBody(plan)
        var random = SeededGenerator(seed: plan.grainSeed, keys: 32)
        let isA = plan.site == .a
        let isSoft = plan.isPortable
        pen = random.float(0.50, 0.95)
        ink = random.float(0.35, 0.9)
        edge = random.scale(0.018, 0.075)
        fluid = random.float(0.60, 0.70)
        nodule = random.float(0.65, 1)
        rim = random.float(0.2, 0.9)
        haze = random.float(0.05, 0.25) + (isSoft ? 0.12 : 0) + (plan.isLarge ? 0.06 : 0)
        heel = SIMD2(random.float(-0.02, 0.02), random.float(-0.07, 0.07))
        grid = random.chance(isSoft ? 0.16 : 0.04) ? random.float(0.001, 0.006) : 0
        gridPitch = random.float(2.1, 6)
        noise = random.scale(0.0010, 0.013) * (isA ? 1 : 1.9) * (isSoft ? 1.3 : 1)
        noiseBlur = random.float(0, 0.28)
        texture = random.scale(0.6, 1.7)
        let exposure: Float = plan.exposure == .under ? 0.58 : plan.exposure == .over ? 1.65 : 1
        gamma = exposure * random.scale(0.78, 1.22) * (isA ? 1.06 : 0.94)
        bend = random.float(0, 0.6)
        clip = SIMD2(random.float(0.001, 0.02), random.scale(0.001, 0.05))
        black = random.chance(isA ? 0.7 : 0.4) ? random.float(0, 0.03) : random.float(0.02, 0.13)
        white = random.chance(isA ? 0.65 : 0.25) ? random.float(0.97, 1) : random.float(0.76, 0.97)
        let draw = random.uniform()
        sharpness = draw < 0.45 ? random.float(0.1, 0.8) : draw < 0.65 ? -random.float(0.1, 0.8) : 0
        scan = random.chance(0.25) ? random.float(0.40, 0.9) : 1
        quantum = random.chance(0.55) ? random.scale(0.004, 0.055) : 0
    }
}
