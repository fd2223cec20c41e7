import HilumNN

/// The MCR network: where each tensor lies in the flat parameter buffer, and the passes over it.
///
///     image  [n,N,256] ─ patch embed + positions ─ keep K ─ [CLS] ─ blocks ─┬─ map g ─ pool ─ unit vector [n,D]
///                                                                          └─ joint decoder ─ pixels of hidden patches
///     report [n,≤T]    ─ token + position ─────────────────────── blocks ─┬─ map g ─ pool ─ unit vector [n,D]
///                                                                          └─ joint decoder ─ hidden words
///
/// Sequences are packed, not padded: a report of 23 tokens is 23 rows, so padding can never change an embedding.
/// Source of the objective: arXiv 2312.15840; the sizes are this project's own.
/// Thread rule: immutable; any number of threads, each with its own workspace.
public struct MCRNetwork: Sendable {
    public let configuration: MCRConfiguration
    public let layout: ParameterLayout
    let imageEncoder: ImageEncoder
    let reportEncoder: ReportEncoder
    let imageHead: CommonSpaceHead
    let reportHead: CommonSpaceHead
    let decoder: ReconstructionDecoder?
    /// The logarithm of the inverse temperature, one float.
    let logitScale: Int

    public init(_ configuration: MCRConfiguration) {
        self.configuration = configuration
        var layout = ParameterLayout()
        imageEncoder = ImageEncoder(configuration, in: &layout)
        reportEncoder = ReportEncoder(configuration, in: &layout)
        imageHead = CommonSpaceHead(
            "image", width: configuration.image.width, hidden: configuration.mapHidden,
            dimension: configuration.dimension,
            alignment: configuration.alignment, in: &layout)
        reportHead = CommonSpaceHead(
            "report", width: configuration.report.width, hidden: configuration.mapHidden,
            dimension: configuration.dimension,
            alignment: configuration.alignment, in: &layout)
        logitScale = layout.add("logit_scale", [1], .constant(2.6592600), decays: false)
        decoder = configuration.decoderKind == .none ? nil : ReconstructionDecoder(configuration, in: &layout)
        self.layout = layout
    }

    /// Whether inference needs the tensor (decoder and temperature serve training alone).
    static func servesInference(_ name: String) -> Bool { !name.hasPrefix("decoder.") && name != "logit_scale" }
}

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
                Kernels.affine(target, source, scale: 4, shift: -2, patchPixels)
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
                    Kernels.add(target, table + Int(index) * width, width)
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
            Kernels.add(gradients + cls, dx + range.lowerBound * width, width)
            let length = range.count - 1
            (dEmbedded + row * width).update(from: dx + (range.lowerBound + 1) * width, count: length * width)
            if let learnedPositions {
                for (place, patch) in activations.kept[image].enumerated() {
                    Kernels.add(
                        gradients + learnedPositions + Int(patch) * width, dEmbedded + (row + place) * width, width)
                }
            }
            row += length
        }
        embed.backward(values, gradients, x: activations.patches, dy: dEmbedded, rows: patchRows, dx: nil)
    }
}

/// Token and position embedding and the transformer stack of the report.
struct ReportEncoder: Sendable {
    let tokens: Int
    let positions: Int
    /// Of the sum of token and position embedding, if there is one.
    let embeddingNorm: LayerNorm?
    let stack: TransformerStack
    var width: Int { stack.width }

    init(_ configuration: MCRConfiguration, in layout: inout ParameterLayout) {
        let width = configuration.report.width
        tokens = layout.add(
            "report.token_embed.weight", [configuration.vocabularySize, width], .normal(deviation: 0.02), decays: true)
        positions = layout.add(
            "report.position_embed.weight", [configuration.maxTokens, width], .normal(deviation: 0.02), decays: false)
        embeddingNorm =
            configuration.reportEmbeddingNorm
            ? LayerNorm("report.embed_norm", width: width, epsilon: configuration.report.epsilon, in: &layout) : nil
        stack = TransformerStack(
            "report", width: width, layers: configuration.report.layers, heads: configuration.report.heads,
            placement: configuration.report.norm,
            epsilon: configuration.report.epsilon, in: &layout)
    }

    struct Activations {
        let ids: [Int32]
        let sequences: Sequences
        /// The sum of token and position embedding, and what its norm's backward pass needs.
        let embedded: FloatPointer
        let norm: LayerNorm.Statistics?
        let stack: TransformerStack.Activations
        /// `[tokens, width]`
        let hidden: FloatPointer
    }

    /// Token and position embedding of each row, `[tokens, width]`.
    func embedTokens(
        _ values: UnsafePointer<Float>, ids: [Int32], _ sequences: Sequences, into embedded: FloatPointer
    ) {
        for sequence in 0..<sequences.count {
            let range = sequences.range(sequence)
            for token in range {
                let target = embedded + token * width
                target.update(from: values + tokens + Int(ids[token]) * width, count: width)
                Kernels.add(target, values + positions + (token - range.lowerBound) * width, width)
            }
        }
    }

    /// - Parameter ids: the packed token numbers, hidden words already replaced by [MASK].
    func forward(
        _ values: UnsafePointer<Float>, ids: [Int32], _ sequences: Sequences, _ workspace: Workspace
    ) -> Activations {
        let embedded = workspace.take(sequences.tokenCount * width)
        embedTokens(values, ids: ids, sequences, into: embedded)
        var x = embedded
        var statistics: LayerNorm.Statistics?
        if let embeddingNorm {
            x = workspace.take(sequences.tokenCount * width)
            statistics = embeddingNorm.forward(values, embedded, rows: sequences.tokenCount, into: x, workspace)
        }
        let (hidden, stackActivations) = stack.forward(values, x, sequences, workspace)
        return Activations(
            ids: ids, sequences: sequences, embedded: embedded, norm: statistics, stack: stackActivations,
            hidden: hidden)
    }

    func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ activations: Activations,
        dHidden: UnsafePointer<Float>, _ workspace: Workspace
    ) {
        let sequences = activations.sequences
        var dx = stack.backward(values, gradients, activations.stack, sequences, gradient: dHidden, workspace)
        if let embeddingNorm, let statistics = activations.norm {
            let dEmbedded = workspace.takeZeroed(sequences.tokenCount * width)
            embeddingNorm.backward(
                values, gradients, x: activations.embedded, statistics, dy: dx, rows: sequences.tokenCount,
                addingTo: dEmbedded)
            dx = dEmbedded
        }
        for sequence in 0..<sequences.count {
            let range = sequences.range(sequence)
            for token in range {
                Kernels.add(gradients + tokens + Int(activations.ids[token]) * width, dx + token * width, width)
                Kernels.add(gradients + positions + (token - range.lowerBound) * width, dx + token * width, width)
            }
        }
    }
}
