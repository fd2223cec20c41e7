import Foundation
import HilumNN

/// The decoder that reconstructs what was masked: pixels of hidden patches and hidden words.
///
/// Joint: one sequence `[CLS; N image positions; T report positions]` for each pair, so that each modality is reconstructed
/// with the help of the other. Unimodal: the same blocks over the two halves as separate sequences. Dropped patches enter as
/// the learned mask token with their position. The word head is tied to the token embedding.
struct ReconstructionDecoder: Sendable {
    let kind: MCRConfiguration.DecoderKind
    let imageIn: Linear
    let reportIn: Linear
    let maskToken: Int
    let imageType: Int
    let reportType: Int
    let stack: TransformerStack
    let pixelHead: Linear
    let wordHead: Linear
    let wordBias: Int
    let imagePositions: [Float]
    let reportPositions: [Float]
    let patchCount: Int
    let vocabularySize: Int
    var width: Int { stack.width }

    init(_ configuration: MCRConfiguration, in layout: inout ParameterLayout) {
        let width = configuration.decoder.width
        kind = configuration.decoderKind
        imageIn = Linear("decoder.image_in", inputs: configuration.image.width, outputs: width, in: &layout)
        reportIn = Linear("decoder.report_in", inputs: configuration.report.width, outputs: width, in: &layout)
        maskToken = layout.add("decoder.mask_token", [width], .normal(deviation: 0.02), decays: false)
        imageType = layout.add("decoder.image_type", [width], .normal(deviation: 0.02), decays: false)
        reportType = layout.add("decoder.report_type", [width], .normal(deviation: 0.02), decays: false)
        stack = TransformerStack(
            "decoder", width: width, layers: configuration.decoder.layers, heads: configuration.decoder.heads,
            in: &layout)
        pixelHead = Linear("decoder.pixel_head", inputs: width, outputs: configuration.patchPixels, in: &layout)
        wordHead = Linear("decoder.word_head", inputs: width, outputs: configuration.report.width, in: &layout)
        wordBias = layout.add("decoder.word_bias", [configuration.vocabularySize], .zeros, decays: false)
        imagePositions = Positions.grid(side: configuration.gridSide, width: width)
        reportPositions = Positions.line(count: configuration.maxTokens, width: width)
        patchCount = configuration.patchCount
        vocabularySize = configuration.vocabularySize
    }

    /// What the decoder reconstructs for a worker's share of the batch.
    struct Targets {
        /// `[count, N, patchPixels]`: pixels in 0…1.
        let pixels: UnsafePointer<Float>
        /// For each image the patches that the encoder saw, ascending.
        let kept: [[Int32]]
        /// The true packed token numbers.
        let ids: [Int32]
        /// For each packed token whether it was hidden.
        let hidden: [Bool]
        /// Hidden patches and tokens of the whole batch, over which the means are taken.
        let hiddenPatchCount: Int
        let hiddenTokenCount: Int
        /// Weights of the two losses in the objective.
        let imageWeight: Float
        let reportWeight: Float
    }

    /// This worker's part of the two means.
    struct Losses {
        var image: Double
        var report: Double
    }

    /// Rows of the decoder input: where each encoder row goes.
    struct Plan {
        let sequences: Sequences
        /// First decoder row of each image (its [CLS]) and of each report.
        let imageRow: [Int]
        let reportRow: [Int]
    }

    func plan(imageCount: Int, reports: Sequences) -> Plan {
        var imageRow: [Int] = []
        var reportRow: [Int] = []
        var lengths: [Int] = []
        var row = 0
        for pair in 0..<imageCount {
            let tokens = reports.range(pair).count
            imageRow.append(row)
            row += 1 + patchCount
            reportRow.append(row)
            row += tokens
            if kind == .joint { lengths.append(1 + patchCount + tokens) } else { lengths += [1 + patchCount, tokens] }
        }
        return Plan(sequences: Sequences(lengths: lengths), imageRow: imageRow, reportRow: reportRow)
    }

    /// Forward and backward in one go: returns the losses and adds the gradients of the encoder outputs to `dImage`
    /// `[image tokens, width]` and `dReport` `[report tokens, width]`.
    func reconstruct(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, image: ImageEncoder.Activations,
        report: ReportEncoder.Activations, tokenEmbedding: Int, _ targets: Targets, addingTo dImage: FloatPointer,
        _ dReport: FloatPointer, _ workspace: Workspace
    ) -> Losses {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let plan = plan(imageCount: targets.kept.count, reports: report.sequences)
        let imageRows = image.sequences.tokenCount
        let reportRows = report.sequences.tokenCount
        let projectedImage = workspace.take(imageRows * width)
        let projectedReport = workspace.take(reportRows * width)
        imageIn.forward(values, image.hidden, rows: imageRows, into: projectedImage)
        reportIn.forward(values, report.hidden, rows: reportRows, into: projectedReport)
        let x = assemble(values, projectedImage, projectedReport, image, report, targets, plan, workspace)
        let (decoded, kept) = stack.forward(values, x, plan.sequences, workspace)

        let dDecoded = workspace.takeZeroed(plan.sequences.tokenCount * width)
        var losses = Losses(image: 0, report: 0)
        losses.image = pixelLoss(values, gradients, decoded, targets, plan, addingTo: dDecoded, workspace)
        losses.report = wordLoss(
            values, gradients, decoded, report, targets, plan, tokenEmbedding: tokenEmbedding, addingTo: dDecoded,
            workspace)

        let dx = stack.backward(values, gradients, kept, plan.sequences, gradient: dDecoded, workspace)
        let dProjectedImage = workspace.take(imageRows * width)
        let dProjectedReport = workspace.take(reportRows * width)
        disassemble(gradients, dx, dProjectedImage, dProjectedReport, image, report, targets, plan)
        imageIn.backward(
            values, gradients, x: image.hidden, dy: dProjectedImage, rows: imageRows, dx: dImage, adding: true)
        reportIn.backward(
            values, gradients, x: report.hidden, dy: dProjectedReport, rows: reportRows, dx: dReport, adding: true)
        return losses
    }

    func assemble(
        _ values: UnsafePointer<Float>, _ projectedImage: FloatPointer, _ projectedReport: FloatPointer,
        _ image: ImageEncoder.Activations, _ report: ReportEncoder.Activations, _ targets: Targets, _ plan: Plan,
        _ workspace: Workspace
    ) -> FloatPointer {
        let x = workspace.take(plan.sequences.tokenCount * width)
        for pair in 0..<targets.kept.count {
            let source = projectedImage + image.sequences.offsets[pair] * width
            let target = x + plan.imageRow[pair] * width
            target.update(from: source, count: width)
            NetworkKernels.add(target, values + imageType, width)
            for patch in 0..<patchCount {
                (target + (1 + patch) * width).update(from: values + maskToken, count: width)
            }
            for (place, patch) in targets.kept[pair].enumerated() {
                (target + (1 + Int(patch)) * width).update(from: source + (1 + place) * width, count: width)
            }
            for patch in 0..<patchCount {
                let row = target + (1 + patch) * width
                imagePositions.withUnsafeBufferPointer { table in
                    if let base = table.baseAddress { NetworkKernels.add(row, base + patch * width, width) }
                }
                NetworkKernels.add(row, values + imageType, width)
            }
            let range = report.sequences.range(pair)
            for place in 0..<range.count {
                let row = x + (plan.reportRow[pair] + place) * width
                row.update(from: projectedReport + (range.lowerBound + place) * width, count: width)
                reportPositions.withUnsafeBufferPointer { table in
                    if let base = table.baseAddress { NetworkKernels.add(row, base + place * width, width) }
                }
                NetworkKernels.add(row, values + reportType, width)
            }
        }
        return x
    }

    /// The way back of `assemble`: the mask token collects the gradient of every dropped position.
    func disassemble(
        _ gradients: FloatPointer, _ dx: UnsafePointer<Float>, _ dImage: FloatPointer, _ dReport: FloatPointer,
        _ image: ImageEncoder.Activations, _ report: ReportEncoder.Activations, _ targets: Targets, _ plan: Plan
    ) {
        for pair in 0..<targets.kept.count {
            let source = dx + plan.imageRow[pair] * width
            let target = dImage + image.sequences.offsets[pair] * width
            target.update(from: source, count: width)
            NetworkKernels.addColumnSums(gradients + imageType, source, rows: 1 + patchCount, width: width)
            var next = 0
            let kept = targets.kept[pair]
            for patch in 0..<patchCount {
                let row = source + (1 + patch) * width
                if next < kept.count && Int(kept[next]) == patch {
                    (target + (1 + next) * width).update(from: row, count: width)
                    next += 1
                } else {
                    NetworkKernels.add(gradients + maskToken, row, width)
                }
            }
            let range = report.sequences.range(pair)
            let reportSource = dx + plan.reportRow[pair] * width
            (dReport + range.lowerBound * width).update(from: reportSource, count: range.count * width)
            NetworkKernels.addColumnSums(gradients + reportType, reportSource, rows: range.count, width: width)
        }
    }

    /// Mean squared error over the hidden patches against their normalised pixels (ε = 1e-4 for black borders).
    private func pixelLoss(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ decoded: FloatPointer, _ targets: Targets,
        _ plan: Plan,
        addingTo dDecoded: FloatPointer, _ workspace: Workspace
    ) -> Double {
        guard targets.hiddenPatchCount > 0 else { return 0 }
        var places: [(row: Int, patch: Int)] = []
        for pair in 0..<targets.kept.count {
            var seen = [Bool](repeating: false, count: patchCount)
            for patch in targets.kept[pair] { seen[Int(patch)] = true }
            for patch in 0..<patchCount where !seen[patch] {
                places.append((plan.imageRow[pair] + 1 + patch, pair * patchCount + patch))
            }
        }
        let pixelCount = pixelHead.outputs
        let gathered = workspace.take(places.count * width)
        for (place, entry) in places.enumerated() {
            (gathered + place * width).update(from: decoded + entry.row * width, count: width)
        }
        let predicted = workspace.take(places.count * pixelCount)
        pixelHead.forward(values, gathered, rows: places.count, into: predicted)
        let scale = 1 / (Double(targets.hiddenPatchCount) * Double(pixelCount))
        let gradientScale = Float(2 * scale) * targets.imageWeight
        var total = 0.0
        for (place, entry) in places.enumerated() {
            let sum = NetworkKernels.pixelLoss(
                predicted + place * pixelCount, targets.pixels + entry.patch * pixelCount, pixelCount,
                scale: gradientScale)
            total += Double(sum)
        }
        let dGathered = workspace.take(places.count * width)
        pixelHead.backward(values, gradients, x: gathered, dy: predicted, rows: places.count, dx: dGathered)
        for (place, entry) in places.enumerated() {
            NetworkKernels.add(dDecoded + entry.row * width, dGathered + place * width, width)
        }
        return total * scale
    }

    /// Mean cross entropy over the hidden tokens; logits against the (tied) token embedding.
    private func wordLoss(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ decoded: FloatPointer,
        _ report: ReportEncoder.Activations, _ targets: Targets, _ plan: Plan, tokenEmbedding: Int,
        addingTo dDecoded: FloatPointer, _ workspace: Workspace
    ) -> Double {
        guard targets.hiddenTokenCount > 0 else { return 0 }
        var places: [(row: Int, id: Int)] = []
        for pair in 0..<report.sequences.count {
            let range = report.sequences.range(pair)
            for token in range where targets.hidden[token] {
                places.append((plan.reportRow[pair] + token - range.lowerBound, Int(targets.ids[token])))
            }
        }
        guard !places.isEmpty else { return 0 }
        let reportWidth = wordHead.outputs
        let gathered = workspace.take(places.count * width)
        for (place, entry) in places.enumerated() {
            (gathered + place * width).update(from: decoded + entry.row * width, count: width)
        }
        let projected = workspace.take(places.count * reportWidth)
        wordHead.forward(values, gathered, rows: places.count, into: projected)
        let logits = workspace.take(places.count * vocabularySize)
        let words = TiedWords(count: vocabularySize, width: reportWidth, embedding: tokenEmbedding, bias: wordBias)
        words.logits(values, projected, rows: places.count, into: logits)
        NetworkKernels.softmax(logits, rows: places.count, width: vocabularySize)
        let scale = 1 / Float(targets.hiddenTokenCount)
        var total = 0.0
        for (place, entry) in places.enumerated() {
            let row = logits + place * vocabularySize
            total -= log(Double(max(row[entry.id], 1e-30)))
            row[entry.id] -= 1
        }
        NetworkKernels.affine(
            logits, logits, scale: scale * targets.reportWeight, shift: 0, places.count * vocabularySize)
        let dProjected = workspace.take(places.count * reportWidth)
        words.backward(values, gradients, x: projected, dLogits: logits, rows: places.count, dx: dProjected)
        let dGathered = workspace.take(places.count * width)
        wordHead.backward(values, gradients, x: gathered, dy: dProjected, rows: places.count, dx: dGathered)
        for (place, entry) in places.enumerated() {
            NetworkKernels.add(dDecoded + entry.row * width, dGathered + place * width, width)
        }
        return total * Double(scale)
    }
}
