import Foundation
import HilumNN

/// Draws together the vectors of one modality whose pairs have labels in common, and the others apart.
///
/// ℓ = exp(τ)·E·Eᵀ without the diagonal; loss = mean over rows of −Σ Tij·log softmax(ℓi)j with Tij the Jaccard overlap of labels,
/// rows of sum 1; a pair that shares no label with any other has no row. G = (P − T)/B; dE = e^τ·(G + Gᵀ)·E; dτ = Σ G⊙ℓ.
/// After the supervised contrast of Khosla et al. 2020 (arXiv 2004.11362), which knows one class a sample; the overlap stands
/// for several findings. It decides what is similar among studies that are no pair: without it, neighbours agree in exposure
/// or rotation as often as in what is found.
struct NeighbourLoss {
    let loss: Double
    let dLogitScale: Float

    /// - Parameters:
    ///   - embeddings: unit vectors `[batch, dimension]`; their gradient is added to `dEmbeddings`.
    ///   - weight: of the loss in the objective; it scales the gradients, not `loss`.
    init(
        _ embeddings: UnsafePointer<Float>, labels: SoftLabels, dimension: Int, logitScale: Float, weight: Float,
        addingTo dEmbeddings: FloatPointer, _ blas: OpenBLAS, _ workspace: Workspace
    ) {
        let batch = labels.labels.count
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let temperature = exp(logitScale)
        let logits = workspace.take(batch * batch)
        blas.multiply(
            embeddings, stride: dimension, embeddings, secondTransposed: true, stride: dimension, into: logits,
            stride: batch, m: batch, n: batch, k: dimension, alpha: temperature)
        let rows = workspace.take(batch * batch)
        rows.update(from: logits, count: batch * batch)
        // A study is no neighbour of its own: its weight becomes an exact zero below.
        for i in 0..<batch { rows[i * batch + i] = -1e30 }
        NetworkKernels.softmax(rows, rows: batch, width: batch)
        let scale = weight / Float(batch)
        var total = 0.0
        var along = 0.0
        for i in 0..<batch {
            let row = rows + i * batch
            var overlaps = labels.overlaps(of: i)
            overlaps[i] = 0
            let sum = overlaps.reduce(0, +)
            guard sum > 0 else {
                row.update(repeating: 0, count: batch)
                continue
            }
            row[i] = 0
            for j in 0..<batch {
                let target = overlaps[j] / sum
                if target > 0 { total -= Double(target) * log(Double(max(row[j], 1e-30))) }
                row[j] = (row[j] - target) * scale
            }
            along += Double(NetworkKernels.dot(row, logits + i * batch, batch))
        }
        loss = total / Double(batch)
        dLogitScale = Float(along)
        for isTransposed in [false, true] {
            blas.multiply(
                rows, transposed: isTransposed, stride: batch, embeddings, stride: dimension, into: dEmbeddings,
                stride: dimension, m: batch, n: dimension, k: batch, alpha: temperature, beta: 1)
        }
    }
}
