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
    /// `y = x · Wᵀ + b` without what a backward pass would need; then GELU or ReLU6, if it is asked for, and then `+ residual`
    /// `[rows, outputs]`, which must not be y.
    public func infer(
        _ weights: PackedWeights, _ x: UnsafePointer<Float>, rows: Int, into y: FloatPointer, gelu: Bool = false,
        relu6: Bool = false, residual: UnsafePointer<Float>? = nil
    ) {
        var product = hilum_product()
        (product.m, product.n, product.k) = (rows, outputs, inputs)
        (product.a, product.a_row, product.a_step) = (x, inputs, 1)
        (product.c, product.c_row) = (y, outputs)
        weights.setWeights(of: &product, self)
        product.bias = weights.values + bias
        product.gelu = gelu ? 1 : 0
        product.relu6 = relu6 ? 1 : 0
        product.residual = residual
        hilum_multiply(&product)
    }
}
