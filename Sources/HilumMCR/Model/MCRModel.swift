import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import HilumNN
import Synchronization

// HilumMCR turns images and reports into unit vectors of one common space, and trains the network that does so.
//
//     report ─ Text ─► pieces ─┐                       ┌─► Model (embed, explain, average, save)
//                              ├─► Network ─► vectors ─┤
//     image ─ Preprocessing ───┘  (stem) ▲             └─► Training (losses, gradients, steps, checkpoints)
//                                     └─ Weights (safetensors files, imports of published encoders)
//
// | room      | what it holds                                                                         |
// | --------- | ------------------------------------------------------------------------------------- |
// | Model     | `MCRModel`, its configuration and folder, what happens to an image before the network |
// | Network   | where the tensors lie, the encoders, the map to the common space, the decoder         |
// | Text      | vocabulary, tokenizer, normalised reports, and how a vocabulary is built              |
// | Training  | `MCRTrainer`, what a step does (`StepRunner`), masks, losses, the training set        |
// | Federated | rounds, updates and merges of several sites; budgets of privacy and their accountant  |
// | Weights   | reading and writing safetensors, and importing weights published elsewhere            |

/// A trained (or freshly initialised) MCR model: weights, vocabulary and sizes, ready to embed.
///
/// Images and reports share passes, but no sum runs over more than one of them: a vector has the same bits whatever else is
/// embedded with it, on any number of threads, and equal reports have equal vectors.
/// Thread rule: immutable after loading; any number of threads may embed at once.
public final class MCRModel: Embedder, @unchecked Sendable {
    /// The number format in which inference multiplies.
    public typealias Precision = HilumNN.Precision

    // Sendable: the parameters are never written after init; the pool of workspaces is behind a mutex.
    /// The network that the weights fill.
    public let network: MCRNetwork
    /// Turns reports into the pieces that the weights know.
    public let tokenizer: Tokenizer
    /// SHA-256 over weights, vocabulary, preprocessing and dimension; in bf16 `bf16-` stands before it, so that no archive
    /// takes such vectors for those of f32.
    public let modelID: String
    /// What inference multiplies in; masked input, heat maps and training always run in f32.
    public let precision: Precision
    let values: ParameterBuffer
    let stem: ConvolutionalStem?
    /// The network's linear way, where it is not all zeros.
    let shortcut: LinearShortcut?
    /// The network's linear way from words, where it is not all zeros.
    let latentWords: LatentWords?
    /// The network's own directions of each kind.
    let own: OwnDirections?
    private let weights: PackedWeights
    private let workspaces = Mutex<[Workspace]>([])

    /// The sizes.
    public var configuration: MCRConfiguration { network.configuration }
    /// Floats of a vector.
    public var dimension: Int { own?.dimension ?? network.configuration.dimension }
    /// What of a vector pictures and reports share; nil without own directions of each kind.
    public var vectorParts: VectorParts? { own?.parts(values.pointer) }
    /// Side of the square that a picture may be fitted into first, in pixels: that of the model input, or larger.
    public var imageSide: Int? { Preprocessing.readingSide(network.configuration) }
    /// Images that share a pass of one thread.
    public var imagesPerPass: Int { max(1, Self.rowsOfAPass / (configuration.patchCount + 1)) }

    /// - Parameters:
    ///   - modelID: what stands for the id of weights that will still change; nil: the id is computed.
    ///   - precision: of a model whose weights do not change.
    ///   - isCommon: whether vectors are those of the common space, without own directions of each kind: for training.
    init(
        network: MCRNetwork, values: ParameterBuffer, tokenizer: Tokenizer, modelID: String? = nil,
        precision: Precision = .f32, isCommon: Bool = false
    ) {
        precondition(!isCommon || modelID != nil, "no archive takes vectors of the common space alone")
        precondition(modelID == nil || precision == .f32, "weights that change are not packed")
        precondition(values.count == network.layout.count, "the values must fill the layout")
        precondition(tokenizer.vocabulary.count <= network.configuration.vocabularySize, "the vocabulary must fit")
        self.network = network
        self.values = values
        self.tokenizer = tokenizer
        stem = network.stem(values)
        shortcut = network.shortcut.flatMap { $0.isActive(values.pointer) ? $0 : nil }
        latentWords = network.latentWords.flatMap { $0.isActive(values.pointer) ? $0 : nil }
        own = isCommon ? nil : network.own
        // Weights that will still change are used a few times: they are packed as they are used.
        weights = PackedWeights(
            values, packing: modelID == nil ? network.inferenceLinears : [], precision: precision)
        self.precision = precision
        self.modelID =
            modelID
            ?? (precision == .bf16 ? "bf16-" : "")
            + Self.identity(network: network, values: values, vocabulary: tokenizer.vocabulary)
    }

    /// A model with start values drawn from `seed`: for tests, and as the chance line of an evaluation.
    ///
    /// - Throws: `MCRError` or `FileError` when the configuration has a stem whose weights cannot be read.
    public convenience init(
        untrained configuration: MCRConfiguration, vocabulary: Vocabulary, seed: UInt64, precision: Precision = .f32
    ) throws {
        var sized = configuration
        sized.vocabularySize = vocabulary.count
        let network = MCRNetwork(sized)
        let values = ParameterBuffer(count: network.layout.count)
        try network.initialize(values, seed: seed)
        self.init(
            network: network, values: values, tokenizer: Tokenizer(vocabulary: vocabulary), precision: precision)
    }

    /// Unit vectors `[images.count, dimension]`; the same bits for an image alone and among others.
    public func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        embed(images: images, hiding: .none, seed: 0, threads: threads)
    }

    /// Unit vectors `[reports.count, dimension]`; the same bits for a report alone and among others.
    public func embed(reports: [String], threads: Int) throws -> [Float] {
        embed(reports: reports, hiding: .none, seed: 0, threads: threads)
    }

    /// Whether a report has six different words of three letters or more that the vocabulary holds whole.
    ///
    /// Fewer make no report in a language that the lexicon of findings does not know: `see attached` and its like are shorter.
    public func knowsWords(of report: String) -> Bool { tokenizer.hasKnownWords(report, atLeast: 6) }

    /// Embeddings of images of which a share of the patches is hidden, `[images.count, dimension]`.
    ///
    /// Hidden patches are dropped before the encoder, as in training. With `.none` the bits are those of `embed(images:)`.
    /// - Parameter first: the number of the first image; the mask of an image is a function of the seed and its number.
    public func embed(
        images: [GrayImage], hiding ratio: MaskRatio, seed: UInt64, first: Int = 0, threads: Int
    ) -> [Float] {
        if ratio.numerator == 0 {
            return embed(images: images.count, threads: threads) { index, target in
                let patches = Preprocessing.patches(of: images[index], self.configuration)
                NetworkKernels.floats(target, patches, scale: 1 / 65_535, patches.count)
            }
        }
        return embed(count: images.count, most: 1, threads: threads) { range, workspace in
            let index = range.lowerBound
            let kept = Masking.keptPatches(
                self.configuration.patchCount, ratio, seed: seed, step: 0, sample: first + index)
            return self.encode(Preprocessing.patches(of: images[index], self.configuration), kept: kept, workspace)
        }
    }

    /// Embeddings of reports of which a share of the words is hidden, `[reports.count, dimension]`.
    ///
    /// Hidden words become [MASK] and take no part in the pooling, as in training. With `.none` the bits are those of
    /// `embed(reports:)`.
    /// - Parameter first: the number of the first report; the mask of a report is a function of the seed and its number.
    public func embed(
        reports: [String], hiding ratio: MaskRatio, seed: UInt64, first: Int = 0, threads: Int
    ) -> [Float] {
        if ratio.numerator == 0 {
            return embed(reports: reports.count, threads: threads) { index in
                self.tokenizer.encode(reports[index], maxLength: self.configuration.maxTokens)
            }
        }
        return embed(count: reports.count, most: 1, threads: threads) { range, workspace in
            let index = range.lowerBound
            let report = self.tokenizer.encode(reports[index], maxLength: self.configuration.maxTokens)
            let hidden = Masking.hiddenTokens(
                wordIndices: report.wordIndex[...], ratio, seed: seed, step: 0, sample: first + index)
            return self.encode(report, hidden: hidden, workspace)
        }
    }

    /// The rows of a training set, for validation while training.
    func embed(_ set: TrainingSet, threads: Int) -> (images: [Float], reports: [Float]) {
        (embed(imagesOf: set, threads: threads), embed(tokens: set.reports, threads: threads))
    }

    func embed(imagesOf set: TrainingSet, threads: Int) -> [Float] {
        embed(images: set.count, threads: threads) { set.copyPixels(of: $0, to: $1) }
    }

    /// The vectors of the images of a set of each of which only `kept` is shown.
    func embed(imagesOf set: TrainingSet, kept: @Sendable (Int) -> [Int32], threads: Int) -> [Float] {
        embed(count: set.count, most: 1, threads: threads) { range, workspace in
            let pixels = workspace.take(set.pixelsPerImage)
            set.copyPixels(of: range.lowerBound, to: pixels)
            return self.encode(pixels: pixels, kept: kept(range.lowerBound), workspace)
        }
    }

    func embed(tokens reports: [TokenizedReport], threads: Int) -> [Float] {
        embed(reports: reports.count, threads: threads) { reports[$0] }
    }

    /// - Parameter pixels: writes the pixels of an image, `[N, patchPixels]` in 0…1.
    private func embed(
        images count: Int, threads: Int, pixels: @Sendable (Int, FloatPointer) -> Void
    ) -> [Float] {
        let perImage = configuration.patchCount * configuration.patchPixels
        return embed(count: count, most: imagesPerPass, threads: threads) { range, workspace in
            let floats = workspace.take(range.count * perImage)
            for (place, index) in range.enumerated() { pixels(index, floats + place * perImage) }
            return self.network.embed(
                self.weights, values: self.values.pointer, pixels: floats, count: range.count, through: stem,
                shortcut: self.shortcut, own: self.own, workspace)
        }
    }

    private func embed(
        reports count: Int, threads: Int, tokens: @Sendable (Int) -> TokenizedReport
    ) -> [Float] {
        embed(count: count, most: Self.reportsOfAPass, threads: threads) { range, workspace in
            self.network.embed(
                self.weights, values: self.values.pointer, reports: range.map(tokens), words: self.latentWords,
                own: self.own, workspace)
        }
    }

    /// About as many rows as keep a block of activations in the second cache; the bits do not depend on it.
    private static let rowsOfAPass = 200
    private static let reportsOfAPass = 4

    /// - Parameters:
    ///   - most: of the vectors that are computed in one pass, by one thread.
    ///   - encode: returns the vectors of a range, `[range.count, dimension]` in the workspace.
    private func embed(
        count: Int, most: Int, threads: Int, _ encode: @Sendable (Range<Int>, Workspace) -> FloatPointer
    ) -> [Float] {
        let dimension = dimension
        let size = min(most, max(1, count / max(1, threads)))
        return [Float](unsafeUninitializedCapacity: count * dimension) { buffer, initialized in
            // Safety: each pass writes its own rows of the buffer, which outlives the loop.
            nonisolated(unsafe) let rows = buffer
            parallelFor((count + size - 1) / size, threads: threads) { pass in
                let range = (pass * size)..<min((pass + 1) * size, count)
                let workspace = self.takeWorkspace()
                let vectors = encode(range, workspace)
                for j in 0..<(range.count * dimension) { rows[range.lowerBound * dimension + j] = vectors[j] }
                self.putBack(workspace)
            }
            initialized = count * dimension
        }
    }

    /// - Parameters:
    ///   - patches: 16-bit `[N, patchPixels]`.
    ///   - kept: the patches that the encoder sees, ascending; nil: all.
    /// - Returns: `[dimension]` in the workspace.
    private func encode(_ patches: [UInt16], kept: [Int32]? = nil, _ workspace: Workspace) -> FloatPointer {
        let pixels = workspace.take(patches.count)
        NetworkKernels.floats(pixels, patches, scale: 1 / 65_535, patches.count)
        return encode(pixels: pixels, kept: kept, workspace)
    }

    /// - Parameter pixels: `[N, patchPixels]` in 0…1.
    private func encode(
        pixels: UnsafePointer<Float>, kept: [Int32]?, _ workspace: Workspace
    ) -> FloatPointer {
        let (head, image) = mapped(pixels: pixels, kept: kept, workspace)
        if let shortcut {
            let part = workspace.take(shortcut.dimension)
            shortcut.apply(values.pointer, image.patches, kept: image.kept[0], into: part, workspace)
            shortcut.add(part, to: head.embedding)
        }
        guard let own else { return head.embedding }
        let wide = workspace.take(own.dimension)
        own.widen(values.pointer, head.embedding, image.patches, kept: image.kept[0], into: wide, workspace)
        return wide
    }

    private func encode(
        _ report: TokenizedReport, hidden: [Bool]? = nil, _ workspace: Workspace
    ) -> FloatPointer {
        let embedding = mapped(report, hidden: hidden, workspace).embedding
        if let latentWords {
            let part = workspace.take(latentWords.dimension)
            latentWords.apply(values.pointer, report.ids, hidden: hidden, into: part)
            latentWords.add(part, to: embedding)
        }
        guard let own else { return embedding }
        let wide = workspace.take(own.dimension)
        own.widen(values.pointer, embedding, report.ids, hidden: hidden, into: wide)
        return wide
    }

    /// The mapped local features of an image and how they were pooled: row 0 is [CLS], then the kept patches; without the linear
    /// way. And what they were mapped from.
    func mapped(
        _ patches: [UInt16], kept: [Int32]? = nil, _ workspace: Workspace
    ) -> (head: CommonSpaceHead.Activations, image: ImageEncoder.Activations) {
        let pixels = workspace.take(patches.count)
        NetworkKernels.floats(pixels, patches, scale: 1 / 65_535, patches.count)
        return mapped(pixels: pixels, kept: kept, workspace)
    }

    private func mapped(
        pixels: UnsafePointer<Float>, kept: [Int32]?, _ workspace: Workspace
    ) -> (head: CommonSpaceHead.Activations, image: ImageEncoder.Activations) {
        let kept = [kept ?? (0..<Int32(configuration.patchCount)).map { $0 }]
        let activations = network.imageEncoder.forward(
            values.pointer, pixels: pixels, kept: kept, through: stem, workspace)
        let pooled = [Bool](repeating: true, count: activations.sequences.tokenCount)
        let head = network.imageHead.forward(
            values.pointer, activations.hidden, activations.sequences, pooled: pooled, workspace)
        return (head, activations)
    }

    /// The mapped local features of a report and how they were pooled, one row a token.
    func mapped(
        _ report: TokenizedReport, hidden: [Bool]? = nil, _ workspace: Workspace
    ) -> CommonSpaceHead.Activations {
        let sequences = Sequences(lengths: [report.ids.count])
        let hidden = hidden ?? [Bool](repeating: false, count: report.ids.count)
        let maskID = tokenizer.vocabulary.maskID
        let ids = zip(report.ids, hidden).map { $1 ? maskID : $0 }
        let activations = network.reportEncoder.forward(values.pointer, ids: ids, sequences, workspace)
        let pooled = StepRunner.pooledTokens(sequences, hidden: hidden)
        return network.reportHead.forward(values.pointer, activations.hidden, sequences, pooled: pooled, workspace)
    }

    /// Runs `body` with a workspace of the pool; nothing in it may be used afterwards.
    func withWorkspace<Result>(_ body: (Workspace) throws -> Result) rethrows -> Result {
        let workspace = takeWorkspace()
        defer { putBack(workspace) }
        return try body(workspace)
    }

    private func takeWorkspace() -> Workspace {
        workspaces.withLock { $0.popLast() } ?? Workspace()
    }

    private func putBack(_ workspace: Workspace) {
        workspace.reset()
        workspaces.withLock { $0.append(workspace) }
    }

    private static func identity(network: MCRNetwork, values: ParameterBuffer, vocabulary: Vocabulary) -> String {
        var hash = SHA256()
        let sizes = network.configuration
        // What changes a vector without changing a tensor's shape stands here too.
        hash.update(
            "\(Preprocessing.version) side \(sizes.imageSide) patch \(sizes.patchSide) tokens \(sizes.maxTokens)\n")
        hash.update("heads \(sizes.image.heads) \(sizes.report.heads) \(sizes.alignment.rawValue) \(sizes.dimension)\n")
        if !sizes.departures.isEmpty { hash.update("\(sizes.departures)\n") }
        for parameter in network.layout.parameters where MCRNetwork.servesInference(parameter.name) {
            hash.update("\(parameter.name) \(parameter.shape)\n")
            hash.update(UnsafeRawBufferPointer(start: values.pointer + parameter.offset, count: parameter.count * 4))
        }
        vocabulary.text.withUnsafeBytes { hash.update($0) }
        return hexadecimal(hash.finish())
    }
}
