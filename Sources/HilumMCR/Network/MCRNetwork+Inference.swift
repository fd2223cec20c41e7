import HilumNN

// The passes of inference: as the forward passes of training on unmasked input, bit for bit, with nothing kept.
//
// Several images or reports may share one pass. A row of a product, of a norm and of the attention does not depend on the rows
// computed with it, so an embedding has the same bits alone and among others.

extension MCRNetwork {
    /// The linear layers that inference packs.
    var inferenceLinears: [Linear] {
        [imageEncoder.embed, imageHead.first, imageHead.second, reportHead.first, reportHead.second]
            + imageEncoder.stack.linears + reportEncoder.stack.linears
    }

    /// - Parameters:
    ///   - pixels: `[count, N, patchPixels]` in 0…1; overwritten.
    ///   - stem: that of the model, if it has one.
    ///   - shortcut: that of the network, where it is not all zeros.
    ///   - own: those of the network; nil: the vectors are those of the common space.
    /// - Returns: unit vectors `[count, dimension]` in the workspace; with `own`, as wide as theirs.
    func embed(
        _ weights: PackedWeights, values: UnsafePointer<Float>, pixels: FloatPointer, count: Int,
        through stem: ConvolutionalStem?, shortcut: LinearShortcut?, own: OwnDirections?, _ workspace: Workspace
    ) -> FloatPointer {
        let patchCount = configuration.patchCount
        let width = imageEncoder.width
        let perImage = patchCount * configuration.patchPixels
        let sequences = Sequences(lengths: [Int](repeating: patchCount + 1, count: count))
        let x = workspace.take(sequences.tokenCount * width)
        let allPatches = (0..<Int32(patchCount)).map { $0 }
        let perFeatures = patchCount * imageEncoder.embed.inputs
        // The own directions read the features last, so those of all images are kept.
        let features = stem.map { _ in workspace.take((own == nil ? 1 : count) * perFeatures) }
        let shortcuts = shortcut.map { workspace.take(count * $0.dimension) }
        if stem == nil { NetworkKernels.affine(pixels, pixels, scale: 4, shift: -2, count * perImage) }
        imageEncoder.positions.withUnsafeBufferPointer { fixed in
            let table = imageEncoder.learnedPositions.map { values + $0 } ?? fixed.baseAddress
            for image in 0..<count {
                let rows = x + sequences.offsets[image] * width
                rows.update(from: values + imageEncoder.cls, count: width)
                var source = UnsafePointer(pixels + image * perImage)
                if let stem, let all = features {
                    let features = all + (own == nil ? 0 : image * perFeatures)
                    imageEncoder.stemFeatures(stem, source, kept: allPatches, into: features, workspace)
                    source = UnsafePointer(features)
                    if let shortcut, let shortcuts {
                        shortcut.apply(
                            values, source, kept: allPatches, into: shortcuts + image * shortcut.dimension, workspace)
                    }
                }
                imageEncoder.embed.infer(weights, source, rows: patchCount, into: rows + width, residual: table)
            }
        }
        let hidden = imageEncoder.stack.infer(weights, x, sequences, workspace)
        let pooled = [Bool](repeating: true, count: sequences.tokenCount)
        let vectors = imageHead.infer(weights, values, hidden, sequences, pooled: pooled, workspace)
        if let shortcut, let shortcuts {
            for image in 0..<count {
                shortcut.add(shortcuts + image * shortcut.dimension, to: vectors + image * shortcut.dimension)
            }
        }
        guard let own, let features else { return vectors }
        let wide = workspace.take(count * own.dimension)
        for image in 0..<count {
            own.widen(
                values, vectors + image * own.shared, features + image * perFeatures, kept: allPatches,
                into: wide + image * own.dimension, workspace)
        }
        return wide
    }

    /// - Parameters:
    ///   - words: the linear way from words of the network, where it is not all zeros.
    ///   - own: those of the network; nil: the vectors are those of the common space.
    /// - Returns: unit vectors `[reports.count, dimension]` in the workspace; with `own`, as wide as theirs.
    func embed(
        _ weights: PackedWeights, values: UnsafePointer<Float>, reports: [TokenizedReport], words: LatentWords?,
        own: OwnDirections?, _ workspace: Workspace
    ) -> FloatPointer {
        let sequences = Sequences(lengths: reports.map(\.ids.count))
        let tokens = sequences.tokenCount
        var x = workspace.take(tokens * reportEncoder.width)
        reportEncoder.embedTokens(values, ids: reports.flatMap(\.ids), sequences, into: x)
        if let norm = reportEncoder.embeddingNorm {
            let normed = workspace.take(tokens * reportEncoder.width)
            _ = norm.forward(values, x, rows: tokens, into: normed, workspace)
            x = normed
        }
        let hidden = reportEncoder.stack.infer(weights, x, sequences, workspace)
        let pooled = StepRunner.pooledTokens(
            sequences, hidden: [Bool](repeating: false, count: tokens))
        let vectors = reportHead.infer(weights, values, hidden, sequences, pooled: pooled, workspace)
        if let words {
            let part = workspace.take(words.dimension)
            for (index, report) in reports.enumerated() {
                words.apply(values, report.ids, into: part)
                words.add(part, to: vectors + index * words.dimension)
            }
        }
        guard let own else { return vectors }
        let wide = workspace.take(reports.count * own.dimension)
        for (index, report) in reports.enumerated() {
            own.widen(values, vectors + index * own.shared, report.ids, into: wide + index * own.dimension)
        }
        return wide
    }
}

extension MCRNetwork {
    /// Floating-point operations of the products that embed one image, a multiply-add counted as two.
    public var imageOperations: Double {
        let sizes = configuration
        let stem = sizes.stem.map { ConvolutionalStem.multiplications($0.blocks, side: sizes.imageSide) } ?? 0
        let embed = Double(sizes.patchCount * sizes.patchFeatures * sizes.image.width + stem)
        return 2 * (embed + multiplications(sizes.image, rows: sizes.patchCount + 1))
    }

    /// The same of a report of `tokens` tokens, [CLS] and [SEP] among them.
    public func reportOperations(tokens: Int) -> Double { 2 * multiplications(configuration.report, rows: tokens) }

    /// Of the blocks and of the map.
    private func multiplications(_ encoder: MCRConfiguration.EncoderSizes, rows: Int) -> Double {
        let (rows, width) = (Double(rows), Double(encoder.width))
        let block = rows * 12 * width * width + 2 * rows * rows * width
        let map = rows * Double(configuration.mapHidden) * (width + Double(configuration.dimension))
        return Double(encoder.layers) * block + map
    }
}
