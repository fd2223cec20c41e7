import Foundation
import HilumCore
import HilumNN
import Testing

@testable import HilumMCR

private let configuration = MCRConfiguration(
    name: "test", imageSide: 16, patchSide: 4, image: .init(width: 16, layers: 2, heads: 2),
    report: .init(width: 16, layers: 2, heads: 2), maxTokens: 24, vocabularySize: 40, mapHidden: 24, dimension: 12,
    decoder: .init(width: 8, layers: 1, heads: 2))

private func randomNetwork(_ configuration: MCRConfiguration) throws -> (MCRNetwork, ParameterBuffer) {
    let network = MCRNetwork(configuration)
    let values = ParameterBuffer(count: network.layout.count)
    var generator = SeededGenerator(seed: 31)
    for i in 0..<values.count { values.pointer[i] = Float(generator.normal() * 0.3) }
    return (network, values)
}

private func randomPixels(_ count: Int) -> [Float] {
    var generator = SeededGenerator(seed: 32)
    return (0..<count * configuration.patchCount * configuration.patchPixels).map { _ in Float(generator.uniform()) }
}

private func imageEmbedding(_ kept: [Int32]) throws -> [Float] {
    let (network, values) = try randomNetwork(configuration)
    let workspace = Workspace()
    let activations = network.imageEncoder.forward(
        values.pointer, pixels: randomPixels(1), kept: [kept], workspace)
    let head = network.imageHead.forward(
        values.pointer, activations.hidden, activations.sequences,
        pooled: [Bool](repeating: true, count: activations.sequences.tokenCount), workspace)
    return Array(UnsafeBufferPointer(start: head.embedding, count: configuration.dimension))
}

@Test func theOrderOfTheKeptPatchesDoesNotMatter() throws {
    let kept: [Int32] = [0, 2, 3, 7, 8, 11, 15]
    var shuffled = kept
    var generator = SeededGenerator(seed: 33)
    generator.shuffle(&shuffled)
    #expect(shuffled != kept)
    for (a, b) in zip(try imageEmbedding(kept), try imageEmbedding(shuffled)) { #expect(abs(a - b) < 1e-5) }
    // Which patches are kept does matter.
    let other = try imageEmbedding([1, 4, 5, 6, 9, 10, 12])
    #expect(zip(try imageEmbedding(kept), other).contains { abs($0 - $1) > 1e-3 })
}

@Test func aReportsEmbeddingDoesNotChangeWithLongerNeighbours() throws {
    let (network, values) = try randomNetwork(configuration)
    func embed(_ reports: [[Int32]]) -> [[Float]] {
        let workspace = Workspace()
        let sequences = Sequences(lengths: reports.map(\.count))
        let activations = network.reportEncoder.forward(
            values.pointer, ids: reports.flatMap { $0 }, sequences, workspace)
        let pooled = StepRunner.pooledTokens(
            sequences, hidden: [Bool](repeating: false, count: sequences.tokenCount))
        let head = network.reportHead.forward(values.pointer, activations.hidden, sequences, pooled: pooled, workspace)
        return (0..<reports.count).map { row in
            (0..<configuration.dimension).map { head.embedding[row * configuration.dimension + $0] }
        }
    }
    let short: [Int32] = [2, 10, 11, 3]
    let long: [Int32] = [2] + (5..<25).map { $0 } + [3]
    let alone = embed([short])[0]
    for packed in [embed([short, long])[0], embed([long, short, long])[1]] {
        for (a, b) in zip(alone, packed) { #expect(abs(a - b) <= 1e-6) }
    }
}

@Test func hiddenWordsAndSeparatorsAreLeftOutOfThePool() throws {
    let sequences = Sequences(lengths: [4, 3])
    let pooled = StepRunner.pooledTokens(sequences, hidden: [false, true, false, false, false, false, false])
    #expect(pooled == [true, false, true, false, true, true, false])
    let (network, values) = try randomNetwork(configuration)
    let workspace = Workspace()
    let hidden = workspace.take(7 * 16)
    var generator = SeededGenerator(seed: 34)
    for i in 0..<7 * 16 { hidden[i] = Float(generator.normal()) }
    let before = network.reportHead.forward(values.pointer, hidden, sequences, pooled: pooled, workspace)
    let first = (0..<24).map { before.embedding[$0] }
    for token in [1, 3, 6] { for j in 0..<16 { hidden[token * 16 + j] += 5 } }
    let after = network.reportHead.forward(values.pointer, hidden, sequences, pooled: pooled, workspace)
    #expect(first == (0..<24).map { after.embedding[$0] })
}

@Test(arguments: [MCRConfiguration.DecoderKind.joint, .unimodal])
func whatTheDecoderGathersComesBackWhereItBelongs(kind: MCRConfiguration.DecoderKind) throws {
    var sized = configuration
    sized.decoderKind = kind
    let (network, values) = try randomNetwork(sized)
    let decoder = try #require(network.decoder)
    let workspace = Workspace()
    let kept: [[Int32]] = [[1, 4, 9], [0, 15]]
    let ids: [Int32] = [2, 7, 3, 2, 8, 9, 3]
    let reports = Sequences(lengths: [3, 4])
    let image = network.imageEncoder.forward(values.pointer, pixels: randomPixels(2), kept: kept, workspace)
    let report = network.reportEncoder.forward(values.pointer, ids: ids, reports, workspace)
    let pixels = randomPixels(2)
    try pixels.withUnsafeBufferPointer { pixels in
        let targets = ReconstructionDecoder.Targets(
            pixels: try #require(pixels.baseAddress), kept: kept, ids: ids,
            hidden: [Bool](repeating: false, count: 7), hiddenPatchCount: 27, hiddenTokenCount: 0, imageWeight: 1,
            reportWeight: 1)
        let plan = decoder.plan(imageCount: 2, reports: reports)
        let width = decoder.width
        // Rows numbered through, and everything that is added to them set to zero.
        for offset in [decoder.imageType, decoder.reportType] {
            (values.pointer + offset).update(repeating: 0, count: width)
        }
        (values.pointer + decoder.maskToken).update(repeating: -1000, count: width)
        let projectedImage = workspace.take(7 * width)
        let projectedReport = workspace.take(7 * width)
        for i in 0..<7 * width {
            projectedImage[i] = Float(100 + i / width)
            projectedReport[i] = Float(200 + i / width)
        }
        let x = decoder.assemble(
            values.pointer, projectedImage, projectedReport, image, report, targets, plan, workspace)
        for pair in 0..<2 {
            for patch in 0..<16 {
                let position = decoder.imagePositions[patch * width]
                let value = x[(plan.imageRow[pair] + 1 + patch) * width] - position
                if let place = kept[pair].firstIndex(of: Int32(patch)) {
                    #expect(abs(value - Float(100 + image.sequences.offsets[pair] + 1 + place)) < 1e-3)
                } else {
                    #expect(abs(value + 1000) < 1e-3)
                }
            }
        }
        let gradients = ParameterBuffer(count: network.layout.count)
        let dImage = workspace.take(7 * width)
        let dReport = workspace.take(7 * width)
        decoder.disassemble(gradients.pointer, x, dImage, dReport, image, report, targets, plan)
        for row in 0..<7 {
            #expect(
                abs(
                    dReport[row * width]
                        - (Float(200 + row) + decoder.reportPositions[(row < 3 ? row : row - 3) * width])) < 1e-3)
            #expect(dImage[row * width] > 90)
        }
        // 13 and 14 dropped positions of −1000 and their positions.
        #expect(abs(gradients.pointer[decoder.maskToken] + 27_000) < 30)
    }
}

@Test(arguments: [Float(0), 0.4]) func theContrastiveLossMatchesTheDefinitionAndItsGradientFiniteDifferences(
    share: Float
) throws {
    let blas = try OpenBLAS.load()
    let soft = SoftLabels(labels: [[1, 2], [2], [], [1]], weight: share)
    var generator = SeededGenerator(seed: 35)
    let (batch, dimension) = (4, 5)
    var images = (0..<batch * dimension).map { _ in Float(generator.normal() * 0.5) }
    let reports = (0..<batch * dimension).map { _ in Float(generator.normal() * 0.5) }
    let hashes: [UInt64] = [1, 2, 1, 3]
    var dImages = [Float](repeating: 0, count: images.count)
    var dReports = dImages
    let workspace = Workspace()
    func measured(_ scale: Float) -> ContrastiveLoss {
        ContrastiveLoss(
            images: images, reports: reports, hashes: hashes, labels: share > 0 ? soft : nil, dimension: dimension,
            logitScale: scale, weight: 1,
            dImages: &dImages, dReports: &dReports, blas, workspace)
    }
    func defined(_ scale: Double) -> Double {
        let logits = (0..<batch).map { i in
            (0..<batch).map { j in
                exp(scale)
                    * (0..<dimension).reduce(0.0) {
                        $0 + Double(images[i * dimension + $1]) * Double(reports[j * dimension + $1])
                    }
            }
        }
        var total = 0.0
        for i in 0..<batch {
            let targets = share > 0 ? soft.targets(hashes) : ContrastiveLoss.targets(hashes)
            let row = log(logits[i].reduce(0) { $0 + exp($1) })
            let column = log((0..<batch).reduce(0) { $0 + exp(logits[$1][i]) })
            for (j, part) in targets[i] {
                total += (row - logits[i][j] + column - logits[j][i]) * Double(part)
            }
        }
        return total / Double(2 * batch)
    }
    let loss = measured(0.7)
    #expect(abs(loss.loss - defined(0.7)) < 1e-5)
    #expect(abs(Double(loss.dLogitScale) - (defined(0.701) - defined(0.699)) / 0.002) < 1e-3)
    let gradient = dImages
    for place in 0..<images.count {
        let original = images[place]
        images[place] = original + 1e-3
        let up = defined(0.7)
        images[place] = original - 1e-3
        let down = defined(0.7)
        images[place] = original
        #expect(abs((up - down) / 2e-3 - Double(gradient[place])) < 1e-3)
    }
}

@Test func labelsMoveTargetsTowardsPairsWithCommonFindings() throws {
    let soft = SoftLabels(labels: [[1, 2], [2], [3], [], [1, 2]], weight: 0.5)
    let targets = soft.targets([10, 11, 12, 13, 14])
    for row in targets { #expect(abs(row.reduce(0) { $0 + $1.share } - 1) < 1e-6) }
    // Overlaps of the first pair: itself 1, the second 1/2, the fifth 1.
    let first = Dictionary(uniqueKeysWithValues: targets[0].map { ($0.column, $0.share) })
    #expect(abs((first[0] ?? 0) - (0.5 + 0.5 * 0.4)) < 1e-6)
    #expect(abs((first[1] ?? 0) - 0.5 * 0.2) < 1e-6)
    #expect(abs((first[4] ?? 0) - 0.5 * 0.4) < 1e-6)
    #expect(first[2] == nil && first[3] == nil)
    #expect(targets[3].map(\.column) == [3])
}

@Test func theNeighbourLossMatchesItsDefinitionAndItsGradientFiniteDifferences() throws {
    let blas = try OpenBLAS.load()
    var generator = SeededGenerator(seed: 36)
    let (batch, dimension) = (5, 4)
    var rows = (0..<batch * dimension).map { _ in Float(generator.normal() * 0.6) }
    // The fourth pair has no labels, the fifth shares none.
    let soft = SoftLabels(labels: [[1, 2], [2], [1, 2, 3], [], [9]], weight: 1)
    let targets: [[Double]] = [[0, 0.5, 2.0 / 3, 0, 0], [0.5, 0, 1.0 / 3, 0, 0], [2.0 / 3, 1.0 / 3, 0, 0, 0]]
    func defined(_ scale: Double) -> Double {
        var total = 0.0
        for (i, row) in targets.enumerated() {
            let logits = (0..<batch).map { j in
                exp(scale)
                    * (0..<dimension).reduce(0.0) {
                        $0 + Double(rows[i * dimension + $1]) * Double(rows[j * dimension + $1])
                    }
            }
            let normaliser = log((0..<batch).filter { $0 != i }.reduce(0) { $0 + exp(logits[$1]) })
            let sum = row.reduce(0, +)
            for j in 0..<batch where row[j] > 0 { total += row[j] / sum * (normaliser - logits[j]) }
        }
        return total / Double(batch)
    }
    var gradient = [Float](repeating: 0, count: rows.count)
    let loss = NeighbourLoss(
        rows, labels: soft, dimension: dimension, logitScale: 0.5, weight: 1, addingTo: &gradient, blas,
        Workspace())
    #expect(abs(loss.loss - defined(0.5)) < 1e-5)
    #expect(abs(Double(loss.dLogitScale) - (defined(0.501) - defined(0.499)) / 0.002) < 1e-3)
    for place in 0..<rows.count {
        let original = rows[place]
        rows[place] = original + 1e-3
        let up = defined(0.5)
        rows[place] = original - 1e-3
        let down = defined(0.5)
        rows[place] = original
        #expect(abs((up - down) / 2e-3 - Double(gradient[place])) < 1e-3)
    }
}
