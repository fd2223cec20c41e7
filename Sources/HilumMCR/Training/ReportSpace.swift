import Foundation
import HilumCore
import HilumNN

/// What the words of the training reports can bring to the common space: their latent semantic analysis, and the findings
/// that they name.
///
///     pieces and pairs x [F] ─ · U₀ ─► z₀ [w] ─┬ first D, unit length, − mean ─► latent [D]
///                                              └ ridge on the labels, main axes ─► findings [f]
///
/// `ShortcutFit` regresses pictures on both, and `directions(for:)` then says which D directions stay.
struct ReportSpace {
    /// Where the words lead, and what a picture's predictions of `latent` and `findings` are multiplied by to get there.
    struct Directions {
        /// U `[F, D]` of `LatentWords`.
        let words: DenseMatrix
        /// `[D + f, D]`: of predictions; the result has a typical length of 1.
        let pictures: DenseMatrix
        /// How long the predictions of `latent` are beside `latent`: what pictures know.
        let share: Float
    }

    /// A feature or a label that fewer training reports have counts for nothing.
    static let leastReports = 2
    /// From so many pairs on pictures choose the directions; with fewer, canonical correlations are chance.
    static let leastCorrelated = 400
    /// Columns of U₀ in parts of D.
    private static let widths = 2
    /// Share of D that findings may take.
    private static let findingsShare = (3, 8)
    /// More labels than that are cut by frequency.
    private static let mostLabels = 200
    /// Of the regression from z₀ to labels, on top of z₀ᵀz₀.
    private static let strength: Float = 0.3
    /// How much a canonical direction counts in a report: λ to this power. In a picture the regression shrinks it already.
    private static let sharpness: Float = 2.5
    /// What findings count beside the latent part, in a report and in a picture. In cross-validation 0.6 and 1 gave more label
    /// precision of both kinds at nearly no cost of recall.
    private static let findingsInReports: Float = 0.6
    private static let findingsInPictures: Float = 1

    /// U₀, `[F, w]`.
    private let start: DenseMatrix
    /// z₀ of each training report, `[reports, w]`.
    private let scores: DenseMatrix
    /// `[w, f]`; f is 0 where no labels are known.
    private let findingsWay: DenseMatrix
    /// Of each training report, `[reports, D]`.
    let latent: DenseMatrix
    /// Of each training report, `[reports, f]`: its labels along the main axes of those that words predict.
    let findings: DenseMatrix
    private let blas: OpenBLAS

    private var dimension: Int { latent.columns }

    /// - Parameters:
    ///   - rows: tf · idf of each training report, of unit length.
    ///   - labels: of each report, as numbers; empty lists where labels are to count for nothing.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    init(
        rows: [LatentSemantics.Row], features: Int, dimension: Int, labels: [[Int32]], seed: UInt64
    ) throws(NumericError) {
        blas = try OpenBLAS.load()
        let width = min(Self.widths * dimension, max(dimension, features))
        start = DenseMatrix(
            rows: features, columns: width,
            values: LatentSemantics.directions(of: rows, features: features, dimension: width, seed: seed))
        var scores = DenseMatrix(rows: rows.count, columns: width)
        for (number, row) in rows.enumerated() {
            for (feature, value) in zip(row.features, row.values) {
                for j in 0..<width { scores[number, j] += value * start[feature, j] }
            }
        }
        self.scores = scores
        latent = scores.columns(0..<dimension).normalised().centred()
        let marks = Self.marks(labels)
        guard marks.columns > 0 else {
            findingsWay = DenseMatrix(rows: width, columns: 0)
            findings = DenseMatrix(rows: rows.count, columns: 0)
            return
        }
        let regression = try RidgeRegression(
            x: scores.values, targets: marks.values, rows: rows.count, inputs: width, outputs: marks.columns,
            isStandardised: false)
        let weights = DenseMatrix(
            rows: marks.columns, columns: width, values: regression.weights(strength: Self.strength / Float(width)))
        let predicted = scores.centred().times(weights.transposed(), blas)
        let most = dimension * Self.findingsShare.0 / Self.findingsShare.1
        let axes = Self.mainAxes(of: predicted, most: most, blas)
        findingsWay = weights.transposed().times(axes, blas)
        findings = marks.centred().times(axes, blas)
    }

    /// `[reports, labels]`, 1 where a report has the label; labels of few reports or of all are left out.
    private static func marks(_ labels: [[Int32]]) -> DenseMatrix {
        var counts: [Int32: Int] = [:]
        for label in labels.joined() { counts[label, default: 0] += 1 }
        let kept = counts.filter { $0.value >= leastReports && $0.value < labels.count }
            .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(mostLabels).map(\.key)
        let places = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
        var marks = DenseMatrix(rows: labels.count, columns: kept.count)
        for (row, found) in labels.enumerated() {
            for label in found { if let column = places[label] { marks[row, column] = 1 } }
        }
        return marks
    }

    /// The leading eigenvectors of XᵀX, `[columns, at most most]`, without those that have nearly no share in it.
    private static func mainAxes(of x: DenseMatrix, most: Int, _ blas: OpenBLAS) -> DenseMatrix {
        let width = x.columns
        let (values, vectors) = LatentSemantics.eigen(x.transposedTimes(x, blas).values.map { Double($0) }, width)
        let least = 1e-4 * (values.max() ?? 0)
        let order = values.indices.filter { values[$0] > least }
            .sorted { (values[$1], $0) < (values[$0], $1) }.prefix(most)
        var axes = DenseMatrix(rows: width, columns: order.count)
        for (column, index) in order.enumerated() {
            for i in 0..<width { axes[i, column] = Float(vectors[i * width + index]) }
        }
        return axes
    }

    /// The D directions of the common space.
    ///
    /// - Parameters:
    ///   - samples: the training reports whose pictures are known.
    ///   - predictions: `[samples, D + f]`, of `latent` and `findings`, from their pictures.
    func directions(for samples: [Int], predictions: DenseMatrix) -> Directions {
        let count = dimension - findings.columns
        let known = predictions.columns(0..<dimension).centred()
        let targets = latent.rows(samples).centred()
        var vectors = DenseMatrix(rows: dimension, columns: count)
        var factors = [Float](repeating: 1, count: count)
        if samples.count >= Self.leastCorrelated {
            let canonical = CanonicalDirections(of: targets, predicted: known, count: count, blas)
            vectors = canonical.vectors
            factors = canonical.correlations.map { pow($0, Self.sharpness) }
        } else {
            for j in 0..<count { vectors[j, j] = 1 }
        }
        // In words a latent vector is z₀ over its own length; a mean length stands for it, so that all stays one product.
        let length = scores.columns(0..<dimension).typicalLength
        let weighted = vectors.scaled(factors)
        let wordPart = start.columns(0..<dimension)
            .times(weighted.scaled(by: 1 / (length * latent.times(weighted, blas).typicalLength)), blas)
        let findingPart = start.times(findingsWay, blas)
            .scaled(by: Self.findingsInReports / scores.centred().times(findingsWay, blas).typicalLength)
        return Directions(
            words: wordPart.beside(findingPart), pictures: pictures(vectors, predictions),
            share: known.typicalLength / targets.typicalLength)
    }

    /// Both parts of a picture, each of a typical length of 1 before findings are weighed, then the whole.
    private func pictures(_ vectors: DenseMatrix, _ predictions: DenseMatrix) -> DenseMatrix {
        let width = findings.columns
        let latentLength = predictions.columns(0..<dimension).centred().times(vectors, blas).typicalLength
        let findingsLength = predictions.columns(dimension..<(dimension + width)).centred().typicalLength
        var result = DenseMatrix(rows: dimension + width, columns: dimension)
        for i in 0..<dimension {
            for j in 0..<vectors.columns { result[i, j] = vectors[i, j] / latentLength }
        }
        for j in 0..<width {
            result[dimension + j, vectors.columns + j] = Self.findingsInPictures / findingsLength
        }
        return result.scaled(by: 1 / predictions.centred().times(result, blas).typicalLength)
    }
}
