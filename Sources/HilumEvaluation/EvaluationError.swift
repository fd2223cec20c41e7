/// Why something cannot be evaluated. Holds counts, never ids or report text.
public struct EvaluationError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// Embeddings, labels or cases that cannot be evaluated: what is wrong.
        case badInput(reason: String)
        /// A library that evaluation needs is missing: what to install.
        case missingLibrary(reason: String)
    }

    /// What went wrong.
    public let code: Code

    /// An error with this code.
    public init(_ code: Code) { self.code = code }

    /// A sentence for people.
    public var description: String {
        switch code {
        case .badInput(let reason): "cannot be evaluated: \(reason)"
        case .missingLibrary(let reason): reason
        }
    }
}
