/// Why an embedder cannot do what it was asked for. Holds no text of a report.
public struct EmbeddingError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// The model has no local features in the common space, so a score cannot be taken apart: why.
        case noLocalFeatures(reason: String)
    }

    /// What went wrong.
    public let code: Code

    /// An error with this code.
    public init(_ code: Code) { self.code = code }

    /// A sentence for people.
    public var description: String {
        switch code {
        case .noLocalFeatures(let reason): "this model cannot explain: \(reason)"
        }
    }
}
