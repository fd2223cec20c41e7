/// A question in words, as it is looked up: clauses of which any may match, and clauses that must not.
public struct WordQuery: Sendable, Equatable {
    /// A word of a phrase.
    public struct PhraseWord: Sendable, Equatable {
        /// What it is found by.
        public var term: [UInt8]
        /// Its distance from the first word of the phrase, in positions.
        public var offset: Int
        /// Where it stands in the question, in bytes.
        public var range: Range<Int>

        /// A word of a phrase.
        public init(term: [UInt8], offset: Int, range: Range<Int>) {
            self.term = term
            self.offset = offset
            self.range = range
        }
    }

    /// What a clause looks for.
    public enum Kind: Sendable, Equatable {
        /// A term, or the name of a finding.
        case term([UInt8])
        /// Every term that begins so.
        case prefix([UInt8])
        /// Terms at these distances from each other.
        case phrase([PhraseWord])
    }

    /// A part of the question.
    public struct Clause: Sendable, Equatable {
        /// What it looks for.
        public var kind: Kind
        /// What the report must say about it.
        public var assertions: AssertionWeights
        /// Whether a report that matches is no hit.
        public var isExcluded: Bool
        /// A factor on its score; at least 0.
        public var weight: Float
        /// Whether it counts less in a longer document; false for what a document says or does not say, whatever its length.
        public var dependsOnLength = true
        /// Where it stands in the question, in bytes.
        public var range: Range<Int>

        /// A clause.
        public init(
            _ kind: Kind, assertions: AssertionWeights = .any, isExcluded: Bool = false, weight: Float = 1,
            range: Range<Int> = 0..<0
        ) {
            self.kind = kind
            self.assertions = assertions
            self.isExcluded = isExcluded
            self.weight = weight
            self.range = range
        }
    }

    /// The parts, in the order of the question.
    public var clauses: [Clause]
    /// The question as it was asked.
    public var text: String

    /// A question.
    public init(clauses: [Clause], text: String = "") {
        self.clauses = clauses
        self.text = text
    }

    /// Parts that are no exclusions.
    public var scoredClauseCount: Int { clauses.count { !$0.isExcluded } }

    /// Whether nothing is looked for: no clause, or exclusions only.
    public var isEmpty: Bool { clauses.allSatisfy(\.isExcluded) }
}
