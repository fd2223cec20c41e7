import HilumNN

/// The directions of the reports' vectors that pictures say most about: canonical correlations (Hotelling 1936).
///
/// With T the centred vectors of reports and P a regression's predictions of them from pictures, both `[rows, d]`: the largest
/// v with TᵀP·v = λ²·(TᵀT + ridge)·v, scaled to vᵀ(TᵀT + ridge)v = rows. P is made of the rows that the regression was solved on,
/// so λ is too good by the same measure everywhere; the ridge keeps directions of little variance from winning by chance.
struct CanonicalDirections {
    /// V, `[d, count]`.
    let vectors: DenseMatrix
    /// λ of each column, falling.
    let correlations: [Float]

    /// The ridge in parts of the mean variance.
    private static let ridge = 0.1

    init(of targets: DenseMatrix, predicted: DenseMatrix, count: Int, _ blas: OpenBLAS) {
        let width = targets.columns
        precondition(predicted.columns == width && count <= width, "shapes must agree")
        let rows = Double(max(targets.rows, 1))
        var variance = targets.transposedTimes(targets, blas).values.map { Double($0) / rows }
        let trace = (0..<width).reduce(0.0) { $0 + variance[$1 * width + $1] }
        for j in 0..<width { variance[j * width + j] += Self.ridge * trace / Double(width) + 1e-12 }
        let (values, vectors) = LatentSemantics.eigen(variance, width)
        // S = Q·Λ^−½: SᵀTᵀTS is the identity.
        var whitening = DenseMatrix(rows: width, columns: width)
        for j in 0..<width {
            let scale = 1 / max(values[j], 1e-12).squareRoot()
            for i in 0..<width { whitening[i, j] = Float(vectors[i * width + j] * scale) }
        }
        let cross = predicted.transposedTimes(targets, blas)
        let inner = whitening.transposedTimes(cross, blas).times(whitening, blas)
        var symmetric = [Double](repeating: 0, count: width * width)
        for i in 0..<width {
            for j in 0..<width { symmetric[i * width + j] = Double(inner[i, j] + inner[j, i]) / (2 * rows) }
        }
        let (squares, axes) = LatentSemantics.eigen(symmetric, width)
        let order = squares.indices.sorted { (squares[$1], $0) < (squares[$0], $1) }.prefix(count)
        var chosen = DenseMatrix(rows: width, columns: count)
        for (column, index) in order.enumerated() {
            for i in 0..<width { chosen[i, column] = Float(axes[i * width + index]) }
        }
        self.vectors = whitening.times(chosen, blas)
        correlations = order.map { Float(max(squares[$0], 1e-6).squareRoot()) }
    }
}
