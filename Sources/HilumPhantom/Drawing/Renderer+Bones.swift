import HilumCore

extension Renderer {
    func drawBones() {
        drawSpine()
        drawTrachea()
        for side in Laterality.allCases {
            for rib in 0..<10 { drawRib(rib, side) }
            drawClavicle(side)
            if plan.isPortable { drawScapula(side) }
        }
    }

    private func drawSpine() {
        let half: Float = 0.036
        let discs = SeededDiscs(pitch: 0.058)
        let strength = look?.body.spine ?? 1
        let steepness: Float = look == nil ? 90 : 45
        for y in field.span(0, 1) {
            let v = (Float(y) + 0.5) / field.scale
            let x0 = anatomy.spineX(v)
            let disc = discs.weight(v)
            let row = y * field.side
            for x in field.span(x0 - half - 0.01, x0 + half + 0.01) {
                let d = abs((Float(x) + 0.5) / field.scale - x0)
                let alpha = smooth((half - d) * steepness + 0.5)
                let rim = max(0, 1 - abs(d - half + 0.006) / 0.007)
                // Safety: x and y are below `side` by `span`.
                let old = field.value[row + x]
                let pulled = (0.80 - old) * 0.45 * strength * alpha * (1 - 0.55 * disc)
                field.value[row + x] = old + pulled + 0.045 * strength * rim
            }
        }
    }

    private func drawTrachea() {
        let half: Float = 0.019
        let strength = look?.body.trachea ?? 1
        let steepness: Float = look == nil ? 110 : 55
        for y in field.span(0, anatomy.carina) {
            let v = (Float(y) + 0.5) / field.scale
            let x0 = anatomy.tracheaX(v)
            let row = y * field.side
            for x in field.span(x0 - half - 0.008, x0 + half + 0.008) {
                let d = abs((Float(x) + 0.5) / field.scale - x0)
                let alpha = smooth((half - d) * steepness + 0.5)
                // Safety: x and y are below `side` by `span`.
                let old = field.value[row + x]
                field.value[row + x] = old + (0.33 - old) * 0.62 * strength * alpha
            }
        }
        let fork = SIMD2(anatomy.tracheaX(anatomy.carina), anatomy.carina)
        for side in Laterality.allCases {
            for step in 0..<5 {
                let t = Float(step) / 4
                let down: Float = side == .right ? 0.060 : 0.045
                let place = fork + SIMD2(side.sign * 0.055 * t, down * t)
                field.blob(place, SIMD2(0.018, 0.018), .toward(0.45, 0.25), hardness: 0.4, lungOnly: false)
            }
        }
    }

    /// One rib: the back part arches down to the wall, the fainter front part falls from there to the middle.
    private func drawRib(_ rib: Int, _ side: Laterality) {
        let start = anatomy.apex - 0.025 + Float(rib) * anatomy.ribPitch
        let half = anatomy.lateral(start + 0.07) + 0.012
        let fall: Float = (rib < 2 ? 0.10 : 0.135) + (look?.body.slope ?? 0)
        let ink = look?.body.ribs ?? 1
        for x in field.span(
            side == .right ? anatomy.centre - half : anatomy.centre + 0.03,
            side == .right ? anatomy.centre - 0.03 : anatomy.centre + half)
        {
            let u = (Float(x) + 0.5) / field.scale
            let s = abs(u - anatomy.centre) / half
            if s > 1 { continue }
            let back = start - 0.035 * s + fall * s * s * s
            let fade = min(1, (1.02 - s) * 12)
            ribColumn(x, back, 0.0135, 0.105 * fade * ink)
            if s > 0.42 {
                let front = start + 0.055 + fall + 0.125 * (1 - s)
                ribColumn(x, front, 0.0165, 0.055 * min(1, (s - 0.42) * 6) * fade * ink)
            }
        }
    }

    @inline(__always)
    private func ribColumn(_ x: Int, _ v: Float, _ half: Float, _ amount: Float) {
        for y in field.span(v - half, v + half) {
            let d = ((Float(y) + 0.5) / field.scale - v) / half
            let square = d * d
            if square >= 1 { continue }
            // Brighter rims, as the cortex gives; faint outside the lung. Safety: x and y are below `side`.
            let offset = y * field.side + x
            let profile = (1 - square * square * square) * (0.75 + 0.5 * square)
            field.value[offset] += amount * profile * (0.3 + 0.7 * field.lung[offset])
        }
    }

    private func drawClavicle(_ side: Laterality) {
        let turn = anatomy.shift * 1.5
        let s = side.sign
        let ink = (look?.body.spine ?? 1) * 0.5 + 0.5
        let inner: Float = plan.isPortable ? 0.135 : 0.198
        let outer: Float = plan.isPortable ? 0.088 : 0.125
        let start = anatomy.centre + turn + s * 0.035
        let end = anatomy.centre + s * 0.40
        for x in field.span(min(start, end), max(start, end)) {
            let t = ((Float(x) + 0.5) / field.scale - start) / (end - start)
            if t < 0 || t > 1 { continue }
            let v = inner + (outer - inner) * smooth(t) + 0.012 * (t - 0.5) * (t - 0.5)
            let half = 0.0125 + 0.006 * (2 * t - 1) * (2 * t - 1)
            for y in field.span(v - half, v + half) {
                let d = ((Float(y) + 0.5) / field.scale - v) / half
                let square = d * d
                if square >= 1 { continue }
                // Safety: x and y are below `side` by `span`.
                let old = field.value[y * field.side + x]
                let alpha = (1 - square * square * square) * (0.7 + 0.5 * square) * min(1, min(t * 14, (1 - t) * 5))
                field.value[y * field.side + x] = old + (0.86 - old) * 0.42 * ink * alpha
            }
        }
    }

    /// On a bedside film the shoulder blades stay in front of the upper outer lungs.
    private func drawScapula(_ side: Laterality) {
        let s = side.sign
        let ink = min(1, look?.body.ribs ?? 1)
        for y in field.span(0.17, 0.47) {
            let v = (Float(y) + 0.5) / field.scale
            let t = (v - 0.17) / 0.30
            let inner = 0.205 + 0.04 * t + 0.06 * t * t
            let outer = anatomy.lateral(v) + 0.05 - 0.05 * t
            let row = y * field.side
            let low = anatomy.centre + (s < 0 ? -outer : inner)
            for x in field.span(low, low + max(0, outer - inner)) {
                let off = abs((Float(x) + 0.5) / field.scale - anatomy.centre)
                let alpha = smooth((off - inner) * 80) * smooth((outer - off) * 60)
                let rim = max(0, 1 - abs(off - inner - 0.006) / 0.008)
                // Safety: x and y are below `side` by `span`.
                field.value[row + x] += (0.105 * alpha + 0.10 * rim) * ink * min(1, min(t, 1 - t) * 12)
            }
        }
    }
}

/// Where the discs lie between the vertebrae.
struct SeededDiscs {
    let pitch: Float

    /// 1 in the middle of a disc, 0 in a vertebra.
    @inline(__always)
    func weight(_ v: Float) -> Float {
        let phase = v / pitch
        let off = abs(phase - phase.rounded()) * 2
        return max(0, 1 - off * 3.2)
    }
}
