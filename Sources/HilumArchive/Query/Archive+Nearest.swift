import HilumCore
import HilumIndex
import LMDB

/// The nearest vectors, from the graphs to exact scores.
extension Archive {
    /// - Throws: `.deadline` once the time of the search is over.
    func checkTime(_ request: SearchRequest) throws(ArchiveError) { try Self.checkTime(request.deadline) }

    /// - Throws: `.deadline` once the time is over.
    static func checkTime(_ deadline: Double?) throws(ArchiveError) {
        if let deadline, monotonicSeconds() >= deadline { throw ArchiveError.isOverdue }
    }

    /// The best `k` cases, each by its best vector, the best first.
    func nearest(
        _ question: Question, _ request: SearchRequest, _ matching: ItemSet?, k: Int, ef: Int, _ visited: inout Int
    ) throws -> [Candidate] {
        var found: [Candidate] = []
        var isMixed = false
        for kind in request.target.kinds where hasVectors(kind, question.serving) {
            let set = matching.map { set in attributes.read { $0.items(of: set, kind) } }
            if set?.isEmpty == true { continue }
            let cases = try nearestCases(question, kind, request, set, k: k, ef: ef, &visited)
            isMixed = !found.isEmpty && !cases.isEmpty
            found += cases
        }
        if isMixed {
            var best: [UInt32: Candidate] = [:]
            for candidate in found {
                if let other = best[candidate.number], other.score >= candidate.score { continue }
                best[candidate.number] = candidate
            }
            found = Array(best.values)
        }
        found.sort(by: Candidate.precedes)
        if found.count > k { found.removeLast(found.count - k) }
        return found
    }

    private func hasVectors(_ kind: VectorKind, _ serving: Serving) -> Bool {
        if let graphs = serving.graphs { return graphs[kind].index.count > 0 }
        return serving.dimension != nil && attributes.read { !$0.with(kind).isEmpty }
    }

    /// The best `k` cases by vectors of one kind, or all that there are; any order.
    private func nearestCases(
        _ question: Question, _ kind: VectorKind, _ request: SearchRequest, _ matching: ItemSet?, k: Int, ef: Int,
        _ visited: inout Int
    ) throws -> [Candidate] {
        let isShared = kind == .image && attributes.read { !$0.furtherImages.isEmpty }
        // Without graphs each round reads the whole checkpoint.
        var count = isShared && !options.keepsGraphs ? 4 * k : k
        while true {
            try checkTime(request)
            let items = try nearestItems(question, kind, request, matching, k: count, ef: max(ef, count), &visited)
            guard isShared else { return items }
            var best: [UInt32: Candidate] = [:]
            for found in items {
                var found = found
                found.number = attributes.read { $0.owner(of: found.item) }
                if let other = best[found.number], other.score >= found.score { continue }
                best[found.number] = found
            }
            // Several images of one case took places that other cases should have.
            if best.count >= k || items.count < count { return Array(best.values) }
            count *= 4
        }
    }

    /// The `k` nearest vectors of one kind; any order.
    private func nearestItems(
        _ question: Question, _ kind: VectorKind, _ request: SearchRequest, _ matching: ItemSet?, k: Int, ef: Int,
        _ visited: inout Int
    ) throws -> [Candidate] {
        let query = question[kind]
        guard let index = question.serving.graphs?[kind].index else {
            let found = try scanCheckpoint(query, kind, matching, k: k, question.serving, request, &visited)
            return scored(found, question)
        }
        if request.isExact && index.precision == .i8 {
            let found = try scanStored(query, kind, matching, k: k, question.serving, request, &visited)
            return scored(found, question)
        }
        // Where the lower half of codes is gone, a few more are looked at before the stored vectors decide.
        let wanted = index.lacksResiduals ? k + min(k, 64 + k / 8) + 16 : k
        let breadth = Self.breadth(ef, k: k, matching: matching?.count, of: index.count)
        let deadline = request.deadline ?? .infinity
        let result = try query.withUnsafeBufferPointer { vector in
            request.isExact
                ? try index.exactSearch(vector, k: wanted, filter: matching, until: deadline)
                : try index.search(vector, k: wanted, ef: max(breadth, wanted), filter: matching, until: deadline)
        }
        // A scan visits no node of the graph, but compares.
        visited += result.visited == 0 ? result.distanceCount : result.visited
        let candidates = result.hits.map {
            let cosine = max(-1, min(1, 1 - $0.distance))
            return Candidate(number: $0.item, item: $0.item, score: question.score(cosine, kind), via: kind)
        }
        guard candidates.count > k else { return candidates }
        let exact = try store.environment.read { try exactly(candidates, question, keepsVectors: false, $0) }
        return Array(exact.prefix(k))
    }

    /// Candidates whose scores are cosines, with those by which kinds are held against one another.
    private func scored(_ candidates: [Candidate], _ question: Question) -> [Candidate] {
        candidates.map { candidate in
            var candidate = candidate
            candidate.score = question.score(candidate.score, candidate.via)
            return candidate
        }
    }

    /// How many matching candidates a walk keeps under a filter.
    ///
    /// Without one it keeps the `ef` nearest, of which a share matches, and the `k` wanted ones lie further apart. So it keeps more than match
    /// among `ef`, which finds as much as without a filter (`hilum-bench serve --recall`), and at least `4 k`: among few that match the
    /// nearest lie in several places.
    static func breadth(_ ef: Int, k: Int, matching: Int?, of count: Int) -> Int {
        guard let matching else { return ef }
        return min(ef, max(4 * k, 8 * ef * min(matching, count) / (5 * max(1, count))))
    }

    /// The `k` nearest by the stored vectors, for a graph that only knows codes; any order.
    func scanStored(
        _ query: [Float], _ kind: VectorKind, _ matching: ItemSet?, k: Int, _ serving: Serving,
        _ request: SearchRequest, _ visited: inout Int
    ) throws -> [Candidate] {
        var nearest: [Candidate] = []
        var count = 0
        var read = 0
        try store.environment.read { transaction in
            try store.forEachVector(
                transaction, kind, generation: serving.generation, dimension: query.count
            ) { item, vector in
                read += 1
                if read % Self.timeStride == 0 { try checkTime(request) }
                if let matching, !matching.contains(item) { return true }
                count += 1
                let score = Self.cosine(query, vector)
                if k > Self.insertionLimit {
                    nearest.append(Candidate(number: item, item: item, score: score, via: kind))
                    return true
                }
                if nearest.count == k, let last = nearest.last, score <= last.score { return true }
                // Numbers rise, so a later one of equal score goes behind.
                let place = nearest.lastIndex { $0.score >= score }.map { $0 + 1 } ?? 0
                nearest.insert(Candidate(number: item, item: item, score: score, via: kind), at: place)
                if nearest.count > k { nearest.removeLast() }
                return true
            }
        }
        visited += count
        guard k > Self.insertionLimit else { return nearest }
        return Array(nearest.sorted { ($1.score, $0.item) < ($0.score, $1.item) }.prefix(k))
    }

    /// So many vectors are read between two looks at the time.
    private static let timeStride = 256
    /// So many nearest are kept in order while vectors are read; more are sorted at the end.
    private static let insertionLimit = 512

    /// The cosine of two unit vectors, summed in doubles.
    static func cosine(_ left: [Float], _ right: [Float]) -> Float {
        precondition(left.count == right.count, "vectors of two dimensions")
        return left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                var sums = SIMD8<Double>.zero
                var offset = 0
                while offset + 32 <= left.count {
                    // Safety: 32 bytes from `offset` on lie within both arrays, which live through the closure.
                    let (a, b) = (
                        left.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self),
                        right.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)
                    )
                    // Not `addProduct`: without the processor's instruction it is a call for each element.
                    sums += SIMD8<Double>(a) * SIMD8<Double>(b)
                    offset += 32
                }
                var product = sums.sum()
                while offset < left.count {
                    let (a, b) = (
                        left.loadUnaligned(fromByteOffset: offset, as: Float.self),
                        right.loadUnaligned(fromByteOffset: offset, as: Float.self)
                    )
                    product += Double(a) * Double(b)
                    offset += 4
                }
                return max(-1, min(1, Float(product)))
            }
        }
    }

    /// The candidates with the scores of the stored vectors, where their graph only knows codes; the best first.
    ///
    /// - Parameter keepsVectors: whether each gets its stored vector too.
    func exactly(
        _ candidates: [Candidate], _ question: Question, keepsVectors: Bool, _ transaction: borrowing ReadTransaction
    ) throws -> [Candidate] {
        let serving = question.serving
        guard let dimension = serving.dimension else { return candidates }
        let graphs = serving.graphs
        var exact = candidates
        for index in exact.indices {
            let kind = exact[index].via
            // Without graphs the scores are those of stored vectors already.
            let isCoded = graphs?[kind].index.precision == .i8
            guard isCoded || keepsVectors else { continue }
            // A case that was just deleted has no vector any more, and no record either.
            let key = serving.key(exact[index].item)
            guard let vector = try store.vector(transaction, kind, key, dimension: dimension) else { continue }
            if isCoded { exact[index].score = question.score(Self.cosine(question[kind], vector), kind) }
            if keepsVectors { exact[index].vector = vector }
        }
        exact.sort(by: Candidate.precedes)
        return exact
    }
}
