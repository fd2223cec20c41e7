import CHilumKernels

/// Runs one block of a `ConvolutionalStem` on one image, a strip of output rows at a time.
///
///     input rows ─ expand, or first convolution ─► strip [rows, width, middle] ─ depthwise ─► [rows, width, middle] ─ project ─►
///
/// The middle of a whole image would have up to 5 MB; a strip is cut so that it stays in the second cache. Rows at the seam, which
/// two strips need, are computed once and moved.
struct StripRunner {
    /// Bytes of the middle of a strip before its depthwise convolution.
    static let stripInBytes = 192 << 10

    private let layer: ConvolutionalStem.Layer
    /// The convolution of an image that makes the input of the depthwise one; nil: the block expands its input, or takes it.
    private let first: ConvolutionalStem.Convolution?
    private let inputSide: Int
    /// Of the middle before the depthwise convolution.
    private let side: Int
    private let before: Int
    /// Pixels of a side of the output.
    let outputSide: Int
    /// Output rows of a strip.
    private let stripRows: Int

    init(_ layer: ConvolutionalStem.Layer, after first: ConvolutionalStem.Convolution?, inputSide: Int) {
        self.layer = layer
        self.first = first
        self.inputSide = inputSide
        let block = layer.block
        side =
            first.map { ConvolutionalBlock.placement(side: inputSide, kernel: $0.kernel, stride: $0.stride).side }
            ?? inputSide
        (outputSide, before) = ConvolutionalBlock.placement(side: side, kernel: block.kernel, stride: block.stride)
        let rows = Self.stripInBytes / (4 * side * block.middle)
        stripRows = min(outputSide, max(1, (rows - block.kernel) / block.stride + 1))
    }

    /// - Parameters:
    ///   - input: `[inputSide, inputSide]` for the first block, else `[inputSide, inputSide, inputs]`.
    ///   - output: `[outputSide, outputSide, outputs]`.
    func run(
        _ weights: PackedWeights, _ input: UnsafePointer<Float>, into output: FloatPointer, _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let block = layer.block
        let rowSize = side * block.middle
        let readsInput = first == nil && layer.expand == nil
        let strip = workspace.take(readsInput ? 0 : min(side, (stripRows - 1) * block.stride + block.kernel) * rowSize)
        let convolved = workspace.take(stripRows * outputSide * block.middle)
        // Rows base..<made of the middle stand in the strip.
        var (base, made) = (0, 0)
        for y in Swift.stride(from: 0, to: outputSide, by: stripRows) {
            let rows = min(stripRows, outputSide - y)
            let top = y * block.stride - before
            let range = max(0, top)..<min(side, top + (rows - 1) * block.stride + block.kernel)
            if !readsInput {
                let kept = max(0, made - range.lowerBound)
                if kept > 0 && range.lowerBound > base {
                    // Safety: both pieces lie in the strip; update(from:) may overlap.
                    strip.update(from: strip + (range.lowerBound - base) * rowSize, count: kept * rowSize)
                }
                base = range.lowerBound
                made = base + kept
                makeRows(made..<range.upperBound, weights, input, into: strip + kept * rowSize)
                made = range.upperBound
            }
            let middle = readsInput ? input : UnsafePointer(strip)
            Self.convolve(
                layer.depthwise, weights, middle - base * rowSize, rowSize: rowSize, height: side, width: side,
                top: top,
                before: before, rows: rows, outputWidth: outputSide, into: convolved, hilum_convolve_depthwise)
            let place = y * outputSide * block.outputs
            layer.project.infer(
                weights, convolved, rows: rows * outputSide, into: output + place,
                residual: block.hasSkip ? input + place : nil)
        }
    }

    /// Some rows of the middle, `[rows, side, middle]`.
    private func makeRows(
        _ rows: Range<Int>, _ weights: PackedWeights, _ input: UnsafePointer<Float>, into target: FloatPointer
    ) {
        guard !rows.isEmpty else { return }
        if let first {
            let before = ConvolutionalBlock.placement(side: inputSide, kernel: first.kernel, stride: first.stride)
                .before
            Self.convolve(
                first, weights, input, rowSize: inputSide, height: inputSide, width: inputSide,
                top: rows.lowerBound * first.stride - before, before: before, rows: rows.count, outputWidth: side,
                into: target, hilum_convolve_grey)
        } else if let expand = layer.expand {
            expand.infer(
                weights, input + rows.lowerBound * side * expand.inputs, rows: rows.count * side, into: target,
                relu6: true)
        }
    }

    /// Calls a kernel on the input rows from `top` on; those outside of the image are zeros.
    ///
    /// - Parameter input: where row 0 stands, or would stand: only rows that the kernel sees need be there.
    private static func convolve(
        _ convolution: ConvolutionalStem.Convolution, _ weights: PackedWeights, _ input: UnsafePointer<Float>,
        rowSize: Int,
        height: Int, width: Int, top: Int, before: Int, rows: Int, outputWidth: Int, into output: FloatPointer,
        _ kernel: (UnsafePointer<hilum_convolution>) -> Void
    ) {
        let seen = (rows - 1) * convolution.stride + convolution.kernel
        // On the stack: a strip must not allocate.
        withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: seen) { pointers in
            for row in 0..<seen {
                let y = top + row
                pointers.initializeElement(at: row, to: 0..<height ~= y ? input + y * rowSize : nil)
            }
            var job = hilum_convolution()
            job.rows = UnsafePointer(pointers.baseAddress)
            (job.in_width, job.out_rows, job.out_width) = (width, rows, outputWidth)
            (job.channels, job.kernel, job.stride) = (convolution.channels, convolution.kernel, convolution.stride)
            job.before = before
            job.weight = weights.values + convolution.weight
            job.bias = weights.values + convolution.bias
            job.out = output
            kernel(&job)
        }
    }
}
