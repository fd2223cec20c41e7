import HilumNN

/// A matrix for the closed-form fits after a training, row by row.
struct DenseMatrix {
    let rows: Int
    let columns: Int
    var values: [Float]

    init(rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns, "shapes must agree")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    init(rows: Int, columns: Int) {
        self.init(rows: rows, columns: columns, values: [Float](repeating: 0, count: rows * columns))
    }

    subscript(row: Int, column: Int) -> Float {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// self · other.
    func times(_ other: DenseMatrix, _ blas: OpenBLAS) -> DenseMatrix {
        precondition(columns == other.rows, "shapes must agree")
        return product(other, transposed: false, m: rows, k: columns, blas)
    }

    /// selfᵀ · other.
    func transposedTimes(_ other: DenseMatrix, _ blas: OpenBLAS) -> DenseMatrix {
        precondition(rows == other.rows, "shapes must agree")
        return product(other, transposed: true, m: columns, k: rows, blas)
    }

    private func product(_ other: DenseMatrix, transposed: Bool, m: Int, k: Int, _ blas: OpenBLAS) -> DenseMatrix {
        var result = DenseMatrix(rows: m, columns: other.columns)
        values.withUnsafeBufferPointer { a in
            other.values.withUnsafeBufferPointer { b in
                result.values.withUnsafeMutableBufferPointer { c in
                    guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
                    blas.multiply(
                        a, transposed: transposed, stride: columns, b, stride: other.columns, into: c,
                        stride: other.columns, m: m, n: other.columns, k: k)
                }
            }
        }
        return result
    }

    func transposed() -> DenseMatrix {
        var result = DenseMatrix(rows: columns, columns: rows)
        for row in 0..<rows { for column in 0..<columns { result[column, row] = self[row, column] } }
        return result
    }

    /// Some of the columns.
    func columns(_ range: Range<Int>) -> DenseMatrix {
        var result = DenseMatrix(rows: rows, columns: range.count)
        for row in 0..<rows {
            for (place, column) in range.enumerated() { result[row, place] = self[row, column] }
        }
        return result
    }

    /// Some of the rows, in the order given.
    func rows(_ numbers: [Int]) -> DenseMatrix {
        DenseMatrix(
            rows: numbers.count, columns: columns,
            values: numbers.flatMap { values[($0 * columns)..<(($0 + 1) * columns)] })
    }

    /// Each column times its factor.
    func scaled(_ factors: [Float]) -> DenseMatrix {
        var result = self
        for row in 0..<rows { for column in 0..<columns { result[row, column] *= factors[column] } }
        return result
    }

    func scaled(by factor: Float) -> DenseMatrix {
        DenseMatrix(rows: rows, columns: columns, values: values.map { $0 * factor })
    }

    /// The rows less their mean.
    func centred() -> DenseMatrix {
        var result = self
        for column in 0..<columns {
            var sum = 0.0
            for row in 0..<rows { sum += Double(self[row, column]) }
            let mean = Float(sum / Double(max(rows, 1)))
            for row in 0..<rows { result[row, column] -= mean }
        }
        return result
    }

    /// The rows as unit vectors; one of zeros stays.
    func normalised() -> DenseMatrix {
        var result = self
        for row in 0..<rows {
            var sum: Float = 0
            for column in 0..<columns { sum += self[row, column] * self[row, column] }
            guard sum > 0 else { continue }
            for column in 0..<columns { result[row, column] /= sum.squareRoot() }
        }
        return result
    }

    /// The root of the mean squared length of a row, at least 1e-12.
    var typicalLength: Float {
        let sum = values.reduce(0.0) { $0 + Double($1) * Double($1) }
        return max(Float((sum / Double(max(rows, 1))).squareRoot()), 1e-12)
    }

    /// This matrix and others to the right of it.
    func beside(_ others: DenseMatrix...) -> DenseMatrix {
        let all = [self] + others
        precondition(others.allSatisfy { $0.rows == rows }, "shapes must agree")
        var result = DenseMatrix(rows: rows, columns: all.reduce(0) { $0 + $1.columns })
        for row in 0..<rows {
            var next = 0
            for part in all {
                for column in 0..<part.columns {
                    result[row, next] = part[row, column]
                    next += 1
                }
            }
        }
        return result
    }
}
