import HilumNN

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
                NetworkKernels.add(target, values + positions + (token - range.lowerBound) * width, width)
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
                NetworkKernels.add(gradients + tokens + Int(activations.ids[token]) * width, dx + token * width, width)
                NetworkKernels.add(
                    gradients + positions + (token - range.lowerBound) * width, dx + token * width, width)
            }
        }
    }
}
