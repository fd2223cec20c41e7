import CHilumKernels

/// The weights of linear layers laid out for products, made once when a model is loaded.
///
/// `values` stays the one copy of everything else (biases, norms, tables). Without packing, every product packs its weights as
/// it goes, with the same bits: for weights that still change.
/// Thread rule: immutable; any number of threads.
public final class PackedWeights: @unchecked Sendable {
    // Sendable: never written after init.
    let values: UnsafePointer<Float>
    private let owner: ParameterBuffer
    private let panels: FloatPointer?
    /// Start of each layer's panels, by the offset of its weights in the layout.
    private let starts: [Int: Int]

    /// - Parameters:
    ///   - layers: what is packed; none: every product packs its weights itself.
    public init(_ values: ParameterBuffer, packing layers: [Linear]) {
        owner = values
        self.values = UnsafePointer(values.pointer)
        var starts: [Int: Int] = [:]
        var count = 0
        for layer in layers {
            starts[layer.weight] = count
            count += (hilum_packed_count(layer.outputs, layer.inputs) + 15) & ~15
        }
        self.starts = starts
        guard count > 0 else {
            panels = nil
            return
        }
        // Safety: `count` floats, freed in deinit; each layer's panels end before the next one's begin.
        let base = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64)
            .bindMemory(to: Float.self, capacity: count)
        for layer in layers {
            guard let start = starts[layer.weight] else { continue }
            hilum_pack(values.pointer + layer.weight, layer.outputs, layer.inputs, base + start)
        }
        panels = base
    }

    deinit { panels?.deallocate() }

    /// The panels of a layer, if it is packed.
    @inline(__always)
    func panels(of layer: Linear) -> UnsafePointer<Float>? {
        guard let panels, let start = starts[layer.weight] else { return nil }
        return UnsafePointer(panels + start)
    }
}

extension Linear {
    /// `y = x · Wᵀ + b` without what a backward pass would need; then GELU, if it is asked for, and then `+ residual`
    /// `[rows, outputs]`, which must not be y.
    public func infer(
        _ weights: PackedWeights, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer, gelu: Bool = false,
        residual: UnsafePointer<Float>? = nil
    ) {
        let panels = weights.panels(of: self)
        var product = hilum_product(
            rows: x, stride: inputs, panels ?? weights.values + weight, panels == nil ? hilum_transposed : hilum_packed,
            stride: inputs, into: y, stride: outputs, m: rows, n: outputs, k: inputs)
        product.bias = weights.values + bias
        product.gelu = gelu ? 1 : 0
        product.residual = residual
        hilum_multiply(&product)
    }
}

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
