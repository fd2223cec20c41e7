import Foundation
import HilumNN

/// The symmetric contrastive loss of a batch (InfoNCE, van den Oord et al. 2018; both directions as in CLIP) with its gradients.
///
/// ℓ = exp(τ)·Ei·Etᵀ; loss = ½(row CE + column CE) with targets Yij = [hash i = hash j] / row count, so that equal reports share
/// the target. Where labels are known and weigh, Y moves by that weight towards pairs that share labels, by Jaccard overlap with
/// rows of sum 1: two studies with the same finding are no opposites (after the semantic matching of MedCLIP, Wang et al. 2022,
/// arXiv 2210.10163; there label cosine and a softmax). G = (P_r + P_c − Y − Yᵀ)/(2B); dEi = e^τ·G·Et; dEt = e^τ·Gᵀ·Ei; dτ = Σ G⊙ℓ.
struct ContrastiveLoss {
    let loss: Double
    let dLogitScale: Float

    /// - Parameters:
    ///   - images, reports: unit vectors `[batch, dimension]`; `dImages`, `dReports` receive the gradients.
    ///   - hashes: equal for pairs whose normalised reports are equal.
    ///   - labels: of the pairs, where they are to weigh.
    ///   - weight: of the loss in the objective; it scales the gradients, not `loss`.
    init(
        images: UnsafePointer<Float>, reports: UnsafePointer<Float>, hashes: [UInt64],
        labels: SoftLabels? = nil, dimension: Int, logitScale: Float, weight: Float, dImages: FloatPointer,
        dReports: FloatPointer, _ blas: OpenBLAS, _ workspace: Workspace
    ) {
        let batch = hashes.count
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let temperature = exp(logitScale)
        let logits = workspace.take(batch * batch)
        blas.multiply(
            images, stride: dimension, reports, secondTransposed: true, stride: dimension, into: logits, stride: batch,
            m: batch, n: batch, k: dimension, alpha: temperature)
        let rows = workspace.take(batch * batch)
        let columns = workspace.take(batch * batch)
        for i in 0..<batch {
            for j in 0..<batch {
                rows[i * batch + j] = logits[i * batch + j]
                columns[j * batch + i] = logits[i * batch + j]
            }
        }
        NetworkKernels.softmax(rows, rows: batch, width: batch)
        NetworkKernels.softmax(columns, rows: batch, width: batch)

        let targets = labels.map { $0.targets(hashes) } ?? Self.targets(hashes)
        var total = 0.0
        for i in 0..<batch {
            for (j, share) in targets[i] {
                total -= Double(share) * log(Double(max(rows[i * batch + j], 1e-30)))
                total -= Double(share) * log(Double(max(columns[i * batch + j], 1e-30)))
            }
        }
        loss = total / Double(2 * batch)

        // `rows` becomes G; the targets of the columns are those of the rows, transposed.
        let scale = weight / Float(2 * batch)
        for i in 0..<batch {
            for j in 0..<batch {
                rows[i * batch + j] = (rows[i * batch + j] + columns[j * batch + i]) * scale
            }
        }
        for i in 0..<batch {
            for (j, share) in targets[i] {
                rows[i * batch + j] -= share * scale
                rows[j * batch + i] -= share * scale
            }
        }
        var along = 0.0
        for i in 0..<batch {
            along += Double(NetworkKernels.dot(rows + i * batch, logits + i * batch, batch))
        }
        dLogitScale = Float(along)
        blas.multiply(
            rows, stride: batch, reports, stride: dimension, into: dImages, stride: dimension, m: batch, n: dimension,
            k: batch, alpha: temperature)
        blas.multiply(
            rows, transposed: true, stride: batch, images, stride: dimension, into: dReports, stride: dimension,
            m: batch,
            n: dimension, k: batch, alpha: temperature)
    }

    /// The non-zero entries of each row of Y: pairs of (column, share).
    static func targets(_ hashes: [UInt64]) -> [[(column: Int, share: Float)]] {
        var members: [UInt64: [Int]] = [:]
        for (index, hash) in hashes.enumerated() { members[hash, default: []].append(index) }
        return hashes.map { hash in
            let group = members[hash] ?? []
            return group.map { ($0, 1 / Float(group.count)) }
        }
    }
}
