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
    private static let counts = MCRConfiguration.OwnCounts(images: 3, reports: 4)
    private static let wide = dimension + counts.images + counts.reports
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

    /// A network of random values, linear ways among them, with own directions or without any.
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
        }
        return MCRModel(network: network, values: values, tokenizer: tokenizer)
    }

    private static func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Float {
        zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private static func row(_ rows: [Float], _ index: Int, of width: Int = wide) -> ArraySlice<Float> {
        rows[(index * width)..<((index + 1) * width)]
    }

    /// Parts of a vector with own directions: the common one, that of pictures, that of reports.
    private static func parts(_ vector: ArraySlice<Float>) -> (common: [Float], images: [Float], reports: [Float]) {
        let all = Array(vector)
        let end = dimension + counts.images
        return (Array(all[..<dimension]), Array(all[dimension..<end]), Array(all[end...]))
    }

    private static func length(_ values: [Float]) -> Float { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    @Test func `A picture and a report score what they do without own directions, times one number for all`() throws {
        let (plain, model) = (try Self.model(own: nil), try Self.model(own: Self.counts))
        #expect(plain.dimension == Self.dimension && model.dimension == Self.wide)
        let images = Self.cases.map(\.image)
        let (before, after) = (try plain.embed(images: images, threads: 2), try model.embed(images: images, threads: 2))
        let (said, told) = (
            try plain.embed(reports: Self.texts, threads: 2), try model.embed(reports: Self.texts, threads: 2)
        )
        let factors = (1 / (1.25 as Float).squareRoot(), 1 / (1.49 as Float).squareRoot())
        for image in images.indices {
            let common = Self.row(before, image, of: Self.dimension)
            for text in Self.texts.indices {
                let other = Self.row(said, text, of: Self.dimension)
                let expected = factors.0 * factors.1 * Self.dot(common, other)
                #expect(abs(Self.dot(Self.row(after, image), Self.row(told, text)) - expected) < 1e-6)
            }
            // The common part keeps its direction; the own part is as long in each picture.
            let parts = Self.parts(Self.row(after, image))
            for (now, old) in zip(parts.common, common) { #expect(abs(now - factors.0 * old) < 1e-6) }
            #expect(abs(Self.length(parts.images) - 0.5 * factors.0) < 1e-5)
            #expect(parts.reports.allSatisfy { $0 == 0 })
        }
        for text in Self.texts.indices {
            let parts = Self.parts(Self.row(told, text))
            #expect(abs(Self.length(parts.reports) - 0.7 * factors.1) < 1e-5)
            #expect(parts.images.allSatisfy { $0 == 0 })
        }
        // Pictures are compared in their own directions too.
        let (first, second) = (Self.parts(Self.row(after, 0)), Self.parts(Self.row(after, 1)))
        #expect(Self.length(zip(first.images, second.images).map { $0 - $1 }) > 0.01)
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
            let parts = Self.parts(Self.row(some, vector))
            #expect(abs(Self.length(parts.common) - 1 / (1.25 as Float).squareRoot()) < 1e-5)
            #expect(parts.reports.allSatisfy { $0 == 0 })
        }
    }

    @Test func `Without a length they change no bit of the common part; the sizes are part of the id`() throws {
        let (plain, zero) = (try Self.model(own: nil), try Self.model(own: Self.counts, scales: (0, 0)))
        let images = Self.cases.prefix(2).map(\.image)
        for (short, long) in [
            (try plain.embed(images: images, threads: 1), try zero.embed(images: images, threads: 1)),
            (try plain.embed(reports: Self.texts, threads: 1), try zero.embed(reports: Self.texts, threads: 1)),
        ] {
            for index in 0..<(long.count / Self.wide) {
                let parts = Self.parts(Self.row(long, index))
                #expect(parts.common == Array(Self.row(short, index, of: Self.dimension)))
                #expect((parts.images + parts.reports).allSatisfy { $0 == 0 })
            }
        }
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

    @Test func `A folder keeps them, and sizes that make no sense are refused`() throws {
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
        sizes.own = .init(images: 4000, reports: 96)
        #expect(!sizes.problems.isEmpty)
        sizes.own = .init(images: 0, reports: 4)
        #expect(!sizes.problems.isEmpty)
        sizes.own = Self.counts
        sizes.shortcutPairs = nil
        #expect(!sizes.problems.isEmpty)
    }

    @Test func `Training leaves them as they are, and they do not change what it learns`() throws {
        var options = TrainingOptions()
        options.stepCount = 2
        options.batchSize = 4
        var trained: [MCRModel] = []
        for start in [try Self.model(own: nil), try Self.model(own: Self.counts)] {
            let trainer = try MCRTrainer(
                start.configuration, tokenizer: start.tokenizer, options: options, start: start)
            let set = TrainingSet(
                images: Self.cases.map(\.image), reports: Self.cases.map(\.report), configuration: start.configuration,
                tokenizer: start.tokenizer)
            try trainer.run(set, validation: nil)
            trained.append(trainer.model())
            for parameter in start.network.layout.parameters where parameter.name.hasPrefix("own.") {
                for index in parameter.offset..<(parameter.offset + parameter.count) {
                    #expect(trained[trained.count - 1].values.pointer[index] == start.values.pointer[index])
                }
            }
        }
        let images = Self.cases.map(\.image)
        let short = try trained[0].embed(images: images, threads: 1)
        let long = try trained[1].embed(images: images, threads: 1)
        for image in images.indices {
            let common = Self.parts(Self.row(long, image)).common
            for (now, old) in zip(common, Self.row(short, image, of: Self.dimension)) {
                #expect(abs(now - old / (1.25 as Float).squareRoot()) < 1e-6)
            }
        }
    }

    @Test("A model says how near a picture and a report can be at most, and no pair of them is nearer")
    func saysParts() throws {
        let model = try Self.model(own: Self.counts)
        let parts = try #require(model.vectorParts)
        #expect(parts.dimension == model.dimension && parts.common == Self.dimension)
        let images = try model.embed(images: Self.cases.map(\.image), threads: 2)
        let reports = try model.embed(reports: Self.cases.map(\.report), threads: 2)
        func row(_ values: [Float], _ index: Int) -> [Float] {
            Array(values[index * Self.wide..<(index + 1) * Self.wide])
        }
        for index in Self.cases.indices {
            let (image, report) = (row(images, index), row(reports, index))
            #expect(parts.largestCosine(image, ofImages: true) == 1)
            #expect(parts.largestCosine(report, ofImages: false) == 1)
            let largest = parts.largestCosine(report, ofImages: true)
            #expect(abs(largest - 1 / (1.25 * 1.49 as Float).squareRoot()) < 1e-4)
            #expect(abs(largest - parts.largestCosine(image, ofImages: false)) < 1e-5)
            let common = (0..<Self.dimension).reduce(Float(0)) { $0 + image[$1] * report[$1] }
            #expect(abs(common) <= largest + 1e-5)
        }
        #expect(try Self.model(own: nil).vectorParts == nil)
    }

    @Test("An average of models with other own directions has none, and one of models with the same has them whole")
    func averages() throws {
        let model = try Self.model(own: Self.counts)
        let plain = try Self.model(own: Self.counts, scales: (0, 0))
        try #require(plain.network.own).clear(plain.values.pointer)
        #expect(!model.hasOwnDirections(of: plain) && model.hasOwnDirections(of: model))
        for share in [0.25, 0.5] as [Float] {
            let mean = try model.averaged(with: plain, share: share)
            #expect(mean.hasOwnDirections(of: plain))
            #expect(try mean.modelID == plain.averaged(with: model, share: 1 - share).modelID)
        }
        let same = try model.averaged(with: model, share: 0.5)
        #expect(same.hasOwnDirections(of: model))
        #expect(try model.averaged(with: plain, share: 0).hasOwnDirections(of: model))
    }
}
