import Foundation
import HilumCore
import HilumNN

/// What a training step optimises.
public enum Objective: String, Codable, Sendable, CaseIterable {
    /// Masked Contrastive Reconstruction: the masked input alone serves contrast and reconstruction (arXiv 2312.15840).
    case mcr
    /// Two streams: the unmasked input for contrast, a masked one for reconstruction (what the paper compares with).
    case dual
    /// Contrast on the unmasked input, no reconstruction.
    case clip
}

/// The three losses of a step; a loss that the step did not compute is zero.
public struct StepLosses: Sendable, Equatable {
    public var contrast = 0.0
    public var image = 0.0
    public var report = 0.0

    public init() {}
}

/// One batch, packed: what a step reads.
struct TrainingBatch {
    /// Position of each pair in the training set; keys the masks.
    let samples: [Int]
    /// `[batch, N, patchPixels]` in 0…1.
    let pixels: UnsafePointer<Float>
    let reports: [TokenizedReport]
    let hashes: [UInt64]
    /// Labels that weigh in the targets of the contrast, if any.
    let labels: SoftLabels?
}

/// How a step masks and weighs.
struct StepPlan {
    var objective: Objective
    /// Masks of this step; `.none` in the unmasked phase.
    var imageMask: MaskRatio
    var reportMask: MaskRatio
    /// Whether the reconstruction losses are computed.
    var reconstructs: Bool
    var contrastWeight: Float = 1
    var imageWeight: Float = 1
    var reportWeight: Float = 1
    var seed: UInt64
    var step: Int
    /// Masks to use instead of drawn ones.
    var recorded: RecordedMasks?
}

/// Forward and backward passes of one batch, its pairs shared out to workers of one thread each.
///
/// The gradient is the sum over workers in their order, so it depends on the number of workers but never on timing.
/// Thread rule: one caller at a time.
final class StepRunner: @unchecked Sendable {
    // Sendable: workers touch only their own state and disjoint rows of the shared buffers; `run` joins them.
    /// One stream of a worker's share: an encoded image and report half-batch.
    private struct Stream {
        var image: ImageEncoder.Activations
        var report: ReportEncoder.Activations
        var kept: [[Int32]]
        var hidden: [Bool]
        var ids: [Int32]
    }

    private final class Worker {
        let workspace = Workspace()
        let gradients: ParameterBuffer
        var range = 0..<0
        var contrast: Stream?
        var reconstruction: Stream?
        var imageHead: CommonSpaceHead.Activations?
        var reportHead: CommonSpaceHead.Activations?
        var losses = ReconstructionDecoder.Losses(image: 0, report: 0)

        init(count: Int) { gradients = ParameterBuffer(count: count) }
    }

    private let network: MCRNetwork
    private let workers: [Worker]
    private let shared = Workspace()
    private let maskID: Int32

    /// The sum of the workers' gradients after `run`.
    var gradients: ParameterBuffer { workers[0].gradients }

    /// Bytes of activations and scratch over all workers, at the most.
    var peakByteCount: Int { workers.reduce(shared.peakByteCount) { $0 + $1.workspace.peakByteCount } }

    init(_ network: MCRNetwork, threads: Int, maskID: Int32) {
        self.network = network
        self.maskID = maskID
        workers = (0..<max(1, threads)).map { _ in Worker(count: network.layout.count) }
    }

    /// Computes the losses of the batch and, in `gradients`, their gradient with respect to every parameter.
    func run(_ values: ParameterBuffer, _ batch: TrainingBatch, _ plan: StepPlan) -> StepLosses {
        let count = batch.samples.count
        let dimension = network.configuration.dimension
        let values = UnsafePointer(values.pointer)
        shared.reset()
        let images = shared.take(count * dimension)
        let reports = shared.take(count * dimension)
        let dImages = shared.take(count * dimension)
        let dReports = shared.take(count * dimension)
        let active = min(workers.count, count)
        for (index, worker) in workers.enumerated() {
            worker.range = index < active ? (count * index / active)..<(count * (index + 1) / active) : 0..<0
        }
        // Safety: the buffers above live until this function returns and each worker writes only its own rows.
        nonisolated(unsafe) let (imageRows, reportRows, dImageRows, dReportRows) = (images, reports, dImages, dReports)
        nonisolated(unsafe) let (parameters, batchCopy) = (values, batch)
        let planCopy = plan
        parallelFor(active, threads: active) { [self] index in
            forward(workers[index], parameters, batchCopy, planCopy)
            copyEmbeddings(workers[index], imageRows, reportRows)
        }
        let contrast = ContrastiveLoss(
            images: images, reports: reports, hashes: batch.hashes, labels: batch.labels, dimension: dimension,
            logitScale: values[network.logitScale], weight: plan.contrastWeight, dImages: dImages, dReports: dReports,
            shared)
        var neighbours = (loss: 0.0, dLogitScale: Float(0))
        if let labels = batch.labels {
            for (rows, gradient) in [(images, dImages), (reports, dReports)] {
                let part = NeighbourLoss(
                    rows, labels: labels, dimension: dimension, logitScale: values[network.logitScale],
                    weight: plan.contrastWeight * labels.weight / 2, addingTo: gradient, shared)
                neighbours.loss += Double(labels.weight / 2) * part.loss
                neighbours.dLogitScale += part.dLogitScale
            }
        }
        var hiddenPatches = 0
        var hiddenTokens = 0
        for worker in workers[..<active] {
            guard let stream = worker.reconstruction ?? worker.contrast else { continue }
            hiddenPatches += stream.kept.reduce(0) { $0 + network.configuration.patchCount - $1.count }
            hiddenTokens += stream.hidden.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        let (patchTotal, tokenTotal) = (hiddenPatches, hiddenTokens)
        parallelFor(active, threads: active) { [self] index in
            backward(
                workers[index], parameters, batchCopy, planCopy, dImageRows, dReportRows, hiddenPatches: patchTotal,
                hiddenTokens: tokenTotal)
        }
        for worker in workers[1..<max(1, active)] {
            Kernels.add(workers[0].gradients.pointer, worker.gradients.pointer, network.layout.count)
        }
        workers[0].gradients.pointer[network.logitScale] += contrast.dLogitScale + neighbours.dLogitScale
        var losses = StepLosses()
        losses.contrast = contrast.loss + neighbours.loss
        for worker in workers[..<active] {
            losses.image += worker.losses.image
            losses.report += worker.losses.report
        }
        return losses
    }

    private func encode(
        _ worker: Worker, _ values: UnsafePointer<Float>, _ batch: TrainingBatch, _ plan: StepPlan, masked: Bool
    ) -> Stream {
        let configuration = network.configuration
        let perImage = configuration.patchCount * configuration.patchPixels
        let range = worker.range
        let kept = range.map {
            plan.keptPatches(of: configuration.patchCount, masked: masked, sample: batch.samples[$0])
        }
        var ids: [Int32] = []
        var hidden: [Bool] = []
        for pair in range {
            let report = batch.reports[pair]
            ids += report.ids
            hidden += plan.hiddenTokens(of: report, masked: masked, sample: batch.samples[pair])
        }
        let sequences = Sequences(lengths: range.map { batch.reports[$0].ids.count })
        let input = zip(ids, hidden).map { $1 ? maskID : $0 }
        let image = network.imageEncoder.forward(
            values, pixels: batch.pixels + range.lowerBound * perImage, kept: kept, worker.workspace)
        let report = network.reportEncoder.forward(values, ids: input, sequences, worker.workspace)
        return Stream(image: image, report: report, kept: kept, hidden: hidden, ids: ids)
    }

    private func forward(
        _ worker: Worker, _ values: UnsafePointer<Float>, _ batch: TrainingBatch, _ plan: StepPlan
    ) {
        worker.workspace.reset()
        worker.gradients.fillZero()
        worker.losses = .init(image: 0, report: 0)
        let contrast = encode(worker, values, batch, plan, masked: plan.objective == .mcr)
        worker.contrast = contrast
        worker.reconstruction =
            plan.objective == .dual && plan.reconstructs ? encode(worker, values, batch, plan, masked: true) : nil
        worker.imageHead = network.imageHead.forward(
            values, contrast.image.hidden, contrast.image.sequences,
            pooled: [Bool](repeating: true, count: contrast.image.sequences.tokenCount), worker.workspace)
        worker.reportHead = network.reportHead.forward(
            values, contrast.report.hidden, contrast.report.sequences,
            pooled: Self.pooledTokens(contrast.report.sequences, hidden: contrast.hidden), worker.workspace)
    }

    /// Pooling leaves out [SEP], the last token of each report, and hidden words.
    static func pooledTokens(_ sequences: Sequences, hidden: [Bool]) -> [Bool] {
        var pooled = hidden.map { !$0 }
        for sequence in 0..<sequences.count where sequences.range(sequence).count > 1 {
            pooled[sequences.range(sequence).upperBound - 1] = false
        }
        return pooled
    }

    private func copyEmbeddings(_ worker: Worker, _ images: FloatPointer, _ reports: FloatPointer) {
        let dimension = network.configuration.dimension
        guard let image = worker.imageHead, let report = worker.reportHead else { return }
        let count = worker.range.count * dimension
        (images + worker.range.lowerBound * dimension).update(from: image.embedding, count: count)
        (reports + worker.range.lowerBound * dimension).update(from: report.embedding, count: count)
    }

    private func backward(
        _ worker: Worker, _ values: UnsafePointer<Float>, _ batch: TrainingBatch, _ plan: StepPlan,
        _ dImages: FloatPointer,
        _ dReports: FloatPointer, hiddenPatches: Int, hiddenTokens: Int
    ) {
        guard let stream = worker.contrast, let imageHead = worker.imageHead, let reportHead = worker.reportHead else {
            return
        }
        let configuration = network.configuration
        let gradients = worker.gradients.pointer
        let workspace = worker.workspace
        let first = worker.range.lowerBound
        let dimension = configuration.dimension
        let dImage = workspace.takeZeroed(stream.image.sequences.tokenCount * configuration.image.width)
        let dReport = workspace.takeZeroed(stream.report.sequences.tokenCount * configuration.report.width)
        network.imageHead.backward(
            values, gradients, imageHead, stream.image.sequences, dEmbedding: dImages + first * dimension,
            addingTo: dImage,
            workspace)
        network.reportHead.backward(
            values, gradients, reportHead, stream.report.sequences, dEmbedding: dReports + first * dimension,
            addingTo: dReport, workspace)
        let targets = { (stream: Stream) in
            ReconstructionDecoder.Targets(
                pixels: batch.pixels + first * configuration.patchCount * configuration.patchPixels, kept: stream.kept,
                ids: stream.ids, hidden: stream.hidden, hiddenPatchCount: hiddenPatches, hiddenTokenCount: hiddenTokens,
                imageWeight: plan.imageWeight, reportWeight: plan.reportWeight)
        }
        if plan.reconstructs, let decoder = network.decoder, worker.reconstruction == nil {
            worker.losses = decoder.reconstruct(
                values, gradients, image: stream.image, report: stream.report,
                tokenEmbedding: network.reportEncoder.tokens,
                targets(stream), addingTo: dImage, dReport, workspace)
        }
        network.imageEncoder.backward(values, gradients, stream.image, dHidden: dImage, workspace)
        network.reportEncoder.backward(values, gradients, stream.report, dHidden: dReport, workspace)
        guard let second = worker.reconstruction, let decoder = network.decoder else { return }
        let dImage2 = workspace.takeZeroed(second.image.sequences.tokenCount * configuration.image.width)
        let dReport2 = workspace.takeZeroed(second.report.sequences.tokenCount * configuration.report.width)
        worker.losses = decoder.reconstruct(
            values, gradients, image: second.image, report: second.report, tokenEmbedding: network.reportEncoder.tokens,
            targets(second), addingTo: dImage2, dReport2, workspace)
        network.imageEncoder.backward(values, gradients, second.image, dHidden: dImage2, workspace)
        network.reportEncoder.backward(values, gradients, second.report, dHidden: dReport2, workspace)
    }
}
