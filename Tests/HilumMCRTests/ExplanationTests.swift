import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import HilumPhantom
import Testing

@testable import HilumMCR

private let builtIn = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/HilumMCR/Resources/mcr-default").path

private func phantoms(_ count: Int, seed: UInt64 = 41) -> [PhantomCase] {
    (0..<count).map { PhantomGenerator(seed: seed, site: $0 % 2 == 0 ? .a : .b).makeCase($0) }
}

private func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

@Suite("Explanations")
struct ExplanationTests {
    @Test("Without a baseline the evidence of all patches and words is the score", arguments: [0, 1, 2])
    func sumsToTheScore(number: Int) throws {
        let model = try MCRModel(directory: builtIn)
        let drawn = phantoms(3)[number]
        let text = number == 0 ? "left pleural effusion" : drawn.report
        let explanation = try model.explain(image: drawn.image, text: text)
        let image = try model.embed(images: [drawn.image], threads: 1)
        let report = try model.embed(reports: [text], threads: 1)
        #expect(abs(explanation.score - dot(image[...], report[...])) < 1e-5)
        #expect(abs(explanation.total - explanation.score) < 1e-4)
        // What is left when the words are taken off the whole is the text's [CLS].
        let words = explanation.words.reduce(Float(0)) { $0 + $1.weight }
        #expect(words > 0 && words < 1)
        #expect(abs(explanation.patchWeights.reduce(0, +) - 1) < 0.5)
        for patch in 0..<explanation.grid.count {
            let sum = explanation.words.reduce(Float(0)) { $0 + $1.evidence[patch] }
            #expect(sum.isFinite && explanation.heat[patch].isFinite)
        }
    }

    @Test("Words that mean nothing are no evidence, with a baseline and without", arguments: [false, true])
    func nonsense(isHeld: Bool) throws {
        let model = try MCRModel(directory: builtIn)
        let cases = phantoms(10)
        let baseline = isHeld ? try model.baseline(images: cases.map(\.image), threads: 2) : nil
        var found = 0
        for drawn in cases.prefix(6) {
            for text in Explanation.nonsenseTexts {
                let explanation = try model.explain(image: drawn.image, text: text, baseline: baseline)
                #expect(!explanation.isAboveNoise && explanation.noise > 0)
            }
            // The measure is that of the image: it does not change with the text.
            let report = try model.explain(image: drawn.image, text: "left pleural effusion", baseline: baseline)
            let other = try model.explain(image: drawn.image, text: "nodule", baseline: baseline)
            #expect(report.noise == other.noise)
            found += report.isAboveNoise || other.isAboveNoise ? 1 : 0
        }
        #expect(found > 0)
    }

    @Test("Against a baseline the evidence is the product of what image and text have beyond it")
    func sumsToTheContrast() throws {
        let model = try MCRModel(directory: builtIn)
        let cases = phantoms(12)
        let baseline = try model.baseline(images: cases.map(\.image), threads: 2)
        #expect(baseline == (try model.baseline(images: cases.map(\.image), threads: 1)), "at any number of threads")
        let text = "right pneumothorax"
        let explanation = try model.explain(image: cases[1].image, text: text, baseline: baseline)
        let images = try model.embed(images: cases.map(\.image), threads: 1)
        let dimension = model.dimension
        let mean = (0..<dimension).map { j in
            (0..<cases.count).reduce(Float(0)) { $0 + images[$1 * dimension + j] } / Float(cases.count)
        }
        let neutral = try model.embed(reports: ExplanationBaseline.neutralTexts, threads: 1)
        let said = try model.embed(reports: [text], threads: 1)
        var expected: Float = 0
        for j in 0..<dimension {
            let nothing = (0..<3).reduce(Float(0)) { $0 + neutral[$1 * dimension + j] / 3 }
            expected += (images[dimension + j] - mean[j]) * (said[j] - nothing)
        }
        #expect(abs(explanation.total - expected) < 1e-4)
        #expect(explanation.isContrasted && explanation.referenceCount == 12)
        // A report speaks of what is normal itself.
        #expect(try !model.explain(image: cases[1].image, text: cases[1].report, baseline: baseline).isContrasted)
        #expect(explanation == (try model.explain(image: cases[1].image, text: text, baseline: baseline)))
    }

    @Test("Pieces of one word are one word, named by its bytes in the text")
    func mergesPieces() throws {
        let model = try MCRModel(directory: builtIn)
        let text = "Pneumothoraxes, Überinflation  xyzzyqw"
        let pieces = model.tokenizer.encode(text, maxLength: 128)
        try #require(pieces.ids.count - 2 > pieces.wordCount, "the text must have a word of several pieces")
        let words = try model.explain(image: phantoms(1)[0].image, text: text).words
        #expect(words.map(\.text) == ["Pneumothoraxes", ",", "Überinflation", "xyzzyqw"])
        for word in words { #expect(String(decoding: Array(text.utf8)[word.byteRange], as: UTF8.self) == word.text) }
    }

    @Test("A patch's rectangle is a part of the original, without the padding")
    func rectangles() {
        let square = PatchGrid(side: 8, patchSide: 12, imageWidth: 256, imageHeight: 256)
        #expect(square.rectangle(of: 0) == PixelRect(x: 0, y: 0, width: 32, height: 32))
        #expect(square.rectangle(of: 63) == PixelRect(x: 224, y: 224, width: 32, height: 32))
        // Twice as wide as high: rows 0, 1, 6 and 7 are padding.
        let wide = PatchGrid(side: 8, patchSide: 12, imageWidth: 400, imageHeight: 200)
        #expect(wide.rectangle(of: 0).height == 0)
        #expect(wide.rectangle(of: 16) == PixelRect(x: 0, y: 0, width: 50, height: 50))
        #expect(wide.rectangle(of: 47) == PixelRect(x: 350, y: 150, width: 50, height: 50))
        // Of a film in a frame the square shows the region alone.
        let region = PixelRect(x: 40, y: 30, width: 240, height: 240)
        let framed = PatchGrid(side: 8, patchSide: 12, imageWidth: 320, imageHeight: 300, region: region)
        #expect(framed.rectangle(of: 0) == PixelRect(x: 40, y: 30, width: 30, height: 30))
        #expect(framed.rectangle(of: 63) == PixelRect(x: 250, y: 240, width: 30, height: 30))
        var values = [Float](repeating: 0, count: 64)
        values[3] = 5
        values[20] = 1
        #expect(wide.hottest(values) == 20, "a hot patch in the padding does not count")
        #expect(square.hottest(values) == 3)
        let area = (0..<64).reduce(0) { $0 + wide.rectangle(of: $1).width * wide.rectangle(of: $1).height }
        #expect(area == 400 * 200)
    }

    @Test("The hottest patch lies on a large effusion")
    func pointsAtAnEffusion() throws {
        let model = try MCRModel(directory: builtIn)
        let baseline = try model.baseline(images: phantoms(60, seed: 42).map(\.image), threads: 2)
        let generator = PhantomGenerator(seed: 43, site: .a)
        let numbers = (0..<2000).filter { generator.findingNames($0) == ["effusion"] }.prefix(10)
        var hits = 0
        for number in numbers {
            let drawn = generator.makeCase(number)
            let finding = try #require(drawn.findings.first)
            let box = try #require(finding.box)
            let text = "\(finding.laterality?.rawValue ?? "") pleural effusion"
            let explanation = try model.explain(image: drawn.image, text: text, baseline: baseline)
            let place = explanation.grid.rectangle(of: explanation.hottest)
            let (x, y) = (place.x + place.width / 2, place.y + place.height / 2)
            if x >= box.x - 32 && x <= box.x + box.width + 32 && y >= box.y - 32 && y <= box.y + box.height + 32 {
                hits += 1
            }
        }
        #expect(numbers.count == 10 && hits >= 8, "\(hits) of \(numbers.count)")
    }

    @Test("A model that pools before it maps says that it cannot explain")
    func refusesOtherModels() throws {
        var sizes = MCRConfiguration.micro
        sizes.alignment = .abm
        let vocabulary = try MCRModel(directory: builtIn).tokenizer.vocabulary
        let model = try MCRModel(untrained: sizes, vocabulary: vocabulary, seed: 1)
        #expect(throws: EmbeddingError.self) { try model.explain(image: phantoms(1)[0].image, text: "effusion") }
    }

    @Test("Hiding nothing changes no bit, hiding something does, and a mask belongs to the number of its case")
    func hiding() throws {
        let model = try MCRModel(directory: builtIn)
        let cases = phantoms(5)
        let images = cases.map(\.image)
        let reports = cases.map(\.report)
        let wholeImages = try model.embed(images: images, threads: 2)
        let wholeReports = try model.embed(reports: reports, threads: 2)
        let zero = MaskRatio(percent: 0)
        #expect(model.embed(images: images, hiding: zero, seed: 9, threads: 2) == wholeImages)
        #expect(model.embed(reports: reports, hiding: zero, seed: 9, threads: 2) == wholeReports)
        let half = MaskRatio(percent: 50)
        let halfImages = model.embed(images: images, hiding: half, seed: 9, threads: 2)
        let halfReports = model.embed(reports: reports, hiding: half, seed: 9, threads: 2)
        #expect(halfImages != wholeImages && halfReports != wholeReports)
        #expect(halfImages != model.embed(images: images, hiding: half, seed: 10, threads: 2))
        let tail = 3 * model.dimension
        let later = model.embed(images: Array(images[3...]), hiding: half, seed: 9, first: 3, threads: 1)
        #expect(later == Array(halfImages[tail...]))
        let laterReports = model.embed(reports: Array(reports[3...]), hiding: half, seed: 9, first: 3, threads: 1)
        #expect(laterReports == Array(halfReports[tail...]))
    }
}
