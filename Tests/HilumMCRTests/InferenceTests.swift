import Foundation
import HilumCore
import HilumNN
import HilumPhantom
import Testing

@testable import HilumMCR

private let configuration = MCRConfiguration(
    name: "test", imageSide: 32, patchSide: 8, image: .init(width: 24, layers: 2, heads: 2),
    report: .init(width: 24, layers: 2, heads: 3), maxTokens: 40, vocabularySize: 400, mapHidden: 36, dimension: 20,
    decoder: .init(width: 16, layers: 1, heads: 2))

private let cases: [PhantomCase] = {
    let generator = PhantomGenerator(seed: 7, site: .a, side: 64)
    return (0..<11).map { generator.makeCase($0) }
}()

private func makeModel() throws -> MCRModel {
    let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
    return try MCRModel(untrained: configuration, vocabulary: vocabulary, seed: 3)
}

@Test func anEmbeddingHasTheSameBitsAloneAndAmongOthersOnAnyNumberOfThreads() throws {
    let model = try makeModel()
    let images = cases.map(\.image)
    let reports = cases.map(\.report)
    let imagesAlone = try images.flatMap { try model.embed(images: [$0], threads: 1) }
    let reportsAlone = try reports.flatMap { try model.embed(reports: [$0], threads: 1) }
    for threads in [1, 2, 3] {
        #expect(try model.embed(images: images, threads: threads) == imagesAlone)
        #expect(try model.embed(reports: reports, threads: threads) == reportsAlone)
    }
    #expect(Set(reportsAlone).count > 20)
}

@Test func inferenceHasTheBitsOfAForwardPassOnUnmaskedInput() throws {
    let model = try makeModel()
    let (network, values) = (model.network, UnsafePointer(model.values.pointer))
    for pair in cases.prefix(3) {
        let workspace = Workspace()
        let patches = Preprocessing.patches(of: pair.image, model.configuration)
        let pixels = patches.map { Float($0) * (1 / 65_535) }
        let kept = [(0..<Int32(model.configuration.patchCount)).map { $0 }]
        let image = network.imageEncoder.forward(values, pixels: pixels, kept: kept, workspace)
        let pooled = [Bool](repeating: true, count: image.sequences.tokenCount)
        let head = network.imageHead.forward(values, image.hidden, image.sequences, pooled: pooled, workspace)
        let dimension = model.dimension
        let expected = Array(UnsafeBufferPointer(start: head.embedding, count: dimension))
        #expect(try model.embed(images: [pair.image], threads: 1) == expected)

        let report = model.tokenizer.encode(pair.report, maxLength: model.configuration.maxTokens)
        let sequences = Sequences(lengths: [report.ids.count])
        let states = network.reportEncoder.forward(values, ids: report.ids, sequences, workspace)
        let words = StepRunner.pooledTokens(sequences, hidden: [Bool](repeating: false, count: report.ids.count))
        let aggregated = network.reportHead.forward(values, states.hidden, sequences, pooled: words, workspace)
        let expectedReport = Array(UnsafeBufferPointer(start: aggregated.embedding, count: dimension))
        #expect(try model.embed(reports: [pair.report], threads: 1) == expectedReport)
    }
}

@Test func weightsThatArePackedAsTheyAreUsedGiveTheSameBits() throws {
    let model = try makeModel()
    let changing = MCRModel(
        network: model.network, values: model.values, tokenizer: model.tokenizer, modelID: "in training")
    #expect(
        try model.embed(images: cases.map(\.image), threads: 2)
            == changing.embed(images: cases.map(\.image), threads: 2))
}

@Test func bfloat16StaysCloseToF32AndHasAModelIDOfItsOwn() throws {
    // On any processor: without the instruction, the kernels' portable form runs.
    let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
    let exact = try MCRModel(untrained: .tiny, vocabulary: vocabulary, seed: 3)
    let rounded = try MCRModel(untrained: .tiny, vocabulary: vocabulary, seed: 3, precision: .bf16)
    let generator = PhantomGenerator(seed: 7, site: .a, side: 128)
    let images = (0..<4).map { generator.makeCase($0).image }
    func leastCosine(_ x: [Float], _ y: [Float]) -> Float {
        let dimension = exact.dimension
        return stride(from: 0, to: x.count, by: dimension).map { start in
            (start..<(start + dimension)).reduce(0) { $0 + x[$1] * y[$1] }
        }.min() ?? 0
    }
    let vectors = try rounded.embed(images: images, threads: 2)
    #expect(try vectors != exact.embed(images: images, threads: 2))
    #expect(try leastCosine(vectors, exact.embed(images: images, threads: 2)) >= 0.999)
    let reports = cases.map(\.report)
    #expect(
        try leastCosine(rounded.embed(reports: reports, threads: 2), exact.embed(reports: reports, threads: 2)) >= 0.999
    )
    #expect(rounded.modelID == "bf16-" + exact.modelID)
}

@Test func aFolderSaysWhatItsModelMultipliesIn() throws {
    let folder = NSTemporaryDirectory() + "hilum-test-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try makeModel().save(to: folder, format: .f32)
    let settings = folder + "/" + MCRModel.inferenceFile
    let exact = try MCRModel(directory: folder)
    #expect(exact.precision == .f32)
    try FileIO.writeAtomically(settings, MCRModel.inferenceSettings(.bf16))
    #expect(try MCRModel(directory: folder).modelID == "bf16-" + exact.modelID)
    #expect(try MCRModel(directory: folder, precision: .f32).modelID == exact.modelID)
    try FileIO.writeAtomically(settings, Array("{\"precision\":\"f32\"}".utf8))
    #expect(try MCRModel(directory: folder).modelID == exact.modelID)
    for text in ["", "[]", "{}", "{\"precison\":\"bf16\"}", "{\"precision\":\"f16\"}", "{\"precision\":1}"] {
        try FileIO.writeAtomically(settings, Array(text.utf8))
        let error = #expect(throws: MCRError.self) { try MCRModel(directory: folder) }
        #expect(error?.description.contains(settings) == true)
    }
}

@Test func whatATrainingStepStoresIsWhatTheShapesImply() throws {
    // Wide enough that the rounding of buffers to cache lines does not show.
    var sizes = MCRConfiguration.tiny
    let vocabulary = try VocabularyBuilder.build(texts: cases.map(\.report), terms: [], size: 400)
    sizes.vocabularySize = vocabulary.count
    let tokenizer = Tokenizer(vocabulary: vocabulary)
    var options = TrainingOptions()
    options.batchSize = 8
    options.stepCount = 2
    options.unmaskedShare = 0
    options.threads = 2
    let generator = PhantomGenerator(seed: 7, site: .a, side: sizes.imageSide)
    let pairs = (0..<8).map { generator.makeCase($0) }
    let set = TrainingSet(
        images: pairs.map(\.image), reports: pairs.map(\.report), configuration: sizes, tokenizer: tokenizer)
    let trainer = try MCRTrainer(sizes, tokenizer: tokenizer, options: options)
    try trainer.run(set, validation: nil)
    let implied = pairs.reduce(0) { sum, pair in
        let tokens = tokenizer.encode(pair.report, maxLength: sizes.maxTokens).ids.count
        return sum
            + 4 * trainer.network.storedFloatsOfAPair(kept: 32, tokens: tokens, hiddenTokens: (tokens - 2) / 4)
    }
    let share = Double(trainer.peakByteCount) / Double(implied)
    #expect(share > 0.9 && share < 1.1, "\(share)")
}
