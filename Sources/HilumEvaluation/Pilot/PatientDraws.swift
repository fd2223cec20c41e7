import HilumCore

/// Draws of patients with replacement, the same ones for every figure, so that differences are paired (the percentile interval
/// of Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13, over clusters).
struct PatientDraws {
    private let groupOf: [Int]
    private let groupCount: Int
    /// For each draw the numbers of the drawn groups.
    private let draws: [[Int]]

    static let count = PilotSummary.drawCount

    /// - Parameter groupOf: for each value of `estimate` its group; any numbers.
    init(groupOf: [Int], seed: UInt64) {
        let names = Array(Set(groupOf)).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        self.groupOf = groupOf.map { numbers[$0] ?? 0 }
        groupCount = names.count
        var generator = SeededGenerator(seed: seed, keys: 0xB0_07)
        draws = (0..<Self.count).map { _ in names.indices.map { _ in generator.integer(below: names.count) } }
    }

    /// The mean of `values` over the cases and its interval over draws of groups.
    func estimate(_ values: [Double]) -> PilotSummary.Estimate {
        precondition(values.count == groupOf.count, "one value a case")
        guard !values.isEmpty else { return .zero }
        var sums = [Double](repeating: 0, count: groupCount)
        var counts = [Double](repeating: 0, count: groupCount)
        for (group, value) in zip(groupOf, values) {
            sums[group] += value
            counts[group] += 1
        }
        var means = draws.map { draw in
            var sum = 0.0
            var count = 0.0
            for group in draw {
                sum += sums[group]
                count += counts[group]
            }
            return sum / count
        }
        means.sort()
        let last = Double(means.count - 1)
        return PilotSummary.Estimate(
            value: values.reduce(0, +) / Double(values.count), low: means[Int((0.025 * last).rounded(.down))],
            high: means[Int((0.975 * last).rounded(.up))])
    }
}
