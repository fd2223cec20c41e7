import Foundation

extension Renderer {
    private func point(_ x: Float, _ y: Float) -> SIMD2<Float> { SIMD2(x, y) }

    /// Marks that are no findings: stomach bubble, wires, clips, electrodes, calcified arch.
    func drawMarks() {
        let centre = anatomy.centre
        if plan.hasStomachBubble {
            let place = point(centre + 0.17, anatomy.domeLeft + 0.068)
            field.blob(place, SIMD2(0.075, 0.038), .toward(0.22, 0.9), hardness: 0.9, lungOnly: false)
        }
        if plan.knob == .calcified {
            var arc: [SIMD2<Float>] = []
            for step in 0...8 {
                let v: Float = 0.243 + 0.086 * Float(step) / 8
                arc.append(point(anatomy.middle(v) + anatomy.medial(.left, v) - 0.008, v))
            }
            field.stroke(arc, width: 0.021, target: 1.05)
        }
        if plan.hasSternotomy {
            for wire in 0..<5 {
                let v = 0.27 + 0.078 * Float(wire)
                let place = point(anatomy.middle(v), v)
                let ring = (0...10).map { step -> SIMD2<Float> in
                    let angle = Float(step) / 10 * 2 * Float.pi
                    return place + SIMD2(cos(angle) * 0.024, sin(angle) * 0.014)
                }
                field.stroke(ring, width: 0.012, target: 1.05)
            }
        }
        if let side = plan.clips {
            for clip in 0..<6 {
                let v = 0.285 + 0.021 * Float(clip)
                let x = centre + side.sign * (anatomy.lateral(v) + 0.012 + (clip % 2 == 0 ? 0.016 : -0.004))
                field.stroke([point(x - 0.011, v - 0.007), point(x + 0.011, v + 0.007)], width: 0.013, target: 1.05)
            }
        }
        if plan.hasMonitorLeads { drawElectrodes() }
    }

    private func drawElectrodes() {
        for side in Laterality.allCases {
            let s = side.sign
            let upper = point(anatomy.centre + s * 0.285, 0.335)
            let lower = point(anatomy.centre + s * 0.30, 0.70)
            for place in [upper, lower] {
                field.blob(place, SIMD2(repeating: 0.023), .toward(0.96, 0.9), hardness: 1, lungOnly: false)
                field.blob(place, SIMD2(repeating: 0.010), .toward(0.35, 0.9), hardness: 1, lungOnly: false)
            }
            field.stroke(
                curve([upper, point(anatomy.centre + s * 0.335, 0.5), lower, point(anatomy.centre + s * 0.26, 1)]),
                width: 0.005, target: 0.9, strength: 0.6)
        }
    }

    mutating func drawDevices() {
        for (index, lesion) in plan.lesions.enumerated() {
            switch lesion.kind {
            case .pacemaker: boxes[index] = field.tracking(index) { drawPacemaker(lesion) }
            case .endotrachealTube: boxes[index] = field.tracking(index) { drawEndotrachealTube(lesion) }
            case .nasogastricTube: boxes[index] = field.tracking(index) { drawNasogastricTube(lesion) }
            case .chestTube: boxes[index] = field.tracking(index) { drawChestTube(lesion) }
            case .centralLine: boxes[index] = field.tracking(index) { drawCentralLine(lesion) }
            default: continue
            }
        }
    }

    private func drawPacemaker(_ lesion: Lesion) {
        let s = (lesion.side ?? .left).sign
        let centre = anatomy.centre
        let box = point(centre + s * 0.245, 0.245 + 0.012 * lesion.jitter.y)
        let middle = anatomy.middle(0.4)
        let heart = anatomy.heartRow
        let entry = [
            box + point(-s * 0.03, -0.035), point(centre + s * 0.15, 0.185), point(middle + s * 0.06, 0.20),
            point(middle - 0.040, 0.27), point(middle - 0.052, 0.40),
        ]
        let ventricle = [
            point(middle - 0.04, heart - 0.02), point(middle + 0.03, heart + 0.055),
            point(middle + 0.095, heart + 0.06),
        ]
        field.stroke(curve(entry + ventricle), width: 0.0095, target: 1.02)
        if lesion.variant == 1 {
            let shifted = entry.map { $0 + point(0.016 * s, 0.014) }
            let atrium = [
                point(middle - 0.062, heart - 0.01), point(middle - 0.098, heart + 0.005),
                point(middle - 0.108, heart - 0.055),
            ]
            field.stroke(curve(shifted + atrium), width: 0.0095, target: 1.02)
        }
        field.blob(box, SIMD2(0.052, 0.046), .toward(1.0, 1), hardness: 1, lungOnly: false)
        field.blob(box, SIMD2(0.036, 0.030), .toward(0.90, 0.7), hardness: 1, lungOnly: false)
    }

    private func drawEndotrachealTube(_ lesion: Lesion) {
        let tips: [Float] = [0.155, 0.265, 0.375]
        let tip = tips[lesion.variant]
        var path: [SIMD2<Float>] = []
        for step in 0...8 {
            let v = min(tip, 0.345) * Float(step) / 8
            path.append(point(anatomy.tracheaX(v), v))
        }
        if lesion.variant == 2 {
            let fork = anatomy.tracheaX(anatomy.carina)
            path.append(point(fork - 0.022, 0.372))
            path.append(point(fork - 0.052, 0.402))
        }
        field.stroke(path, width: 0.020, target: 0.98)
    }

    private func drawNasogastricTube(_ lesion: Lesion) {
        let gullet: Float = 0.026
        var path: [SIMD2<Float>] = []
        let end = lesion.variant == 0 ? anatomy.domeLeft - 0.02 : min(anatomy.domeLeft, anatomy.domeRight) - 0.15
        for step in 0...10 {
            let v = end * Float(step) / 10
            path.append(point(anatomy.middle(v) + gullet, v))
        }
        if lesion.variant == 0 {
            let x = anatomy.middle(0.8) + gullet
            let floor = anatomy.domeLeft
            path = curve(
                path + [
                    point(x + 0.02, floor + 0.035), point(x + 0.075, floor + 0.085), point(x + 0.15, floor + 0.10),
                ], steps: 3)
        }
        field.stroke(path, width: 0.0135, target: 1.03)
    }

    private func drawChestTube(_ lesion: Lesion) {
        let side = lesion.side ?? .right
        let s = side.sign
        let centre = anatomy.centre
        let wall = anatomy.lateral(0.5)
        let floor = anatomy.dome(side)
        let path: [SIMD2<Float>]
        if lesion.variant == 0 {
            let gate = min(0.56, floor - 0.06)
            path = [
                point(centre + s * 0.49, gate + 0.07), point(centre + s * (wall + 0.01), gate),
                point(centre + s * (wall - 0.07), gate - 0.13), point(centre + s * 0.20, 0.285),
                point(centre + s * 0.155, 0.205),
            ]
        } else {
            let gate = floor - 0.06
            path = [
                point(centre + s * 0.49, gate - 0.06), point(centre + s * (wall + 0.01), gate - 0.02),
                point(centre + s * (wall - 0.09), gate + 0.015), point(centre + s * 0.17, floor - 0.028),
            ]
        }
        field.stroke(curve(path), width: 0.0165, target: 0.95)
    }

    private func drawCentralLine(_ lesion: Lesion) {
        let s = (lesion.side ?? .right).sign
        let tips: [Float] = [0.30, 0.425, 0.55]
        let tip = tips[lesion.variant] + 0.008 * lesion.jitter.y
        let centre = anatomy.centre
        let vein = anatomy.middle(0.35) - 0.045
        var knots: [SIMD2<Float>]
        switch lesion.level {
        case 0:
            knots = [point(anatomy.middle(0) + s * 0.085, 0), point(anatomy.middle(0.1) + s * 0.078, 0.10)]
            knots.append(s < 0 ? point(vein - 0.012, 0.19) : point(anatomy.middle(0.2) + 0.025, 0.19))
        case 1:
            knots = [
                point(centre + s * 0.29, 0.262), point(centre + s * 0.20, 0.205),
                point(anatomy.middle(0.2) + s * 0.09, 0.195),
            ]
        case 2:
            knots = [
                point(centre + s * 0.5, 0.36), point(centre + s * 0.37, 0.225), point(centre + s * 0.22, 0.165),
                point(anatomy.middle(0.2) + s * 0.09, 0.19),
            ]
        default:
            knots = [
                point(centre + s * 0.215, 0.335), point(centre + s * 0.205, 0.24), point(centre + s * 0.15, 0.185),
                point(anatomy.middle(0.2) + s * 0.08, 0.195),
            ]
        }
        knots += [point(vein, 0.255), point(vein - 0.004, tip)]
        field.stroke(curve(knots), width: 0.013, target: 1.03)
        if lesion.level == 3 {
            let port = point(centre + s * 0.215, 0.335)
            field.blob(port, SIMD2(repeating: 0.030), .toward(1.0, 1), hardness: 1, lungOnly: false)
            field.blob(port, SIMD2(repeating: 0.016), .toward(0.55, 0.9), hardness: 1, lungOnly: false)
        }
    }
}
