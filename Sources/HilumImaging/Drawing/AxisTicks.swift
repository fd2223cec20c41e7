import Foundation

/// Round numbers along an axis.
enum AxisTicks {
    /// About `count` numbers inside a range, spaced by 1, 2 or 5 times a power of ten.
    static func linear(_ range: ClosedRange<Double>, count: Int) -> (ticks: [Double], step: Double) {
        let span = range.upperBound - range.lowerBound
        guard span > 0, span.isFinite else { return ([range.lowerBound], 1) }
        let rough = span / Double(max(1, count))
        let power = pow(10, floor(log10(rough)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? 10 * power
        let first = Int((range.lowerBound / step - 1e-9).rounded(.up))
        let last = Int((range.upperBound / step + 1e-9).rounded(.down))
        guard first <= last else { return ([], step) }
        return ((first...last).map { Double($0) * step }, step)
    }

    /// The powers of ten inside a range of positive numbers, and 2 and 5 times each if there are few.
    static func logarithmic(_ range: ClosedRange<Double>) -> [Double] {
        let exponents = Int(floor(log10(range.lowerBound)))...Int(ceil(log10(range.upperBound)))
        let factors: [Double] = exponents.count <= 4 ? [1, 2, 5] : [1]
        return exponents.flatMap { exponent in factors.map { $0 * pow(10, Double(exponent)) } }.filter {
            $0 >= range.lowerBound * 0.999 && $0 <= range.upperBound * 1.001
        }
    }

    /// A number with as many digits as the distance between ticks requires; large numbers as `20k` or `3M`.
    static func label(_ value: Double, step: Double) -> String {
        let size = max(abs(value), step)
        if size >= 1e9 || (size > 0 && size < 1e-4) { return String(format: "%.3g", value) }
        if size >= 1e6 && step >= 1e4 { return trimmed(String(format: "%.2f", value / 1e6)) + "M" }
        if size >= 1e4 && step >= 10 { return trimmed(String(format: "%.2f", value / 1e3)) + "k" }
        let digits = max(0, min(6, Int(ceil(-log10(step) - 1e-9))))
        let text = String(format: "%.*f", digits, value)
        return text.hasPrefix("-") && !text.contains(where: { ("1"..."9").contains($0) })
            ? String(text.dropFirst()) : text
    }

    private static func trimmed(_ text: String) -> String {
        var kept = Substring(text)
        while kept.contains(".") && kept.hasSuffix("0") { kept = kept.dropLast() }
        return String(kept.hasSuffix(".") ? kept.dropLast() : kept)
    }
}
