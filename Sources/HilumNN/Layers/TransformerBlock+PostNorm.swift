import CHilumKernels

/// The passes of a post-norm block, as in BERT (Devlin et al. 2019).
extension TransformerBlock {
    /// `LN2(h + MLP(h))` with `h = LN1(x + Attention(x))`; see `forward`.
    func forwardPostNorm(
        _ values: UnsafePointer<Float>, _ x: FloatPointer, _ sequences: Sequences, _ workspace: Workspace
    ) -> (output: FloatPointer, activations: Activations) {
        let rows = sequences.tokenCount
        let qkv = workspace.take(rows * 3 * width)
        attentionIn.forward(values, x, rows: rows, into: qkv)
        let weights = workspace.take(heads * sequences.squaredLengthSum)
        let attended = workspace.take(rows * width)
        attend(qkv, sequences, weights: weights, into: attended, workspace)
        let middle = workspace.take(rows * width)
        attentionOut.forward(values, attended, rows: rows, into: middle, residual: x)
        let normed1 = workspace.take(rows * width)
        let statistics1 = norm1.forward(values, middle, rows: rows, into: normed1, workspace)

        let mlpPre = workspace.take(rows * 4 * width)
        let mlpPost = workspace.take(rows * 4 * width)
        mlpIn.forwardGELU(values, normed1, rows: rows, pre: mlpPre, into: mlpPost)
        let sum = workspace.take(rows * width)
        mlpOut.forward(values, mlpPost, rows: rows, into: sum, residual: normed1)
        let output = workspace.take(rows * width)
        let statistics2 = norm2.forward(values, sum, rows: rows, into: output, workspace)
        let activations = Activations(
            x: x, norm1: statistics1, normed1: normed1, qkv: qkv, weights: weights, attended: attended, middle: middle,
            norm2: statistics2, normed2: sum, mlpPre: mlpPre, mlpPost: mlpPost)
        return (output, activations)
    }

    /// The way back of `forwardPostNorm`; see `backward`.
    func backwardPostNorm(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ activations: Activations, _ sequences: Sequences,
        gradient: FloatPointer, _ workspace: Workspace
    ) {
        let rows = sequences.tokenCount
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let wide = workspace.take(rows * 4 * width)
        // The gradient of the sum before norm2, which reaches norm1's output directly and through the MLP.
        let narrow = workspace.takeZeroed(rows * width)
        norm2.backward(
            values, gradients, x: activations.normed2, activations.norm2, dy: gradient, rows: rows, addingTo: narrow)
        mlpOut.backward(values, gradients, x: activations.mlpPost, dy: narrow, rows: rows, dx: wide)
        hilum_gelu_backward(activations.mlpPre, wide, rows * 4 * width)
        mlpIn.backward(values, gradients, x: activations.normed1, dy: wide, rows: rows, dx: narrow, adding: true)

        // The gradient of x + attention, which reaches x directly and through the attention.
        gradient.update(repeating: 0, count: rows * width)
        norm1.backward(
            values, gradients, x: activations.middle, activations.norm1, dy: narrow, rows: rows, addingTo: gradient)
        attentionOut.backward(values, gradients, x: activations.attended, dy: gradient, rows: rows, dx: narrow)
        attendBackward(activations, sequences, dAttended: narrow, dqkv: wide, workspace)
        attentionIn.backward(values, gradients, x: activations.x, dy: wide, rows: rows, dx: gradient, adding: true)
    }
}
