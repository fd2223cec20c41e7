import HilumCore
import HilumNN
import Testing

private func random(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(generator.normal()) }
}

@Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
func aProductMatchesItsDefinition(first: Bool, second: Bool) throws {
    let blas = try OpenBLAS.load()
    let (m, n, k) = (5, 7, 3)
    let (aStride, bStride, cStride) = ((first ? m : k) + 2, (second ? k : n) + 1, n + 3)
    let a = random((first ? k : m) * aStride, seed: 1)
    let b = random((second ? n : k) * bStride, seed: 2)
    let before = random(m * cStride, seed: 3)
    var c = before
    blas.multiply(
        a, transposed: first, stride: aStride, b, secondTransposed: second, stride: bStride, into: &c, stride: cStride,
        m: m,
        n: n, k: k, alpha: 0.5, beta: 2)
    for i in 0..<m {
        for j in 0..<cStride {
            guard j < n else {
                #expect(c[i * cStride + j] == before[i * cStride + j])
                continue
            }
            let sum = (0..<k).reduce(0.0) { sum, l in
                let left = first ? a[l * aStride + i] : a[i * aStride + l]
                let right = second ? b[j * bStride + l] : b[l * bStride + j]
                return sum + Double(left) * Double(right)
            }
            #expect(abs(Double(c[i * cStride + j]) - (0.5 * sum + 2 * Double(before[i * cStride + j]))) < 1e-5)
        }
    }
}

@Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
func theProductsOfTheLayersAgreeWithOpenBLAS(first: Bool, second: Bool) throws {
    let blas = try OpenBLAS.load()
    let (m, n, k) = (37, 65, 130)
    let (a, b) = (random(m * k, seed: 8), random(n * k, seed: 9))
    var (own, other) = ([Float](repeating: 0, count: m * n), [Float](repeating: 0, count: m * n))
    let (aStride, bStride) = (first ? m : k, second ? k : n)
    NetworkKernels.multiply(
        a, transposed: first, stride: aStride, b, secondTransposed: second, stride: bStride, into: &own, stride: n,
        m: m, n: n, k: k)
    blas.multiply(
        a, transposed: first, stride: aStride, b, secondTransposed: second, stride: bStride, into: &other, stride: n,
        m: m, n: n, k: k)
    for (x, y) in zip(own, other) { #expect(abs(x - y) < 1e-4) }
}

@Test(arguments: [false, true]) func aLinearLayerAndItsGradientMatchTheirDefinitions(adding: Bool) throws {
    var layout = ParameterLayout()
    let linear = Linear("linear", inputs: 3, outputs: 4, in: &layout)
    let values = ParameterBuffer(count: layout.count)
    let gradients = ParameterBuffer(count: layout.count)
    for (i, value) in random(layout.count, seed: 4).enumerated() { values.pointer[i] = value }
    let x = random(2 * 3, seed: 5)
    let dy = random(2 * 4, seed: 6)
    var y = [Float](repeating: 0, count: 8)
    linear.forward(values.pointer, x, rows: 2, into: &y)
    var dx: [Float] = [1, 2, 3, 4, 5, 6]
    let old = dx
    dx.withUnsafeMutableBufferPointer {
        linear.backward(values.pointer, gradients.pointer, x: x, dy: dy, rows: 2, dx: $0.baseAddress, adding: adding)
    }
    let weight = values.pointer + linear.weight
    for row in 0..<2 {
        for o in 0..<4 {
            let sum = (0..<3).reduce(values.pointer[linear.bias + o]) { $0 + weight[o * 3 + $1] * x[row * 3 + $1] }
            #expect(abs(y[row * 4 + o] - sum) < 1e-5)
        }
        for i in 0..<3 {
            let sum = (0..<4).reduce(adding ? old[row * 3 + i] : 0) { $0 + dy[row * 4 + $1] * weight[$1 * 3 + i] }
            #expect(abs(dx[row * 3 + i] - sum) < 1e-5)
        }
    }
    for o in 0..<4 {
        #expect(abs(gradients.pointer[linear.bias + o] - (dy[o] + dy[4 + o])) < 1e-5)
        for i in 0..<3 {
            let sum = dy[o] * x[i] + dy[4 + o] * x[3 + i]
            #expect(abs(gradients.pointer[linear.weight + o * 3 + i] - sum) < 1e-5)
        }
    }
}
