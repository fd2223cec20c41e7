import HilumCore
import Testing

@testable import HilumNN

@Suite struct RidgeRegressionTests {
    /// Rows of seeded noise, and targets that are a linear function of them and a little noise.
    private static func problem(_ rows: Int, noise: Double) -> (x: [Float], targets: [Float], truth: [Float]) {
        var generator = SeededGenerator(seed: 5)
        let truth = (0..<12).map { _ in Float(generator.normal()) }
        var x: [Float] = []
        var targets: [Float] = []
        for _ in 0..<rows {
            let row = (0..<6).map { Float(generator.normal() * Double($0 + 1) + 3) }
            x += row
            for output in 0..<2 {
                let value = (0..<6).reduce(Float(7)) { $0 + truth[output * 6 + $1] * row[$1] }
                targets.append(value + Float(generator.normal() * noise))
            }
        }
        return (x, targets, truth)
    }

    @Test func `A linear function is found`() throws {
        let (x, targets, truth) = Self.problem(400, noise: 0.01)
        let regression = try RidgeRegression(x: x, targets: targets, rows: 400, inputs: 6, outputs: 2)
        for (found, wanted) in zip(regression.weights(strength: 0.001), truth) { #expect(abs(found - wanted) < 0.01) }
    }

    @Test func `The weights solve the normal equations of a strength`() throws {
        let (x, targets, _) = Self.problem(50, noise: 1)
        let regression = try RidgeRegression(x: x, targets: targets, rows: 50, inputs: 6, outputs: 2)
        for strength: Float in [0.5, 3, 20] {
            let weights = regression.weights(strength: strength)
            // d/dw of Σ (t − wᵀz)² + strength · inputs · |w|² over standardised z is 0.
            var means = [Double](repeating: 0, count: 6)
            var squares = [Double](repeating: 0, count: 6)
            for row in 0..<50 {
                for j in 0..<6 { means[j] += Double(x[row * 6 + j]) / 50 }
            }
            for row in 0..<50 {
                for j in 0..<6 {
                    squares[j] += (Double(x[row * 6 + j]) - means[j]) * (Double(x[row * 6 + j]) - means[j]) / 50
                }
            }
            let deviations = squares.map { $0.squareRoot() + 1e-3 }
            for output in 0..<2 {
                let mean = (0..<50).reduce(0.0) { $0 + Double(targets[$1 * 2 + output]) / 50 }
                for k in 0..<6 {
                    var gradient = Double(strength) * 6 * Double(weights[output * 6 + k]) * deviations[k]
                    for row in 0..<50 {
                        let predicted = (0..<6).reduce(0.0) {
                            $0 + Double(weights[output * 6 + $1]) * (Double(x[row * 6 + $1]) - means[$1])
                        }
                        let z = (Double(x[row * 6 + k]) - means[k]) / deviations[k]
                        gradient -= z * (Double(targets[row * 2 + output]) - mean - predicted)
                    }
                    #expect(abs(gradient) < 0.02, "strength \(strength): \(gradient)")
                }
            }
        }
    }

    @Test func `More strength means smaller weights, and inputs that never change get none`() throws {
        var (x, targets, _) = Self.problem(80, noise: 0.5)
        for row in 0..<80 { x[row * 6 + 2] = 4 }
        let regression = try RidgeRegression(x: x, targets: targets, rows: 80, inputs: 6, outputs: 2)
        let lengths = [Float(1), 10, 100].map { strength in
            regression.weights(strength: strength).reduce(Float(0)) { $0 + $1 * $1 }
        }
        #expect(lengths[0] > lengths[1] && lengths[1] > lengths[2])
        let weights = regression.weights(strength: 1)
        #expect(abs(weights[2]) < 1e-3 && abs(weights[8]) < 1e-3)
    }

    @Test func `Inputs as they are pay the same penalty for the same weight`() throws {
        let (x, targets, truth) = Self.problem(400, noise: 0.01)
        func weights(_ strength: Float) throws -> [Float] {
            try RidgeRegression(x: x, targets: targets, rows: 400, inputs: 6, outputs: 2, isStandardised: false)
                .weights(strength: strength)
        }
        for (found, wanted) in zip(try weights(0.001), truth) { #expect(abs(found - wanted) < 0.01) }
        // The first input has a deviation of 1 and the last one of 6, so the first one's weight shrinks first.
        let shrunk = try weights(200)
        #expect(abs(shrunk[0] / truth[0]) < 0.5)
        #expect(abs(shrunk[5] / truth[5]) > 0.8)
    }
}
