/// What a question needs in memory: an entry a document, zero between questions.
///
/// Thread rule: one owner at a time, which `ScratchPool` sees to.
final class SearchScratch: @unchecked Sendable {
    // Sendable: the pool hands it to one question at a time, under a lock.

    /// By document: the sum of the scores; minus infinity when a clause excludes it; 0 while no clause matched.
    private(set) var scores = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
    /// By document: the weighted occurrences of the clause at hand.
    private(set) var frequencies = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
    /// Documents with a score.
    private(set) var scored = UnsafeMutableBufferPointer<UInt32>(start: nil, count: 0)
    /// Documents with a frequency.
    private(set) var matched = UnsafeMutableBufferPointer<UInt32>(start: nil, count: 0)
    var scoredCount = 0
    var matchedCount = 0

    deinit { deallocate() }

    private func deallocate() {
        // Safety: `make` allocated them, or they are nil, which may be deallocated.
        scores.deallocate()
        frequencies.deallocate()
        scored.deallocate()
        matched.deallocate()
    }

    /// Makes room for documents below `count`.
    func reserve(_ count: Int) {
        guard scores.count < count else { return }
        deallocate()
        let room = count + count / 8
        scores = .allocate(capacity: room)
        frequencies = .allocate(capacity: room)
        scored = .allocate(capacity: room)
        matched = .allocate(capacity: room)
        scored.initialize(repeating: 0)
        matched.initialize(repeating: 0)
        wipe()
    }

    /// Zeroes everything, after a question that failed midway.
    func wipe() {
        scores.update(repeating: 0)
        frequencies.update(repeating: 0)
        scoredCount = 0
        matchedCount = 0
    }

    /// Forgets the matches of the clause at hand.
    func clearMatches() {
        for place in 0..<matchedCount { frequencies[Int(matched[place])] = 0 }
        matchedCount = 0
    }

    /// Forgets the scores.
    func clearScores() {
        for place in 0..<scoredCount { scores[Int(scored[place])] = 0 }
        scoredCount = 0
    }

    /// Adds weighted occurrences of the clause at hand.
    @inline(__always)
    func match(_ document: UInt32, _ frequency: Float) {
        // Safety: the caller checked that the document is below the count that was reserved; each document enters `matched` once.
        let before = frequencies[Int(document)]
        if before == 0 {
            matched[matchedCount] = document
            matchedCount += 1
        }
        frequencies[Int(document)] = before + frequency
    }

    /// Adds to the score of each document of the clause at hand what `score` says of it and of its weighted occurrences, and forgets the
    /// matches.
    @inline(__always)
    func addScores(_ score: (_ document: UInt32, _ frequency: Float) -> Float) {
        let (scores, scored, frequencies, matched) = (self.scores, self.scored, self.frequencies, self.matched)
        var scoredCount = self.scoredCount
        for place in 0..<matchedCount {
            // Safety: as in `match`.
            let document = matched[place]
            let before = scores[Int(document)]
            if before == 0 {
                scored[scoredCount] = document
                scoredCount += 1
            }
            scores[Int(document)] = before + score(document, frequencies[Int(document)])
            frequencies[Int(document)] = 0
        }
        self.scoredCount = scoredCount
        matchedCount = 0
    }
}
