import Foundation
import HilumCore
import HilumNN

/// Forward and backward passes of one batch, its pairs shared out to workers of one thread each.
///
/// With micro-batches the memory for activations is that of a micro-batch, whatever the batch (cached gradients: Gao et al.
/// 2021, arXiv 2101.06983). Each worker walks its share piece by piece:
///
///     embed each piece, keep its embeddings alone ─► contrast of the whole batch, its gradient at the embeddings
///     ─► embed each piece again, now with reconstruction, and go back from that gradient
///
/// The masks are a function of (seed, step, sample), so the second pass sees what the first saw; the means of the reconstruction
/// losses run over the hidden patches and words of the whole batch, which the masks tell before any pass. So the gradient
/// is that of the batch at once, up to rounding.
/// The gradient is the sum over pieces and workers in their order, so it depends on the number of workers and the size of
/// the micro-batch but never on timing.
/// Thread rule: one caller at a time.
final class StepRunner: @unchecked Sendable {
    // Sendable: workers touch only their own state and disjoint rows of the shared buffers; `run` joins them.
    /// One stream of a piece of the batch: its encoded images and reports.
    private struct Stream {
        var image: ImageEncoder.Activations
        var report: ReportEncoder.Activations
        var kept: [[Int32]]
        var hidden: [Bool]
        var ids: [Int32]
    }

    /// The activations of a piece between its passes.
    private struct Piece {
        let range: Range<Int>
        /// `[pairs, N, patchPixels]` in 0…1.
        let pixels: UnsafePointer<Float>
        let contrast: Stream
        /// The masked stream of the dual objective.
        let reconstruction: Stream?
        let imageHead: CommonSpaceHead.Activations
        let reportHead: CommonSpaceHead.Activations
    }

    private final class Worker {
        let workspace = Workspace()
        let gradients: ParameterBuffer
        var range = 0..<0
        /// What the first pass left, where it is not replayed.
        var kept: Piece?
        var losses = ReconstructionDecoder.Losses(image: 0, report: 0)

        init(count: Int) { gradients = ParameterBuffer(count: count) }

        /// The worker's share, cut into pieces of at most `size` pairs.
        func pieces(of size: Int) -> [Range<Int>] {
            stride(from: range.lowerBound, to: range.upperBound, by: size).map {
                $0..<min($0 + size, range.upperBound)
            }
        }
    }

    /// Gradients of the contrast at the embeddings `[batch, dimension]`, and over how much the other means are taken.
    private struct Upstream: @unchecked Sendable {
        // Sendable: read by the workers while `run`, which owns the rows, waits for them.
        let dImages: FloatPointer
        let dReports: FloatPointer
        let hiddenPatches: Int
        let hiddenTokens: Int
    }

    private let network: MCRNetwork
    private let stem: ConvolutionalStem?
    private let workers: [Worker]
    private let shared = Workspace()
    private let maskID: Int32
    private let blas: OpenBLAS
    /// The most pairs whose activations are held at once, over all workers; nil: the whole batch.
    private let microBatchSize: Int?

    /// The sum of the workers' gradients after `run`.
    var gradients: ParameterBuffer { workers[0].gradients }

    /// Bytes of activations and scratch over all workers, at the most.
    var peakByteCount: Int { workers.reduce(shared.peakByteCount) { $0 + $1.workspace.peakByteCount } }

    /// - Parameter stem: that of the network, if it has one.
    init(
        _ network: MCRNetwork, stem: ConvolutionalStem? = nil, threads: Int, maskID: Int32, microBatchSize: Int? = nil,
        blas: OpenBLAS
    ) {
        precondition((stem == nil) == (network.stemPlacement == nil), "the stem must be that of the network")
        self.network = network
        self.stem = stem
        self.maskID = maskID
        self.blas = blas
        self.microBatchSize = microBatchSize
        workers = (0..<max(1, threads)).map { _ in Worker(count: network.layout.count) }
    }

    /// Computes the losses of the batch and, in `gradients`, their gradient with respect to every parameter.
    func run(_ values: ParameterBuffer, _ batch: TrainingBatch, _ plan: StepPlan) -> StepLosses {
        let count = batch.samples.count
        let dimension = network.configuration.dimension
        shared.reset()
        let active = min(workers.count, count)
        for (index, worker) in workers.enumerated() {
            worker.range = index < active ? (count * index / active)..<(count * (index + 1) / active) : 0..<0
        }
        let pieceSize = microBatchSize.map { max(1, $0 / active) } ?? count
        let replays = workers.contains { $0.range.count > pieceSize }
        // Safety: the buffers live until this function returns and each worker writes only its own rows.
        nonisolated(unsafe) let (images, reports) = (shared.take(count * dimension), shared.take(count * dimension))
        nonisolated(unsafe) let parameters = UnsafePointer(values.pointer)
        parallelFor(active, threads: active) { [self] index in
            let worker = workers[index]
            worker.gradients.fillZero()
            worker.losses = .init(image: 0, report: 0)
            for range in worker.pieces(of: pieceSize) {
                worker.workspace.reset()
                let piece = forward(worker, range, parameters, batch, plan, reconstructs: plan.reconstructs && !replays)
                (images + range.lowerBound * dimension)
                    .update(from: piece.imageHead.embedding, count: range.count * dimension)
                (reports + range.lowerBound * dimension)
                    .update(from: piece.reportHead.embedding, count: range.count * dimension)
                worker.kept = replays ? nil : piece
            }
        }
        var losses = StepLosses()
        let (upstream, dLogitScale) = contrast(
            images, reports, batch, plan, logitScale: values.pointer[network.logitScale], into: &losses)
        parallelFor(active, threads: active) { [self] index in
            let worker = workers[index]
            if let piece = worker.kept {
                backward(worker, piece, parameters, plan, upstream)
                worker.kept = nil
                return
            }
            for range in worker.pieces(of: pieceSize) {
                worker.workspace.reset()
                let piece = forward(worker, range, parameters, batch, plan, reconstructs: plan.reconstructs)
                backward(worker, piece, parameters, plan, upstream)
            }
        }
        for worker in workers[1..<max(1, active)] {
            NetworkKernels.add(workers[0].gradients.pointer, worker.gradients.pointer, network.layout.count)
        }
        workers[0].gradients.pointer[network.logitScale] += dLogitScale
        for worker in workers[..<active] {
            losses.image += worker.losses.image
            losses.report += worker.losses.report
        }
        return losses
    }

    /// The contrast of the whole batch from its embeddings `[batch, dimension]`.
    private func contrast(
        _ images: FloatPointer, _ reports: FloatPointer, _ batch: TrainingBatch, _ plan: StepPlan, logitScale: Float,
        into losses: inout StepLosses
    ) -> (Upstream, dLogitScale: Float) {
        let count = batch.samples.count
        let dimension = network.configuration.dimension
        let dImages = shared.take(count * dimension)
        let dReports = shared.take(count * dimension)
        let contrast = ContrastiveLoss(
            images: images, reports: reports, hashes: batch.hashes, labels: batch.labels, dimension: dimension,
            logitScale: logitScale, weight: plan.contrastWeight, dImages: dImages, dReports: dReports, blas,
            shared)
        var neighbours = (loss: 0.0, dLogitScale: Float(0))
        if let labels = batch.labels {
            for (rows, gradient) in [(images, dImages), (reports, dReports)] {
                let part = NeighbourLoss(
                    rows, labels: labels, dimension: dimension, logitScale: logitScale,
                    weight: plan.contrastWeight * labels.weight / 2, addingTo: gradient, blas,
                    shared)
                neighbours.loss += Double(labels.weight / 2) * part.loss
                neighbours.dLogitScale += part.dLogitScale
            }
        }
        losses.contrast = contrast.loss + neighbours.loss
        var hiddenPatches = 0
        var hiddenTokens = 0
        for pair in 0..<count where plan.reconstructs {
            let masks = masks(pair, batch, plan, masked: true)
            hiddenPatches += network.configuration.patchCount - masks.kept.count
            hiddenTokens += masks.hidden.count { $0 }
        }
        let upstream = Upstream(
            dImages: dImages, dReports: dReports, hiddenPatches: hiddenPatches, hiddenTokens: hiddenTokens)
        return (upstream, contrast.dLogitScale + neighbours.dLogitScale)
    }

    /// The patches of a pair that its encoder sees and the tokens that are hidden from it; the same at each call.
    private func masks(
        _ pair: Int, _ batch: TrainingBatch, _ plan: StepPlan, masked: Bool
    ) -> (kept: [Int32], hidden: [Bool]) {
        let sample = batch.samples[pair]
        let kept = plan.keptPatches(of: network.configuration.patchCount, masked: masked, sample: sample)
        let hidden = plan.hiddenTokens(of: batch.reports[pair], masked: masked, sample: sample)
        return (kept, hidden)
    }

    private func encode(
        _ worker: Worker, _ range: Range<Int>, pixels: UnsafePointer<Float>, _ values: UnsafePointer<Float>,
        _ batch: TrainingBatch, _ plan: StepPlan, masked: Bool
    ) -> Stream {
        var kept: [[Int32]] = []
        var ids: [Int32] = []
        var hidden: [Bool] = []
        for pair in range {
            let masks = masks(pair, batch, plan, masked: masked)
            kept.append(masks.kept)
            ids += batch.reports[pair].ids
            hidden += masks.hidden
        }
        let sequences = Sequences(lengths: range.map { batch.reports[$0].ids.count })
        let input = zip(ids, hidden).map { $1 ? maskID : $0 }
        let image = network.imageEncoder.forward(
            values, pixels: pixels, kept: kept, through: stem, worker.workspace)
        let report = network.reportEncoder.forward(values, ids: input, sequences, worker.workspace)
        return Stream(image: image, report: report, kept: kept, hidden: hidden, ids: ids)
    }

    /// The pass to the embeddings of the pairs of `range`, everything in the worker's workspace.
    /// - Parameter reconstructs: whether a second stream is encoded where the objective has one.
    private func forward(
        _ worker: Worker, _ range: Range<Int>, _ values: UnsafePointer<Float>, _ batch: TrainingBatch,
        _ plan: StepPlan, reconstructs: Bool
    ) -> Piece {
        let pixels = worker.workspace.take(range.count * batch.set.pixelsPerImage)
        for (place, pair) in range.enumerated() {
            let image = pixels + place * batch.set.pixelsPerImage
            batch.set.copyPixels(of: batch.samples[pair], to: image)
            if plan.augmentation > 0 {
                let film = FilmVariation(
                    strength: plan.augmentation, seed: plan.seed, step: plan.step, sample: batch.samples[pair])
                film.apply(
                    to: image, gridSide: network.configuration.gridSide, patchSide: network.configuration.patchSide,
                    worker.workspace)
            }
        }
        let contrast = encode(
            worker, range, pixels: pixels, values, batch, plan, masked: plan.objective == .mcr)
        let reconstruction =
            plan.objective == .dual && reconstructs
            ? encode(worker, range, pixels: pixels, values, batch, plan, masked: true) : nil
        let imageHead = network.imageHead.forward(
            values, contrast.image.hidden, contrast.image.sequences,
            pooled: [Bool](repeating: true, count: contrast.image.sequences.tokenCount), worker.workspace)
        let reportHead = network.reportHead.forward(
            values, contrast.report.hidden, contrast.report.sequences,
            pooled: Self.pooledTokens(contrast.report.sequences, hidden: contrast.hidden), worker.workspace)
        return Piece(
            range: range, pixels: pixels, contrast: contrast, reconstruction: reconstruction, imageHead: imageHead,
            reportHead: reportHead)
    }

    /// Pooling leaves out [SEP], the last token of each report, and hidden words.
    static func pooledTokens(_ sequences: Sequences, hidden: [Bool]) -> [Bool] {
        var pooled = hidden.map { !$0 }
        for sequence in 0..<sequences.count where sequences.range(sequence).count > 1 {
            pooled[sequences.range(sequence).upperBound - 1] = false
        }
        return pooled
    }

    /// Adds the gradient of a piece to the worker's, and its share of the reconstruction losses to the worker's losses.
    private func backward(
        _ worker: Worker, _ piece: Piece, _ values: UnsafePointer<Float>, _ plan: StepPlan, _ upstream: Upstream
    ) {
        let configuration = network.configuration
        let gradients = worker.gradients.pointer
        let workspace = worker.workspace
        let stream = piece.contrast
        let first = piece.range.lowerBound * configuration.dimension
        let dImage = workspace.takeZeroed(stream.image.sequences.tokenCount * configuration.image.width)
        let dReport = workspace.takeZeroed(stream.report.sequences.tokenCount * configuration.report.width)
        network.imageHead.backward(
            values, gradients, piece.imageHead, stream.image.sequences, dEmbedding: upstream.dImages + first,
            addingTo: dImage, workspace)
        network.reportHead.backward(
            values, gradients, piece.reportHead, stream.report.sequences, dEmbedding: upstream.dReports + first,
            addingTo: dReport, workspace)
        if piece.reconstruction == nil {
            reconstruct(worker, stream, piece.pixels, values, plan, upstream, addingTo: dImage, dReport)
        }
        network.imageEncoder.backward(values, gradients, stream.image, dHidden: dImage, workspace)
        network.reportEncoder.backward(values, gradients, stream.report, dHidden: dReport, workspace)
        guard let second = piece.reconstruction else { return }
        let dImage2 = workspace.takeZeroed(second.image.sequences.tokenCount * configuration.image.width)
        let dReport2 = workspace.takeZeroed(second.report.sequences.tokenCount * configuration.report.width)
        reconstruct(worker, second, piece.pixels, values, plan, upstream, addingTo: dImage2, dReport2)
        network.imageEncoder.backward(values, gradients, second.image, dHidden: dImage2, workspace)
        network.reportEncoder.backward(values, gradients, second.report, dHidden: dReport2, workspace)
    }

    /// Both passes of the decoder over a stream, where the step reconstructs.
    private func reconstruct(
        _ worker: Worker, _ stream: Stream, _ pixels: UnsafePointer<Float>, _ values: UnsafePointer<Float>,
        _ plan: StepPlan, _ upstream: Upstream, addingTo dImage: FloatPointer, _ dReport: FloatPointer
    ) {
        guard plan.reconstructs, let decoder = network.decoder else { return }
        let targets = ReconstructionDecoder.Targets(
            pixels: pixels, kept: stream.kept, ids: stream.ids, hidden: stream.hidden,
            hiddenPatchCount: upstream.hiddenPatches, hiddenTokenCount: upstream.hiddenTokens,
            imageWeight: plan.imageWeight, reportWeight: plan.reportWeight)
        let losses = decoder.reconstruct(
            values, worker.gradients.pointer, image: stream.image, report: stream.report,
            tokenEmbedding: network.reportEncoder.tokens, targets, addingTo: dImage, dReport, worker.workspace)
        worker.losses.image += losses.image
        worker.losses.report += losses.report
    }
}
