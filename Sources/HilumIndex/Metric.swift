/// How the distance of two vectors is measured; smaller is nearer.
public enum Metric: String, Sendable, CaseIterable {
    /// The sum of squared differences.
    case squaredEuclidean
    /// 1 − dot product; stored vectors have length 1.
    case cosine
}
