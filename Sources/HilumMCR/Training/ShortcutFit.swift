import Foundation
import HilumCore
import HilumNN

/// Solves the linear ways of a model on its training pairs: latent semantic analysis of the reports' words, and the regression of the
/// reports' vectors on the pictures' features.
///
/// Chosen are, by the mean logarithm of ranks on the validation pairs in both directions: how much the words count beside the report
/// encoder, the regression's strength, and how much it counts beside the image encoder; nothing and nearly everything are among
/// them, and so are the ways that the start model came with. With fewer than `leastValidation` validation pairs fixed values are taken,
/// for so few would choose by chance. Since the validation pairs choose, what they show afterwards is a little too good.
struct ShortcutFit {
    /// What is added to the diagonal; see `RidgeRegression`.
    static let strengths: [Float] = [1, 3, 10]
    /// The mean length of s beside the unit vector of the image encoder.
    static let shares: [Float] = [0, 0.35, 0.7, 1, 1.5, 2.5, 8, 32]
    /// c: how much the words count beside the unit vector of the report encoder.
    static let wordScales: [Float] = [0, 0.5, 1, 2, 4, 32]
    /// Where nothing can be chosen.
    static let fixedStrength: Float = 3
    static let fixedShare: Float = 2.5
    static let fixedWordScale: Float = 2
    /// Shorter sums of a regression say nothing, such as those of pictures that are all alike.
    static let leastLength: Float = 1e-3
    /// Rows of the regression: pictures, and variations of them beside them where images are varied. More pairs than that are
    /// thinned out evenly; more rows would hardly change 1,792 weights an output.
    static let mostRows = 12_000
    /// Share of the patches that is hidden in the validation pictures that choose beside the whole ones, where the training
    /// shows parts of images.
    static let validationMask = MaskRatio(percent: 50)
    /// Validation pairs that may choose.
    static let leastValidation = 50
    /// A feature of words that fewer training reports have counts for nothing.
    static let leastReports = 2

    /// A linear map to the common space: `weights` `[dimension, inputs]` of features less `mean` `[inputs]`, plus `bias`
    /// `[dimension]`.
    private struct Way {
        var weights: [Float]
        let mean: [Float]
        let bias: [Float]
    }

    /// A choice of report vectors: the unit vectors of the validation reports, and how the regression's outputs make their targets.
    private struct ReportChoice {
        /// c of the new way from words; nil: the start model's way stays.
        let scale: Float?
        let validation: [Float]
        /// What each block of `dimension` outputs counts.
        let blocks: [Float]
    }

    /// How the pictures of the regression are shown.
    private struct Look {
        /// Steps of the training are numbered from 0: these variations are others.
        let step: Int
        /// Whether it is a variation, as in training.
        let isVaried: Bool
        let mask: MaskRatio
    }

    /// The validation pictures in one look: features and the vectors of the image encoder.
    private struct View {
        let features: [Float]
        let vectors: [Float]
    }

    let network: MCRNetwork
    let shortcut: LinearShortcut
    let options: TrainingOptions
    private var dimension: Int { shortcut.dimension }

    init(network: MCRNetwork, shortcut: LinearShortcut, options: TrainingOptions) {
        self.network = network
        self.shortcut = shortcut
        self.options = options
    }

    /// Writes the linear ways into `values`.
    ///
    /// - Parameters:
    ///   - values: of the trained model; the linear ways in them are those of the start model, or all zeros.
    ///   - validation: pairs that were not trained on.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    func solve(_ values: ParameterBuffer, _ set: TrainingSet, validation: TrainingSet?, tokenizer: Tokenizer) throws {
        let former = shortcut.isActive(values.pointer) ? way(in: values) : nil
        let samples = Self.thinned(set.count, to: options.augmentation > 0 ? Self.mostRows / 2 : Self.mostRows)
        let looks = looks(of: samples.count)
        let validation = validation.flatMap { $0.count >= Self.leastValidation ? $0 : nil }
        // The start model's report vectors first, for its way from words gives way to a new one.
        let startTargets =
            former == nil ? nil : model(values, tokenizer).embed(reports: samples.map { set.reports[$0] })
        let startValidation = former.flatMap { _ in
            validation.map { model(values, tokenizer).embed(reports: $0.reports) }
        }
        let formerWords = saved(network.latentWords, values)
        shortcut.clear(values.pointer)
        network.latentWords?.clear(values.pointer)
        let plain = model(values, tokenizer)
        guard let stem = plain.stem else { return }

        let deep = plain.embed(reports: samples.map { set.reports[$0] })
        let words = newWords(set, values)
        let trainingWords = words.map { parts($0, samples.map { set.reports[$0] }, values) }
        var blocks = [deep]
        if let trainingWords { blocks.append(trainingWords) }
        if let startTargets { blocks.append(startTargets) }
        let inputs = features(set, samples, stem, looks)
        let regression = try RidgeRegression(
            x: inputs, targets: sideBySide(blocks, copies: looks.count), rows: samples.count * looks.count,
            inputs: shortcut.inputCount, outputs: dimension * blocks.count)
        guard let validation else {
            let blocks = words == nil ? [1] : [1, Self.fixedWordScale]
            let solved = regression.weights(strength: Self.fixedStrength)
            let fitted = way(solved, mean: regression.mean, blocks: blocks)
            let length = length(fitted, inputs)
            write(fitted, scale: length > Self.leastLength ? Self.fixedShare / length : 0, former, into: values)
            if let words { values.pointer[words.scale] = Self.fixedWordScale }
            return
        }
        let views = views(of: validation, plain, stem)
        var choices = reportChoices(plain.embed(reports: validation.reports), words, validation, values)
        if let startValidation, former != nil {
            let zeros = [Float](repeating: 0, count: blocks.count - 1)
            choices.append(ReportChoice(scale: nil, validation: startValidation, blocks: zeros + [1]))
        }
        var best: (score: Double, choice: ReportChoice, way: Way, scale: Float, keepsFormer: Bool)?
        let solved = Self.strengths.map { regression.weights(strength: $0) }
        for choice in choices {
            var starts = [views.map(\.vectors)]
            if choice.scale == nil, let former {
                starts.append(views.map { sum($0.vectors, products(former, $0.features), scale: 1) })
            }
            for (number, weights) in solved.enumerated() {
                let fitted = way(weights, mean: regression.mean, blocks: choice.blocks)
                let parts = views.map { products(fitted, $0.features) }
                let unit = 1 / max(length(fitted, inputs), Self.leastLength)
                for share in Self.shares where share > 0 || number == 0 {
                    for (index, start) in starts.enumerated() {
                        let score = try zip(start, parts).reduce(0.0) { score, view in
                            try score
                                + RetrievalRanks.meanLogRank(
                                    normalised(sum(view.0, view.1, scale: share * unit)), choice.validation,
                                    dimension: dimension, hashes: validation.hashes, threads: options.threads)
                        }
                        if score < best?.score ?? .infinity { best = (score, choice, fitted, share * unit, index == 1) }
                    }
                }
            }
        }
        guard let best else { return }
        write(best.way, scale: best.scale, best.keepsFormer ? former : nil, into: values)
        guard let latentWords = network.latentWords else { return }
        if let scale = best.choice.scale {
            values.pointer[latentWords.scale] = scale
        } else if let formerWords {
            restore(formerWords, latentWords, values)
        }
    }

    /// Few pictures stand in the regression as they are, varied, and varied with a part hidden; many without the second, and those
    /// of a training that varies nothing only as they are.
    private func looks(of count: Int) -> [Look] {
        let whole = Look(step: Int.max, isVaried: false, mask: .none)
        guard options.augmentation > 0 else { return [whole] }
        let mask =
            options.imageMask == .none && options.partialImageShare > 0 ? Self.validationMask : options.imageMask
        let varied = Look(step: Int.max - 1, isVaried: true, mask: .none)
        let hidden = Look(step: Int.max - 2, isVaried: true, mask: mask)
        return count * 3 <= Self.mostRows ? [whole, varied, hidden] : [whole, hidden]
    }

    private func views(of validation: TrainingSet, _ model: Embedding, _ stem: ConvolutionalStem) -> [View] {
        let all = Array(0..<validation.count)
        var masks = [MaskRatio.none]
        if options.partialImageShare > 0 { masks.append(Self.validationMask) }
        return masks.map { mask in
            let look = Look(step: Int.max, isVaried: false, mask: mask)
            return View(
                features: features(validation, all, stem, [look]),
                vectors: mask == .none
                    ? model.embed(images: validation)
                    : model.embed(images: validation) { keptPatches(of: $0, look) })
        }
    }

    private func keptPatches(of sample: Int, _ look: Look) -> [Int32] {
        Masking.keptPatches(
            network.imageEncoder.patchCount, look.mask, seed: options.seed, step: look.step, sample: sample)
    }

    /// At most `count` numbers below `total`, evenly spread.
    static func thinned(_ total: Int, to count: Int) -> [Int] {
        total <= count ? Array(0..<total) : (0..<count).map { $0 * total / count }
    }

    private func model(_ values: ParameterBuffer, _ tokenizer: Tokenizer) -> Embedding {
        Embedding(
            model: MCRModel(network: network, values: values, tokenizer: tokenizer, modelID: "in training"),
            threads: options.threads)
    }

    /// The vectors of a model whose weights will still change.
    private struct Embedding {
        let model: MCRModel
        let threads: Int
        var stem: ConvolutionalStem? { model.stem }

        func embed(reports: [TokenizedReport]) -> [Float] { model.embed(tokens: reports, threads: threads) }
        func embed(images set: TrainingSet) -> [Float] { model.embed(imagesOf: set, threads: threads) }
        func embed(images set: TrainingSet, kept: @Sendable (Int) -> [Int32]) -> [Float] {
            model.embed(imagesOf: set, kept: kept, threads: threads)
        }
    }

    private func sum(_ rows: [Float], _ parts: [Float], scale: Float) -> [Float] {
        zip(rows, parts).map { $0 + scale * $1 }
    }

    private func normalised(_ rows: [Float]) -> [Float] {
        var result = rows
        for row in 0..<(rows.count / dimension) {
            let range = (row * dimension)..<((row + 1) * dimension)
            let length = max(rows[range].reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
            for index in range { result[index] /= length }
        }
        return result
    }

    /// Rows `[rows, dimension]` of each block beside one another, `copies` times.
    private func sideBySide(_ blocks: [[Float]], copies: Int) -> [Float] {
        var result: [Float] = []
        let rows = blocks[0].count / dimension
        result.reserveCapacity(copies * rows * dimension * blocks.count)
        for _ in 0..<copies {
            for row in 0..<rows {
                for block in blocks { result += block[(row * dimension)..<((row + 1) * dimension)] }
            }
        }
        return result
    }
}

// MARK: Words

extension ShortcutFit {
    /// Writes U, idf and m of the training reports, with c = 1; nil where the network has no way from words, or no word is known.
    private func newWords(_ set: TrainingSet, _ values: ParameterBuffer) -> LatentWords? {
        guard let words = network.latentWords else { return nil }
        let found = set.reports.map { words.features($0.ids) }
        var counts = [Int](repeating: 0, count: words.featureCount)
        for report in found { for feature in report { counts[feature.number] += 1 } }
        guard counts.contains(where: { $0 >= Self.leastReports }) else { return nil }
        let idf = values.pointer + words.idf
        for (feature, count) in counts.enumerated() {
            idf[feature] = count < Self.leastReports ? 0 : log(Float(1 + set.count) / Float(1 + count)) + 1
        }
        let rows = found.map { report in
            LatentSemantics.Row(
                features: report.map(\.number), values: LatentWords.weights(report) { idf[$0] })
        }
        let directions = LatentSemantics.directions(
            of: rows, features: words.featureCount, dimension: dimension, seed: options.seed)
        for (index, value) in directions.enumerated() { values.pointer[words.weight + index] = value }
        values.pointer[words.scale] = 1
        let all = parts(words, set.reports, values)
        for j in 0..<dimension {
            var sum = 0.0
            for report in 0..<set.count { sum += Double(all[report * dimension + j]) }
            values.pointer[words.mean + j] = Float(sum / Double(set.count))
        }
        return words
    }

    /// t of each report, `[reports.count, dimension]`, for c as it stands in `values`.
    private func parts(_ words: LatentWords, _ reports: [TokenizedReport], _ values: ParameterBuffer) -> [Float] {
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

    private func reportChoices(
        _ deep: [Float], _ words: LatentWords?, _ validation: TrainingSet, _ values: ParameterBuffer
    ) -> [ReportChoice] {
        guard let words else { return [ReportChoice(scale: 0, validation: deep, blocks: [1])] }
        let parts = parts(words, validation.reports, values)
        return Self.wordScales.map {
            ReportChoice(scale: $0, validation: normalised(sum(deep, parts, scale: $0)), blocks: [1, $0])
        }
    }

    /// The tensors of a way from words, where it is active.
    private func saved(_ words: LatentWords?, _ values: ParameterBuffer) -> [Float]? {
        guard let words, words.isActive(values.pointer) else { return nil }
        return ranges(words).flatMap {
            Array(UnsafeBufferPointer(start: values.pointer + $0.lowerBound, count: $0.count))
        }
    }

    private func restore(_ saved: [Float], _ words: LatentWords, _ values: ParameterBuffer) {
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

// MARK: Pictures

extension ShortcutFit {
    /// The map to the sum of the blocks of outputs, each times its factor.
    private func way(_ all: [Float], mean: [Float], blocks: [Float]) -> Way {
        let size = dimension * shortcut.inputCount
        var weights = [Float](repeating: 0, count: size)
        for (block, factor) in blocks.enumerated() where factor != 0 {
            for index in 0..<size { weights[index] += factor * all[block * size + index] }
        }
        return Way(weights: weights, mean: mean, bias: [Float](repeating: 0, count: dimension))
    }

    /// The linear way that stands in `values`.
    private func way(in values: ParameterBuffer) -> Way {
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
    private func features(
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
    private func products(_ way: Way, _ inputs: [Float]) -> [Float] {
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
    private func length(_ way: Way, _ inputs: [Float]) -> Float {
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
    private func write(_ fitted: Way, scale: Float, _ former: Way?, into values: ParameterBuffer) {
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
