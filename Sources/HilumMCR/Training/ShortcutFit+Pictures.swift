import HilumCore
import HilumNN

/// The way from pictures.
extension ShortcutFit {
    /// The map to the sum of the blocks of outputs, each times its factor.
    func way(_ all: [Float], mean: [Float], blocks: [Float]) -> Way {
        let size = dimension * shortcut.inputCount
        var weights = [Float](repeating: 0, count: size)
        for (block, factor) in blocks.enumerated() where factor != 0 {
            for index in 0..<size { weights[index] += factor * all[block * size + index] }
        }
        return Way(weights: weights, mean: mean, bias: [Float](repeating: 0, count: dimension))
    }

    /// The linear way that stands in `values`.
    func way(in values: ParameterBuffer) -> Way {
        let (channels, width) = (shortcut.channels, shortcut.inputCount)
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

    /// `[looks · samples, inputs]`: the mean features of the parts of each picture in the first look, then in the next; a part that is
    /// hidden as a whole counts as zeros.
    func features(
        _ set: TrainingSet, _ samples: [Int], _ stem: ConvolutionalStem, _ looks: [Look]
    ) -> [Float] {
        let width = shortcut.inputCount
        let encoder = network.imageEncoder
        let zeros = [Float](repeating: 0, count: width)
        return [Float](unsafeUninitializedCapacity: looks.count * samples.count * width) { buffer, initialized in
            // Safety: each index writes its own row of the buffer, which outlives the loop.
            nonisolated(unsafe) let rows = buffer
            parallelFor(looks.count * samples.count, threads: options.threads) { index in
                let workspace = Workspace()
                let sample = samples[index % samples.count]
                let pixels = workspace.take(set.pixelsPerImage)
                set.copyPixels(of: sample, to: pixels)
                let look = looks[index / samples.count]
                if look.isVaried {
                    let film = FilmVariation(
                        strength: options.augmentation, seed: options.seed, step: look.step, sample: sample)
                    film.apply(to: pixels, gridSide: encoder.gridSide, patchSide: encoder.patchSide, workspace)
                }
                let kept = keptPatches(of: sample, look)
                let local = workspace.take(encoder.patchCount * shortcut.channels)
                encoder.stemFeatures(stem, pixels, kept: kept, into: local, workspace)
                // The rows of the patches that stay move together.
                for (row, patch) in kept.enumerated() where row != Int(patch) {
                    (local + row * shortcut.channels)
                        .update(from: local + Int(patch) * shortcut.channels, count: shortcut.channels)
                }
                let means = workspace.take(width)
                zeros.withUnsafeBufferPointer { zeros in
                    guard let zeros = zeros.baseAddress else { return }
                    shortcut.means(local, kept: kept, fallback: zeros, into: means)
                }
                for j in 0..<width { rows[index * width + j] = means[j] }
            }
            initialized = looks.count * samples.count * width
        }
    }

    /// s of each row of inputs, `[rows, dimension]`.
    func products(_ way: Way, _ inputs: [Float]) -> [Float] {
        let width = shortcut.inputCount
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
    func length(_ way: Way, _ inputs: [Float]) -> Float {
        let count = min(500, inputs.count / shortcut.inputCount)
        let rows = products(way, Array(inputs[..<(count * shortcut.inputCount)]))
        let sum = (0..<count).reduce(Float(0)) { sum, row in
            sum + rows[(row * dimension)..<((row + 1) * dimension)].reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
        return max(sum / Float(max(count, 1)), 1e-12)
    }

    /// Writes `scale` · `fitted` + `former` as W `[cells², dimension, channels]`, m and b.
    ///
    /// There is one m, that of `fitted`: what the two means differ by passes through `former` into b.
    func write(_ fitted: Way, scale: Float, _ former: Way?, into values: ParameterBuffer) {
        guard scale > 0 || former != nil else { return }
        let (channels, width) = (shortcut.channels, shortcut.inputCount)
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
