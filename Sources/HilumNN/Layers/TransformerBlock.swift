import CHilumKernels

/// A transformer block with an MLP four times as wide and the exact (erf) GELU. Attention is over the whole sequence that a
/// row belongs to.
///
/// Pre-norm: `x + Attention(LN(x))`, then `x + MLP(LN(x))`. Post-norm: `LN(x + Attention(x))`, then `LN(x + MLP(x))`.
/// Sources: Vaswani et al. 2017, "Attention is all you need"; Xiong et al. 2020 for the place of the norms.
struct TransformerBlock: Sendable {
    let width: Int
    let heads: Int
    let placement: NormPlacement
    let norm1: LayerNorm
    let attentionIn: Linear
    let attentionOut: Linear
    let norm2: LayerNorm
    let mlpIn: Linear
    let mlpOut: Linear

    init(
        _ name: String, width: Int, heads: Int, placement: NormPlacement = .pre,
        epsilon: Float = LayerNorm.standardEpsilon, in layout: inout ParameterLayout
    ) {
        precondition(width % heads == 0, "the heads must divide the width")
        self.width = width
        self.heads = heads
        self.placement = placement
        norm1 = LayerNorm("\(name).norm1", width: width, epsilon: epsilon, in: &layout)
        attentionIn = Linear("\(name).attn.qkv", inputs: width, outputs: 3 * width, in: &layout)
        attentionOut = Linear("\(name).attn.proj", inputs: width, outputs: width, in: &layout)
        norm2 = LayerNorm("\(name).norm2", width: width, epsilon: epsilon, in: &layout)
        mlpIn = Linear("\(name).mlp.fc1", inputs: width, outputs: 4 * width, in: &layout)
        mlpOut = Linear("\(name).mlp.fc2", inputs: 4 * width, outputs: width, in: &layout)
    }

    /// What the backward pass needs; all `[tokens, …]`, owned by the workspace.
    struct Activations {
        let x: FloatPointer
        let norm1: LayerNorm.Statistics
        /// What norm1 gave: pre-norm the input of the attention, post-norm that of the MLP.
        let normed1: FloatPointer
        let qkv: FloatPointer
        /// For each sequence, for each head, `[length, length]`.
        let weights: FloatPointer
        let attended: FloatPointer
        /// x + attention.
        let middle: FloatPointer
        let norm2: LayerNorm.Statistics
        /// Pre-norm the input of the MLP; post-norm the sum that norm2 reads.
        let normed2: FloatPointer
        let mlpPre: FloatPointer
        let mlpPost: FloatPointer
    }

    /// - Parameter x: `[tokens, width]`, kept alive by the caller until the backward pass.
    /// - Returns: `[tokens, width]` in the workspace, and what the backward pass needs.
    func forward(
        _ values: UnsafePointer<Float>, _ x: FloatPointer, _ sequences: Sequences, _ workspace: Workspace
    ) -> (output: FloatPointer, activations: Activations) {
        if placement == .post { return forwardPostNorm(values, x, sequences, workspace) }
        let rows = sequences.tokenCount
        let normed1 = workspace.take(rows * width)
        let statistics1 = norm1.forward(values, x, rows: rows, into: normed1, workspace)
        let qkv = workspace.take(rows * 3 * width)
        attentionIn.forward(values, normed1, rows: rows, into: qkv)
        let weights = workspace.take(heads * sequences.squaredLengthSum)
        let attended = workspace.take(rows * width)
        attend(qkv, sequences, weights: weights, into: attended, workspace)
        let middle = workspace.take(rows * width)
        attentionOut.forward(values, attended, rows: rows, into: middle, residual: x)

        let normed2 = workspace.take(rows * width)
        let statistics2 = norm2.forward(values, middle, rows: rows, into: normed2, workspace)
        let mlpPre = workspace.take(rows * 4 * width)
        let mlpPost = workspace.take(rows * 4 * width)
        mlpIn.forwardGELU(values, normed2, rows: rows, pre: mlpPre, into: mlpPost)
        let output = workspace.take(rows * width)
        mlpOut.forward(values, mlpPost, rows: rows, into: output, residual: middle)
        let activations = Activations(
            x: x, norm1: statistics1, normed1: normed1, qkv: qkv, weights: weights, attended: attended, middle: middle,
            norm2: statistics2, normed2: normed2, mlpPre: mlpPre, mlpPost: mlpPost)
        return (output, activations)
    }

    /// Turns `gradient` from that of the output into that of x, in place, `[tokens, width]`.
    func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ activations: Activations, _ sequences: Sequences,
        gradient: FloatPointer, _ workspace: Workspace
    ) {
        if placement == .post {
            return backwardPostNorm(values, gradients, activations, sequences, gradient: gradient, workspace)
        }
        let rows = sequences.tokenCount
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let wide = workspace.take(rows * 4 * width)
        let narrow = workspace.take(rows * width)

        mlpOut.backward(values, gradients, x: activations.mlpPost, dy: gradient, rows: rows, dx: wide)
        hilum_gelu_backward(activations.mlpPre, wide, rows * 4 * width)
        mlpIn.backward(values, gradients, x: activations.normed2, dy: wide, rows: rows, dx: narrow)
        norm2.backward(
            values, gradients, x: activations.middle, activations.norm2, dy: narrow, rows: rows, addingTo: gradient)

        attentionOut.backward(values, gradients, x: activations.attended, dy: gradient, rows: rows, dx: narrow)
        attendBackward(activations, sequences, dAttended: narrow, dqkv: wide, workspace)
        attentionIn.backward(values, gradients, x: activations.normed1, dy: wide, rows: rows, dx: narrow)
        norm1.backward(
            values, gradients, x: activations.x, activations.norm1, dy: narrow, rows: rows, addingTo: gradient)
    }

    /// softmax(Q·Kᵀ/√h)·V of each head. The weights of a block of rows stay in the cache where `weights` does not ask for them.
    func attend(
        _ qkv: UnsafePointer<Float>, _ sequences: Sequences, weights: FloatPointer?, into attended: FloatPointer,
        _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let scratch = workspace.take(hilum_attend_scratch(sequences.longest, width, heads))
        var weights = weights
        for sequence in 0..<sequences.count {
            let range = sequences.range(sequence)
            hilum_attend(
                qkv + range.lowerBound * 3 * width, range.count, width, heads, attentionScale, weights,
                attended + range.lowerBound * width, scratch)
            weights = weights.map { $0 + heads * range.count * range.count }
        }
    }

    var attentionScale: Float { 1 / Float(width / heads).squareRoot() }

    func attendBackward(
        _ activations: Activations, _ sequences: Sequences, dAttended: UnsafePointer<Float>, dqkv: FloatPointer,
        _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let scratch = workspace.take(hilum_attend_scratch(sequences.longest, width, heads))
        var weights = UnsafePointer(activations.weights)
        for sequence in 0..<sequences.count {
            let range = sequences.range(sequence)
            let rows = range.lowerBound * 3 * width
            hilum_attend_backward(
                activations.qkv + rows, weights, dAttended + range.lowerBound * width, range.count, width, heads,
                attentionScale, dqkv + rows, scratch)
            weights += heads * range.count * range.count
        }
    }
}
