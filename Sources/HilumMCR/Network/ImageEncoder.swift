import HilumNN

/// Patch embedding, positions, [CLS] and the transformer stack of the image.
struct ImageEncoder: Sendable {
    let embed: Linear
    let cls: Int
    let stack: TransformerStack
    /// The fixed table `[N, width]`; empty where positions are learned.
    let positions: [Float]
    /// Offset of the learned table `[N, width]`, if there is one.
    let learnedPositions: Int?
    let patchCount: Int
    var width: Int { stack.width }

    init(_ configuration: MCRConfiguration, in layout: inout ParameterLayout) {
        embed = Linear(
            "image.patch_embed", inputs: configuration.patchPixels, outputs: configuration.image.width, in: &layout)
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
    func forward(
        _ values: UnsafePointer<Float>, pixels: UnsafePointer<Float>, kept: [[Int32]], _ workspace: Workspace
    ) -> Activations {
        let sequences = Sequences(lengths: kept.map { $0.count + 1 })
        let patchRows = sequences.tokenCount - kept.count
        let patchPixels = embed.inputs
        let patches = workspace.take(patchRows * patchPixels)
        var row = 0
        for (image, indices) in kept.enumerated() {
            for index in indices {
                let source = pixels + (image * patchCount + Int(index)) * patchPixels
                let target = patches + row * patchPixels
                NetworkKernels.affine(target, source, scale: 4, shift: -2, patchPixels)
                row += 1
            }
        }
        let embedded = workspace.take(patchRows * width)
        embed.forward(values, patches, rows: patchRows, into: embedded)
        let x = workspace.take(sequences.tokenCount * width)
        positions.withUnsafeBufferPointer { fixed in
            guard let table = learnedPositions.map({ values + $0 }) ?? fixed.baseAddress else { return }
            row = 0
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
