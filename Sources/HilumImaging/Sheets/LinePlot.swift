import Foundation

/// A plot of lines over two axes, such as training curves or recall against time.
public struct LinePlot: Sendable {
    /// One line of the plot.
    public struct Series: Sendable {
        var name: String
        var points: [(x: Double, y: Double)]
        var band: [ClosedRange<Double>]
        var color: RGBColor?
        var hasDots: Bool?

        /// Longer lines are drawn without dots unless they are asked for.
        private static let maxPointsWithDots = 40

        /// Whether a line of `count` points is drawn with dots.
        func showsDots(_ count: Int) -> Bool { hasDots ?? (count <= Self.maxPointsWithDots) }

        /// - Parameters:
        ///   - name: shown in the legend.
        ///   - points: joined in this order; points that are not finite (or ≤ 0 on a log axis) are skipped.
        ///   - band: a range of y for each point, drawn as a band; empty for none.
        ///   - color: nil takes the next colour of the palette.
        ///   - hasDots: whether each point is marked; nil marks them if there are few.
        public init(
            _ name: String, points: [(x: Double, y: Double)], band: [ClosedRange<Double>] = [], color: RGBColor? = nil,
            hasDots: Bool? = nil
        ) {
            precondition(band.isEmpty || band.count == points.count, "a band has one range per point")
            self.name = name
            self.points = points
            self.band = band
            self.color = color
            self.hasDots = hasDots
        }
    }

    var title: String
    var xLabel: String
    var yLabel: String
    var series: [Series]
    /// Whether the x axis is logarithmic.
    public var isLogX = false
    /// Whether the y axis is logarithmic.
    public var isLogY = false
    /// The range of the x axis; nil for the range of the points.
    public var xRange: ClosedRange<Double>?
    /// The range of the y axis; nil for the range of the points, extended to 0 on a linear axis if 0 is near.
    public var yRange: ClosedRange<Double>?
    /// Width of the image in pixels.
    public var width = 960
    /// Height of the image in pixels.
    public var height = 600

    /// A plot with linear axes that fit the points.
    public init(title: String, xLabel: String, yLabel: String, series: [Series]) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.series = series
    }

    /// Draws the plot. Without any points it shows empty axes and says `no data`.
    public func render() -> RGBImage {
        var canvas = Canvas(width: max(width, 320), height: max(height, 240), background: .white)
        let xAxis = PlotAxis(values: values(\.x), isLog: isLogX, given: xRange, includesZero: false, tickCount: 8)
        let yAxis = PlotAxis(
            values: values(\.y) + series.flatMap { $0.band.flatMap { [$0.lowerBound, $0.upperBound] } }, isLog: isLogY,
            given: yRange, includesZero: true, tickCount: 6)
        let labelWidth = yAxis.ticks.map { Canvas.textWidth($0.label, scale: 1.5) }.max() ?? 0
        let left = 24 + Canvas.lineHeight(scale: 1.5) + labelWidth + 8
        let legendWidth = (series.map { Canvas.textWidth($0.name, scale: 1.5) }.max() ?? 0) + 64
        let hasLegend = series.count > 1 || series.first.map { !$0.name.isEmpty } ?? false
        let right = hasLegend ? min(legendWidth, canvas.width / 3) : 28
        let area = PixelRect(x: left, y: 56, width: canvas.width - left - right, height: canvas.height - 56 - 64)
        drawAxes(&canvas, area, xAxis, yAxis)
        canvas.strokeRectangle(area, Self.axisColor)
        for (index, line) in series.enumerated() {
            draw(line, line.color ?? ColorMap.series(index), &canvas, area, xAxis, yAxis)
        }
        if hasLegend { drawLegend(&canvas, x: area.x + area.width + 16, y: area.y + 4, width: right - 16) }
        return canvas.image
    }

    private static let axisColor = RGBColor(90, 96, 104)
    private static let gridColor = RGBColor(228, 231, 235)
    private static let textColor = RGBColor(40, 44, 50)

    private func values(_ key: KeyPath<(x: Double, y: Double), Double>) -> [Double] {
        series.flatMap { $0.points.map { $0[keyPath: key] } }
    }

    private func drawAxes(_ canvas: inout Canvas, _ area: PixelRect, _ xAxis: PlotAxis, _ yAxis: PlotAxis) {
        canvas.text(title, x: area.x + area.width / 2, y: 18, Self.textColor, scale: 2, anchor: .center)
        var usedUpTo = Int.min
        for tick in xAxis.ticks {
            let x = area.x + Int((xAxis.share(tick.value) * Double(area.width - 1)).rounded())
            canvas.fillRectangle(PixelRect(x: x, y: area.y, width: 1, height: area.height), Self.gridColor)
            canvas.fillRectangle(PixelRect(x: x, y: area.y + area.height, width: 1, height: 5), Self.axisColor)
            let half = Canvas.textWidth(tick.label, scale: 1.5) / 2
            if x - half < usedUpTo { continue }
            canvas.text(
                tick.label, x: x, y: area.y + area.height + 9, Self.textColor, scale: 1.5, anchor: .center)
            usedUpTo = x + half + 8
        }
        for tick in yAxis.ticks {
            let y = area.y + Int(((1 - yAxis.share(tick.value)) * Double(area.height - 1)).rounded())
            canvas.fillRectangle(PixelRect(x: area.x, y: y, width: area.width, height: 1), Self.gridColor)
            canvas.fillRectangle(PixelRect(x: area.x - 5, y: y, width: 5, height: 1), Self.axisColor)
            canvas.text(tick.label, x: area.x - 8, y: y - 5, Self.textColor, scale: 1.5, anchor: .right)
        }
        canvas.text(
            xLabel, x: area.x + area.width / 2, y: area.y + area.height + 34, Self.textColor, scale: 1.5,
            anchor: .center)
        canvas.verticalText(
            yLabel, x: 16, y: area.y + area.height / 2, Self.textColor, scale: 1.5, anchor: .center)
        if series.allSatisfy(\.points.isEmpty) {
            canvas.text(
                "no data", x: area.x + area.width / 2, y: area.y + area.height / 2, Self.axisColor, scale: 2,
                anchor: .center)
        }
    }

    private func draw(
        _ line: Series, _ color: RGBColor, _ canvas: inout Canvas, _ area: PixelRect, _ xAxis: PlotAxis,
        _ yAxis: PlotAxis
    ) {
        func place(_ x: Double, _ y: Double) -> PixelPoint {
            PixelPoint(
                Double(area.x) + xAxis.share(x) * Double(area.width - 1) + 0.5,
                Double(area.y) + (1 - yAxis.share(y)) * Double(area.height - 1) + 0.5)
        }
        // Drawn on a copy of which only the plot area is kept, so that a line is clipped at the frame.
        var inner = canvas
        if !line.band.isEmpty {
            let lower = zip(line.points, line.band).map { place($0.x, $1.lowerBound) }
            let upper = zip(line.points, line.band).map { place($0.x, $1.upperBound) }
            fillBand(&inner, lower, upper, color)
        }
        let points = line.points.map { place($0.x, $0.y) }.filter { $0.x.isFinite && $0.y.isFinite }
        inner.polyline(points, color, thickness: 2)
        canvas.copy(area, from: inner)
        // Dots on the frame are not clipped.
        guard line.showsDots(points.count) else { return }
        for point in points where contains(area, point) { canvas.disc(at: point, radius: 3.5, color) }
    }

    private func contains(_ area: PixelRect, _ point: PixelPoint) -> Bool {
        point.x >= Double(area.x) && point.x <= Double(area.x + area.width) && point.y >= Double(area.y)
            && point.y <= Double(area.y + area.height)
    }

    private func fillBand(_ canvas: inout Canvas, _ lower: [PixelPoint], _ upper: [PixelPoint], _ color: RGBColor) {
        guard lower.count > 1 else { return }
        for index in 1..<lower.count {
            let (x0, x1) = (lower[index - 1].x, lower[index].x)
            let values = [x0, x1, lower[index - 1].y, lower[index].y, upper[index - 1].y, upper[index].y]
            guard values.allSatisfy(\.isFinite), x1 > x0 else { continue }
            let columns = max(0, Int(x0.rounded()))..<max(0, Int(x0.rounded()), min(canvas.width, Int(x1.rounded())))
            for column in columns {
                let share = min(max((Double(column) + 0.5 - x0) / (x1 - x0), 0), 1)
                let bottom = lower[index - 1].y + (lower[index].y - lower[index - 1].y) * share
                let top = upper[index - 1].y + (upper[index].y - upper[index - 1].y) * share
                let first = Int(min(max(top, 0), Double(canvas.height)).rounded())
                let last = Int(min(max(bottom, 0), Double(canvas.height)).rounded())
                canvas.fillRectangle(
                    PixelRect(x: column, y: first, width: 1, height: max(1, last - first)), color, opacity: 0.18)
            }
        }
    }

    private func drawLegend(_ canvas: inout Canvas, x: Int, y: Int, width: Int) {
        let columns = max(1, (width - 36) / BitmapFont.advance(1.5))
        for (index, line) in series.enumerated() {
            let top = y + index * (Canvas.lineHeight(scale: 1.5) + 7)
            let middle = Double(top) + 6
            let color = line.color ?? ColorMap.series(index)
            canvas.line(
                from: PixelPoint(Double(x), middle), to: PixelPoint(Double(x + 22), middle), color, thickness: 2.5)
            if line.showsDots(line.points.count) {
                canvas.disc(at: PixelPoint(Double(x + 11), middle), radius: 3.5, color)
            }
            canvas.text(Canvas.shortened(line.name, columns: columns), x: x + 30, y: top, Self.textColor, scale: 1.5)
        }
    }
}

/// One axis: its range, its ticks, and the position of a value on it.
struct PlotAxis {
    let range: ClosedRange<Double>
    let ticks: [(value: Double, label: String)]
    private let isLog: Bool

    init(values: [Double], isLog: Bool, given: ClosedRange<Double>?, includesZero: Bool, tickCount: Int) {
        self.isLog = isLog
        let sound = values.filter { $0.isFinite && (!isLog || $0 > 0) }
        var low = given?.lowerBound ?? sound.min() ?? (isLog ? 1 : 0)
        var high = given?.upperBound ?? sound.max() ?? (isLog ? 10 : 1)
        if isLog {
            low = low > 0 ? low : 1e-3
            high = max(high, low * 1.001)
            if given == nil && high / low < 1.5 { (low, high) = (low / 2, high * 2) }
        } else if given == nil {
            if includesZero && low > 0 && low < 0.6 * high { low = 0 }
            if high - low <= abs(high) * 1e-9 {
                (low, high) = (low - max(abs(low) * 0.1, 0.5), high + max(abs(high) * 0.1, 0.5))
            }
            let margin = includesZero ? 0.05 * (high - low) : 0
            (low, high) = (low == 0 ? 0 : low - margin, high + margin)
        } else if high <= low {
            high = low + 1
        }
        range = low...high
        if isLog {
            ticks = AxisTicks.logarithmic(range).map { ($0, AxisTicks.label($0, step: $0)) }
        } else {
            let (numbers, step) = AxisTicks.linear(range, count: tickCount)
            ticks = numbers.map { ($0, AxisTicks.label($0, step: step)) }
        }
    }

    /// The position of a value: 0 at the lower end, 1 at the upper; NaN for what a log axis cannot show.
    func share(_ value: Double) -> Double {
        if isLog {
            return value > 0 ? log(value / range.lowerBound) / log(range.upperBound / range.lowerBound) : .nan
        }
        return (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    }
}

extension Canvas {
    /// Copies a rectangle from a canvas of the same size.
    fileprivate mutating func copy(_ rect: PixelRect, from other: Canvas) {
        var copy = image
        for y in max(0, rect.y)..<max(0, rect.y, min(height, rect.y + rect.height)) {
            let range = (3 * (y * width + rect.x))..<(3 * (y * width + min(width, rect.x + rect.width)))
            copy.samples.replaceSubrange(range, with: other.image.samples[range])
        }
        self = Canvas(copy)
    }
}
