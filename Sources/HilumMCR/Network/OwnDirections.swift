import HilumNN

/// Directions that each kind has for itself: what makes pictures alike among themselves stands in some, what makes reports alike in
/// others, and neither kind puts anything into those of the other.
///
///     e, the vector so far ─ − Bᵀ B e ─ unit length k ─┐
///     features of the kind ─ linear ─ unit length o ───┴─► (k + s · oᵀ B) / √(1 + s²)
///
/// So a picture and a report score k · k′, as without them, times a number that is the same for all, and their order does not change;
/// two reports, or two pictures, score (k · k′ + s² · o · o′) / (1 + s²). B holds what the vectors of pictures hardly use. It is solved
/// from outside (`tools/solve-ways`), never trained by gradients; with s = 0 of both kinds it changes no bit.
struct OwnDirections: Sendable {
    let dimension: Int
    let imageCount: Int
    let reportCount: Int
    /// From a picture to its own directions.
    let image: LinearShortcut
    /// From the words of a report to its own directions; its scale is the s of reports.
    let report: LatentWords
    /// Offsets of B `[imageCount + reportCount, dimension]`, orthonormal rows, those of pictures first, and of the s of pictures `[1]`.
    let basis: Int
    let imageScale: Int

    init(
        _ configuration: MCRConfiguration, image: LinearShortcut, report: LatentWords, in layout: inout ParameterLayout
    ) {
        dimension = configuration.dimension
        imageCount = image.dimension
        reportCount = report.dimension
        self.image = image
        self.report = report
        basis = layout.add("own.basis", [imageCount + reportCount, dimension], .zeros, decays: false)
        imageScale = layout.add("own.image.scale", [1], .zeros, decays: false)
    }

    /// Whether it changes a vector.
    func isActive(_ values: UnsafePointer<Float>) -> Bool { values[imageScale] != 0 || values[report.scale] != 0 }

    /// Makes everything zero.
    func clear(_ values: FloatPointer) {
        image.clear(values)
        report.clear(values)
        (values + basis).update(repeating: 0, count: (imageCount + reportCount) * dimension)
        values[imageScale] = 0
    }

    /// The vector of a picture, in place of the one without own directions; the parameters are those of `LinearShortcut.apply`.
    func place(
        _ values: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, kept: [Int32], into embedding: FloatPointer,
        _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let own = workspace.take(imageCount)
        image.apply(values, rows, kept: kept, into: own, workspace)
        place(values, own, imageCount, first: 0, scale: values[imageScale], into: embedding)
    }

    /// The vector of a report, in place of the one without own directions.
    func place(
        _ values: UnsafePointer<Float>, _ ids: [Int32], hidden: [Bool]? = nil, into embedding: FloatPointer,
        _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let own = workspace.take(reportCount)
        report.sum(values, ids, hidden: hidden, into: own)
        NetworkKernels.addScaled(own, values + report.mean, -1, reportCount)
        place(values, own, reportCount, first: imageCount, scale: values[report.scale], into: embedding)
    }

    /// The local features of a vector without own directions, less what they have in them, made as long as they are in the vector that
    /// `place` gives: their sum is that vector less its own part.
    ///
    /// - Parameters:
    ///   - rows: `[count, dimension]`; their sum is the vector without own directions.
    ///   - scale: s of the kind.
    func restrict(_ values: UnsafePointer<Float>, _ rows: inout [Float], scale: Float) {
        var sum = [Float](repeating: 0, count: dimension)
        rows.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            for start in stride(from: 0, to: buffer.count, by: dimension) {
                leave(values, base + start)
                for j in 0..<dimension { sum[j] += base[start + j] }
            }
        }
        let length = max(sum.reduce(0) { $0 + $1 * $1 }.squareRoot(), Self.leastLength)
        let factor = 1 / (length * (1 + scale * scale).squareRoot())
        for index in rows.indices { rows[index] *= factor }
    }

    /// The s of pictures.
    func imageScale(_ values: UnsafePointer<Float>) -> Float { values[imageScale] }

    /// The s of reports.
    func reportScale(_ values: UnsafePointer<Float>) -> Float { values[report.scale] }

    /// - Parameter own: o before it is made one long, `[count]`; overwritten.
    private func place(
        _ values: UnsafePointer<Float>, _ own: FloatPointer, _ count: Int, first: Int, scale: Float,
        into embedding: FloatPointer
    ) {
        leave(values, embedding)
        makeUnit(embedding, dimension)
        makeUnit(own, count)
        for j in 0..<count {
            NetworkKernels.addScaled(embedding, values + basis + (first + j) * dimension, scale * own[j], dimension)
        }
        makeUnit(embedding, dimension)
    }

    /// Takes off what a vector has in the own directions of both kinds.
    private func leave(_ values: UnsafePointer<Float>, _ vector: FloatPointer) {
        for row in 0..<(imageCount + reportCount) {
            let direction = values + basis + row * dimension
            NetworkKernels.addScaled(
                vector, direction, -NetworkKernels.dot(vector, direction, dimension), dimension)
        }
    }

    private func makeUnit(_ vector: FloatPointer, _ count: Int) {
        let length = max(Float(NetworkKernels.sumOfSquares(vector, count).squareRoot()), Self.leastLength)
        NetworkKernels.affine(vector, vector, scale: 1 / length, shift: 0, count)
    }

    private static let leastLength: Float = 1e-12
}
