import HilumCore

/// A flat buffer of floats with the shape of a `ParameterLayout`: values, gradients or moments.
///
/// Thread rule: any number of readers, or one writer.
public final class ParameterBuffer: @unchecked Sendable {
    // Sendable: the class only owns the memory; who may write when is the thread rule above.
    /// The first float; valid while the buffer lives, aligned to a cache line.
    public let pointer: FloatPointer
    /// Floats in the buffer.
    public let count: Int

    /// Zeros.
    public init(count: Int) {
        self.count = count
        // Safety: `count` floats, freed in deinit, aligned to a cache line.
        pointer = FloatMemory.allocate(count).bindMemory(to: Float.self, capacity: max(count, 1))
        pointer.initialize(repeating: 0, count: max(count, 1))
    }

    deinit { pointer.deallocate() }

    /// Sets every float to zero.
    public func fillZero() { pointer.update(repeating: 0, count: count) }

    /// Fills every tensor from a stream of its own, so that a tensor's start values do not depend on the others.
    public func initialize(_ layout: ParameterLayout, seed: UInt64) {
        precondition(count == layout.count, "the buffer must have the layout's size")
        for (index, parameter) in layout.parameters.enumerated() {
            var generator = SeededGenerator(seed: seed, keys: 0x1417, UInt64(index))
            let values = pointer + parameter.offset
            switch parameter.initializer {
            case .zeros: values.update(repeating: 0, count: parameter.count)
            case .ones: values.update(repeating: 1, count: parameter.count)
            case .constant(let value): values.update(repeating: value, count: parameter.count)
            case .xavierUniform:
                let bound = (6 / Double(parameter.shape[0] + parameter.shape[1])).squareRoot()
                for i in 0..<parameter.count { values[i] = Float(generator.uniform(in: -bound...bound)) }
            case .normal(let deviation):
                for i in 0..<parameter.count { values[i] = Float(generator.normal()) * deviation }
            }
        }
    }
}
