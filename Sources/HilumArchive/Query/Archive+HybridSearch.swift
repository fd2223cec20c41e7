import HilumCore
import HilumIndex
import HilumReports
import HilumWords
import LMDB

/// Vectors and words together.
///
/// ```
/// question ─┬─ vectors: the nearest cases ───┐
///           └─ words: BM25 over reports ─────┼─→ what it demands of findings, then 1 / (60 + rank) of each leg ─→ hits
///                     which reports affirm, doubt, deny ─┘
/// ```
///
/// Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009, section 2, with its k = 60) needs no scale that both legs share. What the
/// question demands of findings comes first, as whole steps of the fused score: no sum of ranks tells a report that affirms from one that denies.
///
/// A report without a vector (`see attached`) would have one leg alone, and lose to whatever shares a word with the question and is near it.
/// Its words stand in for the vector, so that whoever asks for them finds it first. Of equal scores, the one that words brought comes first.
extension Archive {
    private static let fusionConstant: Float = 60

    /// How many candidates each leg brings. A list that pages are cut from is long enough by itself.
    private static func depth(_ request: SearchRequest) -> Int {
        // Whoever merges says it.
        if request.corpus != nil { return request.k }
        return request.cursor == nil ? max(200, 4 * request.poolCount) : max(200, request.poolCount)
    }

    /// The better score first, then what words brought, then the older case.
    private static func precedes(_ left: Pick, _ right: Pick) -> Bool {
        let fused: (left: Float, right: Float) = (left.legs?.fused ?? 0, right.legs?.fused ?? 0)
        if fused.left != fused.right { return fused.left > fused.right }
        let ranks: (left: Int, right: Int) = (left.legs?.wordRank ?? .max, right.legs?.wordRank ?? .max)
        return ranks.left == ranks.right ? left.number < right.number : ranks.left < ranks.right
    }

    /// What the legs brought in one round.
    private struct Round {
        var picks: [Pick] = []
        /// Whether neither leg has more.
        var isAll = true
        /// Candidates of all rounds so far, by which the ranks of the next one begin.
        var vectorCount = 0
        var wordCount = 0
    }

    /// Finds the picks of a question with words. Where many are passed over, both legs are asked again for the rest.
    func findWithWords(
        _ text: String, _ lookup: Lookup, _ selection: inout HitSelection, _ found: inout Found
    ) throws {
        let (question, request) = (lookup.question, lookup.request)
        var allowed = lookup.matching
        if request.target != .case {
            let those = attributes.read {
                request.target == .image ? $0.withAnyImage : $0.live.intersection($0.withText)
            }
            allowed = allowed?.intersection(those) ?? those
        }
        var depth = Self.depth(request)
        var round = Round()
        var rest = allowed
        while true {
            try checkTime(request)
            guard try ask(text, lookup, &rest, depth: depth, &round, &found) else { return }
            try store.environment.read { transaction in
                try pick(round.picks, question, request, &selection, &found, transaction)
            }
            question.trace?.end("hits")
            guard selection.isActive, found.picks.count < request.poolCount else { break }
            if selection.leftCount == 0 {
                found.response.isShortOfWork = true
                break
            }
            if round.isAll { break }
            rest = (rest ?? attributes.read { $0.live }).subtracting(selection.seen)
            if rest?.isEmpty == true { break }
            depth = min(4 * depth, max(Self.leastDepth, selection.leftCount))
        }
        let possible = allowed?.count ?? attributes.read { $0.live.count }
        found.response.isShortOfFilter = !request.filter.isEmpty && possible < request.k
    }

    private static let leastDepth = 200

    /// Asks both legs, and fuses what they bring.
    ///
    /// - Parameter allowed: the cases that may be hits; those that the question excludes are taken out.
    /// - Returns: false where nothing was looked for, because all words of the question are unknown.
    private func ask(
        _ text: String, _ lookup: Lookup, _ allowed: inout ItemSet?, depth: Int, _ round: inout Round,
        _ found: inout Found
    ) throws -> Bool {
        let (question, request) = (lookup.question, lookup.request)
        let answer = try answer(text, limit: depth, matching: allowed, until: request)
        question.trace?.end(leg: "words", "words", candidates: answer.hits.count, visited: 0)
        found.response.unknown = answer.unknown
        found.response.unsaid = answer.unsaid.map(\.name)
        found.response.wider = answer.unsaid.compactMap(\.wider)
        // A vector of words that nobody knows still has neighbours. Other parts of a question speak for themselves.
        let isTextAlone = request.parts.allSatisfy { if case .text = $0.query { true } else { false } }
        guard answer.isKnown || !isTextAlone || request.corpus != nil else {
            found.response.isUnknown = true
            return false
        }
        if !answer.excluded.isEmpty {
            allowed = (allowed ?? attributes.read { $0.live }).subtracting(answer.excluded)
        }
        var legs: [UInt32: Hit.Legs] = [:]
        legs.reserveCapacity(2 * depth)
        round.isAll = answer.hits.count < depth
        if request.mode != .words {
            let (before, widened) = (found.response.visited, widened(request, to: depth))
            let nearest = try nearest(
                question, widened, allowed, k: depth, ef: max(lookup.ef, depth), &found.response.visited)
            round.isAll = round.isAll && nearest.count < depth
            question.trace?.end(
                leg: "vector", "vectors", candidates: nearest.count, visited: found.response.visited - before)
            let exact = try store.environment.read { try exactly(nearest, question, keepsVectors: false, $0) }
            for (place, candidate) in exact.enumerated() {
                legs[candidate.number] = Hit.Legs(fused: 0, vectorRank: round.vectorCount + place + 1)
            }
            round.vectorCount += nearest.count
        }
        // Equal scores share a rank, so that vectors order reports that say the same.
        var rank = 0
        for (place, hit) in answer.hits.enumerated() {
            if place == 0 || hit.score != answer.hits[place - 1].score { rank = round.wordCount + place + 1 }
            legs[hit.document, default: Hit.Legs(fused: 0)].wordRank = rank
            legs[hit.document]?.wordScore = hit.score
        }
        round.wordCount += answer.hits.count
        round.picks = fuse(legs, answer, request)
        return true
    }

    /// The candidates of both legs, the best first.
    private func fuse(_ legs: [UInt32: Hit.Legs], _ answer: WordAnswer, _ request: SearchRequest) -> [Pick] {
        let withWordsAlone = request.mode == .words ? ItemSet() : attributes.read { $0.withWordsAlone }
        let vectorWeight = request.vectorWeight ?? (answer.demands.isEmpty ? 1 : 0.25)
        return legs.map { number, legs -> Pick in
            var legs = legs
            let standIn = withWordsAlone.contains(number) ? legs.wordRank : nil
            if let rank = [legs.vectorRank, standIn].compactMap(\.self).min() {
                legs.fused += vectorWeight / (Self.fusionConstant + Float(rank))
            }
            if let rank = legs.wordRank { legs.fused += request.wordWeight / (Self.fusionConstant + Float(rank)) }
            // No sum of ranks reaches a whole degree, so that demands come first and `fused` still orders the hits.
            legs.degree = answer.demands.degree(of: number)
            legs.isOfWordsAlone = standIn != nil
            legs.fused += Float(legs.degree) * (vectorWeight + request.wordWeight) / Self.fusionConstant
            return Pick(number: number, legs: legs)
        }.sorted(by: Self.precedes)
    }

    /// Picks until there are as many as are looked for. Their vectors are read only where something depends on them.
    private func pick(
        _ ordered: [Pick], _ question: Question, _ request: SearchRequest, _ selection: inout HitSelection,
        _ found: inout Found, _ transaction: borrowing ReadTransaction
    ) throws {
        guard selection.isActive || selection.keepsVectors || request.minScore != nil else {
            // As many as there are: a case that was just deleted has no record, and the next one takes its place.
            return found.picks = request.cursor == nil ? ordered : Array(ordered.prefix(request.poolCount))
        }
        for (place, candidate) in ordered.enumerated() {
            if found.picks.count == request.poolCount || selection.isActive && selection.leftCount == 0 { return }
            if place % 64 == 63 { try checkTime(request) }
            guard selection.looks(at: candidate.number), let entry = try store.entry(transaction, candidate.number),
                var best = try bestVector(of: candidate.number, entry, question, request.target, transaction)
            else { continue }
            if let least = request.minScore, best.score < least { continue }
            if !selection.keepsVectors { best.vector = nil }
            if selection.isNear(best.vector) { continue }
            var pick = candidate
            pick.candidate = best
            if let key = selection.groupKey { pick.group = selection.group(of: pick.number, entry.fields.text(key)) }
            selection.note(best.vector)
            found.picks.append(pick)
        }
    }

    /// The vector of a case that is nearest to the question. A report without a vector is at a right angle to every question.
    func bestVector(
        of number: UInt32, _ entry: CaseEntry, _ question: Question, _ target: SearchTarget,
        _ transaction: borrowing ReadTransaction
    ) throws -> Candidate? {
        let serving = question.serving
        guard let dimension = serving.dimension else { return nil }
        var best: Candidate?
        if entry.lacksReportVector(in: serving.generation), target == .report || entry.images.isEmpty {
            best = Candidate(number: number, item: number, score: 0, via: .report)
        }
        for kind in target.kinds {
            for item in entry.items(kind, of: number, in: serving.generation) {
                let vector = try store.vector(transaction, kind, serving.key(item), dimension: dimension)
                guard let vector else { continue }
                let score = question.score(Self.cosine(question[kind], vector), kind)
                if best.map({ score > $0.score }) ?? true {
                    best = Candidate(number: number, item: item, score: score, via: kind, vector: vector)
                }
            }
        }
        return best
    }
}

/// Finds what of a report answers to a question: its words, and the findings it names in any wording.
struct QuestionHighlighter {
    private let highlighter: WordHighlighter
    private let names: Set<String>
    private let reader: ReportReader

    /// - Throws: `.badRequest` for a phrase without an end.
    init(_ text: String) throws {
        reader = try ReportWords.sharedReader()
        highlighter = WordHighlighter(try WordQuestion(text, reader).query)
        names = Set(reader.read(text).findings.map(\.name))
    }

    /// Ranges of UTF-8 bytes, ascending, without overlap.
    func ranges(in report: String) -> [Range<Int>] {
        var words = highlighter
        var ranges = words.ranges(in: report)
        if !names.isEmpty {
            for finding in reader.read(report).findings
            where !names.isDisjoint(with: reader.lexicon.lineage(of: finding.name)) {
                ranges.append(finding.range)
            }
        }
        var merged: [Range<Int>] = []
        for range in ranges.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }
}
