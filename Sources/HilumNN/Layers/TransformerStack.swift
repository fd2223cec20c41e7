import CHilumKernels

/// A stack of blocks; pre-norm blocks are followed by a final LayerNorm, post-norm blocks end with one of their own.
public struct TransformerStack: Sendable {
    /// Floats of a row.
    public let width: Int
    let blocks: [TransformerBlock]
    let norm: LayerNorm?

    /// Adds the parameters of `layers` blocks, `name.blocks.0` and so on, to the layout.
    public init(
        _ name: String, width: Int, layers: Int, heads: Int, placement: NormPlacement = .pre,
        epsilon: Float = LayerNorm.standardEpsilon, in layout: inout ParameterLayout
    ) {
        self.width = width
        blocks = (0..<layers).map {
            TransformerBlock(
                "\(name).blocks.\($0)", width: width, heads: heads, placement: placement, epsilon: epsilon, in: &layout)
        }
        norm = placement == .pre ? LayerNorm("\(name).norm", width: width, epsilon: epsilon, in: &layout) : nil
    }

    /// What the backward pass needs of every block, owned by the workspace.
    public struct Activations {
        let blocks: [TransformerBlock.Activations]
        let last: FloatPointer
        let norm: LayerNorm.Statistics?
    }

    /// `[tokens, width]` → `[tokens, width]`; the input must live until the backward pass.
    public func forward(
        _ values: UnsafePointer<Float>, _ x: FloatPointer, _ sequences: Sequences, _ workspace: Workspace
    ) -> (output: FloatPointer, activations: Activations) {
        var hidden = x
        var kept: [TransformerBlock.Activations] = []
        for block in blocks {
            let (output, activations) = block.forward(values, hidden, sequences, workspace)
            hidden = output
            kept.append(activations)
        }
        guard let norm else { return (hidden, Activations(blocks: kept, last: hidden, norm: nil)) }
        let output = workspace.take(sequences.tokenCount * width)
        let statistics = norm.forward(values, hidden, rows: sequences.tokenCount, into: output, workspace)
        return (output, Activations(blocks: kept, last: hidden, norm: statistics))
    }

    /// - Parameter gradient: of the output, `[tokens, width]`.
    /// - Returns: the gradient of x, in the workspace.
    public func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ activations: Activations, _ sequences: Sequences,
        gradient: UnsafePointer<Float>, _ workspace: Workspace
    ) -> FloatPointer {
        let down = workspace.takeZeroed(sequences.tokenCount * width)
        if let norm, let statistics = activations.norm {
            norm.backward(
                values, gradients, x: activations.last, statistics, dy: gradient, rows: sequences.tokenCount,
                addingTo: down)
        } else {
            down.update(from: gradient, count: sequences.tokenCount * width)
        }
        for (block, kept) in zip(blocks, activations.blocks).reversed() {
            block.backward(values, gradients, kept, sequences, gradient: down, workspace)
        }
        return down
    }
}
