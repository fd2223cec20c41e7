import CHilumKernels

extension TransformerBlock {
    /// What is packed for inference.
    var linears: [Linear] { [attentionIn, attentionOut, mlpIn, mlpOut] }

    /// The forward pass with the same bits and nothing kept: reads x `[tokens, width]` and writes `output`, which is not x.
    func infer(
        _ weights: PackedWeights, _ x: UnsafePointer<Float>, _ sequences: Sequences, into output: FloatPointer,
        _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let values = weights.values
        let rows = sequences.tokenCount
        let normed = workspace.take(rows * width)
        let middle = workspace.take(rows * width)
        let wide = workspace.take(rows * 4 * width)
        let isPre = placement == .pre
        if isPre { _ = norm1.forward(values, x, rows: rows, into: normed, workspace) }
        attentionIn.infer(weights, isPre ? UnsafePointer(normed) : x, rows: rows, into: wide)
        attend(wide, sequences, weights: nil, into: normed, workspace)
        attentionOut.infer(weights, normed, rows: rows, into: middle, residual: x)
        let norm = isPre ? norm2 : norm1
        _ = norm.forward(values, middle, rows: rows, into: normed, workspace)
        mlpIn.infer(weights, normed, rows: rows, into: wide, gelu: true)
        if isPre {
            mlpOut.infer(weights, wide, rows: rows, into: output, residual: middle)
        } else {
            mlpOut.infer(weights, wide, rows: rows, into: middle, residual: normed)
            _ = norm2.forward(values, middle, rows: rows, into: output, workspace)
        }
    }
}

extension TransformerStack {
    /// What is packed for inference.
    public var linears: [Linear] { blocks.flatMap(\.linears) }

    /// The forward pass with the same bits and nothing kept.
    /// - Parameter x: `[tokens, width]`; overwritten.
    /// - Returns: `[tokens, width]` in the workspace.
    public func infer(
        _ weights: PackedWeights, _ x: FloatPointer, _ sequences: Sequences, _ workspace: Workspace
    ) -> FloatPointer {
        var hidden = x
        var other = workspace.take(sequences.tokenCount * width)
        for block in blocks {
            block.infer(weights, hidden, sequences, into: other, workspace)
            swap(&hidden, &other)
        }
        guard let norm else { return hidden }
        _ = norm.forward(weights.values, hidden, rows: sequences.tokenCount, into: other, workspace)
        return other
    }
}
