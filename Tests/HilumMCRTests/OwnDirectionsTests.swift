import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

@testable import HilumMCR
@testable import HilumNN

/// Directions that each kind has for itself.
@Suite struct OwnDirectionsTests {
    private static let dimension = 16
    private static let counts = MCRConfiguration.OwnCounts(image: 3, report: 4)
    private static let cases: [PhantomCase] = {
        let generator = PhantomGenerator(seed: 31, site: .a, side: 96)
        return (0..<6).map { generator.makeCase($0) }
    }()
    private static let texts = cases.map(\.report) + ["zorv blick frambat", "", "Left pneumothorax."]

    private static func sizes(own: MCRConfiguration.OwnCounts?) -> MCRConfiguration {
        var sizes = MCRConfiguration.film
        sizes.imageSide = 64
        sizes.image = .init(width: 24, layers: 1, heads: 2)
        sizes.report = .init(width: 24, layers: 1, heads: 2)
        sizes.decoder = .init(width: 16, layers: 1, heads: 2)
        sizes.mapHidden = 24
        sizes.dimension = dimension
        sizes.maxTokens = 60
        sizes.shortcutCells = 2
        sizes.shortcutPairs = 64
        sizes.own = own
        return sizes
    }

    /// A network of random values, linear ways among them, with orthonormal own directions or without any.
    private static func model(
        own: MCRConfiguration.OwnCounts?, scales: (image: Float, report: Float) = (0.5, 0.7)
    ) throws -> MCRModel {
        let tokenizer = Tokenizer(
            vocabulary: try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400))
        var sizes = sizes(own: own)
        sizes.vocabularySize = tokenizer.vocabulary.count
        let network = MCRNetwork(sizes)
        let values = ParameterBuffer(count: network.layout.count)
        try network.initialize(values, seed: 4)
        for parameter in network.layout.parameters {
            let name = parameter.name
            guard ["image.shortcut.", "report.words.", "own."].contains(where: name.hasPrefix) else { continue }
            let key = name.utf8.reduce(UInt64(0)) { ($0 * 31 + UInt64($1)) % 65_521 }
            var generator = SeededGenerator(seed: 9, keys: key)
            for index in 0..<parameter.count {
                values.pointer[parameter.offset + index] = Float(generator.uniform(in: -0.3...0.3))
            }
        }
        if let ways = network.own {
            values.pointer[ways.imageScale] = scales.image
            values.pointer[ways.report.scale] = scales.report
            orthonormalise(values.pointer + ways.basis, count: counts.image + counts.report)
        }
        return MCRModel(network: network, values: values, tokenizer: tokenizer)
    }

    private static func orthonormalise(_ rows: FloatPointer, count: Int) {
        for row in 0..<count {
            let vector = rows + row * dimension
            for other in 0..<row {
                let along = NetworkKernels.dot(vector, rows + other * dimension, dimension)
                NetworkKernels.addScaled(vector, rows + other * dimension, -along, dimension)
            }
            let length = Float(NetworkKernels.sumOfSquares(vector, dimension).squareRoot())
            NetworkKernels.affine(vector, vector, scale: 1 / length, shift: 0, dimension)
        }
    }

    private static func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Float {
        zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private static func row(_ rows: [Float], _ index: Int) -> ArraySlice<Float> {
        rows[(index * dimension)..<((index + 1) * dimension)]
    }

    /// A vector less what it has in the own directions of a model.
    private static func left(_ vector: ArraySlice<Float>, _ model: MCRModel) throws -> [Float] {
        let ways = try #require(model.own)
        var rest = Array(vector)
        for direction in 0..<(counts.image + counts.report) {
            let basis = (0..<dimension).map { model.values.pointer[ways.basis + direction * dimension + $0] }
            let along = dot(vector, basis[...])
            for j in 0..<dimension { rest[j] -= along * basis[j] }
        }
        return rest
    }

    @Test func `A picture and a report score what they do without own directions, times one number for all`() throws {
        let (plain, model) = (try Self.model(own: nil), try Self.model(own: Self.counts))
        let images = Self.cases.map(\.image)
        let (before, after) = (try plain.embed(images: images, threads: 2), try model.embed(images: images, threads: 2))
        let (said, told) = (
            try plain.embed(reports: Self.texts, threads: 2), try model.embed(reports: Self.texts, threads: 2)
        )
        let factor = 1 / ((1 + 0.25) * (1 + 0.49) as Float).squareRoot()
        var alike: Set<Int> = []
        for image in images.indices {
            let k = try Self.left(Self.row(before, image), model)
            for text in Self.texts.indices {
                let other = try Self.left(Self.row(said, text), model)
                let lengths = (Self.dot(k[...], k[...]) * Self.dot(other[...], other[...])).squareRoot()
                let expected = factor * Self.dot(k[...], other[...]) / lengths
                #expect(abs(Self.dot(Self.row(after, image), Self.row(told, text)) - expected) < 1e-5)
            }
            // What pictures have for themselves is as long in each of them.
            for number in 0..<image {
                let other = try Self.left(Self.row(after, number), model)
                let mine = try Self.left(Self.row(after, image), model)
                let whole = Self.dot(Self.row(after, image), Self.row(after, number))
                let own = whole - Self.dot(mine[...], other[...])
                #expect(abs(own) <= 0.2 + 1e-5)
                if abs(own) > 0.01 { alike.insert(image) }
            }
            let length = try Self.left(Self.row(after, image), model).reduce(Float(0)) { $0 + $1 * $1 }
            #expect(abs(length - 1 / 1.25) < 1e-5)
        }
        #expect(!alike.isEmpty, "pictures are compared in their own directions too")
    }

    @Test func `One vector alone, among others and where nothing is hidden; hidden words bring nothing`() throws {
        let model = try Self.model(own: Self.counts)
        let images = Self.cases.map(\.image)
        let together = try model.embed(images: images, threads: 2)
        let reports = try model.embed(reports: Self.texts, threads: 2)
        for (index, image) in images.enumerated() {
            #expect(try model.embed(images: [image], threads: 1) == Array(Self.row(together, index)))
            #expect(abs(Self.dot(Self.row(together, index), Self.row(together, index)) - 1) < 1e-5)
        }
        for (index, text) in Self.texts.enumerated() {
            #expect(try model.embed(reports: [text], threads: 1) == Array(Self.row(reports, index)))
        }
        // The pass that may hide something, with nothing hidden, and with a part.
        let half = MaskRatio(percent: 50)
        let some = model.embed(images: images, hiding: half, seed: 3, threads: 2)
        let words = model.embed(reports: Self.texts, hiding: half, seed: 3, threads: 2)
        #expect(some != together && words != reports)
        for vector in 0..<images.count {
            let length = try Self.left(Self.row(some, vector), model).reduce(Float(0)) { $0 + $1 * $1 }
            #expect(abs(length - 1 / 1.25) < 1e-5)
        }
    }

    @Test func `Without a length they change no bit, and the sizes belong to the model's identity`() throws {
        let (plain, zero) = (try Self.model(own: nil), try Self.model(own: Self.counts, scales: (0, 0)))
        #expect(zero.own == nil)
        let images = Self.cases.prefix(2).map(\.image)
        #expect(try plain.embed(images: images, threads: 1) == zero.embed(images: images, threads: 1))
        #expect(try plain.embed(reports: Self.texts, threads: 1) == zero.embed(reports: Self.texts, threads: 1))
        #expect(plain.modelID != zero.modelID)
    }

    @Test func `The evidence of patches and words still sums to the score`() throws {
        let model = try Self.model(own: Self.counts)
        let images = Self.cases.map(\.image)
        let vectors = try model.embed(images: images, threads: 1)
        for text in ["Left pneumothorax.", Self.texts[0]] {
            let report = try model.embed(reports: [text], threads: 1)
            let found = try model.explain(image: images[1], text: text)
            #expect(abs(found.score - Self.dot(Self.row(vectors, 1), report[...])) < 1e-5)
            #expect(abs(found.total - found.score) < 1e-4)
        }
    }

    @Test func `A folder keeps them, and sizes that leave nothing to both kinds are refused`() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/hilum-own-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let model = try Self.model(own: Self.counts)
        try model.save(to: folder)
        let read = try MCRModel(directory: folder)
        #expect(read.configuration.own == Self.counts && read.own != nil)
        let whole = try model.embed(reports: Self.texts, threads: 1)
        let half = try read.embed(reports: Self.texts, threads: 1)
        // The folder's weights are rounded to half precision.
        for index in whole.indices { #expect(abs(whole[index] - half[index]) < 0.02) }
        var sizes = Self.sizes(own: Self.counts)
        #expect(sizes.problems.isEmpty)
        sizes.own = .init(image: 8, report: 8)
        #expect(!sizes.problems.isEmpty)
        sizes.own = .init(image: 0, report: 4)
        #expect(!sizes.problems.isEmpty)
        sizes.own = Self.counts
        sizes.shortcutPairs = nil
        #expect(!sizes.problems.isEmpty)
    }

    @Test func `Training that solves new ways leaves them out, for those use all directions`() throws {
        let start = try Self.model(own: Self.counts)
        var options = TrainingOptions()
        options.stepCount = 2
        options.batchSize = 4
        let trainer = try MCRTrainer(start.configuration, tokenizer: start.tokenizer, options: options, start: start)
        let set = TrainingSet(
            images: Self.cases.map(\.image), reports: Self.cases.map(\.report), configuration: start.configuration,
            tokenizer: start.tokenizer)
        try trainer.run(set, validation: nil)
        #expect(start.own != nil && trainer.model().own == nil && trainer.model().latentWords != nil)
    }

    @Test("An average of models with other own directions has none, and one of models with the same has them whole")
    func averages() throws {
        let model = try Self.model(own: Self.counts)
        let plain = try Self.model(own: Self.counts, scales: (0, 0))
        try #require(plain.network.own).clear(plain.values.pointer)
        #expect(!model.hasOwnDirections(of: plain) && model.hasOwnDirections(of: model))
        for share in [0.25, 0.5] as [Float] {
            let mean = try model.averaged(with: plain, share: share)
            #expect(mean.own == nil && mean.hasOwnDirections(of: plain))
            #expect(try mean.modelID == plain.averaged(with: model, share: 1 - share).modelID)
        }
        let same = try model.averaged(with: model, share: 0.5)
        #expect(same.own != nil && same.hasOwnDirections(of: model))
        #expect(try model.averaged(with: plain, share: 0).hasOwnDirections(of: model))
    }
}
