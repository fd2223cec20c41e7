import Foundation
import HilumCore
import Testing

@testable import HilumMCR
@testable import HilumNN

/// The directions that reports and pictures share.
@Suite struct ReportSpaceTests {
    /// Rows of seeded noise.
    private static func noise(_ rows: Int, _ columns: Int, seed: UInt64) -> DenseMatrix {
        var generator = SeededGenerator(seed: seed)
        return DenseMatrix(
            rows: rows, columns: columns, values: (0..<(rows * columns)).map { _ in Float(generator.normal()) })
    }

    /// Reports of 12 words each out of 40; the first words stand for a finding.
    private static func reports(_ count: Int) -> (rows: [LatentSemantics.Row], labels: [[Int32]]) {
        var generator = SeededGenerator(seed: 8)
        var rows: [LatentSemantics.Row] = []
        var labels: [[Int32]] = []
        for number in 0..<count {
            let label = Int32(number % 4)
            var words = Set((0..<11).map { _ in 4 + Int(generator.uniform(in: 0...35.999)) })
            words.insert(Int(label))
            let features = words.sorted()
            let value = 1 / Float(features.count).squareRoot()
            rows.append(LatentSemantics.Row(features: features, values: features.map { _ in value }))
            labels.append([label, 9])
        }
        return (rows, labels)
    }

    private static func space(_ count: Int, labelled: Bool = true) throws -> ReportSpace {
        let (rows, labels) = reports(count)
        return try ReportSpace(
            rows: rows, features: 40, dimension: 16, labels: labelled ? labels : labels.map { _ in [] }, seed: 1)
    }

    @Test func `Canonical directions are those that are predicted, in falling order`() throws {
        let blas = try OpenBLAS.load()
        var targets = Self.noise(600, 5, seed: 1).centred()
        // Large variance says nothing about correlation.
        for row in 0..<600 { targets[row, 4] *= 3 }
        // Column 2 is known well, column 0 a little.
        var predicted = DenseMatrix(rows: 600, columns: 5)
        for row in 0..<600 {
            predicted[row, 2] = 0.8 * targets[row, 2]
            predicted[row, 0] = 0.3 * targets[row, 0]
        }
        let found = CanonicalDirections(of: targets, predicted: predicted, count: 3, blas)
        #expect(found.correlations.count == 3 && found.correlations[0] > found.correlations[1])
        #expect((0.7...0.9).contains(found.correlations[0]))
        #expect((0.35...0.55).contains(found.correlations[1]))
        #expect(found.correlations[2] < 0.2)
        for (column, best) in [(0, 2), (1, 0)] {
            let weights = (0..<5).map { abs(found.vectors[$0, column]) }
            #expect(weights.indices.max { weights[$0] < weights[$1] } == best)
        }
        // Vᵀ(TᵀT + ridge)V is the identity times the rows, so without the ridge a little less.
        let scores = targets.times(found.vectors, blas)
        for column in 0..<3 {
            let squares = (0..<600).reduce(Float(0)) { $0 + scores[$1, column] * scores[$1, column] } / 600
            #expect((0.5...1.001).contains(squares))
        }
    }

    @Test func `Findings that words name bring their reports together`() throws {
        let space = try Self.space(200)
        // Four labels are three axes; the one that all have says nothing.
        #expect(space.findings.columns == 3)
        let (rows, labels) = Self.reports(200)
        let predictions = space.latent.beside(space.findings)
        let words = space.directions(for: Array(0..<200), predictions: predictions).words
        #expect(words.rows == 40 && words.columns == 16)
        var vectors = DenseMatrix(rows: 200, columns: 16)
        for (number, row) in rows.enumerated() {
            for (feature, value) in zip(row.features, row.values) {
                for j in 0..<16 { vectors[number, j] += value * words[feature, j] }
            }
        }
        func share(_ vectors: DenseMatrix) -> Double {
            let units = vectors.normalised().centred().normalised()
            var right = 0
            for query in 0..<200 {
                func cosine(_ other: Int) -> Float {
                    (0..<16).reduce(0) { $0 + units[query, $1] * units[other, $1] }
                }
                let nearest = (0..<200).filter { $0 != query }.max { cosine($0) < cosine($1) } ?? query
                right += labels[nearest] == labels[query] ? 1 : 0
            }
            return Double(right) / 200
        }
        #expect(share(vectors) > 0.95)
        #expect(share(space.latent) < 0.9)
    }

    @Test func `Reports that all say the same leave no direction of words`() throws {
        let row = LatentSemantics.Row(features: [1, 2], values: [0.7, 0.7])
        let same = try ReportSpace(
            rows: [LatentSemantics.Row](repeating: row, count: 12), features: 40, dimension: 16,
            labels: [[Int32]](repeating: [], count: 12), seed: 1)
        #expect(same.latent.typicalLength < 1e-4)
        #expect(try Self.space(12).latent.typicalLength > 0.1)
    }

    @Test func `Without labels all directions are those of words`() throws {
        let space = try Self.space(60, labelled: false)
        #expect(space.findings.columns == 0)
        let directions = space.directions(for: Array(0..<60), predictions: space.latent)
        #expect(directions.words.columns == 16 && directions.pictures.rows == 16)
        #expect(abs(directions.share - 1) < 1e-4)
        // Pictures that know all get vectors of a typical length of 1.
        let blas = try OpenBLAS.load()
        #expect(abs(space.latent.times(directions.pictures, blas).typicalLength - 1) < 1e-3)
    }

    @Test func `Many pairs let pictures choose the directions`() throws {
        let blas = try OpenBLAS.load()
        let count = ReportSpace.leastCorrelated
        let space = try Self.space(count)
        // Of the latent part pictures know the fifth direction alone.
        var known = DenseMatrix(rows: count, columns: 16)
        for row in 0..<count { known[row, 4] = space.latent[row, 4] / 2 }
        let predictions = known.beside(space.findings)
        let chosen = space.directions(for: Array(0..<count), predictions: predictions)
        let vectors = predictions.times(chosen.pictures, blas)
        let lengths = (0..<13).map { column in
            (0..<count).reduce(Float(0)) { $0 + vectors[$1, column] * vectors[$1, column] }
        }
        #expect(lengths[0] > 10 * lengths.dropFirst().reduce(0, +))
        // Fewer pairs keep the order of the analysis.
        let fewer = Array(0..<(count - 1))
        let kept = space.directions(for: fewer, predictions: predictions.rows(fewer))
        #expect(kept.pictures[4, 4] > 0 && kept.pictures[4, 0] == 0)
    }
}
