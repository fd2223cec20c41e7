/// Linear regression with a penalty on the weights (Hoerl and Kennard 1970), solved by a Cholesky decomposition.
///
/// Inputs are standardised unless told otherwise; the products of all rows are taken once, then each strength costs one decomposition, O(inputs³ / 3).
/// Thread rule: one thread.
public final class RidgeRegression {
    /// Numbers of an input row.
    public let inputs: Int
    /// Numbers of a target row.
    public let outputs: Int
    /// Of the inputs, `[inputs]`.
    public let mean: [Float]
    private let inverseDeviation: [Float]
    /// `[inputs, inputs]`: XᵀX / inputs of standardised inputs.
    private var products: [Float]
    /// `[inputs, outputs]`: XᵀT / inputs.
    private var moments: [Float]

    /// - Parameters:
    ///   - x: `[rows, inputs]`, row-major.
    ///   - targets: `[rows, outputs]`; their mean is taken off.
    ///   - isStandardised: whether inputs are divided by their deviations, so that the penalty is the same for large and small
    ///     ones; their mean is taken off in any case.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    public init(
        x: [Float], targets: [Float], rows: Int, inputs: Int, outputs: Int, isStandardised: Bool = true
    ) throws(NumericError) {
        precondition(rows > 0 && x.count == rows * inputs && targets.count == rows * outputs, "shapes must agree")
        let blas = try OpenBLAS.load()
        self.inputs = inputs
        self.outputs = outputs
        var standard = x
        (mean, inverseDeviation) = Self.standardise(&standard, rows: rows, width: inputs, divides: isStandardised)
        var centred = targets
        let targetMeans = Self.means(targets, rows: rows, width: outputs)
        for row in 0..<rows {
            for j in 0..<outputs { centred[row * outputs + j] -= targetMeans[j] }
        }
        products = [Float](repeating: 0, count: inputs * inputs)
        moments = [Float](repeating: 0, count: inputs * outputs)
        let scale = 1 / Float(inputs)
        standard.withUnsafeBufferPointer { x in
            centred.withUnsafeBufferPointer { t in
                products.withUnsafeMutableBufferPointer { p in
                    moments.withUnsafeMutableBufferPointer { m in
                        guard let x = x.baseAddress, let t = t.baseAddress, let p = p.baseAddress,
                            let m = m.baseAddress
                        else { return }
                        blas.multiply(
                            x, transposed: true, stride: inputs, x, stride: inputs, into: p, stride: inputs, m: inputs,
                            n: inputs, k: rows, alpha: scale)
                        blas.multiply(
                            x, transposed: true, stride: inputs, t, stride: outputs, into: m, stride: outputs,
                            m: inputs, n: outputs, k: rows, alpha: scale)
                    }
                }
            }
        }
    }

    private static func means(_ x: [Float], rows: Int, width: Int) -> [Float] {
        var sums = [Double](repeating: 0, count: width)
        for row in 0..<rows {
            for j in 0..<width { sums[j] += Double(x[row * width + j]) }
        }
        return sums.map { Float($0 / Double(rows)) }
    }

    /// Takes off the mean and, where wanted, divides by the deviation (and a little, for inputs that never change).
    private static func standardise(
        _ x: inout [Float], rows: Int, width: Int, divides: Bool
    ) -> (mean: [Float], inverse: [Float]) {
        let mean = means(x, rows: rows, width: width)
        var squares = [Double](repeating: 0, count: width)
        for row in 0..<rows {
            for j in 0..<width {
                x[row * width + j] -= mean[j]
                squares[j] += Double(x[row * width + j]) * Double(x[row * width + j])
            }
        }
        let inverse = squares.map { divides ? Float(1 / (($0 / Double(rows)).squareRoot() + 1e-3)) : 1 }
        for row in 0..<rows {
            for j in 0..<width { x[row * width + j] *= inverse[j] }
        }
        return (mean, inverse)
    }

    /// The weights `[outputs, inputs]` of a strength, for inputs as they came (less `mean`).
    ///
    /// - Parameter strength: what is added to the diagonal, whose mean is rows / inputs where inputs are standardised; above 0.
    public func weights(strength: Float) -> [Float] {
        precondition(strength > 0, "a strength is above 0")
        let factor = decomposition(strength)
        var result = [Float](repeating: 0, count: outputs * inputs)
        var column = [Float](repeating: 0, count: inputs)
        for output in 0..<outputs {
            for j in 0..<inputs { column[j] = moments[j * outputs + output] }
            Self.solve(factor, inputs, &column)
            for j in 0..<inputs { result[output * inputs + j] = column[j] * inverseDeviation[j] }
        }
        return result
    }

    /// L of `products` + strength · 1 = L·Lᵀ, `[inputs, inputs]`, zeros above the diagonal.
    private func decomposition(_ strength: Float) -> [Float] {
        var factor = [Float](repeating: 0, count: inputs * inputs)
        factor.withUnsafeMutableBufferPointer { buffer in
            guard let lower = buffer.baseAddress else { return }
            for row in 0..<inputs {
                for column in 0...row {
                    let dot = NetworkKernels.dot(lower + row * inputs, lower + column * inputs, column)
                    let rest = products[row * inputs + column] - dot
                    if row == column {
                        lower[row * inputs + row] = max(rest + strength, 1e-12).squareRoot()
                    } else {
                        lower[row * inputs + column] = rest / lower[column * inputs + column]
                    }
                }
            }
        }
        return factor
    }

    /// Solves L·Lᵀ·x = b in place.
    private static func solve(_ factor: [Float], _ count: Int, _ x: inout [Float]) {
        factor.withUnsafeBufferPointer { lower in
            x.withUnsafeMutableBufferPointer { x in
                guard let lower = lower.baseAddress, let x = x.baseAddress else { return }
                for row in 0..<count {
                    x[row] = (x[row] - NetworkKernels.dot(lower + row * count, x, row)) / lower[row * count + row]
                }
                for row in (0..<count).reversed() {
                    x[row] /= lower[row * count + row]
                    NetworkKernels.addScaled(x, lower + row * count, -x[row], row)
                }
            }
        }
    }
}
