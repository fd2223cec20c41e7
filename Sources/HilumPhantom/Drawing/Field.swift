import HilumImaging

/// The smallest rectangle that contains the pixels noted so far.
struct BoxTracker {
    var minX = Int.max
    var minY = Int.max
    var maxX = Int.min
    var maxY = Int.min

    @inline(__always)
    mutating func note(_ x: Int, _ y: Int) {
        minX = min(minX, x)
        maxX = max(maxX, x)
        minY = min(minY, y)
        maxY = max(maxY, y)
    }

    var box: PixelRect? {
        guard minX <= maxX else { return nil }
        return PixelRect(x: minX, y: minY, width: maxX - minX + 1, height: maxY - minY + 1)
    }
}

/// The image while it is drawn: attenuation (0 air … 1 metal) and the share of lung in each pixel, both `[side, side]`
/// row-major.
///
/// Thread rule: one owner at a time. It exists for one case.
final class Field {
    let side: Int
    let scale: Float
    let value: UnsafeMutablePointer<Float>
    let lung: UnsafeMutablePointer<Float>
    var tracker = BoxTracker()
    /// One bit for each finding whose pixels are marked; nil where nobody needs them.
    let mask: UnsafeMutablePointer<UInt8>?
    private var mark: UInt8 = 0
    /// Factors on the width and the contrast of strokes.
    var pen: Float = 1
    var ink: Float = 1

    /// - Parameter isMasked: marks the pixels of each finding, of which there may be eight.
    init(side: Int, isMasked: Bool = false) {
        self.side = side
        scale = Float(side)
        // Safety: all hold `side * side` items, are filled here and freed in `deinit`; no pointer leaves the renderer.
        value = .allocate(capacity: side * side)
        lung = .allocate(capacity: side * side)
        value.initialize(repeating: 0, count: side * side)
        lung.initialize(repeating: 0, count: side * side)
        mask = isMasked ? .allocate(capacity: side * side) : nil
        mask?.initialize(repeating: 0, count: side * side)
    }

    deinit {
        value.deallocate()
        lung.deallocate()
        mask?.deallocate()
    }

    /// Notes a pixel that a finding visibly changed.
    @inline(__always)
    func note(_ x: Int, _ y: Int) {
        tracker.note(x, y)
        // Safety: callers hand in places inside the picture only.
        if let mask { mask[y * side + x] |= mark }
    }

    /// Runs `body`, which draws finding `number`, and returns the bounds of the pixels that it visibly changed.
    func tracking(_ number: Int, _ body: () -> Void) -> PixelRect? {
        tracker = BoxTracker()
        mark = number < 8 ? 1 << UInt8(number) : 0
        body()
        mark = 0
        return tracker.box
    }

    /// The pixels whose centre may lie in `low...high`, clipped to the image.
    @inline(__always)
    func span(_ low: Float, _ high: Float) -> Range<Int> {
        let first = max(0, min(side, Int((low * scale).rounded(.down))))
        let last = max(0, min(side, Int((high * scale).rounded(.up)) + 1))
        return first..<max(first, last)
    }

    /// How a blob changes the pixels under it.
    enum Paint {
        /// Adds this amount.
        case add(Float)
        /// Moves towards the first value with the strength of the second.
        case toward(Float, Float)
    }

    /// An ellipse that fades towards its edge: `(1 − r²)²` for `hardness` 0, a flat disc with a soft rim for 1.
    func blob(_ centre: SIMD2<Float>, _ radius: SIMD2<Float>, _ paint: Paint, hardness: Float, lungOnly: Bool) {
        let columns = span(centre.x - radius.x, centre.x + radius.x)
        for y in span(centre.y - radius.y, centre.y + radius.y) {
            let dy = ((Float(y) + 0.5) / scale - centre.y) / radius.y
            let rest = 1 - dy * dy
            if rest <= 0 { continue }
            let row = y * side
            for x in columns {
                let dx = ((Float(x) + 0.5) / scale - centre.x) / radius.x
                let inside = rest - dx * dx
                if inside <= 0 { continue }
                // Safety: x and y are below `side` by `span`.
                var alpha = hardness * min(1, inside * 3) + (1 - hardness) * inside * inside
                if lungOnly { alpha *= lung[row + x] }
                let old = value[row + x]
                switch paint {
                case .add(let amount): value[row + x] = old + amount * alpha
                case .toward(let target, let strength): value[row + x] = old + (target - old) * strength * alpha
                }
                if alpha > 0.25 { note(x, y) }
            }
        }
    }

    /// Draws a line with a round pen of this `width` through `points`, moving pixels towards `target`.
    func stroke(_ points: [SIMD2<Float>], width: Float, target: Float, strength: Float = 1) {
        guard points.count > 1 else { return }
        let width = width * pen
        let strength = strength * ink
        for index in 1..<points.count {
            segment(points[index - 1], points[index], width, width) { [value] offset, alpha in
                // Safety: `segment` hands out offsets inside the picture only.
                let old = value[offset]
                value[offset] = max(old, old + (target - old) * alpha * strength)
            }
        }
    }

    /// Adds `amount` along a tapering segment, only inside the lung. Draws vessels.
    func vessel(_ from: SIMD2<Float>, _ to: SIMD2<Float>, _ startWidth: Float, _ endWidth: Float, amount: Float) {
        segment(from, to, startWidth, endWidth) { [value, lung] offset, alpha in
            // Safety: `segment` hands out offsets inside the picture only.
            value[offset] += amount * alpha * lung[offset]
        }
    }

    @inline(__always)
    private func segment(
        _ from: SIMD2<Float>, _ to: SIMD2<Float>, _ startWidth: Float, _ endWidth: Float, _ paint: (Int, Float) -> Void
    ) {
        let rim = 1 / scale
        let reach = max(startWidth, endWidth) / 2 + rim
        let along = to - from
        let square = max(along.x * along.x + along.y * along.y, 1e-9)
        let columns = span(min(from.x, to.x) - reach, max(from.x, to.x) + reach)
        for y in span(min(from.y, to.y) - reach, max(from.y, to.y) + reach) {
            let py = (Float(y) + 0.5) / scale - from.y
            for x in columns {
                let px = (Float(x) + 0.5) / scale - from.x
                let t = min(max((px * along.x + py * along.y) / square, 0), 1)
                let ex = px - t * along.x
                let ey = py - t * along.y
                let half = (startWidth + (endWidth - startWidth) * t) / 2
                let distance = (ex * ex + ey * ey).squareRoot()
                let alpha = min(1, (half - distance) * scale + 0.5)
                if alpha <= 0 { continue }
                paint(y * side + x, alpha)
                if alpha > 0.4 { note(x, y) }
            }
        }
    }
}

/// Points along a smooth curve through `knots` (Catmull–Rom, `steps` a span).
func curve(_ knots: [SIMD2<Float>], steps: Int = 7) -> [SIMD2<Float>] {
    guard knots.count > 2 else { return knots }
    var points = [knots[0]]
    for index in 0..<(knots.count - 1) {
        let p0 = knots[max(index - 1, 0)]
        let p1 = knots[index]
        let p2 = knots[index + 1]
        let p3 = knots[min(index + 2, knots.count - 1)]
        for step in 1...steps {
            let t = Float(step) / Float(steps)
            let linear = (p2 - p0) * t
            let squareTerm = (2 * p0 - 5 * p1 + 4 * p2 - p3) * (t * t)
            let cubeTerm = (3 * p1 - p0 - 3 * p2 + p3) * (t * t * t)
            let sum: SIMD2<Float> = 2 * p1 + linear + squareTerm + cubeTerm
            points.append(sum * 0.5)
        }
    }
    return points
}
