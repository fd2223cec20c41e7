/// A case that answers a question, before its record is read.
struct Pick: Sendable {
    /// Of the case.
    let number: UInt32
    /// The vector that was near, with its exact score; nil where only words brought the case so far.
    var candidate: Candidate?
    var legs: Hit.Legs?
    var group: Hit.Group?
}

/// A vector that was near.
struct Candidate: Sendable {
    /// Of the case.
    var number: UInt32
    /// Of the vector: the case's number, or that of one of its further images.
    var item: UInt32
    var score: Float
    var via: VectorKind
    /// The stored vector, where a search holds hits against one another.
    var vector: [Float]?

    /// The better score first, then the older case.
    static func precedes(_ left: Candidate, _ right: Candidate) -> Bool {
        left.score != right.score ? left.score > right.score : left.number < right.number
    }
}

/// What a search found, before records are read.
struct Found: Sendable {
    /// The best first.
    var picks: [Pick] = []
    /// What the response says besides its hits.
    var response: SearchResponse
}
