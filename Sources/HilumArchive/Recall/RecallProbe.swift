import HilumIndex

/// One query on its way to its recall: the graph's answers at several ef against an exact scan, which is made in pieces so that it
/// can stop between any two of them.
///
/// Cases that come or go between the pieces make the figure a little wrong; it is one of many.
/// Thread rule: a value; one owner at a time.
struct RecallProbe: Sendable {
    /// Numbers that one piece covers: about two milliseconds for 512 floats a vector that lie in no cache.
    static let pieceLength: UInt32 = 4096
    /// Two ways to sum the same product may differ by so much.
    static let tolerance: Float = 1e-6

    let vector: [Float]
    let kind: VectorKind
    /// The generation that was asked.
    let generation: UInt32
    private var next: UInt32 = 0
    /// The distances of the nearest so far, ascending, at most `RecallEstimator.k`.
    private(set) var nearest: [Float] = []

    init(_ vector: [Float], _ kind: VectorKind, generation: UInt32 = 1) {
        self.vector = vector
        self.generation = generation
        self.kind = kind
    }

    /// Compares the next piece of the numbers below `end`; true once all are.
    mutating func scanPiece(of index: HNSWIndex, below end: UInt32) throws(IndexError) -> Bool {
        guard next < end else { return true }
        let last = next + min(Self.pieceLength, end - next)
        let piece = ItemSet(next..<last)
        let found = try index.withQuery(vector) { query throws(IndexError) in
            try index.exactSearch(query, k: RecallEstimator.k, filter: piece)
        }
        nearest = Array((nearest + found.hits.map(\.distance)).sorted().prefix(RecallEstimator.k))
        next = last
        return next >= end
    }

    /// The recall at each of the measured ef, once the scan is over; nil when there was nothing to find.
    func recalls(in index: HNSWIndex) throws(IndexError) -> [Double]? {
        guard !nearest.isEmpty else { return nil }
        var recalls: [Double] = []
        for ef in RecallEstimator.measuredEfs {
            let found = try index.withQuery(vector) { query throws(IndexError) in
                try index.search(query, k: RecallEstimator.k, ef: ef)
            }
            recalls.append(Self.recall(of: found.hits.map(\.distance), against: nearest))
        }
        return recalls
    }

    /// The share of the `exact` distances that the `found` ones reach. A hit is right when it is no farther than the last exact
    /// one: which of several equals is found does not matter.
    static func recall(of found: [Float], against exact: [Float]) -> Double {
        guard let last = exact.last else { return 1 }
        return Double(min(found.count { $0 <= last + tolerance }, exact.count)) / Double(exact.count)
    }
}

extension HNSWIndex {
    /// Runs `body` with the floats of a query.
    func withQuery<Result>(
        _ vector: [Float], _ body: (UnsafeBufferPointer<Float>) throws(IndexError) -> Result
    ) throws(IndexError) -> Result {
        // Safety: the array outlives the call, and the search keeps no pointer to it.
        try vector.withUnsafeBufferPointer { query throws(IndexError) in try body(query) }
    }
}
