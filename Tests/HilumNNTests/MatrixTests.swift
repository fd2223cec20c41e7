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

/// Each set of kernels against plain double arithmetic, and against itself where equal bits are promised.
@Suite struct MatrixTests {
    private func use(_ set: String) -> Bool {
        if hilum_network_use(set) == 1 { return true }
        print("skipped: this processor has no \(set)")
        return false
    }

    /// A product with everything that can be asked of it.
    private struct Case {
        let (m, n, k): (Int, Int, Int)
        let operand: hilum_operand
        var isTransposed = false
        var accumulates = false
        var hasEnding = false

        /// The result of the kernels, the values before GELU and the result by definition.
        func run(rows: Int? = nil) -> (c: [Float], pre: [Float], expected: [Double], expectedPre: [Double]) {
            let m = rows ?? m
            let a = random(self.m * k, seed: 1)
            let b = random(n * k, seed: 2)
            var c = random(m * n, seed: 3)
            let (start, bias, residual) = (c, random(n, seed: 4), random(m * n, seed: 5))
            var pre = [Float](repeating: 0, count: m * n)
            var packed = [Float](repeating: 0, count: hilum_packed_count(n, k))
            hilum_pack(b, n, k, &packed)
            a.withUnsafeBufferPointer { a in
                (operand == hilum_packed ? packed : b).withUnsafeBufferPointer { b in
                    bias.withUnsafeBufferPointer { bias in
                        residual.withUnsafeBufferPointer { residual in
                            c.withUnsafeMutableBufferPointer { c in
                                pre.withUnsafeMutableBufferPointer { pre in
                                    var product = hilum_product()
                                    (product.m, product.n, product.k) = (m, n, k)
                                    (product.a, product.a_row) = (a.baseAddress, isTransposed ? 1 : k)
                                    product.a_step = isTransposed ? self.m : 1
                                    (product.b, product.b_operand) = (b.baseAddress, operand)
                                    product.b_row = operand == hilum_plain ? n : k
                                    (product.c, product.c_row) = (c.baseAddress, n)
                                    product.accumulates = accumulates ? 1 : 0
                                    if hasEnding {
                                        (product.bias, product.residual) = (bias.baseAddress, residual.baseAddress)
                                        (product.gelu, product.pre) = (1, pre.baseAddress)
                                    }
                                    hilum_multiply(&product)
                                }
                            }
                        }
                    }
                }
            }
            var expected: [Double] = []
            var expectedPre: [Double] = []
            for i in 0..<m {
                for j in 0..<n {
                    var x = accumulates ? Double(start[i * n + j]) : 0
                    for p in 0..<k {
                        let left = isTransposed ? a[p * self.m + i] : a[i * k + p]
                        x += Double(left) * Double(operand == hilum_plain ? b[p * n + j] : b[j * k + p])
                    }
                    if hasEnding { x += Double(bias[j]) }
                    expectedPre.append(x)
                    expected.append(hasEnding ? gelu(x) + Double(residual[i * n + j]) : x)
                }
            }
            return (c, pre, expected, expectedPre)
        }
    }

    private static let shapes = [
        (1, 1, 1), (5, 7, 3), (13, 33, 40), (6, 16, 256), (25, 48, 300), (130, 20, 9), (7, 33, 1_700),
    ]

    @Test(arguments: KernelTests.sets) func productsMatchTheirDefinition(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for (m, n, k) in Self.shapes {
            for operand in [hilum_plain, hilum_transposed, hilum_packed] {
                for variant in 0..<8 {
                    let result = Case(
                        m: m, n: n, k: k, operand: operand, isTransposed: variant & 1 > 0,
                        accumulates: variant & 2 > 0, hasEnding: variant & 4 > 0
                    ).run()
                    let bound = 2e-6 * (2 + Double(k).squareRoot())
                    for (x, y) in zip(result.c, result.expected) { #expect(abs(Double(x) - y) < bound * (1 + abs(y))) }
                    guard variant & 4 > 0 else { continue }
                    for (x, y) in zip(result.pre, result.expectedPre) {
                        #expect(abs(Double(x) - y) < bound * (1 + abs(y)))
                    }
                }
            }
        }
    }

    /// Rows that are copied, several blocks of columns, of rows and of the sum, in few products, for the definition is slow.
    @Test(arguments: KernelTests.sets) func productsOfSeveralBlocksMatchTheirDefinition(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for (m, n, k) in [(5, 600, 800), (250, 130, 770), (13, 272, 1_537)] {
            for operand in [hilum_plain, hilum_transposed, hilum_packed] {
                let result = Case(m: m, n: n, k: k, operand: operand, accumulates: true, hasEnding: true).run()
                let bound = 2e-6 * (2 + Double(k).squareRoot())
                #expect(zip(result.c, result.expected).allSatisfy { abs(Double($0) - $1) < bound * (1 + abs($1)) })
            }
        }
    }

    @Test(arguments: KernelTests.sets) func bfloat16RoundsToNearestEvenAndKeepsWhatIsNoNumber(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        let (n, k) = (16, 50)
        var pairs = [UInt32](repeating: 0, count: hilum_packed_half_count(n, k))
        hilum_pack_half([Float](repeating: 1, count: n * k), n, k, &pairs)
        /// One number among zeros against ones, which is the number as it was rounded.
        func rounded(_ x: Float, at place: Int) -> Float {
            var (a, c) = ([Float](repeating: 0, count: k), [Float](repeating: 0, count: n))
            a[place] = x
            a.withUnsafeBufferPointer { a in
                pairs.withUnsafeBufferPointer { pairs in
                    c.withUnsafeMutableBufferPointer { c in
                        var product = hilum_product()
                        (product.m, product.n, product.k) = (1, n, k)
                        (product.a, product.a_row, product.a_step) = (a.baseAddress, k, 1)
                        (product.pairs, product.b_operand) = (pairs.baseAddress, hilum_packed_half)
                        (product.c, product.c_row) = (c.baseAddress, n)
                        hilum_multiply(&product)
                    }
                }
            }
            return c[5]
        }
        // A step of bfloat16 at 1 is 2⁻⁷. Places 3 and 30 lie where 32 are rounded together, 41 and 49 in the rest.
        let step: Float = 0x1p-7
        for place in [3, 30, 41, 49] {
            #expect(rounded(1 + step / 2, at: place) == 1)
            #expect(rounded(1 + step * 3 / 2, at: place) == 1 + 2 * step)
            #expect(rounded(-1 - step * 0.51, at: place) == -1 - step)
            #expect(rounded(.greatestFiniteMagnitude, at: place) == .infinity)
            #expect(rounded(-.infinity, at: place) == -.infinity)
            #expect(rounded(.nan, at: place).isNaN)
            #expect(abs(rounded(.leastNonzeroMagnitude, at: place)) <= .leastNormalMagnitude)
        }
    }

    @Test(arguments: KernelTests.sets) func theLoopInRegistersCountsItsOperations(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for precision in Precision.allCases {
            let one = precision.multiplyInRegisters(rounds: 1)
            #expect(one >= 32 && precision.multiplyInRegisters(rounds: 1_000) == 1_000 * one)
        }
    }

    @Test(arguments: KernelTests.sets) func aRowOfAProductHasTheSameBitsWhateverRowsShareIt(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        let product = Case(m: 131, n: 50, k: 1_700, operand: hilum_packed)
        let whole = product.run().c
        for rows in [1, 2, 5, 6, 7, 12, 13, 121] {
            #expect(product.run(rows: rows).c == Array(whole[..<(rows * 50)]))
        }
        // Packed beforehand or as it goes: the same chain of sums.
        #expect(Case(m: 131, n: 50, k: 1_700, operand: hilum_transposed).run().c == whole)
    }

    @Test(arguments: KernelTests.sets) func productsInBfloat16AreThoseOfTheRoundedOperands(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        func rounded(_ x: Float) -> Float {
            let bits = x.bitPattern
            return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
        }
        for (m, n, k) in Self.shapes + [(3, 17, 3_401), (245, 16, 515)] {
            let (a, b, bias) = (random(m * k, seed: 1), random(n * k, seed: 2), random(n, seed: 4))
            var pairs = [UInt32](repeating: 0, count: hilum_packed_half_count(n, k))
            hilum_pack_half(b, n, k, &pairs)
            func run(rows: Int) -> [Float] {
                var c = [Float](repeating: 0, count: rows * n)
                a.withUnsafeBufferPointer { a in
                    pairs.withUnsafeBufferPointer { pairs in
                        bias.withUnsafeBufferPointer { bias in
                            c.withUnsafeMutableBufferPointer { c in
                                var product = hilum_product()
                                (product.m, product.n, product.k) = (rows, n, k)
                                (product.a, product.a_row, product.a_step) = (a.baseAddress, k, 1)
                                (product.pairs, product.b_operand) = (pairs.baseAddress, hilum_packed_half)
                                (product.c, product.c_row, product.bias) = (c.baseAddress, n, bias.baseAddress)
                                hilum_multiply(&product)
                            }
                        }
                    }
                }
                return c
            }
            let whole = run(rows: m)
            #expect(run(rows: 1) == Array(whole[..<n]))
            let bound = 2e-6 * (2 + Double(k).squareRoot())
            for i in 0..<m {
                for j in 0..<n {
                    let expected = (0..<k).reduce(Double(bias[j])) {
                        $0 + Double(rounded(a[i * k + $1])) * Double(rounded(b[j * k + $1]))
                    }
                    #expect(abs(Double(whole[i * n + j]) - expected) < bound * (1 + abs(expected)))
                }
            }
        }
    }

    @Test(arguments: KernelTests.sets) func attentionMatchesItsDefinitionWithAndWithoutKeptWeights(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for (length, width, heads) in [(1, 8, 2), (7, 8, 2), (50, 32, 2), (97, 48, 3)] {
            let head = width / heads
            let scale = 1 / Double(head).squareRoot()
            let qkv = random(length * 3 * width, seed: 6)
            var out = [Float](repeating: 0, count: length * width)
            var bare = out
            var weights = [Float](repeating: 0, count: heads * length * length)
            var scratch = [Float](repeating: 0, count: hilum_attend_scratch(length, width, heads))
            hilum_attend(qkv, length, width, heads, Float(scale), &weights, &out, &scratch)
            hilum_attend(qkv, length, width, heads, Float(scale), nil, &bare, &scratch)
            #expect(bare == out)
            for h in 0..<heads {
                for i in 0..<length {
                    func row(_ token: Int, _ part: Int) -> Int { token * 3 * width + part * width + h * head }
                    let scores = (0..<length).map { j in
                        exp(
                            scale
                                * (0..<head).reduce(0.0) {
                                    $0 + Double(qkv[row(i, 0) + $1]) * Double(qkv[row(j, 1) + $1])
                                })
                    }
                    let total = scores.reduce(0, +)
                    for c in 0..<head {
                        let expected = (0..<length).reduce(0.0) {
                            $0 + scores[$1] / total * Double(qkv[row($1, 2) + c])
                        }
                        #expect(abs(Double(out[i * width + h * head + c]) - expected) < 3e-6)
                    }
                    let kept = weights[((h * length + i) * length)..<((h * length + i + 1) * length)]
                    #expect(abs(kept.reduce(0.0) { $0 + Double($1) } - 1) < 2e-6)
                }
            }
        }
    }

    @Test(arguments: KernelTests.sets) func theExponentialKeepsItsPrecisionFarFromZero(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for step in 0..<200 {
            let distance = Float(step) * 0.2
            var row: [Float] = [0, -distance]
            hilum_softmax(&row, 1, 2, 2, 1)
            let measured = Double(row[1]) / Double(row[0])
            #expect(abs(measured / exp(-Double(distance)) - 1) < 6e-7)
        }
    }
}
