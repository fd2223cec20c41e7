import CHilumKernels
import Foundation
import HilumCore
import HilumNN
import Testing

private func random(_ count: Int, seed: UInt64, deviation: Double = 1) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(generator.normal() * deviation) }
}

private func gelu(_ x: Double) -> Double { 0.5 * x * (1 + erf(x / 2.0.squareRoot())) }

/// The largest difference, relative to 1 + |expected|.
private func difference(_ measured: some Sequence<Float>, _ expected: [Double]) -> Double {
    zip(measured, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1) / (1 + abs($1.1))) }
}

/// Each kernel of each instruction set against plain double arithmetic, over odd lengths and odd starts.
@Suite struct KernelTests {
    static let sets = ["scalar", "avx2", "avx512"]
    static let widths = [1, 2, 3, 7, 8, 15, 16, 17, 31, 64, 65, 127, 192, 257, 1025]

    private func use(_ set: String) -> Bool {
        if hilum_network_use(set) == 1 { return true }
        print("skipped: this processor has no \(set)")
        return false
    }

    @Test(arguments: sets) func geluAndItsGradientMatchTheErrorFunction(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for width in Self.widths {
            for start in 0..<2 {
                var pre = random(2 * width + start, seed: 1, deviation: 3)
                let bias = random(width, seed: 2)
                var y = [Float](repeating: 0, count: 2 * width)
                let inputs = (0..<2 * width).map { Double(pre[start + $0]) + Double(bias[$0 % width]) }
                pre.withUnsafeMutableBufferPointer { pre in
                    hilum_bias_gelu(pre.baseAddress.map { $0 + start }, bias, &y, 2, width)
                }
                #expect(difference(y, inputs.map(gelu)) < 2e-6)
                var dy = [Float](repeating: 2, count: 2 * width)
                pre.withUnsafeBufferPointer { pre in
                    hilum_gelu_backward(pre.baseAddress.map { $0 + start }, &dy, 2 * width)
                }
                let slopes = inputs.map { x in
                    2 * (0.5 * (1 + erf(x / 2.0.squareRoot())) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot())
                }
                #expect(difference(dy, slopes) < 2e-6)
            }
        }
    }

    @Test(arguments: sets) func layerNormAndItsGradientMatchTheDefinition(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for width in Self.widths where width > 2 {
            let rows = 3
            let x = random(rows * width, seed: 3, deviation: 2)
            let gain = random(width, seed: 4)
            let bias = random(width, seed: 5)
            let dy = random(rows * width, seed: 6)
            var y = x
            var mean = [Float](repeating: 0, count: rows)
            var rstd = mean
            hilum_layer_norm(x, gain, bias, &y, &mean, &rstd, rows, width, 1e-6)
            var dx = [Float](repeating: 1, count: rows * width)
            var dGain = [Float](repeating: 0, count: width)
            var dBias = dGain
            hilum_layer_norm_backward(x, gain, mean, rstd, dy, &dx, &dGain, &dBias, rows, width)
            var expectedY: [Double] = []
            var expectedDx: [Double] = []
            var expectedGain = [Double](repeating: 0, count: width)
            for row in 0..<rows {
                let values = (0..<width).map { Double(x[row * width + $0]) }
                let m = values.reduce(0, +) / Double(width)
                let r = 1 / (values.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(width) + 1e-6).squareRoot()
                let normal = values.map { ($0 - m) * r }
                let g = (0..<width).map { Double(dy[row * width + $0]) * Double(gain[$0]) }
                let first = g.reduce(0, +) / Double(width)
                let second = zip(g, normal).reduce(0) { $0 + $1.0 * $1.1 } / Double(width)
                for j in 0..<width {
                    expectedY.append(normal[j] * Double(gain[j]) + Double(bias[j]))
                    expectedDx.append(1 + r * (g[j] - first - normal[j] * second))
                    expectedGain[j] += Double(dy[row * width + j]) * normal[j]
                }
            }
            #expect(difference(y, expectedY) < 1e-5)
            #expect(difference(dx, expectedDx) < 2e-5)
            #expect(difference(dGain, expectedGain) < 2e-5)
            let sums = (0..<width).map { j in (0..<rows).reduce(0.0) { $0 + Double(dy[$1 * width + j]) } }
            #expect(difference(dBias, sums) < 1e-5)
        }
    }

    @Test(arguments: sets) func softmaxAndItsGradientMatchTheDefinition(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for width in Self.widths {
            let stride = width + 3
            let x = random(2 * stride, seed: 7, deviation: 4)
            var p = x
            hilum_softmax(&p, 2, width, stride, 0.5)
            var dp = random(2 * stride, seed: 8)
            let upstream = dp
            hilum_softmax_backward(p, &dp, 2, width, stride, 0.5)
            for row in 0..<2 {
                let slice = (0..<width).map { exp(0.5 * Double(x[row * stride + $0])) }
                let total = slice.reduce(0, +)
                let expected = slice.map { $0 / total }
                #expect(difference(p[(row * stride)..<(row * stride + width)], expected) < 1e-6)
                let along = (0..<width).reduce(0) { $0 + expected[$1] * Double(upstream[row * stride + $1]) }
                let gradient = (0..<width).map { 0.5 * expected[$0] * (Double(upstream[row * stride + $0]) - along) }
                #expect(difference(dp[(row * stride)..<(row * stride + width)], gradient) < 1e-6)
                // What lies between the rows is left alone.
                #expect(
                    p[(row * stride + width)..<((row + 1) * stride)] == x[(row * stride + width)..<((row + 1) * stride)]
                )
            }
        }
    }

    @Test(arguments: sets) func softmaxStaysFiniteForExtremeScores(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        var x: [Float] = [1e30, -1e30, 0, 3e38]
        hilum_softmax(&x, 1, 4, 4, 1)
        #expect(x == [0, 0, 0, 1] || x.allSatisfy { $0.isFinite } && abs(x.reduce(0, +) - 1) < 1e-6)
    }

    @Test(arguments: sets) func sumsAndProductsMatchDoubleArithmetic(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for width in Self.widths {
            let a = random(width, seed: 9)
            let b = random(width, seed: 10)
            let dot = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            #expect(abs(Double(hilum_dot_f32(a, b, width)) - dot) < 1e-5 * (1 + Double(width).squareRoot()))
            let squares = a.reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(hilum_sum_of_squares(a, width) - squares) < 1e-6 * (1 + squares))
            var y = a
            hilum_axpy(&y, b, 0.25, width)
            #expect(difference(y, zip(a, b).map { Double($0) + 0.25 * Double($1) }) < 1e-6)
            hilum_add(&y, b, width)
            #expect(difference(y, zip(a, b).map { Double($0) + 1.25 * Double($1) }) < 1e-6)
        }
    }

    @Test(arguments: sets) func adamWMatchesTheDefinition(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        let count = 37
        var value = random(count, seed: 11)
        var moment1 = random(count, seed: 12, deviation: 0.1)
        var moment2 = random(count, seed: 13, deviation: 0.1).map { abs($0) }
        let gradient = random(count, seed: 14)
        let before = (value, moment1, moment2)
        hilum_adamw(
            &value, gradient, &moment1, &moment2, count, 0.5, 1e-2, 0.9, 0.98, 1e-8, 0.05, 0.19, 0.0396)
        let expected = (0..<count).map { i in
            let g = 0.5 * Double(gradient[i])
            let m = 0.9 * Double(before.1[i]) + 0.1 * g
            let v = 0.98 * Double(before.2[i]) + 0.02 * g * g
            return Double(before.0[i]) * (1 - 1e-2 * 0.05) - 1e-2 * (m / 0.19) / ((v / 0.0396).squareRoot() + 1e-8)
        }
        #expect(difference(value, expected) < 1e-5)
    }
}
