import HilumIndex
import LMDB

/// Questions that vectors answer alone.
///
/// ```
/// plain     the k nearest (and a few more where cases went meanwhile)
/// selected  the nearest ─→ one a group, none nearly the same as a better one ─→ enough? ── no ──┐
///              ↑                                                                              │
///              └── the nearest among the rest: without groups that have a hit and what was seen ┘
/// ```
extension Archive {
    /// Finds as many picks as are looked for, with `extra` more candidates in case some cases are gone.
    func findByVectors(
        _ question: Question, _ request: SearchRequest, _ matching: ItemSet?, ef: Int, extra: Int,
        _ selection: inout HitSelection, _ found: inout Found
    ) throws {
        let wanted = request.poolCount + extra
        if selection.isActive {
            try select(question, request, matching, ef: ef, &selection, &found)
        } else {
            var candidates = try candidates(
                question, request, matching, wanted, ef: ef + extra, keepsVectors: selection.keepsVectors, &found)
            if let least = request.minScore { candidates.removeAll { $0.score < least } }
            found.picks = candidates.map { Pick(number: $0.number, candidate: $0) }
        }
        found.response.isShortOfFilter = !request.filter.isEmpty && found.picks.count < request.k
    }

    /// Looks at more and more candidates until enough are picked, none is left, or as many were looked at as one question may cost.
    private func select(
        _ question: Question, _ request: SearchRequest, _ matching: ItemSet?, ef: Int,
        _ selection: inout HitSelection, _ found: inout Found
    ) throws {
        let pool = request.poolCount
        var rest = matching
        var wanted = max(2 * pool, Self.leastSelectionCount)
        while true {
            try checkTime(request)
            wanted = min(wanted, selection.leftCount)
            let candidates = try candidates(
                question, request, rest, wanted, ef: max(ef, wanted), keepsVectors: selection.keepsVectors, &found)
            try store.environment.read { transaction in
                try pick(candidates, request, &selection, &found, transaction)
            }
            question.trace?.end("hits")
            if found.picks.count >= pool || candidates.count < wanted || selection.isAtEnd { return }
            if selection.leftCount == 0 {
                found.response.isShortOfWork = true
                return
            }
            rest = (rest ?? attributes.read { $0.live }).subtracting(selection.seen)
            if rest?.isEmpty == true { return }
            // Each round walks past all that was seen, so few rounds cost less than small ones.
            wanted *= 4
        }
    }

    private static let leastSelectionCount = 32

    private func candidates(
        _ question: Question, _ request: SearchRequest, _ matching: ItemSet?, _ wanted: Int, ef: Int,
        keepsVectors: Bool, _ found: inout Found
    ) throws -> [Candidate] {
        let (before, widened) = (found.response.visited, widened(request, to: wanted))
        let nearest = try nearest(question, widened, matching, k: wanted, ef: ef, &found.response.visited)
        question.trace?.end(
            leg: "vector", "vectors", candidates: nearest.count, visited: found.response.visited - before)
        return try store.environment.read { try exactly(nearest, question, keepsVectors: keepsVectors, $0) }
    }

    /// Picks of candidates, the best first, until there are as many as are looked for.
    private func pick(
        _ candidates: [Candidate], _ request: SearchRequest, _ selection: inout HitSelection, _ found: inout Found,
        _ transaction: borrowing ReadTransaction
    ) throws {
        for (place, candidate) in candidates.enumerated() {
            if found.picks.count == request.poolCount { return }
            if let least = request.minScore, candidate.score < least {
                selection.isAtEnd = true
                return
            }
            if place % Self.timeStride == Self.timeStride - 1 { try checkTime(request) }
            guard selection.looks(at: candidate.number), !selection.isNear(candidate.vector) else { continue }
            var pick = Pick(number: candidate.number, candidate: candidate)
            if let key = selection.groupKey {
                // A case that was just deleted has no record.
                guard let entry = try store.entry(transaction, candidate.number) else { continue }
                pick.group = selection.group(of: candidate.number, entry.fields.text(key))
            }
            selection.note(candidate.vector)
            found.picks.append(pick)
        }
    }

    private static let timeStride = 64

    /// The request, as a scan of all vectors where so many candidates are wanted that a walk through the graph would cost more.
    func widened(_ request: SearchRequest, to count: Int) -> SearchRequest {
        guard count > max(ArchiveLimits.hitCount, attributes.read { $0.live.count } / 8) else { return request }
        var request = request
        request.isExact = true
        return request
    }
}
