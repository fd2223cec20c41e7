import Foundation
import HilumCore
import HilumImaging
import HilumNN
import Synchronization

/// A trained (or freshly initialised) MCR model: weights, vocabulary and sizes, ready to embed.
///
/// Every image and every report is encoded by itself, so its vector has the same bits whatever else is embedded with it,
/// on any number of threads, and equal reports have equal vectors.
/// Thread rule: immutable after loading; any number of threads may embed at once.
public final class MCRModel: Embedder, @unchecked Sendable {
    // Sendable: the parameters are never written after init; the pool of workspaces is behind a mutex.
    public let network: MCRNetwork
    public let tokenizer: Tokenizer
    /// SHA-256 over weights, vocabulary, preprocessing and dimension.
    public let modelID: String
    let values: ParameterBuffer
    private let workspaces = Mutex<[Workspace]>([])

    public var configuration: MCRConfiguration { network.configuration }
    public var dimension: Int { network.configuration.dimension }

    /// - Parameter modelID: what stands for the id of weights that will still change; nil: the id is computed.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    init(network: MCRNetwork, values: ParameterBuffer, tokenizer: Tokenizer, modelID: String? = nil) throws {
        precondition(values.count == network.layout.count, "the values must fill the layout")
        precondition(tokenizer.vocabulary.count <= network.configuration.vocabularySize, "the vocabulary must fit")
        try BLAS.load()
        self.network = network
        self.values = values
        self.tokenizer = tokenizer
        self.modelID =
            modelID ?? Self.identity(network: network, values: values, vocabulary: tokenizer.vocabulary)
    }

    /// A model with start values drawn from `seed`: for tests, and as the chance line of an evaluation.
    public convenience init(untrained configuration: MCRConfiguration, vocabulary: Vocabulary, seed: UInt64) throws {
        var sized = configuration
        sized.vocabularySize = vocabulary.count
        let network = MCRNetwork(sized)
        let values = ParameterBuffer(count: network.layout.count)
        values.initialize(network.layout, seed: seed)
        try self.init(network: network, values: values, tokenizer: Tokenizer(vocabulary: vocabulary))
    }

    public func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        embed(count: images.count, threads: threads) { index, workspace in
            self.encode(Preprocessing.patches(of: images[index], self.configuration), workspace)
        }
    }

    public func embed(reports: [String], threads: Int) throws -> [Float] {
        embed(count: reports.count, threads: threads) { index, workspace in
            self.encode(
                self.tokenizer.encode(reports[index], maxLength: self.configuration.maxTokens), workspace)
        }
    }

    /// The rows of a training set, for validation while training.
    func embed(_ set: TrainingSet, threads: Int) -> (images: [Float], reports: [Float]) {
        let images = embed(count: set.count, threads: threads) { index, workspace in
            let range = (index * set.pixelsPerImage)..<((index + 1) * set.pixelsPerImage)
            return self.encode(Array(set.pixels[range]), workspace)
        }
        let reports = embed(count: set.count, threads: threads) { index, workspace in
            self.encode(set.reports[index], workspace)
        }
        return (images, reports)
    }

    private func embed(
        count: Int, threads: Int, _ encode: @Sendable (Int, Workspace) -> FloatPointer
    ) -> [Float] {
        let dimension = dimension
        return [Float](unsafeUninitializedCapacity: count * dimension) { buffer, initialized in
            // Safety: each index writes its own row of the buffer, which outlives the loop.
            nonisolated(unsafe) let rows = buffer
            parallelFor(count, threads: threads) { index in
                let workspace = self.takeWorkspace()
                let vector = encode(index, workspace)
                for j in 0..<dimension { rows[index * dimension + j] = vector[j] }
                self.putBack(workspace)
            }
            initialized = count * dimension
        }
    }

    /// - Parameter patches: 16-bit `[N, patchPixels]`.
    /// - Returns: `[dimension]` in the workspace.
    private func encode(_ patches: [UInt16], _ workspace: Workspace) -> FloatPointer {
        let pixels = workspace.take(patches.count)
        Kernels.floats(pixels, patches, scale: 1 / 65_535, patches.count)
        let kept = [(0..<Int32(configuration.patchCount)).map { $0 }]
        let activations = network.imageEncoder.forward(values.pointer, pixels: pixels, kept: kept, workspace)
        let pooled = [Bool](repeating: true, count: activations.sequences.tokenCount)
        return network.imageHead.forward(
            values.pointer, activations.hidden, activations.sequences, pooled: pooled, workspace
        ).embedding
    }

    private func encode(_ report: TokenizedReport, _ workspace: Workspace) -> FloatPointer {
        let sequences = Sequences(lengths: [report.ids.count])
        let activations = network.reportEncoder.forward(values.pointer, ids: report.ids, sequences, workspace)
        let pooled = StepRunner.pooledTokens(sequences, hidden: [Bool](repeating: false, count: report.ids.count))
        return network.reportHead.forward(values.pointer, activations.hidden, sequences, pooled: pooled, workspace)
            .embedding
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
