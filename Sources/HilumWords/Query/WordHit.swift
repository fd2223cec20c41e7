/// A document that matches a question.
public struct WordHit: Sendable, Equatable {
    /// Its number.
    public let document: UInt32
    /// The sum of `BM25` over the clauses; larger is better.
    public let score: Float

    /// A hit.
    public init(document: UInt32, score: Float) {
        self.document = document
        self.score = score
    }

    /// Whether it stands before `other`: the larger score first, the smaller number first among equals.
    func isBefore(_ other: WordHit) -> Bool {
        score != other.score ? score > other.score : document < other.document
    }
}

/// What a question found.
public struct WordResult: Sendable, Equatable {
    /// The best documents, the best one first.
    public let hits: [WordHit]
    /// Parts of the question that no report ever held, as they were spelled, each once.
    public let unknown: [String]
}
