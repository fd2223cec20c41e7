import HilumCore
import HilumIndex

extension Archive {
    // MARK: The running estimate

    /// Goes on with the running estimate: answers sampled live queries once more, exactly and at several ef.
    ///
    /// Works in pieces of a few milliseconds and stops after the first one that ends past `seconds`, or once `isInterrupted`
    /// says so; what was begun goes on at the next call.
    ///
    /// - Returns: whether more is left to do.
    /// - Throws: `.io` for a query that the index refuses; it is dropped.
    public func estimateRecall(forSeconds seconds: Double, isInterrupted: () -> Bool = { false }) throws -> Bool {
        let serving = self.serving
        guard let graphs = serving.graphs else { return false }
        return try withArchiveErrors {
            let end = monotonicSeconds() + seconds
            while let probe = recall.nextProbe() {
                var probe = probe
                // Asked of a generation that is not searched any more.
                if probe.generation != serving.generation { continue }
                let index = graphs[probe.kind].index
                let isScanned = try probe.scanPiece(of: index, below: progress.withLock { $0.nextNumber })
                if isScanned {
                    if let recalls = try probe.recalls(in: index) {
                        recall.add(recalls, probe.kind, generation: probe.generation)
                    }
                } else {
                    recall.putBack(probe)
                }
                if monotonicSeconds() >= end || isInterrupted() { return true }
            }
            return false
        }
    }

    /// How to search `kinds` for `k` hits so that `recall` is reached in each.
    func choice(for wanted: Double, k: Int, _ kinds: [VectorKind]) -> RecallEstimator.Choice {
        let kinds = kinds.filter { (graphs?[$0].index.count ?? 0) > 0 }
        let choices = kinds.map { recall.ef(for: wanted, k: k, $0) }
        guard let widest = choices.compactMap(\.ef).max(), choices.allSatisfy({ $0.ef != nil }) else {
            return RecallEstimator.Choice(ef: nil, expectedRecall: 1)
        }
        let expected = kinds.map { recall.expectedRecall(ef: widest, k: k, $0) }
        let isKnown = expected.allSatisfy { $0 != nil }
        return RecallEstimator.Choice(ef: widest, expectedRecall: isKnown ? expected.compactMap { $0 }.min() : nil)
    }

    // MARK: The check on demand

    /// The recall of one graph over stored vectors as queries.
    public struct RecallCheck: Sendable, Equatable {
        /// `image` or `report`: vectors of a graph as its own queries, each one's own case left out. `report_to_image`: reports
        /// as queries for images.
        public var name: String
        /// Vectors that were searched for.
        public var queries: Int
        /// The share of the exact hits that the graph found.
        public var recall: Proportion
        /// Mean of one search in the graph, with as many at once as there are threads.
        public var milliseconds: Double
        /// Mean of one exact scan, in the same way.
        public var exactMilliseconds: Double
    }

    /// Measures recall@k at `ef` with `count` stored vectors for each graph, and with reports as queries for images where both are
    /// there; fewer where there are not so many.
    ///
    /// - Parameters:
    ///   - ef: nil for what a search takes by itself.
    ///   - seed: decides the sample.
    ///   - advance: told of each query that is done, from any thread.
    ///   - interrupted: once raised, the rest is left out and nil returned.
    /// Larger archives compare codes, also in the exact scan; recall against that is recall of the walk.
    /// - Throws: `.limit` for a `k` or `ef` out of range; what a search throws.
    /// - Complexity: O(`count` · cases)
    public func checkRecall(
        _ count: Int, k: Int = RecallEstimator.k, ef: Int? = nil, seed: UInt64 = 1, threads: Int = defaultThreadCount,
        advance: @Sendable (Int) -> Void = { _ in }, interrupted: AtomicFlag = AtomicFlag()
    ) throws -> [RecallCheck]? {
        try requireGraphs()
        try checkWidth(k: k, ef: ef)
        guard let graphs else { return [] }
        let ef = max(ef ?? Self.standardEf(k: k), k)
        var checks: [RecallCheck] = []
        for (source, target, name) in Self.recallChecks {
            let numbers = recallSample(source, count, seed: seed)
            if numbers.isEmpty || graphs[target].index.count == 0 { continue }
            let results = parallelMap(numbers, threads: threads) { number -> Result<RecallTrial?, any Error> in
                Result {
                    if interrupted.isRaised { return nil }
                    defer { advance(1) }
                    guard let vector = graphs[source].index.vector(of: number) else { return nil }
                    let own = source == target ? number : nil
                    return try RecallTrial(vector, in: graphs[target].index, leavingOut: own, k: k, ef: ef)
                }
            }
            let trials = try results.compactMap { try $0.get() }
            if interrupted.isRaised { return nil }
            if trials.isEmpty { continue }
            let total = Double(trials.count)
            checks.append(
                RecallCheck(
                    name: name, queries: trials.count,
                    recall: Proportion(trials.reduce(0) { $0 + $1.recall } / total, of: total),
                    milliseconds: trials.reduce(0) { $0 + $1.seconds } / total * 1000,
                    exactMilliseconds: trials.reduce(0) { $0 + $1.exactSeconds } / total * 1000))
        }
        return checks
    }

    /// How many queries `checkRecall(count)` takes altogether.
    public func recallCheckCount(_ count: Int) -> Int {
        guard let graphs else { return 0 }
        return Self.recallChecks.reduce(0) { sum, check in
            sum
                + (graphs[check.target].index.count == 0
                    ? 0 : min(count, attributes.read { $0.with(check.source).count }))
        }
    }

    private static let recallChecks: [(source: VectorKind, target: VectorKind, name: String)] = [
        (.image, .image, "image"), (.report, .report, "report"), (.report, .image, "report_to_image"),
    ]

    /// The numbers of `count` cases with a vector of `kind`, drawn without repetition.
    private func recallSample(_ kind: VectorKind, _ count: Int, seed: UInt64) -> [UInt32] {
        var numbers = attributes.read { $0.with(kind) }.items
        var generator = SeededGenerator(seed: seed, keys: kind == .image ? 0 : 1)
        let count = min(count, numbers.count)
        for place in 0..<count { numbers.swapAt(place, place + generator.integer(below: numbers.count - place)) }
        return Array(numbers.prefix(count))
    }

    func checkWidth(k: Int, ef: Int?) throws(ArchiveError) {
        guard k >= 1, k <= ArchiveLimits.hitCount else {
            throw ArchiveError(.limit, "k must be from 1 to \(ArchiveLimits.hitCount)")
        }
        if let ef, ef < 1 || ef > ArchiveLimits.ef {
            throw ArchiveError(.limit, "ef must be from 1 to \(ArchiveLimits.ef)")
        }
    }
}

/// One stored vector, searched for in the graph and by an exact scan.
private struct RecallTrial: Sendable {
    let recall: Double
    let seconds: Double
    let exactSeconds: Double

    /// - Parameter own: an item that does not count as a hit, since it is the query.
    init(_ vector: [Float], in index: HNSWIndex, leavingOut own: UInt32?, k: Int, ef: Int) throws(IndexError) {
        let wanted = own == nil ? k : k + 1
        let started = monotonicSeconds()
        let found = try index.withQuery(vector) { query throws(IndexError) in
            try index.search(query, k: wanted, ef: max(ef, wanted))
        }
        let between = monotonicSeconds()
        let exact = try index.withQuery(vector) { query throws(IndexError) in
            try index.exactSearch(query, k: wanted)
        }
        exactSeconds = monotonicSeconds() - between
        seconds = between - started
        func others(_ result: SearchResult) -> [Float] {
            Array(result.hits.lazy.filter { $0.item != own }.prefix(k).map(\.distance))
        }
        recall = RecallProbe.recall(of: others(found), against: others(exact))
    }
}
