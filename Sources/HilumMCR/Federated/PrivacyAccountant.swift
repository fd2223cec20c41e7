import Foundation

/// What noisy steps tell about one patient: Rényi differential privacy of the sampled Gaussian mechanism.
///
/// A step takes each group with probability q, adds up gradients of norm 1 at the most, and adds noise of deviation σ. Rényi divergences of steps
/// add up order by order; the best order gives ε at δ. Sources: Mironov, Talwar and Zhang 2019 (arXiv 1908.10530, section 3.3),
/// the way to (ε, δ) of Canonne, Kamath and Steinke 2020 (arXiv 2004.00010, proposition 12). The orders are those of Opacus, which the
/// tests compare with.
enum PrivacyAccountant {
    /// 1.1 to 10.9, then whole orders to 63, and a few large ones for little noise spent over few steps.
    static let orders: [Double] = (1..<100).map { 1 + Double($0) / 10 } + (12..<64).map(Double.init)

    /// The most noise that `noise(for:)` looks for.
    static let mostNoise = 1e4

    /// ε of all these steps together at `delta`; infinite where they have no noise, 0 for none.
    static func epsilon(of steps: [NoisySteps], delta: Double) -> Double {
        precondition(delta > 0 && delta < 1, "delta lies between 0 and 1")
        let steps = steps.filter { $0.count > 0 && $0.samplingRate > 0 }
        guard !steps.isEmpty else { return 0 }
        let bounds = orders.map { order in
            let divergence = steps.reduce(0.0) {
                $0 + Double($1.count) * Self.divergence(order, samplingRate: $1.samplingRate, noise: $1.noise)
            }
            return divergence + log((order - 1) / order) - (log(delta) + log(order)) / (order - 1)
        }
        return max(0, bounds.min() ?? .infinity)
    }

    /// ε of these steps beside an archive from which the patient was left out altogether.
    ///
    /// `epsilon` compares with a plan in which the patient's group stays empty. Left out, another patient may take the place, so that
    /// the group's gradient changes to another one: by 2C at the most, which is half the noise in lengths of the change. A group of
    /// one has no place to take.
    static func leftOutEpsilon(of steps: [NoisySteps], groupSize: Int, delta: Double) -> Double {
        guard groupSize > 1 else { return epsilon(of: steps, delta: delta) }
        let halved = steps.map { NoisySteps(samplingRate: $0.samplingRate, noise: $0.noise / 2, count: $0.count) }
        return epsilon(of: halved, delta: delta)
    }

    /// The least noise multiplier, up to a ten-thousandth, with which `count` more steps stay within `epsilon` after those
    /// before; nil where none does.
    static func noise(
        for count: Int, samplingRate: Double, after before: [NoisySteps], epsilon: Double, delta: Double
    ) -> Double? {
        func spent(_ noise: Double) -> Double {
            Self.epsilon(
                of: before + [NoisySteps(samplingRate: samplingRate, noise: noise, count: count)], delta: delta)
        }
        var (low, high) = (0.0, 1.0)
        while spent(high) > epsilon {
            low = high
            high *= 2
            if high > mostNoise { return nil }
        }
        // `high` always holds, so that what is returned never spends more than it may.
        while high - low > 1e-4 * high {
            let middle = (low + high) / 2
            if spent(middle) > epsilon { low = middle } else { high = middle }
        }
        return high
    }

    /// The Rényi divergence of one step.
    static func divergence(_ order: Double, samplingRate q: Double, noise: Double) -> Double {
        guard noise > 0 else { return .infinity }
        if q >= 1 { return order / (2 * noise * noise) }
        let moment = order == order.rounded() ? wholeMoment(Int(order), q, noise) : brokenMoment(order, q, noise)
        // Rounding, where next to nothing is told.
        return moment.isNaN ? .infinity : max(0, moment) / (order - 1)
    }

    /// log A of a whole order: a finite sum.
    private static func wholeMoment(_ order: Int, _ q: Double, _ noise: Double) -> Double {
        var sum = -Double.infinity
        var binomial = 0.0
        for k in 0...order {
            let exponent = Double(k * k - k) / (2 * noise * noise)
            sum = logSum(sum, binomial + Double(k) * log(q) + Double(order - k) * log1p(-q) + exponent)
            binomial += log(Double(order - k) / Double(k + 1))
        }
        return sum
    }

    /// log A of a broken order: two series, whose terms fall in the end; NaN where a difference is lost to rounding.
    private static func brokenMoment(_ order: Double, _ q: Double, _ noise: Double) -> Double {
        var (below, above) = (-Double.infinity, -Double.infinity)
        let meeting = noise * noise * log(1 / q - 1) + 0.5
        var (binomial, isPositive) = (0.0, true)
        for i in 0..<100_000 {
            let k = Double(i)
            let j = order - k
            let low =
                binomial + k * log(q) + j * log1p(-q) + (k * k - k) / (2 * noise * noise) + log(0.5)
                + logErfc((k - meeting) / (2.0.squareRoot() * noise))
            let high =
                binomial + j * log(q) + k * log1p(-q) + (j * j - j) / (2 * noise * noise) + log(0.5)
                + logErfc((meeting - j) / (2.0.squareRoot() * noise))
            below = isPositive ? logSum(below, low) : logDifference(below, low)
            above = isPositive ? logSum(above, high) : logDifference(above, high)
            if max(low, high) < -30 { return logSum(below, above) }
            let factor = j / (k + 1)
            binomial += log(abs(factor))
            if factor < 0 { isPositive.toggle() }
        }
        return .nan
    }

    private static func logSum(_ a: Double, _ b: Double) -> Double {
        let (low, high) = (min(a, b), max(a, b))
        return low == -.infinity ? high : high + log1p(exp(low - high))
    }

    /// log(eᵃ − eᵇ); NaN for a < b.
    private static func logDifference(_ a: Double, _ b: Double) -> Double {
        if b == -.infinity { return a }
        if a == b { return -.infinity }
        return a + log(-expm1(b - a))
    }

    /// log erfc(x), also where erfc itself is too small for a number.
    static func logErfc(_ x: Double) -> Double {
        if x < 20 { return log(erfc(x)) }
        let square = 1 / (x * x)
        let series = 1 - 0.5 * square + 0.75 * square * square - 1.875 * square * square * square
        return -x * x - log(x * Double.pi.squareRoot()) + log(series)
    }
}

/// Steps of one kind, as the accountant sees them.
struct NoisySteps: Sendable, Equatable {
    /// With which probability a group is taken, 0 … 1.
    var samplingRate: Double
    /// The deviation of the noise in lengths of the longest gradient.
    var noise: Double
    var count: Int
}
