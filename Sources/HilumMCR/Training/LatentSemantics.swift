import Foundation
import HilumCore
import HilumNN

/// The leading right singular vectors of a sparse matrix of reports and their features.
///
/// Subspace iteration from a seeded start (Halko, Martinsson and Tropp 2011, arXiv 0909.4061): a few more directions than wanted,
/// `rounds` products with XᵀX, then the eigenvectors of a small matrix. The same rows and seed give the same bits on any number of
/// threads.
enum LatentSemantics {
    /// A row of X: numbers of features, and their values.
    struct Row {
        let features: [Int]
        let values: [Float]
    }

    private static let spare = 24
    private static let rounds = 4
    private static let sweeps = 30

    /// U, `[features, dimension]`: X · U are the coordinates of the rows. Directions beyond the rank of X are zeros.
    static func directions(of rows: [Row], features: Int, dimension: Int, seed: UInt64) -> [Float] {
        let width = min(dimension + spare, features)
        var generator = SeededGenerator(seed: seed, keys: 0x15A)
        var q = (0..<(features * width)).map { _ in Float(generator.uniform(in: -1...1)) }
        var y = [Float](repeating: 0, count: rows.count * width)
        orthonormalise(&q, rows: features, width: width)
        for _ in 0..<rounds {
            project(rows, q, width, into: &y)
            q.withUnsafeMutableBufferPointer { q in
                y.withUnsafeBufferPointer { y in
                    guard let q = q.baseAddress, let y = y.baseAddress else { return }
                    q.update(repeating: 0, count: features * width)
                    for (index, row) in rows.enumerated() {
                        for (feature, value) in zip(row.features, row.values) {
                            NetworkKernels.addScaled(q + feature * width, y + index * width, value, width)
                        }
                    }
                }
            }
            orthonormalise(&q, rows: features, width: width)
        }
        project(rows, q, width, into: &y)
        var gram = [Double](repeating: 0, count: width * width)
        for row in 0..<rows.count {
            for i in 0..<width {
                let value = Double(y[row * width + i])
                for j in 0...i { gram[i * width + j] += value * Double(y[row * width + j]) }
            }
        }
        for i in 0..<width { for j in 0..<i { gram[j * width + i] = gram[i * width + j] } }
        let (values, vectors) = eigen(gram, width)
        let order = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
        var result = [Float](repeating: 0, count: features * dimension)
        for (column, index) in order.prefix(dimension).enumerated() where values[index] > 1e-9 * (values.max() ?? 0) {
            for feature in 0..<features {
                var sum = 0.0
                for j in 0..<width { sum += Double(q[feature * width + j]) * vectors[j * width + index] }
                result[feature * dimension + column] = Float(sum)
            }
        }
        return result
    }

    /// X · Q, `[rows, width]`.
    private static func project(_ rows: [Row], _ q: [Float], _ width: Int, into y: inout [Float]) {
        q.withUnsafeBufferPointer { q in
            y.withUnsafeMutableBufferPointer { y in
                guard let q = q.baseAddress, let y = y.baseAddress else { return }
                y.update(repeating: 0, count: rows.count * width)
                for (index, row) in rows.enumerated() {
                    for (feature, value) in zip(row.features, row.values) {
                        NetworkKernels.addScaled(y + index * width, q + feature * width, value, width)
                    }
                }
            }
        }
    }

    /// Makes the columns orthonormal, each against those before it, twice; one that depends on these becomes zeros.
    private static func orthonormalise(_ q: inout [Float], rows: Int, width: Int) {
        // By columns: each is then one run of memory.
        var columns = [Float](repeating: 0, count: rows * width)
        for row in 0..<rows { for j in 0..<width { columns[j * rows + row] = q[row * width + j] } }
        columns.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            for j in 0..<width {
                let column = base + j * rows
                let before = NetworkKernels.sumOfSquares(column, rows).squareRoot()
                for _ in 0..<2 {
                    for i in 0..<j {
                        NetworkKernels.addScaled(
                            column, base + i * rows, -NetworkKernels.dot(column, base + i * rows, rows), rows)
                    }
                }
                let length = NetworkKernels.sumOfSquares(column, rows).squareRoot()
                let scale = length > 1e-5 * before && length > 0 ? Float(1 / length) : 0
                NetworkKernels.affine(column, column, scale: scale, shift: 0, rows)
            }
        }
        for row in 0..<rows { for j in 0..<width { q[row * width + j] = columns[j * rows + row] } }
    }

    /// Eigenvalues and eigenvectors (columns) of a symmetric matrix, by cyclic Jacobi rotations.
    static func eigen(_ matrix: [Double], _ size: Int) -> (values: [Double], vectors: [Double]) {
        var a = matrix
        var v = [Double](repeating: 0, count: size * size)
        for i in 0..<size { v[i * size + i] = 1 }
        for _ in 0..<sweeps {
            var off = 0.0
            var diagonal = 0.0
            for i in 0..<size {
                diagonal += a[i * size + i] * a[i * size + i]
                for j in 0..<i { off += a[i * size + j] * a[i * size + j] }
            }
            if off <= 1e-22 * max(diagonal, .leastNormalMagnitude) { break }
            for p in 0..<size {
                for q in (p + 1)..<max(size, p + 1) where a[p * size + q] != 0 {
                    rotate(&a, &v, size, p, q)
                }
            }
        }
        return ((0..<size).map { a[$0 * size + $0] }, v)
    }

    private static func rotate(_ a: inout [Double], _ v: inout [Double], _ size: Int, _ p: Int, _ q: Int) {
        let theta = (a[q * size + q] - a[p * size + p]) / (2 * a[p * size + q])
        let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot()
        let s = t * c
        for k in 0..<size {
            let (x, y) = (a[k * size + p], a[k * size + q])
            (a[k * size + p], a[k * size + q]) = (c * x - s * y, s * x + c * y)
        }
        for k in 0..<size {
            let (x, y) = (a[p * size + k], a[q * size + k])
            (a[p * size + k], a[q * size + k]) = (c * x - s * y, s * x + c * y)
            let (u, w) = (v[k * size + p], v[k * size + q])
            (v[k * size + p], v[k * size + q]) = (c * u - s * w, s * u + c * w)
        }
    }
}
