import CHilumKernels

/// A small convolutional network that turns grey images into local features, for inference.
///
///     image [S, S] ─► 3 × 3, stride 2 ─► [S/2, S/2, 32] ─► inverted residual blocks ─► [S/16, S/16, 112]
///
/// The figures are those of EfficientNet-Lite0 (`HilumMCR` loads it). Batch norms are folded into the weights. All activations are
/// channels last, so 1 × 1 convolutions are matrix products over pixels. A block runs in strips of a few rows (`StripRunner`): the
/// wide middle of a strip stays in the processor's cache.
///
/// Every image is computed by itself and every value is one sum in a fixed order, so features have the same bits whatever shares
/// the batch, within one set of kernels.
/// Thread rule: immutable; any number of threads, each with a workspace of its own.
public final class ConvolutionalStem: Sendable {
    /// Where the parameters of a block stand.
    struct Layer: Sendable {
        let block: ConvolutionalBlock
        /// nil where the block does not expand.
        let expand: Linear?
        let depthwise: Convolution
        let project: Linear
    }

    /// Offsets of the weight `[kernel, kernel, channels]` and the bias `[channels]` of a convolution that is no product.
    struct Convolution: Sendable {
        let kernel: Int
        let stride: Int
        let channels: Int
        let weight: Int
        let bias: Int

        init(_ name: String, kernel: Int, stride: Int, channels: Int, in layout: inout ParameterLayout) {
            self.kernel = kernel
            self.stride = stride
            self.channels = channels
            weight = layout.add("\(name).weight", [kernel, kernel, channels], .zeros, decays: false)
            bias = layout.add("\(name).bias", [channels], .zeros, decays: false)
        }
    }

    /// The blocks after the first convolution.
    public let blocks: [ConvolutionalBlock]
    /// What the first convolution sees of a pixel x: scale · x + shift.
    public let scale: Float
    /// See `scale`.
    public let shift: Float
    let first: Convolution
    let layers: [Layer]
    let weights: PackedWeights

    /// Where the tensors of a stem stand in a layout.
    public struct Placement: Sendable {
        let blocks: [ConvolutionalBlock]
        let first: Convolution
        let layers: [Layer]
    }

    /// Adds the tensors of a stem to a layout: `stem.first.weight` `[3, 3, channels]`, then for each block N
    /// `stem.blocks.N.expand.weight` `[middle, inputs]` (unless its expansion is 1), `stem.blocks.N.depthwise.weight`
    /// `[kernel, kernel, middle]` and `stem.blocks.N.project.weight` `[outputs, middle]`, each with a `.bias`. None decays: as
    /// long as its gradient is zero, a stem stays as it is.
    public static func place(_ blocks: [ConvolutionalBlock], in layout: inout ParameterLayout) -> Placement {
        precondition(!blocks.isEmpty, "a stem has a block at least")
        precondition(
            zip(blocks, blocks.dropFirst()).allSatisfy { $0.outputs == $1.inputs },
            "a block takes what the last one gives")
        precondition(blocks[0].expansion == 1, "the first block reads the first convolution as it is")
        let first = Convolution("stem.first", kernel: 3, stride: 2, channels: blocks[0].inputs, in: &layout)
        var layers: [Layer] = []
        for (number, block) in blocks.enumerated() {
            let name = "stem.blocks.\(number)"
            let expand =
                block.expansion == 1
                ? nil
                : Linear("\(name).expand", inputs: block.inputs, outputs: block.middle, decays: false, in: &layout)
            let depthwise = Convolution(
                "\(name).depthwise", kernel: block.kernel, stride: block.stride, channels: block.middle, in: &layout)
            let project = Linear(
                "\(name).project", inputs: block.middle, outputs: block.outputs, decays: false, in: &layout)
            layers.append(Layer(block: block, expand: expand, depthwise: depthwise, project: project))
        }
        return Placement(blocks: blocks, first: first, layers: layers)
    }

    /// A stem over tensors that stand in a buffer; they must not change as long as it lives.
    ///
    /// - Parameters:
    ///   - scale: with `shift`, what becomes of a pixel first.
    ///   - values: a buffer with the layout that the tensors were placed in.
    public init(_ placement: Placement, scale: Float = 1, shift: Float = 0, values: ParameterBuffer) {
        blocks = placement.blocks
        first = placement.first
        layers = placement.layers
        self.scale = scale
        self.shift = shift
        weights = PackedWeights(values, packing: layers.flatMap { [$0.expand, $0.project].compactMap(\.self) })
    }

    /// A stem of named tensors; see `place`.
    ///
    /// - Parameters:
    ///   - scale: with `shift`, what becomes of a pixel first.
    ///   - values: the values of the tensor of a name and a shape, row-major; called once for each.
    /// - Throws: what `values` throws.
    public convenience init(
        blocks: [ConvolutionalBlock], scale: Float, shift: Float,
        values: (_ name: String, _ shape: [Int]) throws -> [Float]
    ) rethrows {
        var layout = ParameterLayout()
        let placement = Self.place(blocks, in: &layout)
        let buffer = ParameterBuffer(count: layout.count)
        for parameter in layout.parameters {
            let tensor = try values(parameter.name, parameter.shape)
            precondition(tensor.count == parameter.count, "a tensor must have as many values as its shape says")
            // Safety: the layout gives every tensor `count` floats of its own in the buffer.
            tensor.withUnsafeBufferPointer { tensor in
                guard let from = tensor.baseAddress else { return }
                (buffer.pointer + parameter.offset).update(from: from, count: tensor.count)
            }
        }
        self.init(placement, scale: scale, shift: shift, values: buffer)
    }

    /// Multiply-adds of one image of `side` pixels.
    public static func multiplications(_ blocks: [ConvolutionalBlock], side: Int) -> Int {
        var pixels = (side / 2) * (side / 2)
        var total = blocks.isEmpty ? 0 : pixels * 9 * blocks[0].inputs
        for block in blocks {
            if block.expansion > 1 { total += pixels * block.inputs * block.middle }
            pixels /= block.stride * block.stride
            total += pixels * block.middle * (block.kernel * block.kernel + block.outputs)
        }
        return total
    }

    /// Channels of the features after the first `count` blocks.
    public func channels(after count: Int) -> Int { blocks[count - 1].outputs }

    /// Pixels of a side after the first `count` blocks, for images of `side` pixels: 14 after all of them for 224.
    public func side(after count: Int, of side: Int) -> Int {
        side / (2 * blocks[..<count].reduce(1) { $0 * $1.stride })
    }

    /// The features of grey images.
    ///
    /// - Parameters:
    ///   - images: `[count, side, side]`, 0…1.
    ///   - side: a multiple of 2 times the strides of all blocks, 16 here.
    ///   - output: `[count, side/16, side/16, channels]`.
    ///   - workspace: of the calling thread; about 3 MB for 224 pixels, used again by the next image.
    public func features(
        of images: UnsafePointer<Float>, count: Int, side: Int, into output: FloatPointer, _ workspace: Workspace
    ) {
        run(0..<blocks.count, on: images, count: count, side: side, into: output, workspace)
    }

    /// Runs some of the blocks, so that the features before the last ones can be kept. `0..<n` and then `n..<blocks.count` give the
    /// bits of `features`.
    ///
    /// - Parameters:
    ///   - range: from block 0 on, the input is images, and the first convolution belongs to the range.
    ///   - input: `[count, side, side]`, 0…1, or the features after `range.lowerBound` blocks, `[count, h, h, channels]`.
    ///   - side: of the images, whatever the range.
    ///   - output: the features after `range.upperBound` blocks.
    public func run(
        _ range: Range<Int>, on input: UnsafePointer<Float>, count: Int, side: Int, into output: FloatPointer,
        _ workspace: Workspace
    ) {
        precondition(!range.isEmpty && range.upperBound <= blocks.count, "the range must hold blocks of the stem")
        let reduction = 2 * blocks.reduce(1) { $0 * $1.stride }
        precondition(side > 0 && side % reduction == 0, "the side must be a multiple of \(reduction)")
        let start = range.lowerBound
        let inputSide = start == 0 ? side : self.side(after: start, of: side)
        let inputCount = start == 0 ? side * side : inputSide * inputSide * channels(after: start)
        let outputSide = self.side(after: range.upperBound, of: side)
        let outputCount = outputSide * outputSide * channels(after: range.upperBound)
        for image in 0..<count {
            let mark = workspace.mark
            runOne(range, on: input + image * inputCount, side: side, into: output + image * outputCount, workspace)
            workspace.release(to: mark)
        }
    }

    /// One image; see `run`.
    private func runOne(
        _ range: Range<Int>, on input: UnsafePointer<Float>, side: Int, into output: FloatPointer,
        _ workspace: Workspace
    ) {
        var largest = 0
        for number in range.dropLast() {
            let outputSide = self.side(after: number + 1, of: side)
            largest = max(largest, outputSide * outputSide * blocks[number].outputs)
        }
        // A block reads one and writes the other.
        var (next, other) = (workspace.take(largest), workspace.take(largest))
        var hidden = input
        var hiddenSide = side
        if range.lowerBound == 0 {
            let seen = workspace.take(side * side)
            hilum_affine(seen, input, scale, shift, side * side)
            hidden = UnsafePointer(seen)
        } else {
            hiddenSide = self.side(after: range.lowerBound, of: side)
        }
        for number in range {
            let target = number == range.upperBound - 1 ? output : next
            let runner = StripRunner(layers[number], after: number == 0 ? first : nil, inputSide: hiddenSide)
            runner.run(weights, hidden, into: target, workspace)
            hidden = UnsafePointer(target)
            hiddenSide = runner.outputSide
            swap(&next, &other)
        }
    }
}
