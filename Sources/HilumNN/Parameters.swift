import HilumCore

/// How a parameter is filled before training.
public enum Initializer: Sendable, Equatable {
    case zeros
    case ones
    /// Uniform in ±√(6 / (inputs + outputs)) of a `[outputs, inputs]` matrix (Glorot and Bengio 2010).
    case xavierUniform
    case normal(deviation: Float)
    case constant(Float)
}

/// One named tensor inside the flat parameter buffer.
public struct Parameter: Sendable, Equatable {
    public let name: String
    public let shape: [Int]
    /// Index of its first float in the flat buffer.
    public let offset: Int
    public let initializer: Initializer
    /// Whether weight decay applies.
    public let decays: Bool

    public var count: Int { shape.reduce(1, *) }
}

/// Where each tensor of a network lies in one flat buffer; values, gradients and moments share it.
public struct ParameterLayout: Sendable {
    public private(set) var parameters: [Parameter] = []
    /// Floats in the flat buffer.
    public private(set) var count = 0

    public init() {}

    /// Adds a tensor and returns its offset.
    public mutating func add(_ name: String, _ shape: [Int], _ initializer: Initializer, decays: Bool) -> Int {
        precondition(!parameters.contains { $0.name == name }, "two parameters of the same name")
        let parameter = Parameter(name: name, shape: shape, offset: count, initializer: initializer, decays: decays)
        parameters.append(parameter)
        count += (parameter.count + 15) & ~15
        return parameter.offset
    }
}

/// A flat buffer of floats with the shape of a `ParameterLayout`: values, gradients or moments.
///
/// Thread rule: any number of readers, or one writer.
public final class ParameterBuffer: @unchecked Sendable {
    // Sendable: the class only owns the memory; who may write when is the thread rule above.
    public let pointer: FloatPointer
    public let count: Int

    /// Zeros.
    public init(count: Int) {
        self.count = count
        // Safety: `count` floats, freed in deinit, aligned to a cache line.
        pointer = FloatMemory.allocate(count).bindMemory(to: Float.self, capacity: max(count, 1))
        pointer.initialize(repeating: 0, count: max(count, 1))
    }

    deinit { pointer.deallocate() }

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
