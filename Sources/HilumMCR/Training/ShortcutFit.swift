import Foundation
import HilumCore
import HilumNN

/// Solves the linear ways of a model on its training pairs: from the reports' words to a space of what they have in common and of
/// the findings that they name (`ReportSpace`), and the regression of the reports' vectors on the pictures' features.
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
    /// The mean length of t beside the unit vector of the report encoder.
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

    /// A linear map to the common space: `weights` `[dimension, inputs]` of features less `mean` `[inputs]`, plus `bias`
    /// `[dimension]`.
    struct Way {
        var weights: [Float]
        let mean: [Float]
        let bias: [Float]
    }

    /// The new way from words, as it stands in the values with c = 1.
    struct SolvedWords {
        let words: LatentWords
        let directions: ReportSpace.Directions
        /// The mean length of t.
        let length: Float
    }

    /// Targets of the regression, `[rows, width]`.
    struct Block {
        let values: [Float]
        let width: Int
    }

    /// A choice of report vectors: the unit vectors of the validation reports, and how the regression's outputs make their targets.
    struct ReportChoice {
        /// The mean length of t of the new way from words; nil: the start model's way stays.
        let scale: Float?
        let validation: [Float]
        /// What each block of `dimension` outputs counts.
        let blocks: [Float]
    }

    /// How the pictures of the regression are shown.
    struct Look {
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
    var dimension: Int { shortcut.dimension }

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
        let space = try reportSpace(set, values)
        var blocks = [Block(values: deep, width: dimension)]
        if let space {
            let (latent, findings) = (space.latent.rows(samples), space.findings.rows(samples))
            blocks += [latent, findings].map { Block(values: $0.values, width: $0.columns) }
        }
        if let startTargets { blocks.append(Block(values: startTargets, width: dimension)) }
        let inputs = features(set, samples, stem, looks)
        let outputs = blocks.reduce(0) { $0 + $1.width }
        let regression = try RidgeRegression(
            x: inputs, targets: sideBySide(blocks, copies: looks.count), rows: samples.count * looks.count,
            inputs: shortcut.inputCount, outputs: outputs)
        let first = DenseMatrix(
            rows: outputs, columns: shortcut.inputCount, values: regression.weights(strength: Self.fixedStrength))
        let blas = try OpenBLAS.load()
        let words = space.flatMap { space in
            solvedWords(space, samples, wholePictures(inputs, samples.count, regression.mean), first, set, values, blas)
        }
        /// The regression's weights by blocks of D outputs: report encoder, words, start model.
        func assembled(_ weights: DenseMatrix) -> [Float] {
            guard let words, let space else { return weights.values }
            let width = dimension + space.findings.columns
            let part = words.directions.pictures.scaled(by: words.directions.share)
                .transposedTimes(weights.rows(Array(dimension..<(dimension + width))), blas)
            return weights.rows(Array(0..<dimension)).values + part.values
                + weights.rows(Array((dimension + width)..<outputs)).values
        }
        guard let validation else {
            let blocks = words == nil ? [1] : [1, Self.fixedWordScale]
            let fitted = way(assembled(first), mean: regression.mean, blocks: blocks)
            let length = length(fitted, inputs)
            write(fitted, scale: length > Self.leastLength ? Self.fixedShare / length : 0, former, into: values)
            if let words { values.pointer[words.words.scale] = Self.fixedWordScale / words.length }
            return
        }
        let views = views(of: validation, plain, stem)
        var choices = reportChoices(plain.embed(reports: validation.reports), words, validation, values)
        if let startValidation, former != nil {
            let zeros = [Float](repeating: 0, count: words == nil ? 1 : 2)
            choices.append(ReportChoice(scale: nil, validation: startValidation, blocks: zeros + [1]))
        }
        var best: (score: Double, choice: ReportChoice, way: Way, scale: Float, keepsFormer: Bool)?
        let solved = Self.strengths.map { strength in
            strength == Self.fixedStrength
                ? assembled(first)
                : assembled(
                    DenseMatrix(
                        rows: outputs, columns: shortcut.inputCount, values: regression.weights(strength: strength)))
        }
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
            values.pointer[latentWords.scale] = scale / (words?.length ?? 1)
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

    func keptPatches(of sample: Int, _ look: Look) -> [Int32] {
        Masking.keptPatches(
            network.imageEncoder.patchCount, look.mask, seed: options.seed, step: look.step, sample: sample)
    }

    /// At most `count` numbers below `total`, evenly spread.
    static func thinned(_ total: Int, to count: Int) -> [Int] {
        total <= count ? Array(0..<total) : (0..<count).map { $0 * total / count }
    }

    private func model(_ values: ParameterBuffer, _ tokenizer: Tokenizer) -> Embedding {
        Embedding(
            model: MCRModel(
                network: network, values: values, tokenizer: tokenizer, modelID: "in training", isCommon: true),
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

    func sum(_ rows: [Float], _ parts: [Float], scale: Float) -> [Float] {
        zip(rows, parts).map { $0 + scale * $1 }
    }

    func normalised(_ rows: [Float]) -> [Float] {
        var result = rows
        for row in 0..<(rows.count / dimension) {
            let range = (row * dimension)..<((row + 1) * dimension)
            let length = max(rows[range].reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
            for index in range { result[index] /= length }
        }
        return result
    }

    /// Rows of each block beside one another, `copies` times.
    private func sideBySide(_ blocks: [Block], copies: Int) -> [Float] {
        var result: [Float] = []
        let rows = blocks[0].values.count / dimension
        result.reserveCapacity(copies * rows * blocks.reduce(0) { $0 + $1.width })
        for _ in 0..<copies {
            for row in 0..<rows {
                for block in blocks { result += block.values[(row * block.width)..<((row + 1) * block.width)] }
            }
        }
        return result
    }

    /// The features of the pictures as they are, less the regression's mean.
    private func wholePictures(_ inputs: [Float], _ count: Int, _ mean: [Float]) -> DenseMatrix {
        var result = DenseMatrix(
            rows: count, columns: shortcut.inputCount, values: Array(inputs[..<(count * shortcut.inputCount)]))
        for row in 0..<count { for j in mean.indices { result[row, j] -= mean[j] } }
        return result
    }
}
