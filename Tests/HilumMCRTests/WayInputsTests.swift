import HilumCore
import HilumImaging
import HilumPhantom
import Testing

@testable import HilumMCR
@testable import HilumNN

/// What a tool that solves ways by itself reads of pictures and reports.
@Suite struct WayInputsTests {
    private static let cases: [PhantomCase] = {
        let generator = PhantomGenerator(seed: 41, site: .b, side: 96)
        return (0..<5).map { generator.makeCase($0) }
    }()

    private static func model() throws -> MCRModel {
        var sizes = MCRConfiguration.film
        sizes.imageSide = 64
        sizes.image = .init(width: 24, layers: 1, heads: 2)
        sizes.report = .init(width: 24, layers: 1, heads: 2)
        sizes.decoder = .init(width: 16, layers: 1, heads: 2)
        sizes.mapHidden = 24
        sizes.dimension = 16
        sizes.maxTokens = 60
        sizes.shortcutCells = 2
        let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
        return try MCRModel(untrained: sizes, vocabulary: vocabulary, seed: 2)
    }

    private static func set(_ model: MCRModel) -> TrainingSet {
        TrainingSet(
            images: cases.map(\.image), reports: cases.map(\.report), configuration: model.configuration,
            tokenizer: model.tokenizer)
    }

    @Test func `A way by these numbers of a picture is the way that the model takes`() throws {
        let model = try Self.model()
        let inputs = try #require(WayInputs(model))
        let shortcut = try #require(model.network.shortcut)
        #expect(inputs.pictureCount == 4 * 112)
        let set = Self.set(model)
        let rows = inputs.pictures(set, augmentation: 0, hidden: .none, seed: 1, threads: 2)
        #expect(rows.count == set.count * inputs.pictureCount)
        // Output 0 sums all channels of the four parts: W is one there, and m and b are zeros.
        let values = model.values.pointer
        for cell in 0..<4 {
            for channel in 0..<112 { values[shortcut.weight + cell * 16 * 112 + channel] = 1 }
        }
        let workspace = Workspace()
        for (index, item) in Self.cases.enumerated() {
            let (_, image) = model.mapped(Preprocessing.patches(of: item.image, model.configuration), workspace)
            let result = workspace.take(16)
            shortcut.apply(values, image.patches, kept: image.kept[0], into: result, workspace)
            let sum = rows[(index * inputs.pictureCount)..<((index + 1) * inputs.pictureCount)].reduce(0, +)
            #expect(abs(result[0] - sum) < 1e-2 * max(1, abs(sum)))
            #expect(abs(sum) > 1, "the features of a picture are not zeros")
        }
    }

    @Test func `Variations and hidden parts follow the seed, on any number of threads`() throws {
        let model = try Self.model()
        let inputs = try #require(WayInputs(model))
        let set = Self.set(model)
        let half = MaskRatio(percent: 50)
        func rows(_ augmentation: Float, _ hidden: MaskRatio, _ seed: UInt64, _ threads: Int = 2) -> [Float] {
            inputs.pictures(set, augmentation: augmentation, hidden: hidden, seed: seed, threads: threads)
        }
        let plain = rows(0, .none, 1)
        #expect(plain == rows(0, .none, 2, 1), "nothing is drawn where nothing is varied")
        for (augmentation, hidden) in [(Float(0.7), MaskRatio.none), (0, half), (1, half)] {
            let varied = rows(augmentation, hidden, 1)
            #expect(varied == rows(augmentation, hidden, 1, 1))
            #expect(varied != rows(augmentation, hidden, 2) && varied != plain && varied.allSatisfy(\.isFinite))
        }
    }

    @Test func `The pieces of a report are those that its way counts, and a model without ways has no inputs`() throws {
        let model = try Self.model()
        let inputs = try #require(WayInputs(model))
        for text in [Self.cases[0].report, "", "zorv"] {
            let pieces = inputs.pieces(of: text)
            let ids = model.tokenizer.encode(text, maxLength: 60).ids
            #expect(ids.count == pieces.count + 2 && Array(ids[1..<(ids.count - 1)]) == pieces)
        }
        #expect(inputs.pieces(of: "").isEmpty)
        let plain = try MCRModel(untrained: .micro, vocabulary: model.tokenizer.vocabulary, seed: 1)
        #expect(WayInputs(plain) == nil)
    }
}
