import HilumCore
import HilumEmbedding
import HilumImaging
import HilumNN
import Synchronization

extension MCRModel: ExplainingEmbedder {
    /// A text with more words than this is a report, which says itself what is normal: held against the neutral texts as
    /// well, it pointed worse in trials on drawn cases, where phrases pointed better.
    static let longestPhrase = 12

    /// Local features as they enter the common space: row i is α_i y_i / ‖v‖, so the rows sum to the unit vector. What a kind has in
    /// its own directions meets nothing in the other kind, so there the rows sum to the common part of the vector.
    private struct LocalFeatures {
        /// `[rows, dimension]`
        var rows: [Float]
        var weights: [Float]
        var embedding: [Float]

        init(_ activations: CommonSpaceHead.Activations, rowCount: Int, dimension: Int) {
            weights = (0..<rowCount).map { activations.alpha[$0] }
            embedding = (0..<dimension).map { activations.embedding[$0] }
            rows = [Float](repeating: 0, count: rowCount * dimension)
            for row in 0..<rowCount {
                let scale = activations.alpha[row] * activations.inverseNorm[0]
                for j in 0..<dimension { rows[row * dimension + j] = scale * activations.mapped[row * dimension + j] }
            }
        }

        /// Adds what a linear way brings, `[rows, dimension]`, and makes the sum of all rows a unit vector again.
        mutating func add(_ shares: [Float]) {
            let dimension = embedding.count
            for (index, share) in shares.enumerated() {
                rows[index] += share
                embedding[index % dimension] += share
            }
            let length = max(embedding.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
            for index in rows.indices { rows[index] /= length }
            for index in embedding.indices { embedding[index] /= length }
        }

        /// Makes the sum so long.
        mutating func scale(_ length: Float) {
            for index in rows.indices { rows[index] *= length }
            for index in embedding.indices { embedding[index] *= length }
        }
    }

    /// Floats of the common space, in which a picture and a text meet.
    private var common: Int { configuration.dimension }

    private func checkLocalFeatures() throws(EmbeddingError) {
        guard configuration.alignment == .mba else {
            throw EmbeddingError(
                .noLocalFeatures(
                    reason:
                        "it pools before it maps (abm), so it has no local features in the common space to explain with"
                ))
        }
    }

    private func localFeatures(of image: GrayImage) -> LocalFeatures {
        let patches = Preprocessing.patches(of: image, configuration)
        return withWorkspace { workspace in
            let (head, image) = mapped(patches, workspace)
            var features = LocalFeatures(head, rowCount: configuration.patchCount + 1, dimension: common)
            if let shortcut {
                features.add(shortcut.shares(values.pointer, image.patches, kept: image.kept[0]))
            }
            if let own { features.scale(own.commonLengthOfImages(values.pointer)) }
            return features
        }
    }

    private func localFeatures(of report: TokenizedReport) -> LocalFeatures {
        withWorkspace { workspace in
            var features = LocalFeatures(mapped(report, workspace), rowCount: report.ids.count, dimension: common)
            if let latentWords { features.add(latentWords.shares(values.pointer, report.ids)) }
            if let own { features.scale(own.commonLengthOfReports(values.pointer)) }
            return features
        }
    }

    /// The mean local features of `images`, and the direction of `ExplanationBaseline.neutralTexts`.
    ///
    /// The same images in the same order give the same bits on any number of threads.
    /// - Throws: `.noLocalFeatures` for a model that pools before it maps (`abm`).
    public func baseline(
        images: [GrayImage], threads: Int = defaultThreadCount
    ) throws(EmbeddingError) -> ExplanationBaseline {
        try baseline(images: images, neutralTexts: ExplanationBaseline.neutralTexts, threads: threads)
    }

    /// - Parameters:
    ///   - images: at least one; a few hundred of the same kind as those to be explained. The same images in the same order
    ///     give the same bits on any number of threads.
    ///   - neutralTexts: at least one; texts that say that nothing is found.
    /// - Throws: `.noLocalFeatures` for a model that pools before it maps (`abm`).
    func baseline(
        images: [GrayImage], neutralTexts: [String], threads: Int
    ) throws(EmbeddingError) -> ExplanationBaseline {
        precondition(!images.isEmpty && !neutralTexts.isEmpty, "a baseline needs images and texts")
        try checkLocalFeatures()
        let count = (configuration.patchCount + 1) * common
        var sums = [Double](repeating: 0, count: count)
        // A block at a time bounds the memory; summed in the order of the images.
        for start in stride(from: 0, to: images.count, by: 32) {
            let block = start..<min(start + 32, images.count)
            let parts = Mutex([Int: [Float]]())
            parallelFor(block.count, threads: threads) { index in
                let rows = self.localFeatures(of: images[block.lowerBound + index]).rows
                parts.withLock { $0[index] = rows }
            }
            let found = parts.withLock { $0 }
            for index in 0..<block.count {
                guard let rows = found[index] else { continue }
                for i in 0..<count { sums[i] += Double(rows[i]) }
            }
        }
        let reports = embed(reports: neutralTexts, hiding: .none, seed: 0, threads: 1)
        var neutral = [Float](repeating: 0, count: common)
        for text in neutralTexts.indices {
            for j in 0..<common { neutral[j] += reports[text * dimension + j] / Float(neutralTexts.count) }
        }
        return ExplanationBaseline(
            rows: sums.map { Float($0 / Double(images.count)) }, neutral: neutral, imageCount: images.count)
    }

    /// Which patches of `image` answer to which words of `text`.
    ///
    /// Thread rule: any number of threads at once; the same call gives the same bits.
    /// - Parameter baseline: made by this model; nil takes the bare score apart. A text of at most twelve words is held
    ///   against the baseline's neutral texts too.
    /// - Throws: `.noLocalFeatures` for a model that pools before it maps (`abm`).
    public func explain(
        image: GrayImage, text: String, baseline: ExplanationBaseline? = nil
    ) throws(EmbeddingError) -> Explanation {
        try checkLocalFeatures()
        let report = tokenizer.encode(text, maxLength: configuration.maxTokens)
        var left = localFeatures(of: image)
        let score = Self.dot(left.embedding[...], localFeatures(of: report).embedding[...])
        if let baseline {
            precondition(baseline.rows.count == left.rows.count, "the baseline must be made by this model")
            for i in 0..<left.rows.count { left.rows[i] -= baseline.rows[i] }
        }
        let isContrasted = baseline != nil && report.wordCount <= Self.longestPhrase
        let neutral = isContrasted ? baseline?.neutral : nil
        let right = textFeatures(report, less: neutral)
        let grid = PatchGrid(
            side: configuration.gridSide, patchSide: configuration.patchSide, imageWidth: image.width,
            imageHeight: image.height, region: Preprocessing.region(of: image, configuration))
        let (words, whole) = evidence(left, right, report, text)
        return Explanation(
            score: score, total: whole.reduce(0, +), heat: Array(whole[1...]), patchWeights: Array(left.weights[1...]),
            words: words, grid: grid, referenceCount: baseline?.imageCount ?? 0, isContrasted: isContrasted,
            noise: noise(left, less: neutral, grid))
    }

    /// Local features of a text, each less its share of `neutral`.
    private func textFeatures(_ report: TokenizedReport, less neutral: [Float]?) -> LocalFeatures {
        var features = localFeatures(of: report)
        guard let neutral else { return features }
        for token in 0..<report.ids.count {
            for j in 0..<common { features.rows[token * common + j] -= features.weights[token] * neutral[j] }
        }
        return features
    }

    /// The most evidence of a patch for one of `Explanation.nonsenseTexts`, taken apart as the text is.
    private func noise(_ image: LocalFeatures, less neutral: [Float]?, _ grid: PatchGrid) -> Float {
        Explanation.nonsenseTexts.reduce(0) { highest, text in
            let report = tokenizer.encode(text, maxLength: configuration.maxTokens)
            let heat = evidence(image, textFeatures(report, less: neutral), report, text).whole.dropFirst()
            return max(highest, heat[heat.startIndex + grid.hottest(Array(heat))])
        }
    }

    /// The evidence word by word, and that of the whole text, `[patches + 1]`.
    private func evidence(
        _ image: LocalFeatures, _ text: LocalFeatures, _ report: TokenizedReport, _ source: String
    ) -> (words: [Explanation.Word], whole: [Float]) {
        // Pieces of one word are one row; row 0 is [CLS].
        var rows = [Float](repeating: 0, count: (report.wordCount + 1) * common)
        var weights = [Float](repeating: 0, count: report.wordCount + 1)
        for token in 0..<report.ids.count {
            let row = Int(report.wordIndex[token]) + 1
            weights[row] += text.weights[token]
            for j in 0..<common { rows[row * common + j] += text.rows[token * common + j] }
        }
        let rowCount = configuration.patchCount + 1
        var whole = [Float](repeating: 0, count: rowCount)
        var words: [Explanation.Word] = []
        let bytes = Array(source.utf8)
        for row in 0...report.wordCount {
            let direction = rows[(row * common)..<((row + 1) * common)]
            let values = (0..<rowCount).map {
                Self.dot(image.rows[($0 * common)..<(($0 + 1) * common)], direction)
            }
            for i in 0..<rowCount { whole[i] += values[i] }
            guard row > 0 else { continue }
            let range = report.wordRanges[row - 1]
            words.append(
                Explanation.Word(
                    text: String(decoding: bytes[range], as: UTF8.self), byteRange: range, weight: weights[row],
                    evidence: Array(values[1...]), wholeImage: values[0]))
        }
        return (words, whole)
    }

    private static func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Float {
        var sum: Float = 0
        for (x, y) in zip(a, b) { sum += x * y }
        return sum
    }
}
