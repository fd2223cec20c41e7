import Foundation
import HilumCore
import HilumImaging

extension Renderer {
    /// The picture of the variety `film` and the boxes of the findings in it.
    func developFilm(_ look: FilmLook) -> (image: GrayImage, boxes: [PixelRect?]) {
        var strength: Float = 1
        var frame = FilmFrame(plan, strength: 1)
        var mesh = Mesh(frame, side: field.side)
        var found = place(mesh, frame)
        // A field of view that loses part of a finding is widened until it shows it.
        while !found.isWhole && strength > 0 {
            strength = strength > 0.3 ? strength * 0.65 : 0
            frame = FilmFrame(plan, strength: strength)
            mesh = Mesh(frame, side: field.side)
            found = place(mesh, frame)
        }
        var sheet = expose(mesh)
        let open = openness(frame)
        var random = SeededGenerator(seed: plan.grainSeed, keys: 39)
        irradiate(&sheet, look, &random)
        tone(&sheet, look, open)
        for index in sheet.level.indices where open[index] < 1 {
            sheet.level[index] = frame.outside + (sheet.level[index] - frame.outside) * open[index]
        }
        FilmMarks(plan: plan).draw(on: &sheet)
        sheet.rescan(look.scan)
        sheet.compress(look.quantum)
        return (Self.quantise(sheet), found.boxes)
    }

    // MARK: Geometry

    /// Where each pixel of the picture looks in the drawing, in pixels of the drawing.
    private struct Mesh {
        let side: Int
        var places: [SIMD2<Float>]

        /// Exact at knots 1/32 of a side apart, straight between them.
        init(_ frame: FilmFrame, side: Int) {
            self.side = side
            let cells = 32
            let width = cells + 1
            var knots: [SIMD2<Float>] = []
            for y in 0...cells {
                for x in 0...cells {
                    knots.append(frame.source(SIMD2(Float(x), Float(y)) / Float(cells)) * Float(side) - 0.5)
                }
            }
            places = []
            places.reserveCapacity(side * side)
            let step = Float(cells) / Float(side)
            for y in 0..<side {
                let gy = (Float(y) + 0.5) * step
                let fy = gy - Float(Int(gy))
                for x in 0..<side {
                    let gx = (Float(x) + 0.5) * step
                    let fx = gx - Float(Int(gx))
                    let at = Int(gy) * width + Int(gx)
                    let a = knots[at] + (knots[at + 1] - knots[at]) * fx
                    let b = knots[at + width] + (knots[at + width + 1] - knots[at + width]) * fx
                    places.append(a + (b - a) * fy)
                }
            }
        }
    }

    /// The boxes of the marked pixels in the picture, and whether enough of each finding is seen.
    private func place(_ mesh: Mesh, _ frame: FilmFrame) -> (boxes: [PixelRect?], isWhole: Bool) {
        let side = field.side
        guard let mask = field.mask, !plan.lesions.isEmpty else { return (boxes, true) }
        var trackers = [BoxTracker](repeating: BoxTracker(), count: plan.lesions.count)
        // How many pixels of the drawing carry each mark, and how many of them the picture shows.
        var all = [Int](repeating: 0, count: plan.lesions.count)
        var seen = all
        var shown = [UInt8](repeating: 0, count: side * side)
        for y in 0..<side {
            for x in 0..<side {
                let at = mesh.places[y * side + x]
                let column = Int(at.x.rounded())
                let row = Int(at.y.rounded())
                guard column >= 0, row >= 0, column < side, row < side else { continue }
                // Safety: the mask holds `side * side` bytes.
                let bits = mask[row * side + column]
                if bits == 0 { continue }
                let centre = SIMD2(Float(x) + 0.5, Float(y) + 0.5) / field.scale
                if frame.open(centre, scale: field.scale) < 0.5 { continue }
                for index in trackers.indices where bits & (1 << UInt8(index)) != 0 { trackers[index].note(x, y) }
                // A zoomed picture skips no pixel, a widened one does: mark the neighbours too.
                for near in max(0, row - 1)...min(side - 1, row + 1) {
                    for next in max(0, column - 1)...min(side - 1, column + 1) { shown[near * side + next] = 1 }
                }
            }
        }
        for offset in 0..<(side * side) where mask[offset] != 0 {
            for index in all.indices where mask[offset] & (1 << UInt8(index)) != 0 {
                all[index] += 1
                seen[index] += Int(shown[offset])
            }
        }
        let isWhole = zip(plan.lesions, zip(all, seen)).allSatisfy { lesion, pixels in
            // Tubes and lines may leave the picture; what they are called by stays in it.
            let share: Float = lesion.kind.isLine ? 0.8 : 0.93
            return Float(pixels.1) >= share * Float(pixels.0)
        }
        return (trackers.map(\.box), isWhole)
    }

    private func expose(_ mesh: Mesh) -> FilmSheet {
        let side = field.side
        let last = Float(side - 1)
        // Safety: `field` outlives this function and the plane holds `side * side` floats.
        let value = field.value
        var level = [Float](repeating: 0, count: side * side)
        for offset in level.indices {
            let x = min(max(mesh.places[offset].x, 0), last)
            let y = min(max(mesh.places[offset].y, 0), last)
            let left = min(Int(x), side - 2)
            let top = min(Int(y), side - 2)
            let fx = x - Float(left)
            let fy = y - Float(top)
            // Safety: `left` and `top` are at most `side - 2`.
            let at = top * side + left
            let a = value[at] + (value[at + 1] - value[at]) * fx
            let b = value[at + side] + (value[at + side + 1] - value[at + side]) * fx
            level[offset] = a + (b - a) * fy
        }
        return FilmSheet(side: side, level: level)
    }

    private func openness(_ frame: FilmFrame) -> [Float] {
        let side = field.side
        var open = [Float](repeating: 1, count: side * side)
        for y in 0..<side {
            for x in 0..<side {
                let place = SIMD2(Float(x) + 0.5, Float(y) + 0.5) / field.scale
                open[y * side + x] = frame.open(place, scale: field.scale)
            }
        }
        return open
    }

    // MARK: Exposure and development

    /// Scatter, the heel of the tube, the shadow of the grid, noise, and the detector's blur.
    private func irradiate(_ sheet: inout FilmSheet, _ look: FilmLook, _ random: inout SeededGenerator) {
        let side = sheet.side
        sheet.mix(sheet.tiles(12), cells: 12, share: look.haze)
        let pitch = 2 * Float.pi / look.gridPitch
        let stripes = (0..<side).map { look.grid == 0 ? 0 : look.grid * sin(Float($0) * pitch) }
        let slope = look.heel / Float(side)
        for y in 0..<side {
            let down = (Float(y) - Float(side) / 2) * slope.y
            for x in 0..<side {
                let body = min(1, sheet.level[y * side + x] * 5)
                let across = (Float(x) - Float(side) / 2) * slope.x
                sheet.level[y * side + x] += (down + across) * body + stripes[x]
            }
        }
        sheet.addGrain(look.noise, blur: look.noiseBlur, &random)
        if look.sharpness > 0 { sheet.sharpen(look.sharpness) }
        if look.sharpness < 0 { sheet.soften(-look.sharpness * 0.3) }
    }

    /// Stretches the levels between two percentiles and bends them as film and display do.
    private func tone(_ sheet: inout FilmSheet, _ look: FilmLook, _ open: [Float]) {
        let ends = sheet.percentiles(SIMD2(look.clip.x, 1 - look.clip.y), open: open)
        let low = min(ends.x, 0.20)
        let span = max(ends.y - low, 0.2)
        let count = 2048
        let table = (0..<count).map { index -> Float in
            let x = Float(index) / Float(count - 1)
            let bent = x + look.bend * (x * x * (3 - 2 * x) - x)
            return look.black + (look.white - look.black) * (bent <= 0 ? 0 : exponentiate(bent, look.gamma))
        }
        for index in sheet.level.indices {
            let x = (sheet.level[index] - low) / span
            sheet.level[index] = table[Int(min(max(x, 0), 1) * Float(count - 1))]
        }
    }

    private static func quantise(_ sheet: FilmSheet) -> GrayImage {
        let samples = sheet.level.map { UInt16((min(max($0, 0), 1) * 255).rounded()) * 257 }
        return GrayImage(width: sheet.side, height: sheet.side, samples: samples)
    }
}

extension Lesion.Kind {
    /// Tubes, lines and leads, which come from outside of the picture.
    var isLine: Bool {
        switch self {
        case .endotrachealTube, .nasogastricTube, .chestTube, .centralLine: true
        default: false
        }
    }
}
