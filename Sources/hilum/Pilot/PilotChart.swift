import Foundation
import HilumEvaluation

/// A bar chart with intervals, as inline SVG.
struct PilotChart {
    struct Bar {
        let name: String
        let kind: PilotChart.Kind
        let value: Double
        /// nil if there is none, as for guessing.
        let interval: ClosedRange<Double>?
    }

    enum Kind: String { case chance, yardstick, before, after }

    struct Group {
        let name: String
        let bars: [Bar]
    }

    let title: String
    let groups: [Group]

    private static let labelWidth = 190.0
    private static let plotWidth = 430.0
    private static let barHeight = 16.0
    private static let barStep = 21.0
    private static let groupGap = 34.0

    /// The chart; shares from 0 to 100 % run from left to right.
    var svg: HTML {
        let height =
            groups.reduce(0) { $0 + Self.groupGap + Double($1.bars.count) * Self.barStep } + 30
        let width = Self.labelWidth + Self.plotWidth + 70
        var body: HTML = ""
        for tick in stride(from: 0.0, through: 100, by: 20) {
            let x = Self.place(tick / 100)
            body += "<line class=\"grid\" x1=\"\(x)\" x2=\"\(x)\" y1=\"8\" y2=\"\(Self.text(height - 22))\"/>"
            body += "<text class=\"tick\" x=\"\(x)\" y=\"\(Self.text(height - 6))\">\(Int(tick)) %</text>"
        }
        var y = 0.0
        for group in groups {
            y += Self.groupGap
            body += "<text class=\"head\" x=\"0\" y=\"\(Self.text(y - 8))\">\(group.name)</text>"
            for bar in group.bars {
                body += draw(bar, y)
                y += Self.barStep
            }
        }
        return """
            <svg role="img" aria-label="\(title)" viewBox="0 0 \(Self.text(width)) \(Self.text(height))">\(body)</svg>
            """
    }

    private func draw(_ bar: Bar, _ y: Double) -> HTML {
        let middle = Self.text(y + Self.barHeight / 2)
        let end = Self.place(bar.value)
        var drawn: HTML = """
            <text class="name" x="\(Self.text(Self.labelWidth - 10))" y="\(Self.text(y + 12))">\(bar.name)</text>\
            <rect class="\(bar.kind.rawValue)" x="\(Self.place(0))" y="\(Self.text(y))" \
            width="\(Self.text(max(0, min(bar.value, 1)) * Self.plotWidth))" height="\(Self.text(Self.barHeight))"/>
            """
        var textAt = end
        if let interval = bar.interval {
            let (low, high) = (Self.place(interval.lowerBound), Self.place(interval.upperBound))
            drawn += "<line class=\"whisker\" x1=\"\(low)\" x2=\"\(high)\" y1=\"\(middle)\" y2=\"\(middle)\"/>"
            for x in [low, high] {
                drawn +=
                    "<line class=\"whisker\" x1=\"\(x)\" x2=\"\(x)\" y1=\"\(Self.text(y + 4))\" y2=\"\(Self.text(y + 12))\"/>"
            }
            textAt = Self.place(max(interval.upperBound, bar.value))
        }
        drawn +=
            "<text class=\"value\" x=\"\(textAt)\" dx=\"6\" y=\"\(Self.text(y + 12))\">\(percentText(bar.value))</text>"
        return drawn
    }

    private static func place(_ share: Double) -> String { text(labelWidth + max(0, min(share, 1)) * plotWidth) }

    private static func text(_ number: Double) -> String { String(format: "%.1f", number) }
}
