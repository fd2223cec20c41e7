import HilumNN

/// The way from local features to one unit vector of the common space.
///
/// MbA (mapping before aggregation, arXiv 2312.15840): every token is mapped by g = Linear → GELU → Linear, then the mapped
/// tokens Y are pooled with α = softmax(Y·u/√D) over the tokens that may be pooled, v = αᵀY, e = v/‖v‖.
/// ABM, for comparison: the tokens are pooled with α = softmax(H·u/√d) first, and the pooled vector is mapped.
struct CommonSpaceHead: Sendable {
    let alignment: MCRConfiguration.Alignment
    let first: Linear
    let second: Linear
    let query: Int

    var width: Int { first.inputs }
    var dimension: Int { second.outputs }
    private var pooledWidth: Int { alignment == .mba ? dimension : width }

    init(
        _ name: String, width: Int, hidden: Int, dimension: Int, alignment: MCRConfiguration.Alignment,
        in layout: inout ParameterLayout
    ) {
        self.alignment = alignment
        first = Linear("\(name).map.fc1", inputs: width, outputs: hidden, in: &layout)
        second = Linear("\(name).map.fc2", inputs: hidden, outputs: dimension, in: &layout)
        let pooled = alignment == .mba ? dimension : width
        query = layout.add("\(name).pool.query", [pooled], .normal(deviation: 0.02), decays: false)
    }

    struct Activations {
        let input: FloatPointer
        let mapPre: FloatPointer
        let mapPost: FloatPointer
        /// MbA: `[tokens, dimension]`; ABM: `[sequences, dimension]`.
        let mapped: FloatPointer
        /// Pooling weights `[tokens]`, zero where a token is left out.
        let alpha: FloatPointer
        /// ABM: the pooled vectors `[sequences, width]`; MbA: `[sequences, dimension]`.
        let pooled: FloatPointer
        /// 1/‖v‖ `[sequences]`.
        let inverseNorm: FloatPointer
        /// Unit vectors `[sequences, dimension]`.
        let embedding: FloatPointer
    }

    /// - Parameters:
    ///   - hidden: `[tokens, width]`, kept alive until the backward pass.
    ///   - pooled: for each token whether it takes part in the pooling; at least one in each sequence does.
    func forward(
        _ values: UnsafePointer<Float>, _ hidden: FloatPointer, _ sequences: Sequences, pooled isPooled: [Bool],
        _ workspace: Workspace
    ) -> Activations {
        let tokens = sequences.tokenCount
        let alpha = workspace.take(tokens)
        let inverseNorm = workspace.take(sequences.count)
        let embedding = workspace.take(sequences.count * dimension)
        let pool = workspace.takeZeroed(sequences.count * pooledWidth)
        let mapRows = alignment == .mba ? tokens : sequences.count
        let mapPre = workspace.take(mapRows * first.outputs)
        let mapPost = workspace.take(mapRows * first.outputs)
        let mapped = workspace.take(mapRows * dimension)
        switch alignment {
        case .mba:
            map(values, hidden, rows: tokens, pre: mapPre, post: mapPost, into: mapped)
            self.pool(values, mapped, sequences, isPooled, alpha: alpha, into: pool)
            normalise(pool, sequences.count, inverseNorm, embedding)
        case .abm:
            self.pool(values, hidden, sequences, isPooled, alpha: alpha, into: pool)
            map(values, pool, rows: sequences.count, pre: mapPre, post: mapPost, into: mapped)
            normalise(mapped, sequences.count, inverseNorm, embedding)
        }
        return Activations(
            input: hidden, mapPre: mapPre, mapPost: mapPost, mapped: mapped, alpha: alpha, pooled: pool,
            inverseNorm: inverseNorm, embedding: embedding)
    }

    /// The forward pass with the same bits and nothing kept: unit vectors `[sequences, dimension]` in the workspace.
    func infer(
        _ weights: PackedWeights, _ values: UnsafePointer<Float>, _ hidden: FloatPointer, _ sequences: Sequences,
        pooled isPooled: [Bool], _ workspace: Workspace
    ) -> FloatPointer {
        let tokens = sequences.tokenCount
        let alpha = workspace.take(tokens)
        let inverseNorm = workspace.take(sequences.count)
        let embedding = workspace.take(sequences.count * dimension)
        let pool = workspace.takeZeroed(sequences.count * pooledWidth)
        let mapRows = alignment == .mba ? tokens : sequences.count
        let middle = workspace.take(mapRows * first.outputs)
        let mapped = workspace.take(mapRows * dimension)
        if alignment == .abm { self.pool(values, hidden, sequences, isPooled, alpha: alpha, into: pool) }
        first.infer(weights, alignment == .mba ? hidden : pool, rows: mapRows, into: middle, gelu: true)
        second.infer(weights, middle, rows: mapRows, into: mapped)
        if alignment == .mba { self.pool(values, mapped, sequences, isPooled, alpha: alpha, into: pool) }
        normalise(alignment == .mba ? pool : mapped, sequences.count, inverseNorm, embedding)
        return embedding
    }

    /// Adds the gradient of the hidden states to `dHidden` `[tokens, width]`.
    func backward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ activations: Activations, _ sequences: Sequences,
        dEmbedding: UnsafePointer<Float>, addingTo dHidden: FloatPointer, _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let dVector = workspace.take(sequences.count * dimension)
        normaliseBackward(activations, sequences.count, dEmbedding, into: dVector)
        switch alignment {
        case .mba:
            let dMapped = workspace.takeZeroed(sequences.tokenCount * dimension)
            poolBackward(
                values, gradients, activations.mapped, sequences, alpha: activations.alpha, dPooled: dVector,
                addingTo: dMapped, workspace)
            mapBackward(
                values, gradients, activations, x: activations.input, rows: sequences.tokenCount, dMapped: dMapped,
                dx: dHidden, adding: true, workspace)
        case .abm:
            let dPooled = workspace.take(sequences.count * width)
            mapBackward(
                values, gradients, activations, x: activations.pooled, rows: sequences.count, dMapped: dVector,
                dx: dPooled,
                adding: false, workspace)
            poolBackward(
                values, gradients, activations.input, sequences, alpha: activations.alpha, dPooled: dPooled,
                addingTo: dHidden, workspace)
        }
    }

    private func map(
        _ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, pre: FloatPointer, post: FloatPointer,
        into y: FloatPointer
    ) {
        first.forwardGELU(values, x, rows: rows, pre: pre, into: post)
        second.forward(values, post, rows: rows, into: y)
    }

    private func mapBackward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ activations: Activations, x: UnsafePointer<Float>,
        rows: Int, dMapped: UnsafePointer<Float>, dx: FloatPointer, adding: Bool, _ workspace: Workspace
    ) {
        let wide = workspace.take(rows * first.outputs)
        second.backward(values, gradients, x: activations.mapPost, dy: dMapped, rows: rows, dx: wide)
        NetworkKernels.geluBackward(activations.mapPre, wide, rows * first.outputs)
        first.backward(values, gradients, x: x, dy: wide, rows: rows, dx: dx, adding: adding)
    }

    /// s = X·u/√w, α = softmax of s over the pooled tokens, row = αᵀX.
    private func pool(
        _ values: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ sequences: Sequences, _ isPooled: [Bool],
        alpha: FloatPointer, into rows: FloatPointer
    ) {
        let width = pooledWidth
        let scale = 1 / Float(width).squareRoot()
        for sequence in 0..<sequences.count {
            let range = sequences.range(sequence)
            for token in range {
                // A token that is left out scores so low that its weight is an exact zero after the check below.
                alpha[token] = isPooled[token] ? NetworkKernels.dot(x + token * width, values + query, width) : -1e30
            }
            NetworkKernels.softmax(alpha + range.lowerBound, rows: 1, width: range.count, scale: scale)
            for token in range {
                if !isPooled[token] { alpha[token] = 0 }
                NetworkKernels.addScaled(rows + sequence * width, x + token * width, alpha[token], width)
            }
        }
    }

    /// dα = X·dv; ds = α⊙(dα − αᵀdα); dX += α·dvᵀ + ds·uᵀ/√w; du += Xᵀds/√w.
    private func poolBackward(
        _ values: UnsafePointer<Float>, _ gradients: FloatPointer, _ x: UnsafePointer<Float>, _ sequences: Sequences,
        alpha: UnsafePointer<Float>, dPooled: UnsafePointer<Float>, addingTo dx: FloatPointer, _ workspace: Workspace
    ) {
        let width = pooledWidth
        let scale = 1 / Float(width).squareRoot()
        let dAlpha = workspace.take(sequences.tokenCount)
        for sequence in 0..<sequences.count {
            let range = sequences.range(sequence)
            let dRow = dPooled + sequence * width
            var mean: Float = 0
            for token in range {
                dAlpha[token] = NetworkKernels.dot(x + token * width, dRow, width)
                mean += alpha[token] * dAlpha[token]
            }
            for token in range where alpha[token] > 0 {
                let dScore = alpha[token] * (dAlpha[token] - mean) * scale
                NetworkKernels.addScaled(dx + token * width, dRow, alpha[token], width)
                NetworkKernels.addScaled(dx + token * width, values + query, dScore, width)
                NetworkKernels.addScaled(gradients + query, x + token * width, dScore, width)
            }
        }
    }

    private func normalise(
        _ x: UnsafePointer<Float>, _ count: Int, _ inverseNorm: FloatPointer, _ embedding: FloatPointer
    ) {
        for row in 0..<count {
            let vector = x + row * dimension
            let inverse = 1 / max(Float(NetworkKernels.sumOfSquares(vector, dimension).squareRoot()), 1e-12)
            inverseNorm[row] = inverse
            NetworkKernels.affine(embedding + row * dimension, vector, scale: inverse, shift: 0, dimension)
        }
    }

    /// dv = (de − (de·e)e)/‖v‖.
    private func normaliseBackward(
        _ activations: Activations, _ count: Int, _ dEmbedding: UnsafePointer<Float>, into dVector: FloatPointer
    ) {
        for row in 0..<count {
            let e = activations.embedding + row * dimension
            let de = dEmbedding + row * dimension
            let along = NetworkKernels.dot(de, e, dimension)
            let inverse = activations.inverseNorm[row]
            for j in 0..<dimension { dVector[row * dimension + j] = (de[j] - along * e[j]) * inverse }
        }
    }
}
