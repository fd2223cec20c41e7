import HilumCore
import HilumImaging
import HilumPhantom
import Testing

@testable import HilumMCR
@testable import HilumNN

/// The linear way from the words of a report to the common space.
@Suite struct LatentWordsTests {
    private static let sizes: MCRConfiguration = {
        var sizes = MCRConfiguration.levels
        sizes.imageSide = 64
        sizes.image = .init(width: 24, layers: 1, heads: 2)
        sizes.report = .init(width: 24, layers: 1, heads: 2)
        sizes.decoder = .init(width: 16, layers: 1, heads: 2)
        sizes.mapHidden = 24
        sizes.dimension = 16
        sizes.maxTokens = 60
        sizes.shortcutCells = 2
        sizes.shortcutPairs = 64
        return sizes
    }()

    private static func trained() throws -> MCRModel {
        let generator = PhantomGenerator(seed: 8, site: .b, side: 96)
        let cases = (0..<40).map { generator.makeCase($0) }
        let tokenizer = Tokenizer(
            vocabulary: try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400))
        var options = TrainingOptions()
        options.stepCount = 2
        options.batchSize = 8
        let trainer = try MCRTrainer(sizes, tokenizer: tokenizer, options: options)
        let set = TrainingSet(
            images: cases.map(\.image), reports: cases.map(\.report), configuration: sizes, tokenizer: tokenizer)
        try trainer.run(set, validation: nil)
        return trainer.model()
    }

    @Test func `What each word brings sums to what the report gets, and hidden words bring nothing`() throws {
        let model = try Self.trained()
        let words = try #require(model.latentWords)
        let report = model.tokenizer.encode("No pleural effusion. No effusion on the left.", maxLength: 60)
        let workspace = Workspace()
        let whole = workspace.take(16)
        words.apply(model.values.pointer, report.ids, into: whole)
        let shares = words.shares(model.values.pointer, report.ids)
        for j in 0..<16 {
            let sum = report.ids.indices.reduce(Float(0)) { $0 + shares[$1 * 16 + j] }
            #expect(abs(sum - whole[j]) < 1e-5)
        }
        // A report whose last words are hidden is, for this way, the report without them.
        let short = model.tokenizer.encode("No pleural effusion.", maxLength: 60)
        let hidden = report.ids.indices.map { $0 >= short.ids.count - 1 && $0 < report.ids.count - 1 }
        let (first, second) = (workspace.take(16), workspace.take(16))
        words.apply(model.values.pointer, report.ids, hidden: hidden, into: first)
        words.apply(model.values.pointer, short.ids, into: second)
        for j in 0..<16 { #expect(first[j] == second[j]) }
        words.apply(model.values.pointer, report.ids, hidden: report.ids.map { _ in true }, into: first)
        for j in 0..<16 { #expect(first[j] == 0) }
    }

    @Test func `Words that are neighbours count as a pair`() throws {
        let words = try #require(MCRNetwork(Self.sizes).latentWords)
        let ids: [Int32] = [2, 10, 11, 10, 3]
        let found = words.features(ids)
        #expect(found.filter { $0.number < words.pieces }.map(\.number) == [10, 11])
        #expect(found.filter { $0.number < words.pieces }.map(\.count) == [2, 1])
        let pairs = found.filter { $0.number >= words.pieces }
        #expect(pairs.reduce(0) { $0 + $1.count } == 2 && pairs.allSatisfy { $0.number < words.featureCount })
        #expect(words.features([2, 3]).isEmpty && words.features([]).isEmpty)
        let x = LatentWords.weights(found) { _ in 1 }
        #expect(abs(x.reduce(0) { $0 + $1 * $1 } - 1) < 1e-6)
    }

    @Test func `A report has one vector alone, among others, and where nothing is hidden`() throws {
        let model = try Self.trained()
        let texts = ["No pleural effusion.", "Left pneumothorax.", "", "Large right effusion, heart enlarged."]
        let together = try model.embed(reports: texts, threads: 2)
        for (index, text) in texts.enumerated() {
            let alone = try model.embed(reports: [text], threads: 1)
            #expect(alone == Array(together[(index * 16)..<(index * 16 + 16)]))
            #expect(abs(alone.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
    }
}

/// The leading singular vectors of reports and their features.
@Suite struct LatentSemanticsTests {
    /// 40 rows of rank 3 in 12 features.
    private let rows: [LatentSemantics.Row] = {
        var generator = SeededGenerator(seed: 4)
        let basis = (0..<3).map { _ in (0..<12).map { _ in Float(generator.uniform(in: -1...1)) } }
        return (0..<40).map { _ in
            let parts = (0..<3).map { Float(generator.uniform(in: -1...1)) * Float(3 - $0) }
            let values = (0..<12).map { j in (0..<3).reduce(Float(0)) { $0 + parts[$1] * basis[$1][j] } }
            return LatentSemantics.Row(features: Array(0..<12), values: values)
        }
    }()

    @Test func `The directions are orthonormal and hold all of a matrix of low rank`() {
        let directions = LatentSemantics.directions(of: rows, features: 12, dimension: 5, seed: 1)
        for a in 0..<5 {
            for b in 0...a {
                let dot = (0..<12).reduce(Float(0)) { $0 + directions[$1 * 5 + a] * directions[$1 * 5 + b] }
                // The matrix has rank 3: what lies beyond is zeros.
                #expect(abs(dot - (a == b && a < 3 ? 1 : 0)) < 1e-4)
            }
        }
        var lengths = [Float](repeating: 0, count: 5)
        for row in rows {
            let coordinates = (0..<5).map { a in
                (0..<12).reduce(Float(0)) { $0 + row.values[$1] * directions[$1 * 5 + a] }
            }
            let whole = row.values.reduce(0) { $0 + $1 * $1 }
            #expect(abs(coordinates.reduce(0) { $0 + $1 * $1 } - whole) < 1e-3 * max(whole, 1))
            for a in 0..<5 { lengths[a] += coordinates[a] * coordinates[a] }
        }
        #expect(lengths[0] >= lengths[1] && lengths[1] >= lengths[2])
    }

    @Test func `The same seed gives the same bits`() {
        let first = LatentSemantics.directions(of: rows, features: 12, dimension: 3, seed: 1)
        #expect(first == LatentSemantics.directions(of: rows, features: 12, dimension: 3, seed: 1))
    }

    @Test func `Eigenvectors are scaled by the matrix`() {
        var generator = SeededGenerator(seed: 9)
        let size = 7
        var matrix = [Double](repeating: 0, count: size * size)
        for i in 0..<size {
            for j in 0...i {
                matrix[i * size + j] = generator.uniform(in: -1...1)
                matrix[j * size + i] = matrix[i * size + j]
            }
        }
        let (values, vectors) = LatentSemantics.eigen(matrix, size)
        for index in 0..<size {
            for i in 0..<size {
                let product = (0..<size).reduce(0.0) { $0 + matrix[i * size + $1] * vectors[$1 * size + index] }
                #expect(abs(product - values[index] * vectors[i * size + index]) < 1e-9)
            }
        }
    }
}
