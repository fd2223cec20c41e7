import CHilumKernels

/// The number format in which inference multiplies.
public enum Precision: String, Sendable, CaseIterable {
    case f32
    /// Weights and the inputs of linear layers in bfloat16, everything else in f32, sums too.
    case bf16

    /// Whether the processor has an instruction for it (avx512bf16); bf16 without one is slower than f32.
    public var isNative: Bool { self == .f32 || hilum_half_is_native() != 0 }

    /// Runs the inner loop of a product `rounds` times with operands that never leave the registers, for benches: no product
    /// of this precision is faster.
    /// - Returns: floating-point operations, a multiply-add counted as two.
    public func multiplyInRegisters(rounds: Int) -> Double {
        var x: Float = 1
        return hilum_multiply_in_registers(self == .bf16 ? 1 : 0, rounds, &x)
    }
}

/// The weights of linear layers laid out for products, made once when a model is loaded.
///
/// `values` stays the one copy of everything else (biases, norms, tables). Without packing, every product packs its weights as
/// it goes, with the same bits: for weights that still change.
/// Thread rule: immutable; any number of threads.
public final class PackedWeights: @unchecked Sendable {
    // Sendable: never written after init.
    let values: UnsafePointer<Float>
    private let owner: ParameterBuffer
    let precision: Precision
    /// In bf16 a pair of numbers stands in the place of a float.
    private let panels: UnsafeMutableRawPointer?
    /// Start of each layer's panels, by the offset of its weights in the layout.
    private let starts: [Int: Int]

    /// - Parameters:
    ///   - layers: what is packed; none: every product packs its weights itself, in f32.
    ///   - precision: of the packed layers.
    public init(_ values: ParameterBuffer, packing layers: [Linear], precision: Precision = .f32) {
        owner = values
        self.precision = precision
        self.values = UnsafePointer(values.pointer)
        var starts: [Int: Int] = [:]
        var count = 0
        for layer in layers {
            starts[layer.weight] = count
            let words =
                precision == .bf16
                ? hilum_packed_half_count(layer.outputs, layer.inputs) : hilum_packed_count(layer.outputs, layer.inputs)
            count += (words + 15) & ~15
        }
        self.starts = starts
        guard count > 0 else {
            panels = nil
            return
        }
        // Safety: `count` words of 32 bits, freed in deinit; each layer's panels end before the next one's begin.
        let base = FloatMemory.allocate(count)
        switch precision {
        case .f32:
            let floats = base.bindMemory(to: Float.self, capacity: count)
            for layer in layers {
                guard let start = starts[layer.weight] else { continue }
                hilum_pack(values.pointer + layer.weight, layer.outputs, layer.inputs, floats + start)
            }
        case .bf16:
            let pairs = base.bindMemory(to: UInt32.self, capacity: count)
            for layer in layers {
                guard let start = starts[layer.weight] else { continue }
                hilum_pack_half(values.pointer + layer.weight, layer.outputs, layer.inputs, pairs + start)
            }
        }
        panels = base
    }

    deinit { panels?.deallocate() }

    /// Makes B of a product the layer's weights, packed or as they are.
    @inline(__always)
    func setWeights(of product: inout hilum_product, _ layer: Linear) {
        product.b_row = layer.inputs
        guard let panels, let start = starts[layer.weight] else {
            product.b = values + layer.weight
            product.b_operand = hilum_transposed
            return
        }
        let place = panels + 4 * start
        switch precision {
        case .f32:
            product.b = UnsafePointer(place.assumingMemoryBound(to: Float.self))
            product.b_operand = hilum_packed
        case .bf16:
            product.pairs = UnsafePointer(place.assumingMemoryBound(to: UInt32.self))
            product.b_operand = hilum_packed_half
        }
    }
}

extension Linear {
    /// `y = x · Wᵀ + b` without what a backward pass would need; then GELU, if it is asked for, and then `+ residual`
    /// `[rows, outputs]`, which must not be y.
    public func infer(
        _ weights: PackedWeights, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer, gelu: Bool = false,
        residual: UnsafePointer<Float>? = nil
    ) {
        var product = hilum_product()
        (product.m, product.n, product.k) = (rows, outputs, inputs)
        (product.a, product.a_row, product.a_step) = (x, inputs, 1)
        (product.c, product.c_row) = (y, outputs)
        weights.setWeights(of: &product, self)
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
