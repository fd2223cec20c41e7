import CHilumKernels
import HilumCore
import Testing

@testable import HilumNN

private func random(_ count: Int, seed: UInt64, deviation: Double = 1) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(generator.normal() * deviation) }
}

private func relu6(_ x: Double) -> Double { min(max(x, 0), 6) }

/// The convolutions of each instruction set against plain loops in double.
@Suite struct ConvolutionTests {
    /// One convolution of a square image with TensorFlow's padding.
    struct Shape: Sendable, CustomStringConvertible {
        let side: Int
        let kernel: Int
        let stride: Int
        let channels: Int
        let isGrey: Bool

        var description: String { "\(isGrey ? "grey" : "depthwise") \(side) k\(kernel) s\(stride) c\(channels)" }
        var output: Int { (side + stride - 1) / stride }
        var before: Int { max((output - 1) * stride + kernel - side, 0) / 2 }
        var inputChannels: Int { isGrey ? 1 : channels }
    }

    static let shapes: [Shape] = {
        var shapes: [Shape] = []
        for side in [1, 2, 5, 7, 8, 13, 14, 23, 30] {
            for stride in [1, 2] {
                shapes.append(Shape(side: side, kernel: 3, stride: stride, channels: 48, isGrey: true))
                for kernel in [3, 5] {
                    shapes.append(Shape(side: side, kernel: kernel, stride: stride, channels: 32, isGrey: false))
                }
            }
        }
        return shapes
    }()

    private func use(_ set: String) -> Bool {
        if hilum_network_use(set) == 1 { return true }
        print("skipped: this processor has no \(set)")
        return false
    }

    private struct Data {
        let input: [Float]
        let weight: [Float]
        let bias: [Float]

        init(_ shape: Shape) {
            input = random(shape.side * shape.side * shape.inputChannels, seed: 1)
            weight = random(shape.kernel * shape.kernel * shape.channels, seed: 2)
            bias = random(shape.channels, seed: 3)
        }
    }

    /// By the kernels, `rows` output rows at a time.
    private func convolve(_ shape: Shape, _ data: Data, rows: Int) -> [Float] {
        let (side, channels) = (shape.side, shape.channels)
        var output = [Float](repeating: .nan, count: shape.output * shape.output * channels)
        data.input.withUnsafeBufferPointer { input in
            for y in stride(from: 0, to: shape.output, by: rows) {
                let count = min(rows, shape.output - y)
                let top = y * shape.stride - shape.before
                let pointers = (0..<(count - 1) * shape.stride + shape.kernel).map { i in
                    0..<side ~= top + i ? input.baseAddress.map { $0 + (top + i) * side * shape.inputChannels } : nil
                }
                output.withUnsafeMutableBufferPointer { output in
                    pointers.withUnsafeBufferPointer { pointers in
                        data.weight.withUnsafeBufferPointer { weight in
                            data.bias.withUnsafeBufferPointer { bias in
                                var job = hilum_convolution(
                                    rows: pointers.baseAddress, in_width: side, out_rows: count,
                                    out_width: shape.output, channels: channels, kernel: shape.kernel,
                                    stride: shape.stride, before: shape.before, weight: weight.baseAddress,
                                    bias: bias.baseAddress,
                                    out: output.baseAddress.map { $0 + y * shape.output * channels })
                                if shape.isGrey { hilum_convolve_grey(&job) } else { hilum_convolve_depthwise(&job) }
                            }
                        }
                    }
                }
            }
        }
        return output
    }

    /// By the definition.
    private func expected(_ shape: Shape, _ data: Data) -> [Double] {
        var output: [Double] = []
        for y in 0..<shape.output {
            for x in 0..<shape.output {
                for c in 0..<shape.channels {
                    var sum = Double(data.bias[c])
                    for i in 0..<shape.kernel {
                        for j in 0..<shape.kernel {
                            let row = y * shape.stride + i - shape.before
                            let column = x * shape.stride + j - shape.before
                            guard 0..<shape.side ~= row, 0..<shape.side ~= column else { continue }
                            let place = (row * shape.side + column) * shape.inputChannels + (shape.isGrey ? 0 : c)
                            let weight = data.weight[(i * shape.kernel + j) * shape.channels + c]
                            sum += Double(data.input[place]) * Double(weight)
                        }
                    }
                    output.append(relu6(sum))
                }
            }
        }
        return output
    }

    @Test(arguments: KernelTests.sets) func convolutionsMatchTheirDefinition(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for shape in Self.shapes {
            let data = Data(shape)
            let measured = convolve(shape, data, rows: shape.output)
            let worst = zip(measured, expected(shape, data)).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
            #expect(worst < 1e-5, "\(shape)")
            #expect(measured.allSatisfy { $0.isFinite }, "\(shape)")
        }
    }

    @Test(arguments: KernelTests.sets) func aStripHasTheBitsOfTheWholeImage(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        for shape in Self.shapes {
            let data = Data(shape)
            let whole = convolve(shape, data, rows: shape.output)
            for rows in [1, 3, 4] { #expect(convolve(shape, data, rows: rows) == whole, "\(shape), \(rows) rows") }
        }
    }

    @Test(arguments: KernelTests.sets) func aProductEndsWithReLU6BeforeTheResidual(set: String) {
        guard use(set) else { return }
        defer { hilum_network_use("") }
        let (m, n, k) = (13, 24, 40)
        let (a, b) = (random(m * k, seed: 4), random(n * k, seed: 5))
        let (bias, residual) = (random(n, seed: 6), random(m * n, seed: 7))
        for half in [false, true] {
            var c = [Float](repeating: .nan, count: m * n)
            var packed = [Float](repeating: 0, count: hilum_packed_count(n, k))
            var pairs = [UInt32](repeating: 0, count: hilum_packed_half_count(n, k))
            hilum_pack(b, n, k, &packed)
            hilum_pack_half(b, n, k, &pairs)
            bias.withUnsafeBufferPointer { bias in
                residual.withUnsafeBufferPointer { residual in
                    packed.withUnsafeBufferPointer { packed in
                        pairs.withUnsafeBufferPointer { pairs in
                            a.withUnsafeBufferPointer { a in
                                c.withUnsafeMutableBufferPointer { c in
                                    var product = hilum_product()
                                    (product.m, product.n, product.k) = (m, n, k)
                                    (product.a, product.a_row, product.a_step) = (a.baseAddress, k, 1)
                                    (product.b, product.pairs) = (packed.baseAddress, pairs.baseAddress)
                                    product.b_operand = half ? hilum_packed_half : hilum_packed
                                    (product.c, product.c_row) = (c.baseAddress, n)
                                    (product.bias, product.residual) = (bias.baseAddress, residual.baseAddress)
                                    product.relu6 = 1
                                    hilum_multiply(&product)
                                }
                            }
                        }
                    }
                }
            }
            for i in 0..<m {
                for j in 0..<n {
                    let sum = (0..<k).reduce(Double(bias[j])) { $0 + Double(a[i * k + $1]) * Double(b[j * k + $1]) }
                    let value = relu6(sum) + Double(residual[i * n + j])
                    #expect(abs(Double(c[i * n + j]) - value) < (half ? 0.2 : 1e-4))
                }
            }
        }
    }
}

/// A small stem with values of its own against plain loops: any strip, any set of kernels.
@Suite struct ConvolutionalStemTests {
    private static let blocks = [
        ConvolutionalBlock(kernel: 3, stride: 1, expansion: 1, inputs: 16, outputs: 8),
        ConvolutionalBlock(kernel: 5, stride: 2, expansion: 6, inputs: 8, outputs: 8),
        ConvolutionalBlock(kernel: 3, stride: 1, expansion: 4, inputs: 8, outputs: 8),
        ConvolutionalBlock(kernel: 5, stride: 1, expansion: 2, inputs: 8, outputs: 24),
    ]

    private static let stem = ConvolutionalStem(blocks: blocks, scale: 2, shift: -1) { name, shape in
        let count = shape.reduce(1, *)
        let seed = name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) }
        let inputs = name.contains("depthwise") || name.contains("first") ? 9 : shape[shape.count - 1]
        return random(count, seed: seed, deviation: name.hasSuffix("weight") ? (1 / Double(inputs).squareRoot()) : 0.3)
    }

    /// `[side, side, channels]` by the definition, in double.
    private struct Map {
        let side: Int
        let channels: Int
        var values: [Double]

        func dense(_ weights: PackedWeights, _ linear: Linear) -> Map {
            var out: [Double] = []
            for pixel in 0..<side * side {
                for o in 0..<linear.outputs {
                    out.append(
                        (0..<linear.inputs).reduce(Double(weights.values[linear.bias + o])) {
                            $0 + values[pixel * channels + $1]
                                * Double(weights.values[linear.weight + o * linear.inputs + $1])
                        })
                }
            }
            return Map(side: side, channels: linear.outputs, values: out)
        }

        func spatial(_ weights: PackedWeights, _ convolution: ConvolutionalStem.Convolution) -> Map {
            let (kernel, stride) = (convolution.kernel, convolution.stride)
            let after = (side + stride - 1) / stride
            let before = max((after - 1) * stride + kernel - side, 0) / 2
            var out: [Double] = []
            for place in 0..<after * after * convolution.channels {
                let c = place % convolution.channels
                let (y, x) = (place / convolution.channels / after, place / convolution.channels % after)
                var sum = Double(weights.values[convolution.bias + c])
                for tap in 0..<kernel * kernel {
                    let (row, column) = (y * stride + tap / kernel - before, x * stride + tap % kernel - before)
                    guard 0..<side ~= row, 0..<side ~= column else { continue }
                    let input = values[(row * side + column) * channels + (channels == 1 ? 0 : c)]
                    sum += input * Double(weights.values[convolution.weight + tap * convolution.channels + c])
                }
                out.append(relu6(sum))
            }
            return Map(side: after, channels: convolution.channels, values: out)
        }
    }

    private func expected(_ image: [Float], side: Int) -> [Double] {
        let weights = Self.stem.weights
        var map = Map(side: side, channels: 1, values: image.map { 2 * Double($0) - 1 })
        map = map.spatial(weights, Self.stem.first)
        for layer in Self.stem.layers {
            var next = map
            if let expand = layer.expand {
                next = next.dense(weights, expand)
                next.values = next.values.map(relu6)
            }
            next = next.spatial(weights, layer.depthwise).dense(weights, layer.project)
            if layer.block.hasSkip { next.values = zip(next.values, map.values).map { $0 + $1 } }
            map = next
        }
        return map.values
    }

    @Test(arguments: KernelTests.sets) func aStemMatchesItsDefinition(set: String) {
        guard hilum_network_use(set) == 1 else { return }
        defer { hilum_network_use("") }
        let workspace = Workspace()
        for side in [4, 12, 44, 128] {
            let image = random(side * side, seed: UInt64(side), deviation: 0.5)
            var output = [Float](repeating: .nan, count: side / 4 * (side / 4) * 24)
            Self.stem.features(of: image, count: 1, side: side, into: &output, workspace)
            let worst = zip(output, expected(image, side: side)).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
            #expect(worst < 1e-4, "side \(side)")
            #expect(output.allSatisfy { $0.isFinite })
        }
    }

    @Test func stepsOfOneKindAskForNoMemory() {
        let workspace = Workspace()
        let image = random(3 * 44 * 44, seed: 9)
        var output = [Float](repeating: 0, count: 3 * 11 * 11 * 24)
        Self.stem.features(of: image, count: 3, side: 44, into: &output, workspace)
        let asked = workspace.allocationCount
        Self.stem.features(of: image, count: 3, side: 44, into: &output, workspace)
        #expect(workspace.allocationCount == asked)
        // An image has the same bits alone.
        var alone = [Float](repeating: 0, count: 11 * 11 * 24)
        Self.stem.features(of: Array(image[(2 * 44 * 44)...]), count: 1, side: 44, into: &alone, workspace)
        #expect(alone == Array(output[(2 * 11 * 11 * 24)...]))
    }
}
