import Foundation
import HilumCore
import HilumImaging
import HilumNN
import HilumPhantom
import Testing

@testable import HilumMCR

/// Models whose transformer reads the features of the convolutional stem.
@Suite struct StemModelTests {
    private static func sizes(
        _ view: MCRConfiguration.View = .standard, _ stem: MCRConfiguration.Stem = .efficientNetLite0
    ) -> MCRConfiguration {
        MCRConfiguration(
            name: "test", imageSide: 64, patchSide: 16, image: .init(width: 24, layers: 1, heads: 2),
            report: .init(width: 24, layers: 1, heads: 2), maxTokens: 40, vocabularySize: 400, mapHidden: 24,
            dimension: 16, decoder: .init(width: 16, layers: 1, heads: 2), view: view, stem: stem)
    }

    private static let cases: [PhantomCase] = {
        let generator = PhantomGenerator(seed: 11, site: .a, side: 96)
        return (0..<8).map { generator.makeCase($0) }
    }()

    private static func withFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "hilum-stem-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    private static func vocabulary() throws -> Vocabulary {
        try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
    }

    private static func model(
        _ view: MCRConfiguration.View = .standard, _ stem: MCRConfiguration.Stem = .efficientNetLite0
    ) throws -> MCRModel {
        try MCRModel(untrained: sizes(view, stem), vocabulary: vocabulary(), seed: 3)
    }

    @Test func `An image has the same bits alone and among others`() throws {
        let model = try Self.model()
        let images = Self.cases.map(\.image)
        let alone = try images.flatMap { try model.embed(images: [$0], threads: 1) }
        for threads in [1, 2] { #expect(try model.embed(images: images, threads: threads) == alone) }
    }

    @Test func `Hiding nothing has the bits of inference`() throws {
        let model = try Self.model()
        let image = Self.cases[0].image
        let patches = Preprocessing.patches(of: image, model.configuration)
        let masked = model.withWorkspace { workspace in
            let activations = model.mapped(patches, kept: nil, workspace).head
            return (0..<model.dimension).map { activations.embedding[$0] }
        }
        #expect(try model.embed(images: [image], threads: 1) == masked)
    }

    @Test func `Features of levels stand beside one another, finer ones as means over a patch`() throws {
        let (deep, levels) = (try Self.model(), try Self.model(.standard, .efficientNetLite0Levels))
        let kept = (0..<16).map { Int32($0) }
        func features(_ model: MCRModel) throws -> [Float] {
            let encoder = model.network.imageEncoder
            let stem = try #require(model.stem)
            let workspace = Workspace()
            let pixels = workspace.take(64 * 64)
            NetworkKernels.floats(
                pixels, Preprocessing.patches(of: Self.cases[2].image, model.configuration), scale: 1 / 65_535, 64 * 64)
            let rows = workspace.take(16 * encoder.embed.inputs)
            encoder.stemFeatures(stem, pixels, kept: kept, into: rows, workspace)
            return (0..<(16 * encoder.embed.inputs)).map { rows[$0] }
        }
        let (narrow, wide) = (try features(deep), try features(levels))
        #expect(wide.count == 16 * 232 && narrow.count == 16 * 112)
        for patch in 0..<16 {
            let last = wide[(patch * 232 + 120)..<((patch + 1) * 232)]
            #expect(last.elementsEqual(narrow[(patch * 112)..<((patch + 1) * 112)]))
        }
        // The first level by hand: after five blocks of the stem there are 8 · 8 places.
        let stem = try #require(levels.stem)
        let encoder = levels.network.imageEncoder
        let workspace = Workspace()
        let pixels = workspace.take(64 * 64)
        NetworkKernels.floats(
            pixels, Preprocessing.patches(of: Self.cases[2].image, levels.configuration), scale: 1 / 65_535, 64 * 64)
        let image = workspace.take(64 * 64)
        let values = (0..<(64 * 64)).map { Double(pixels[$0]) }
        let mean = values.reduce(0, +) / 4_096
        let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4_096).squareRoot() + 1e-4
        for patch in 0..<16 {
            for pixel in 0..<256 {
                let place = (patch / 4 * 16 + pixel / 16) * 64 + patch % 4 * 16 + pixel % 16
                image[place] = Float((values[patch * 256 + pixel] - mean) / deviation)
            }
        }
        let places = workspace.take(8 * 8 * 40)
        stem.run(0..<5, on: image, count: 1, side: 64, into: places, workspace)
        #expect(encoder.levels.map(\.blocks) == [5, 8, 11])
        for (patch, channel) in [(0, 0), (5, 17), (15, 39)] {
            let (row, column) = (patch / 4 * 2, patch % 4 * 2)
            let sum = [(0, 0), (0, 1), (1, 0), (1, 1)].reduce(Float(0)) {
                $0 + places[((row + $1.0) * 8 + column + $1.1) * 40 + channel]
            }
            #expect(abs(wide[patch * 232 + channel] - sum / 4 / 8.5) < 1e-3)
        }
    }

    @Test(arguments: [MCRConfiguration.Stem.efficientNetLite0, .efficientNetLite0Levels])
    func `No pixel of a hidden patch reaches the embedding`(stem: MCRConfiguration.Stem) throws {
        let model = try Self.model(.padded, stem)
        let patches = Preprocessing.patches(of: Self.cases[1].image, model.configuration)
        let kept: [Int32] = [0, 2, 3, 5, 8, 10, 13, 15]
        func embedding(_ patches: [UInt16]) -> [Float] {
            model.withWorkspace { workspace in
                let activations = model.mapped(patches, kept: kept, workspace).head
                return (0..<model.dimension).map { activations.embedding[$0] }
            }
        }
        var hidden = patches
        var seen = patches
        for pixel in 0..<256 {
            hidden[6 * 256 + pixel] = UInt16(pixel * 250)
            seen[5 * 256 + pixel] = UInt16(pixel * 250)
        }
        #expect(embedding(hidden) == embedding(patches))
        #expect(embedding(seen) != embedding(patches))
    }

    @Test func `One film in many forms has nearly one vector`() throws {
        let model = try Self.model()
        for item in Self.cases.prefix(4) {
            let image = item.image
            func changed(_ change: (Double) -> Double) -> GrayImage {
                var copy = image
                for index in copy.samples.indices {
                    copy.samples[index] = UInt16(min(max(change(Double(copy.samples[index])).rounded(), 0), 65_535))
                }
                return copy
            }
            let forms = [
                image, changed { $0 / 2 + 10_000 }, changed { $0 / 8 }, changed { ($0 / 16).rounded(.down) },
            ]
            let vectors = try model.embed(images: forms, threads: 1)
            for form in 1..<forms.count {
                let cosine = (0..<16).reduce(Float(0)) { $0 + vectors[$1] * vectors[form * 16 + $1] }
                #expect(cosine > 0.995, "form \(form): \(cosine)")
            }
        }
    }

    @Test func `A saved model is the model, and its id names its view and stem`() throws {
        try Self.withFolder { folder in
            let model = try Self.model()
            try model.save(to: folder + "/m", format: .f32)
            let loaded = try MCRModel(directory: folder + "/m")
            #expect(loaded.modelID == model.modelID && loaded.configuration == model.configuration)
            #expect(loaded.imageSide == 128)
            let image = [Self.cases[2].image]
            #expect(try loaded.embed(images: image, threads: 1) == model.embed(images: image, threads: 1))
            #expect(try Self.model(.padded).modelID != model.modelID)
        }
    }

    @Test func `Training leaves the stem as it is, and a resumed run has the same bits and the same average`() throws {
        let tokenizer = Tokenizer(vocabulary: try Self.vocabulary())
        let set = TrainingSet(
            images: Self.cases.map(\.image), reports: Self.cases.map(\.report), configuration: Self.sizes(),
            tokenizer: tokenizer)
        var options = TrainingOptions()
        options.stepCount = 6
        options.batchSize = 4
        options.threads = 2
        options.augmentation = 1
        options.averaging = 0.9
        options.checkpointInterval = 3
        func trainer() throws -> MCRTrainer { try MCRTrainer(Self.sizes(), tokenizer: tokenizer, options: options) }
        let whole = try trainer()
        let before = ParameterBuffer(count: whole.values.count)
        before.pointer.update(from: whole.values.pointer, count: before.count)
        try whole.run(set, validation: nil)
        for parameter in whole.network.layout.parameters {
            let isSame = (0..<parameter.count).allSatisfy {
                before.pointer[parameter.offset + $0] == whole.values.pointer[parameter.offset + $0]
            }
            if parameter.name.hasPrefix("stem.") {
                #expect(isSame, "\(parameter.name)")
                let average = try #require(whole.average)
                #expect(
                    (0..<parameter.count).allSatisfy {
                        before.pointer[parameter.offset + $0] == average.pointer[parameter.offset + $0]
                    })
            }
            if parameter.name == "image.patch_embed.weight" { #expect(!isSame) }
        }
        try Self.withFolder { folder in
            let first = try trainer()
            let flag = AtomicFlag()
            try first.run(set, validation: nil, interrupted: flag) {
                if $0.step == 3 { flag.raise() }
                try $0.saveCheckpoint(to: folder + "/run", set: set)
            }
            let second = try trainer()
            try second.resume(from: folder + "/run", set: set)
            #expect(second.step == 3)
            try second.run(set, validation: nil)
            #expect(second.model().modelID == whole.model().modelID)
            var plain = options
            plain.averaging = nil
            let last = try MCRTrainer(Self.sizes(), tokenizer: tokenizer, options: plain)
            try last.run(set, validation: nil)
            #expect(last.model().modelID != whole.model().modelID)
        }
    }
}

/// The linear way from the stem to the common space.
@Suite struct LinearShortcutTests {
    private static let cases: [PhantomCase] = {
        let generator = PhantomGenerator(seed: 21, site: .a, side: 96)
        return (0..<40).map { generator.makeCase($0) }
    }()

    private static let sizes: MCRConfiguration = {
        var sizes = MCRConfiguration.levels
        sizes.imageSide = 64
        sizes.image = .init(width: 24, layers: 1, heads: 2)
        sizes.report = .init(width: 24, layers: 1, heads: 2)
        sizes.decoder = .init(width: 16, layers: 1, heads: 2)
        sizes.mapHidden = 24
        sizes.dimension = 16
        sizes.maxTokens = 40
        sizes.shortcutCells = 2
        return sizes
    }()

    private static func trained(validated: Bool, labelled: Bool = false) throws -> (MCRTrainer, TrainingSet) {
        let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
        let tokenizer = Tokenizer(vocabulary: vocabulary)
        func set(_ part: ArraySlice<PhantomCase>) -> TrainingSet {
            TrainingSet(
                images: part.map(\.image), reports: part.map(\.report),
                labels: labelled ? part.indices.map { ["label \($0 % 3)"] } : nil, configuration: sizes,
                tokenizer: tokenizer)
        }
        var options = TrainingOptions()
        options.labelShare = labelled ? 0.5 : 0
        options.stepCount = 4
        options.batchSize = 8
        options.augmentation = 0.5
        let trainer = try MCRTrainer(sizes, tokenizer: tokenizer, options: options)
        let training = set(cases[..<30])
        try trainer.run(training, validation: validated ? set(cases[30...]) : nil)
        return (trainer, training)
    }

    @Test func `It is solved at the end, and brings pictures nearer to their reports`() throws {
        let (trainer, set) = try Self.trained(validated: false)
        let model = trainer.model()
        #expect(model.shortcut != nil)
        let plain = ParameterBuffer(count: trainer.values.count)
        plain.pointer.update(from: trainer.values.pointer, count: plain.count)
        trainer.network.shortcut?.clear(plain.pointer)
        let without = MCRModel(network: trainer.network, values: plain, tokenizer: trainer.tokenizer)
        #expect(without.shortcut == nil)
        func meanRank(_ model: MCRModel) throws -> Double {
            let (images, reports) = model.embed(set, threads: 2)
            let ranks = try RetrievalRanks.ranks(
                queries: images, gallery: reports, dimension: 16, hashes: set.hashes, threads: 2)
            return ranks.reduce(0, +) / Double(ranks.count)
        }
        #expect(try meanRank(model) < meanRank(without))
    }

    @Test func `A solution on the same pairs has the same bits, with validation pairs too`() throws {
        var models: Set<String> = []
        for (validated, labelled) in [(false, false), (true, false), (false, true)] {
            func solved() throws -> String {
                try Self.trained(validated: validated, labelled: labelled).0.model().modelID
            }
            let first = try solved()
            #expect(try solved() == first)
            models.insert(first)
        }
        #expect(models.count > 1)
    }

    @Test func `An image has one vector alone, among others, and where nothing is hidden`() throws {
        let model = try Self.trained(validated: false).0.model()
        let images = Self.cases.prefix(5).map(\.image)
        let together = try model.embed(images: images, threads: 2)
        for (index, image) in images.enumerated() {
            let alone = try model.embed(images: [image], threads: 1)
            #expect(alone == Array(together[(index * 16)..<(index * 16 + 16)]))
            #expect(abs(alone.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
    }

    @Test func `The evidence of all patches and words still sums to the score`() throws {
        let model = try Self.trained(validated: false).0.model()
        for item in Self.cases.prefix(3) {
            let explanation = try model.explain(image: item.image, text: item.report)
            #expect(abs(explanation.total - explanation.score) < 1e-4)
            let image = try model.embed(images: [item.image], threads: 1)
            let report = try model.embed(reports: [item.report], threads: 1)
            let cosine = zip(image, report).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            #expect(abs(cosine - explanation.score) < 1e-4)
        }
    }

    @Test func `What is hidden brings nothing`() throws {
        let model = try Self.trained(validated: false).0.model()
        let shortcut = try #require(model.shortcut)
        let rows = (0..<(3 * 232)).map { Float($0 % 13) / 13 }
        let workspace = Workspace()
        let result = workspace.take(16)
        // Patches 0, 1 and 4 lie in the upper left quarter of 4 × 4.
        shortcut.apply(model.values.pointer, rows, kept: [0, 1, 4], into: result, workspace)
        let shares = shortcut.shares(model.values.pointer, rows, kept: [0, 1, 4])
        for j in 0..<16 {
            let sum = (0..<4).reduce(Float(0)) { $0 + shares[$1 * 16 + j] }
            #expect(abs(sum - result[j]) < 1e-4)
        }
    }
}

/// A training that is told how long it may take.
@Suite struct TrainingMinutesTests {
    @Test func `The steps fit into the minutes, and a resumed run keeps their number`() throws {
        let generator = PhantomGenerator(seed: 3, site: .a, side: 64)
        let cases = (0..<12).map { generator.makeCase($0) }
        let sizes = MCRConfiguration.micro
        let tokenizer = Tokenizer(
            vocabulary: try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400))
        let set = TrainingSet(
            images: cases.map(\.image), reports: cases.map(\.report), configuration: sizes, tokenizer: tokenizer)
        var options = TrainingOptions()
        options.minutes = 1
        options.batchSize = 4
        let trainer = try MCRTrainer(sizes, tokenizer: tokenizer, options: options)
        trainer.planSteps(set)
        let steps = trainer.totalSteps(pairCount: set.count)
        // A step of this size takes milliseconds; the bounds leave room for any machine.
        #expect(steps > 30 && steps < 1_000_000)
        #expect(trainer.step == 0)
        let folder = NSTemporaryDirectory() + "hilum-minutes-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try trainer.saveCheckpoint(to: folder, set: set)
        let resumed = try MCRTrainer(sizes, tokenizer: tokenizer, options: options)
        try resumed.resume(from: folder, set: set)
        #expect(resumed.totalSteps(pairCount: set.count) == steps)
    }
}

/// How images are varied in training.
@Suite struct FilmVariationTests {
    private func varied(_ image: [Float], _ strength: Float, step: Int = 1, sample: Int = 2) -> [Float] {
        var copy = image
        let workspace = Workspace()
        copy.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            FilmVariation(strength: strength, seed: 5, step: step, sample: sample)
                .apply(to: base, gridSide: 4, patchSide: 8, workspace)
        }
        return copy
    }

    private let image = (0..<1_024).map { 0.2 + 0.6 * Float($0 % 97) / 97 }

    @Test func `A variation is a function of seed, step and sample`() {
        #expect(varied(image, 1) == varied(image, 1))
        #expect(varied(image, 1) != varied(image, 1, step: 2))
        #expect(varied(image, 1) != varied(image, 1, sample: 3))
    }

    @Test func `Values stay in range, and little strength changes little`() {
        for step in 0..<50 {
            #expect(varied(image, 1, step: step).allSatisfy { 0...1 ~= $0 })
            let slight = varied(image, 0.001, step: step)
            let mean = zip(slight, image).map { abs($0 - $1) }.reduce(0, +) / Float(image.count)
            #expect(mean < 0.01)
        }
    }

    @Test func `Left stays left`() {
        // Bright on the left half of the image, whatever the variation.
        var halves = [Float](repeating: 0.1, count: 1_024)
        for patch in 0..<16 where patch % 4 < 2 {
            for pixel in 0..<64 { halves[patch * 64 + pixel] = 0.9 }
        }
        for step in 0..<40 {
            let result = varied(halves, 1, step: step)
            let sums = (0..<4).map { column in
                (0..<16).filter { $0 % 4 == column }.reduce(Float(0)) { sum, patch in
                    sum + result[(patch * 64)..<(patch * 64 + 64)].reduce(0, +)
                }
            }
            #expect(sums[0] + sums[1] > sums[2] + sums[3])
        }
    }
}
