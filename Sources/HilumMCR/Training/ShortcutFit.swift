import Foundation
import HilumCore
import HilumNN

/// Solves the linear way of a model on its training pairs: the regression of the reports' vectors on the pictures' features.
///
/// Strength and share are those with the best mean logarithm of ranks on the validation pairs, both directions; a share of 0, which
/// leaves the new regression out, is among them, and so is the way that the start model came with, alone or as a summand. With fewer
/// than `leastValidation` validation pairs the middle ones are taken, for so few would choose by chance. Since the validation pairs
/// choose, what they show afterwards is a little too good.
struct ShortcutFit {
    /// What is added to the diagonal; see `RidgeRegression`.
    static let strengths: [Float] = [1, 3, 10]
    /// The mean length of s beside the unit vector of the transformer.
    static let shares: [Float] = [0, 0.35, 0.7, 1, 1.5, 2.5]
    /// Shorter sums of a regression say nothing, such as those of pictures that are all alike.
    static let leastLength: Float = 1e-3
    /// Variations of each training picture that stand beside it, where images are varied and there are few.
    static let variationCount = 2
    /// Rows of the regression; more pairs than that are thinned out evenly. More would hardly change 1,792 weights an output.
    static let mostRows = 12_000
    /// Validation pairs that may choose.
    static let leastValidation = 50

    /// A linear map to the common space: `weights` `[dimension, inputs]` of features less `mean` `[inputs]`, plus `bias`
    /// `[dimension]`.
    private struct Way {
        let weights: [Float]
        let mean: [Float]
        let bias: [Float]
    }

    let network: MCRNetwork
    let shortcut: LinearShortcut
    let options: TrainingOptions

    /// Writes W, m and b into `values`.
    ///
    /// - Parameters:
    ///   - values: of the trained model; the linear way in them is that of the start model, or all zeros.
    ///   - validation: pairs that were not trained on.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    func solve(_ values: ParameterBuffer, _ set: TrainingSet, validation: TrainingSet?, tokenizer: Tokenizer) throws {
        let former = shortcut.isActive(values.pointer) ? way(in: values) : nil
        shortcut.clear(values.pointer)
        let model = MCRModel(network: network, values: values, tokenizer: tokenizer, modelID: "in training")
        guard let stem = model.stem else { return }
        let samples = Self.thinned(set.count, to: Self.mostRows)
        let copies = options.augmentation > 0 ? min(1 + Self.variationCount, max(1, Self.mostRows / samples.count)) : 1
        let inputs = features(set, samples, stem, copies: copies)
        let reports = model.embed(set, threads: options.threads).reports
        let width = shortcut.dimension
        var targets: [Float] = []
        targets.reserveCapacity(copies * samples.count * width)
        for _ in 0..<copies {
            for sample in samples { targets += reports[(sample * width)..<((sample + 1) * width)] }
        }
        let regression = try RidgeRegression(
            x: inputs, targets: targets, rows: samples.count * copies, inputs: shortcut.inputCount,
            outputs: shortcut.dimension)
        guard let validation, validation.count >= Self.leastValidation else {
            let fitted = way(regression, strength: Self.strengths[1])
            let length = length(fitted, inputs)
            write(fitted, scale: length > Self.leastLength ? 1 / length : 0, former, into: values)
            return
        }
        let (images, texts) = model.embed(validation, threads: options.threads)
        let asked = features(validation, Array(0..<validation.count), stem, copies: 1)
        let starts = [images] + (former.map { [sum(images, products($0, asked), scale: 1)] } ?? [])
        var best: (score: Double, strength: Float, scale: Float, keepsFormer: Bool)?
        for strength in Self.strengths {
            let fitted = way(regression, strength: strength)
            let parts = products(fitted, asked)
            let unit = 1 / max(length(fitted, inputs), Self.leastLength)
            for share in Self.shares where share > 0 || strength == Self.strengths[0] {
                for (index, start) in starts.enumerated() {
                    let sums = sum(start, parts, scale: share * unit)
                    let score = try RetrievalRanks.meanLogRank(
                        normalised(sums), texts, dimension: width, hashes: validation.hashes, threads: options.threads)
                    if score < best?.score ?? .infinity { best = (score, strength, share * unit, index == 1) }
                }
            }
        }
        guard let best else { return }
        let fitted = way(regression, strength: best.strength)
        write(fitted, scale: best.scale, best.keepsFormer ? former : nil, into: values)
    }

    /// At most `count` numbers below `total`, evenly spread.
    static func thinned(_ total: Int, to count: Int) -> [Int] {
        total <= count ? Array(0..<total) : (0..<count).map { $0 * total / count }
    }

    private func sum(_ rows: [Float], _ parts: [Float], scale: Float) -> [Float] {
        zip(rows, parts).map { $0 + scale * $1 }
    }

    private func way(_ regression: RidgeRegression, strength: Float) -> Way {
        Way(
            weights: regression.weights(strength: strength), mean: regression.mean,
            bias: [Float](repeating: 0, count: shortcut.dimension))
    }

    /// The linear way that stands in `values`.
    private func way(in values: ParameterBuffer) -> Way {
        let (channels, dimension, width) = (shortcut.channels, shortcut.dimension, shortcut.inputCount)
        var weights = [Float](repeating: 0, count: dimension * width)
        for cell in 0..<(shortcut.cells * shortcut.cells) {
            for output in 0..<dimension {
                let source = values.pointer + shortcut.weight + (cell * dimension + output) * channels
                for channel in 0..<channels { weights[output * width + cell * channels + channel] = source[channel] }
            }
        }
        return Way(
            weights: weights, mean: (0..<width).map { values.pointer[shortcut.mean + $0] },
            bias: (0..<dimension).map { values.pointer[shortcut.bias + $0] })
    }

    /// `[copies · samples, inputs]`: the mean features of the parts of each picture, then of its variations.
    private func features(
        _ set: TrainingSet, _ samples: [Int], _ stem: ConvolutionalStem, copies: Int
    ) -> [Float] {
        let width = shortcut.inputCount
        let encoder = network.imageEncoder
        let all = (0..<Int32(encoder.patchCount)).map { $0 }
        let zeros = [Float](repeating: 0, count: width)
        return [Float](unsafeUninitializedCapacity: copies * set.count * width) { buffer, initialized in
            // Safety: each index writes its own row of the buffer, which outlives the loop.
            nonisolated(unsafe) let rows = buffer
            parallelFor(copies * samples.count, threads: options.threads) { index in
                let workspace = Workspace()
                let sample = samples[index % samples.count]
                let pixels = workspace.take(set.pixelsPerImage)
                set.copyPixels(of: sample, to: pixels)
                if index >= samples.count {
                    // Steps of the training are numbered from 0: these variations are others.
                    let film = FilmVariation(
                        strength: options.augmentation, seed: options.seed, step: Int.max - index / samples.count,
                        sample: sample)
                    film.apply(to: pixels, gridSide: encoder.gridSide, patchSide: encoder.patchSide, workspace)
                }
                let local = workspace.take(encoder.patchCount * shortcut.channels)
                encoder.stemFeatures(stem, pixels, kept: all, into: local, workspace)
                let means = workspace.take(width)
                zeros.withUnsafeBufferPointer { zeros in
                    guard let zeros = zeros.baseAddress else { return }
                    shortcut.means(local, kept: all, fallback: zeros, into: means)
                }
                for j in 0..<width { rows[index * width + j] = means[j] }
            }
            initialized = copies * samples.count * width
        }
    }

    /// s of each row of inputs, `[rows, dimension]`.
    private func products(_ way: Way, _ inputs: [Float]) -> [Float] {
        let (width, dimension) = (shortcut.inputCount, shortcut.dimension)
        var result = [Float](repeating: 0, count: inputs.count / width * dimension)
        var centred = [Float](repeating: 0, count: width)
        way.weights.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            for row in 0..<(inputs.count / width) {
                for j in 0..<width { centred[j] = inputs[row * width + j] - way.mean[j] }
                for output in 0..<dimension {
                    result[row * dimension + output] =
                        way.bias[output] + NetworkKernels.dot(weights + output * width, centred, width)
                }
            }
        }
        return result
    }

    /// The mean length of s over the first rows of inputs.
    private func length(_ way: Way, _ inputs: [Float]) -> Float {
        let count = min(500, inputs.count / shortcut.inputCount)
        let rows = products(way, Array(inputs[..<(count * shortcut.inputCount)]))
        let dimension = shortcut.dimension
        let sum = (0..<count).reduce(Float(0)) { sum, row in
            sum + rows[(row * dimension)..<((row + 1) * dimension)].reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
        return max(sum / Float(max(count, 1)), 1e-12)
    }

    private func normalised(_ rows: [Float]) -> [Float] {
        var result = rows
        let dimension = shortcut.dimension
        for row in 0..<(rows.count / dimension) {
            let range = (row * dimension)..<((row + 1) * dimension)
            let length = max(rows[range].reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
            for index in range { result[index] /= length }
        }
        return result
    }

    /// Writes `scale` · `fitted` + `former` as W `[cells², dimension, channels]`, m and b.
    ///
    /// There is one m, that of `fitted`: what the two means differ by passes through `former` into b.
    private func write(_ fitted: Way, scale: Float, _ former: Way?, into values: ParameterBuffer) {
        guard scale > 0 || former != nil else { return }
        let (channels, dimension, width) = (shortcut.channels, shortcut.dimension, shortcut.inputCount)
        for cell in 0..<(shortcut.cells * shortcut.cells) {
            for output in 0..<dimension {
                let target = values.pointer + shortcut.weight + (cell * dimension + output) * channels
                for channel in 0..<channels {
                    let index = output * width + cell * channels + channel
                    target[channel] = scale * fitted.weights[index] + (former?.weights[index] ?? 0)
                }
            }
        }
        for (index, value) in fitted.mean.enumerated() { values.pointer[shortcut.mean + index] = value }
        guard let former else { return }
        let shift = zip(fitted.mean, former.mean).map { $0 - $1 }
        for output in 0..<dimension {
            let row = former.weights[(output * width)..<((output + 1) * width)]
            values.pointer[shortcut.bias + output] = zip(row, shift).reduce(former.bias[output]) { $0 + $1.0 * $1.1 }
        }
    }
}
