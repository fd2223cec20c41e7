import Foundation
import HilumCore
import HilumNN

/// The way from words.
extension ShortcutFit {
    /// Writes idf of the training reports; nil where the network has no way from words, no word is known, or all reports are alike.
    func reportSpace(_ set: TrainingSet, _ values: ParameterBuffer) throws -> ReportSpace? {
        guard let words = network.latentWords else { return nil }
        let found = set.reports.map { words.features($0.ids) }
        var counts = [Int](repeating: 0, count: words.featureCount)
        for report in found { for feature in report { counts[feature.number] += 1 } }
        guard counts.contains(where: { $0 >= ReportSpace.leastReports }) else { return nil }
        let idf = values.pointer + words.idf
        for (feature, count) in counts.enumerated() {
            idf[feature] = count < ReportSpace.leastReports ? 0 : log(Float(1 + set.count) / Float(1 + count)) + 1
        }
        let rows = found.map { report in
            LatentSemantics.Row(
                features: report.map(\.number), values: LatentWords.weights(report) { idf[$0] })
        }
        let space = try ReportSpace(
            rows: rows, features: words.featureCount, dimension: dimension,
            labels: options.labelShare > 0 ? set.labels : set.labels.map { _ in [] }, seed: options.seed)
        // Reports that all say the same lead nowhere.
        return space.latent.typicalLength > 1e-4 ? space : nil
    }

    /// Writes U and m, with c = 1.
    ///
    /// - Parameters:
    ///   - pictures: of the samples, `[samples, inputs]`.
    ///   - weights: of the regression, `[outputs, inputs]`; the outputs of `space` follow those of the report encoder.
    func solvedWords(
        _ space: ReportSpace, _ samples: [Int], _ pictures: DenseMatrix, _ weights: DenseMatrix, _ set: TrainingSet,
        _ values: ParameterBuffer, _ blas: OpenBLAS
    ) -> SolvedWords? {
        guard let words = network.latentWords else { return nil }
        let outputs = Array(dimension..<(2 * dimension + space.findings.columns))
        let directions = space.directions(
            for: samples, predictions: pictures.times(weights.rows(outputs).transposed(), blas))
        for (index, value) in directions.words.values.enumerated() { values.pointer[words.weight + index] = value }
        values.pointer[words.scale] = 1
        var all = DenseMatrix(rows: set.count, columns: dimension, values: parts(words, set.reports, values))
        for j in 0..<dimension {
            var sum = 0.0
            for report in 0..<set.count { sum += Double(all[report, j]) }
            values.pointer[words.mean + j] = Float(sum / Double(set.count))
        }
        all = all.centred()
        return SolvedWords(words: words, directions: directions, length: max(all.typicalLength, Self.leastLength))
    }

    /// t of each report, `[reports.count, dimension]`, for c as it stands in `values`.
    func parts(_ words: LatentWords, _ reports: [TokenizedReport], _ values: ParameterBuffer) -> [Float] {
        [Float](unsafeUninitializedCapacity: reports.count * dimension) { buffer, initialized in
            // Safety: each index writes its own row of the buffer, which outlives the loop.
            nonisolated(unsafe) let rows = buffer
            nonisolated(unsafe) let parameters = UnsafePointer(values.pointer)
            parallelFor(reports.count, threads: options.threads) { index in
                guard let base = rows.baseAddress else { return }
                words.apply(parameters, reports[index].ids, into: base + index * dimension)
            }
            initialized = reports.count * dimension
        }
    }

    func reportChoices(
        _ deep: [Float], _ words: SolvedWords?, _ validation: TrainingSet, _ values: ParameterBuffer
    ) -> [ReportChoice] {
        guard let words else { return [ReportChoice(scale: 0, validation: deep, blocks: [1])] }
        let parts = parts(words.words, validation.reports, values)
        return Self.wordScales.map {
            ReportChoice(
                scale: $0, validation: normalised(sum(deep, parts, scale: $0 / words.length)), blocks: [1, $0])
        }
    }

    /// The tensors of a way from words, where it is active.
    func saved(_ words: LatentWords?, _ values: ParameterBuffer) -> [Float]? {
        guard let words, words.isActive(values.pointer) else { return nil }
        return ranges(words).flatMap {
            Array(UnsafeBufferPointer(start: values.pointer + $0.lowerBound, count: $0.count))
        }
    }

    func restore(_ saved: [Float], _ words: LatentWords, _ values: ParameterBuffer) {
        var next = 0
        for range in ranges(words) {
            for index in range {
                values.pointer[index] = saved[next]
                next += 1
            }
        }
    }

    private func ranges(_ words: LatentWords) -> [Range<Int>] {
        [
            words.weight..<(words.weight + words.featureCount * dimension),
            words.idf..<(words.idf + words.featureCount),
            words.mean..<(words.mean + dimension), words.scale..<(words.scale + 1),
        ]
    }
}
