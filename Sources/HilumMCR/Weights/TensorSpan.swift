import HilumNN

/// A tensor whose floats stay where they are while a file is written.
struct TensorSpan {
    let name: String
    let shape: [Int]
    /// As many as the product of `shape`, kept alive by the caller.
    let floats: UnsafePointer<Float>

    var count: Int { shape.reduce(1, *) }
}

extension ParameterBuffer {
    /// The tensors of the buffer where they lie, their names behind `prefix`.
    func spans(_ layout: ParameterLayout, prefix: String = "") -> [TensorSpan] {
        layout.parameters.map {
            TensorSpan(name: prefix + $0.name, shape: $0.shape, floats: UnsafePointer(pointer + $0.offset))
        }
    }
}
