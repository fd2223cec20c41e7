import HilumEmbedding
import HilumNN

/// Directions that each kind has for itself, beside those of the common space: what makes pictures alike among themselves stands in some,
/// what makes reports alike in others.
///
///     e, unit vector [D] of the common space ───────────┐
///     features of the kind ─ linear ─ unit length o ────┴─► picture (e, s · o, 0) / √(1 + s²);   report (e, 0, s · o) / √(1 + s²)
///
/// A picture and a report have the cosine e · e′, as without them, times a number that is the same for all; two reports, or two pictures, have
/// (e · e′ + s² · o · o′) / (1 + s²). An archive stretches such a cosine (`VectorParts`), so that a question finds both kinds. They are solved from outside (`tools/solve-ways`), never trained:
/// a training changes the common space and leaves them as they are.
struct OwnDirections: Sendable {
    /// Floats of the common space, D.
    let shared: Int
    /// From a picture to its own directions.
    let image: LinearShortcut
    /// From the words of a report to its own directions; its scale is the s of reports.
    let report: LatentWords
    /// Offset of the s of pictures `[1]`.
    let imageScale: Int

    init(
        _ configuration: MCRConfiguration, image: LinearShortcut, report: LatentWords, in layout: inout ParameterLayout
    ) {
        shared = configuration.dimension
        self.image = image
        self.report = report
        imageScale = layout.add("own.image.scale", [1], .zeros, decays: false)
    }

    /// Takes them out: vectors then hold what is common and zeros.
    func clear(_ values: FloatPointer) {
        image.clear(values)
        report.clear(values)
        values[imageScale] = 0
    }

    /// Floats of a vector.
    var dimension: Int { shared + image.dimension + report.dimension }

    /// Writes the vector of a picture `[dimension]`.
    ///
    /// - Parameters:
    ///   - common: its unit vector in the common space.
    ///   - rows: features of the patches that stay, as `LinearShortcut.apply` takes them.
    ///   - kept: the patches that stay.
    func widen(
        _ values: UnsafePointer<Float>, _ common: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, kept: [Int32],
        into vector: FloatPointer, _ workspace: Workspace
    ) {
        vector.update(repeating: 0, count: dimension)
        let own = vector + shared
        image.apply(values, rows, kept: kept, into: own, workspace)
        join(common, own, image.dimension, scale: values[imageScale], in: vector)
    }

    /// Writes the vector of a report `[dimension]`; `common` is its unit vector in the common space.
    func widen(
        _ values: UnsafePointer<Float>, _ common: UnsafePointer<Float>, _ ids: [Int32], hidden: [Bool]? = nil,
        into vector: FloatPointer
    ) {
        vector.update(repeating: 0, count: dimension)
        let own = vector + shared + image.dimension
        report.sum(values, ids, hidden: hidden, into: own)
        NetworkKernels.addScaled(own, values + report.mean, -1, report.dimension)
        join(common, own, report.dimension, scale: values[report.scale], in: vector)
    }

    /// How long the common part of a picture's vector is.
    func commonLengthOfImages(_ values: UnsafePointer<Float>) -> Float { Self.commonLength(values[imageScale]) }

    /// How long the common part of a report's vector is.
    func commonLengthOfReports(_ values: UnsafePointer<Float>) -> Float { Self.commonLength(values[report.scale]) }

    /// The same as whoever compares vectors of two kinds asks for it.
    func parts(_ values: UnsafePointer<Float>) -> VectorParts? {
        VectorParts(
            common: shared, ownOfImages: image.dimension, ownOfReports: report.dimension,
            commonLengthOfImages: commonLengthOfImages(values), commonLengthOfReports: commonLengthOfReports(values))
    }

    private static func commonLength(_ scale: Float) -> Float { 1 / (1 + scale * scale).squareRoot() }

    /// - Parameter own: o before it is made one long, `[count]` within `vector`, all else of which is zero.
    private func join(
        _ common: UnsafePointer<Float>, _ own: FloatPointer, _ count: Int, scale: Float, in vector: FloatPointer
    ) {
        let length = max(Float(NetworkKernels.sumOfSquares(own, count).squareRoot()), Self.leastLength)
        let commonLength = Self.commonLength(scale)
        NetworkKernels.affine(own, own, scale: scale * commonLength / length, shift: 0, count)
        NetworkKernels.affine(vector, common, scale: commonLength, shift: 0, shared)
    }

    private static let leastLength: Float = 1e-12
}
