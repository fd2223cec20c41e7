import HilumNN

/// Patch embedding, positions, [CLS] and the transformer stack of the image.
///
/// What is embedded of a patch are its pixels, or the feature that a stem has for its place (`stemFeatures`). Hidden patches are
/// filled before the stem and dropped after it.
struct ImageEncoder: Sendable {
    let embed: Linear
    let cls: Int
    let stack: TransformerStack
    /// The fixed table `[N, width]`; empty where positions are learned.
    let positions: [Float]
    /// Offset of the learned table `[N, width]`, if there is one.
    let learnedPositions: Int?
    let patchCount: Int
    let patchSide: Int
    /// What the features of a stem are made of; empty without one.
    let levels: [MCRConfiguration.Stem.Level]
    var gridSide: Int { Int(Double(patchCount).squareRoot()) }
    var width: Int { stack.width }

    init(_ configuration: MCRConfiguration, in layout: inout ParameterLayout) {
        embed = Linear(
            "image.patch_embed", inputs: configuration.patchFeatures, outputs: configuration.image.width, in: &layout)
        cls = layout.add("image.cls_token", [configuration.image.width], .normal(deviation: 0.02), decays: false)
        // No row for [CLS]: its position is one constant, and its token holds that already.
        learnedPositions =
            configuration.imagePositions == .learned
            ? layout.add(
                "image.position_embed.weight", [configuration.patchCount, configuration.image.width],
                .normal(deviation: 0.02), decays: false) : nil
        stack = TransformerStack(
            "image", width: configuration.image.width, layers: configuration.image.layers,
            heads: configuration.image.heads, placement: configuration.image.norm,
            epsilon: configuration.image.epsilon, in: &layout)
        positions =
            learnedPositions == nil
            ? Positions.grid(side: configuration.gridSide, width: configuration.image.width) : []
        patchCount = configuration.patchCount
        patchSide = configuration.patchSide
        levels = configuration.stem?.levels ?? []
    }

    struct Activations {
        let kept: [[Int32]]
        let patches: FloatPointer
        let sequences: Sequences
        let stack: TransformerStack.Activations
        /// `[tokens, width]`
        let hidden: FloatPointer
    }

    /// - Parameters:
    ///   - pixels: `[count, N, patchPixels]` in 0…1; the encoder sees (x − ½)·4.
    ///   - kept: for each image the patches that stay, ascending.
    ///   - stem: that of the model, if it has one.
    func forward(
        _ values: UnsafePointer<Float>, pixels: UnsafePointer<Float>, kept: [[Int32]],
        through stem: ConvolutionalStem? = nil, _ workspace: Workspace
    ) -> Activations {
        let sequences = Sequences(lengths: kept.map { $0.count + 1 })
        let patchRows = sequences.tokenCount - kept.count
        let patches = workspace.take(patchRows * embed.inputs)
        gather(pixels, kept, through: stem, into: patches, workspace)
        let embedded = workspace.take(patchRows * width)
        embed.forward(values, patches, rows: patchRows, into: embedded)
        let x = workspace.take(sequences.tokenCount * width)
        positions.withUnsafeBufferPointer { fixed in
            guard let table = learnedPositions.map({ values + $0 }) ?? fixed.baseAddress else { return }
            var row = 0
            for (image, indices) in kept.enumerated() {
                var target = x + sequences.offsets[image] * width
                target.update(from: values + cls, count: width)
                for index in indices {
                    target += width
                    target.update(from: embedded + row * width, count: width)
                    NetworkKernels.add(target, table + Int(index) * width, width)
                    row += 1
                }
            }
        }
        let (hidden, stackActivations) = stack.forward(values, x, sequences, workspace)
        return Activations(
            kept: kept, patches: patches, sequences: sequences, stack: stackActivations, hidden: hidden)
    }

    /// Writes what the first layer reads of the patches that stay, `[patches, embed.inputs]`.
    private func gather(
        _ pixels: UnsafePointer<Float>, _ kept: [[Int32]], through stem: ConvolutionalStem?, into rows: FloatPointer,
        _ workspace: Workspace
    ) {
        let width = embed.inputs
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let perImage = patchCount * patchSide * patchSide
        let features = stem.map { _ in workspace.take(patchCount * width) }
        var row = 0
        for (image, indices) in kept.enumerated() {
            var source = pixels + image * perImage
            if let stem, let features {
                stemFeatures(stem, source, kept: indices, into: features, workspace)
                source = UnsafePointer(features)
            }
            for index in indices {
                let target = rows + row * width
                if features == nil {
                    NetworkKernels.affine(target, source + Int(index) * width, scale: 4, shift: -2, width)
                } else {
                    target.update(from: source + Int(index) * width, count: width)
                }
                row += 1
            }
        }
    }

    /// The features of one image, `[N, channels]`, of a deviation of about 1: those of each level of the stem beside one another, and
    /// of a level that is finer than the patches the means over a patch.
    ///
    /// The stem sees (x − mean) / deviation of the pixels that are not hidden, and in place of the hidden ones what `HiddenPixels`
    /// makes of those: no pixel of a hidden patch takes part.
    /// - Parameters:
    ///   - pixels: `[N, patchPixels]` in 0…1.
    ///   - kept: the patches that stay, ascending.
    func stemFeatures(
        _ stem: ConvolutionalStem, _ pixels: UnsafePointer<Float>, kept: [Int32], into features: FloatPointer,
        _ workspace: Workspace
    ) {
        let patchPixels = patchSide * patchSide
        let side = gridSide * patchSide
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let image = workspace.takeZeroed(side * side)
        var (sum, squares) = (0.0, 0.0)
        for patch in kept {
            for pixel in UnsafeBufferPointer(start: pixels + Int(patch) * patchPixels, count: patchPixels) {
                sum += Double(pixel)
                squares += Double(pixel) * Double(pixel)
            }
        }
        let count = Double(max(kept.count, 1) * patchPixels)
        let mean = sum / count
        let deviation = max(squares / count - mean * mean, 0).squareRoot() + 1e-4
        let (scale, shift) = (Float(1 / deviation), Float(-mean / deviation))
        for patch in kept.lazy.map(Int.init) {
            let corner = image + (patch / gridSide * side + patch % gridSide) * patchSide
            for y in 0..<patchSide {
                let row = pixels + patch * patchPixels + y * patchSide
                NetworkKernels.affine(corner + y * side, row, scale: scale, shift: shift, patchSide)
            }
        }
        HiddenPixels.fill(image, gridSide: gridSide, patchSide: patchSide, kept: kept, workspace)
        var (done, input, column) = (0, UnsafePointer(image), 0)
        for level in levels {
            let channels = stem.channels(after: level.blocks)
            let levelSide = stem.side(after: level.blocks, of: side)
            let output = workspace.take(levelSide * levelSide * channels)
            stem.run(done..<level.blocks, on: input, count: 1, side: side, into: output, workspace)
            place(output, side: levelSide, channels, scale: level.scale, into: features + column)
            (done, input) = (level.blocks, UnsafePointer(output))
            column += channels
        }
    }

    /// Writes the features of a level into their columns of the patches' rows, times `scale`.
    private func place(
        _ level: UnsafePointer<Float>, side: Int, _ channels: Int, scale: Float, into rows: FloatPointer
    ) {
        let factor = side / gridSide
        for patch in 0..<patchCount {
            let corner = (patch / gridSide * side + patch % gridSide) * factor
            let row = rows + patch * embed.inputs
            guard factor > 1 else {
                NetworkKernels.affine(row, level + corner * channels, scale: scale, shift: 0, channels)
                continue
            }
            row.update(repeating: 0, count: channels)
            for y in 0..<factor {
                for x in 0..<factor {
                    NetworkKernels.addScaled(
                        row, level + (corner + y * side + x) * channels, scale / Float(factor * factor), channels)
                }
            }
        }
    }

    /// - Parameter dHidden: `[tokens, width]`.
    func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ activations: Activations,
        dHidden: UnsafePointer<Float>, _ workspace: Workspace
    ) {
        let sequences = activations.sequences
        let dx = stack.backward(values, gradients, activations.stack, sequences, gradient: dHidden, workspace)
        let patchRows = sequences.tokenCount - sequences.count
        let dEmbedded = workspace.take(patchRows * width)
        var row = 0
        for image in 0..<sequences.count {
            let range = sequences.range(image)
            NetworkKernels.add(gradients + cls, dx + range.lowerBound * width, width)
            let length = range.count - 1
            (dEmbedded + row * width).update(from: dx + (range.lowerBound + 1) * width, count: length * width)
            if let learnedPositions {
                for (place, patch) in activations.kept[image].enumerated() {
                    NetworkKernels.add(
                        gradients + learnedPositions + Int(patch) * width, dEmbedded + (row + place) * width, width)
                }
            }
            row += length
        }
        embed.backward(values, gradients, x: activations.patches, dy: dEmbedded, rows: patchRows, dx: nil)
    }
}
