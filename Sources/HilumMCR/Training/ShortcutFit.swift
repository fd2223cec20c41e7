import Foundation
import HilumCore
import HilumNN

/// Solves the linear way of a model on its training pairs: the regression of the reports' vectors on the pictures' features.
///
/// Strength and share are those with the best mean logarithm of ranks on the validation pairs, both directions; a share of 0, which
/// leaves the way out, is among them. Without validation pairs the middle ones are taken. Since the validation pairs choose, what
/// they show afterwards is a little too good.
struct ShortcutFit {
    /// What is added to the diagonal; see `RidgeRegression`.
    static let strengths: [Float] = [1, 3, 10]
    /// The mean length of s beside the unit vector of the transformer.
    static let shares: [Float] = [0, 0.35, 0.7, 1, 1.5, 2.5]
    /// Shorter sums of a regression say nothing, such as those of pictures that are all alike.
    static let leastLength: Float = 1e-3
    /// Variations of each training picture that stand beside it, where images are varied.
    static let variationCount = 2

    let network: MCRNetwork
    let shortcut: LinearShortcut
    let options: TrainingOptions

    /// Writes W, m and b into `values`.
    ///
    /// - Parameters:
    ///   - values: of the trained model; the linear way in them is all zeros.
    ///   - validation: pairs that were not trained on.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    func solve(_ values: ParameterBuffer, _ set: TrainingSet, validation: TrainingSet?, tokenizer: Tokenizer) throws {
        let model = MCRModel(network: network, values: values, tokenizer: tokenizer, modelID: "in training")
        guard let stem = model.stem else { return }
        let copies = options.augmentation > 0 ? 1 + Self.variationCount : 1
        let inputs = features(set, stem, copies: copies)
        let reports = model.embed(set, threads: options.threads).reports
        var targets: [Float] = []
        targets.reserveCapacity(copies * reports.count)
        for _ in 0..<copies { targets += reports }
        let regression = try RidgeRegression(
            x: inputs, targets: targets, rows: set.count * copies, inputs: shortcut.inputCount,
            outputs: shortcut.dimension)
        guard let validation, validation.count > 1 else {
            let weights = regression.weights(strength: 3)
            let length = length(weights, inputs, regression.mean)
            if length > Self.leastLength { write(weights, regression.mean, scale: 1 / length, into: values) }
            return
        }
        let (images, texts) = model.embed(validation, threads: options.threads)
        let asked = features(validation, stem, copies: 1)
        var best: (score: Double, strength: Float, scale: Float)?
        for strength in Self.strengths {
            let weights = regression.weights(strength: strength)
            let parts = products(weights, asked, regression.mean)
            let unit = 1 / max(length(weights, inputs, regression.mean), Self.leastLength)
            for share in Self.shares where share > 0 || strength == Self.strengths[0] {
                var sums = images
                for index in sums.indices { sums[index] += share * unit * parts[index] }
                let score = try meanLogRank(normalised(sums), texts, validation.hashes)
                if score < best?.score ?? .infinity { best = (score, strength, share * unit) }
            }
        }
        guard let best, best.scale > 0 else { return }
        write(regression.weights(strength: best.strength), regression.mean, scale: best.scale, into: values)
    }

    /// `[copies · count, inputs]`: the mean features of the parts of each picture, then of its variations.
    private func features(_ set: TrainingSet, _ stem: ConvolutionalStem, copies: Int) -> [Float] {
        let width = shortcut.inputCount
        let encoder = network.imageEncoder
        let all = (0..<Int32(encoder.patchCount)).map { $0 }
        let zeros = [Float](repeating: 0, count: width)
        return [Float](unsafeUninitializedCapacity: copies * set.count * width) { buffer, initialized in
            // Safety: each index writes its own row of the buffer, which outlives the loop.
            nonisolated(unsafe) let rows = buffer
            parallelFor(copies * set.count, threads: options.threads) { index in
                let workspace = Workspace()
                let sample = index % set.count
                let pixels = workspace.take(set.pixelsPerImage)
                set.copyPixels(of: sample, to: pixels)
                if index >= set.count {
                    // Steps of the training are numbered from 0: these variations are others.
                    let film = FilmVariation(
                        strength: options.augmentation, seed: options.seed, step: Int.max - index / set.count,
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
            initialized = copies * set.count * width
        }
    }

    /// s of each row of inputs, `[rows, dimension]`, for weights `[dimension, inputs]`.
    private func products(_ weights: [Float], _ inputs: [Float], _ mean: [Float]) -> [Float] {
        let (width, dimension) = (shortcut.inputCount, shortcut.dimension)
        var result = [Float](repeating: 0, count: inputs.count / width * dimension)
        var centred = [Float](repeating: 0, count: width)
        weights.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            for row in 0..<(inputs.count / width) {
                for j in 0..<width { centred[j] = inputs[row * width + j] - mean[j] }
                for output in 0..<dimension {
                    result[row * dimension + output] = NetworkKernels.dot(weights + output * width, centred, width)
                }
            }
        }
        return result
    }

    /// The mean length of s over the first rows of inputs.
    private func length(_ weights: [Float], _ inputs: [Float], _ mean: [Float]) -> Float {
        let count = min(500, inputs.count / shortcut.inputCount)
        let rows = products(weights, Array(inputs[..<(count * shortcut.inputCount)]), mean)
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

    private func meanLogRank(_ images: [Float], _ texts: [Float], _ hashes: [UInt64]) throws(NumericError) -> Double {
        var total = 0.0
        for (queries, gallery) in [(images, texts), (texts, images)] {
            let ranks = try RetrievalRanks.ranks(
                queries: queries, gallery: gallery, dimension: shortcut.dimension, hashes: hashes,
                threads: options.threads)
            total += ranks.reduce(0) { $0 + log($1) } / Double(max(ranks.count, 1))
        }
        return total
    }

    /// `weights` `[dimension, inputs]` become W `[cells², dimension, channels]`.
    private func write(_ weights: [Float], _ mean: [Float], scale: Float, into values: ParameterBuffer) {
        let (channels, dimension, width) = (shortcut.channels, shortcut.dimension, shortcut.inputCount)
        for cell in 0..<(shortcut.cells * shortcut.cells) {
            for output in 0..<dimension {
                let target = values.pointer + shortcut.weight + (cell * dimension + output) * channels
                for channel in 0..<channels {
                    target[channel] = scale * weights[output * width + cell * channels + channel]
                }
            }
        }
        for (index, value) in mean.enumerated() { values.pointer[shortcut.mean + index] = value }
    }
}
