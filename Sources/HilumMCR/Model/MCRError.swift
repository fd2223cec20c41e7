/// What can go wrong in HilumMCR. Holds names of tensors, files and rows, never report text.
public struct MCRError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// A vocabulary that cannot be used: what is wrong and at which line (from 1).
        case badVocabulary(reason: String)
        /// A weight file that is refused: what is wrong.
        case badWeights(reason: String)
        /// A model folder or a checkpoint that cannot be used: what is wrong.
        case badModel(reason: String)
        /// A training run that cannot go on: why.
        case badTraining(reason: String)
        /// A round, an update or a ledger of a federation that cannot be used: what is wrong.
        case badRound(reason: String)
    }

    /// What went wrong.
    public let code: Code
    /// The file concerned, if any.
    public let path: String?

    /// An error with this code, about this file.
    public init(_ code: Code, path: String? = nil) {
        self.code = code
        self.path = path
    }

    /// A sentence for people.
    public var description: String {
        let place = path.map { "\($0): " } ?? ""
        return switch code {
        case .badVocabulary(let reason): "\(place)this vocabulary cannot be used: \(reason)"
        case .badWeights(let reason): "\(place)these weights are refused: \(reason)"
        case .badModel(let reason): "\(place)this model cannot be used: \(reason)"
        case .badTraining(let reason): "\(place)the training cannot go on: \(reason)"
        case .badRound(let reason): "\(place)the federation cannot go on: \(reason)"
        }
    }

    func at(_ path: String) -> MCRError { MCRError(code, path: path) }
}
