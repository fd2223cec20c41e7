import Foundation
import HilumCore
import HilumNN
import HilumPhantom
import Testing

@testable import HilumMCR

/// What stands in place of hidden pixels, and trainings that show parts of images.
@Suite struct PartialImagesTests {
    private static let side = 224
    private static let all = (0..<Int32(196)).map { $0 }

    /// A picture of 14 × 14 patches, filled where `kept` hides it.
    private func filled(_ picture: [Float], kept: [Int32]) -> [Float] {
        let workspace = Workspace()
        let image = workspace.take(picture.count)
        for (index, value) in picture.enumerated() { image[index] = value }
        HiddenPixels.fill(image, gridSide: 14, patchSide: 16, kept: kept, workspace)
        return (0..<picture.count).map { image[$0] }
    }

    private func ramp() -> [Float] {
        (0..<(Self.side * Self.side)).map { Float($0 / Self.side) * 0.01 + Float($0 % Self.side) * 0.005 }
    }

    @Test(arguments: [25, 50]) func `A slope is filled by itself`(percent: Int) {
        let kept = Masking.keptPatches(196, MaskRatio(percent: percent), seed: 4, step: 0, sample: 1)
        let (ramp, result) = (ramp(), filled(ramp(), kept: kept))
        let visible = Set(kept)
        var worst: Float = 0
        for (index, value) in result.enumerated() {
            let patch = index / Self.side / 16 * 14 + index % Self.side / 16
            if visible.contains(Int32(patch)) {
                #expect(value == ramp[index])
            } else {
                worst = max(worst, abs(value - ramp[index]))
            }
        }
        // The slope goes from 0 to 3.3. At the border of the picture nothing tells how it goes on, which costs 0.16 a patch.
        #expect(worst > 0 && worst < 0.7, "\(worst)")
    }

    @Test func `What is hidden does not count, and nothing is done where nothing or all is hidden`() {
        let kept = Masking.keptPatches(196, MaskRatio(percent: 40), seed: 4, step: 0, sample: 2)
        var other = ramp()
        let visible = Set(kept)
        for index in other.indices where !visible.contains(Int32(index / Self.side / 16 * 14 + index % Self.side / 16))
        {
            other[index] = 99
        }
        #expect(filled(other, kept: kept) == filled(ramp(), kept: kept))
        #expect(filled(other, kept: Self.all) == other)
        #expect(filled(other, kept: []) == other)
        #expect(!filled(ramp(), kept: [97]).contains { !$0.isFinite })
    }

    @Test func `Parts are as large as said: patches all over, or a window`() {
        var (whole, windows, scattered) = (0, 0, 0)
        for sample in 0..<400 {
            let kept = PartialImages.keptPatches(196, share: 0.5, seed: 7, step: 3, sample: sample)
            #expect(kept == PartialImages.keptPatches(196, share: 0.5, seed: 7, step: 3, sample: sample))
            #expect(kept == kept.sorted() && Set(kept).count == kept.count)
            guard kept.count < 196 else {
                whole += 1
                continue
            }
            #expect((70...182).contains(kept.count), "\(kept.count)")
            let (rows, columns) = (Set(kept.map { $0 / 14 }), Set(kept.map { $0 % 14 }))
            if rows.count * columns.count == kept.count { windows += 1 } else { scattered += 1 }
        }
        #expect((150...250).contains(whole) && windows > 60 && scattered > 60, "\(whole) \(windows) \(scattered)")
        #expect(PartialImages.keptPatches(196, share: 0, seed: 7, step: 3, sample: 1) == Self.all)
    }

    @Test func `The masked phase keeps its masks, and later steps show parts`() {
        var plan = StepPlan(
            objective: .mcr, imageMask: MaskRatio(percent: 50), reportMask: .none, reconstructs: true, seed: 1, step: 2)
        plan.partialImageShare = 1
        #expect(plan.keptPatches(of: 196, masked: true, sample: 5).count == 98)
        plan.imageMask = .none
        #expect(plan.keptPatches(of: 196, masked: true, sample: 5).count < 196)
        plan.partialImageShare = 0
        #expect(plan.keptPatches(of: 196, masked: true, sample: 5) == Self.all)
    }

    @Test func `A run that shows parts has the same bits when resumed, and others than one that shows all`() throws {
        let cases = (0..<8).map { PhantomGenerator(seed: 21, site: .a, side: 96).makeCase($0) }
        let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
        let configuration = MCRConfiguration(
            name: "test", imageSide: 64, patchSide: 16, image: .init(width: 24, layers: 1, heads: 2),
            report: .init(width: 24, layers: 1, heads: 2), maxTokens: 40, vocabularySize: 400, mapHidden: 24,
            dimension: 16, decoder: .init(width: 16, layers: 1, heads: 2), stem: .efficientNetLite0, shortcutCells: 2)
        let tokenizer = Tokenizer(vocabulary: vocabulary)
        let set = TrainingSet(
            images: cases.map(\.image), reports: cases.map(\.report), configuration: configuration,
            tokenizer: tokenizer)
        var options = TrainingOptions()
        options.stepCount = 4
        options.batchSize = 4
        options.threads = 2
        options.augmentation = 0.5
        options.unmaskedShare = 0.5
        options.partialImageShare = 1
        options.checkpointInterval = 2
        #expect(try TrainingOptions(json: options.json) == options)
        func trainer() throws -> MCRTrainer { try MCRTrainer(configuration, tokenizer: tokenizer, options: options) }
        let whole = try trainer()
        try whole.run(set, validation: nil)
        let folder = NSTemporaryDirectory() + "hilum-partial-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let flag = AtomicFlag()
        let begun = try trainer()
        let isComplete = try begun.run(set, validation: nil, interrupted: flag) { trainer in
            try trainer.saveCheckpoint(to: folder, set: set)
            flag.raise()
        }
        #expect(!isComplete)
        let resumed = try trainer()
        try resumed.resume(from: folder, set: set)
        try resumed.run(set, validation: nil)
        #expect(resumed.model().modelID == whole.model().modelID)
        options.partialImageShare = 0
        let without = try trainer()
        try without.run(set, validation: nil)
        #expect(without.model().modelID != whole.model().modelID)
    }
}
