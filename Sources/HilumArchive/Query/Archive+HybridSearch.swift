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

    /// How many candidates each leg brings.
    private static func depth(_ k: Int) -> Int { max(200, 4 * k) }

    /// A case that a leg brought.
    private struct Fused {
        let number: UInt32
        var vectorRank: Int?
        var wordRank: Int?
        var wordScore: Float?
        var fused: Float = 0

        /// The better score first, then what words brought, then the older case.
        static func precedes(_ left: Fused, _ right: Fused) -> Bool {
            if left.fused != right.fused { return left.fused > right.fused }
            let ranks: (left: Int, right: Int) = (left.wordRank ?? .max, right.wordRank ?? .max)
            return ranks.left == ranks.right ? left.number < right.number : ranks.left < ranks.right
        }
    }

    /// Fills in the hits of a question with words.
    ///
    /// - Parameter deepened: how many candidates each leg brings, where the usual number was too few because many were passed over.
    func searchWithWords(
        _ text: String, _ question: Question, _ request: SearchRequest, _ matching: ItemSet?, ef: Int,
        deepened: Int? = nil, _ selection: inout HitSelection, _ response: inout SearchResponse
    ) throws {
        try selection.prepare(in: self)
        let depth = deepened ?? Self.depth(request.poolCount)
        var allowed = matching
        if request.target != .case {
            let those = attributes.read {
                request.target == .image ? $0.withAnyImage : $0.live.intersection($0.withText)
            }
            allowed = allowed?.intersection(those) ?? those
        }
        let answer = try answer(text, limit: depth, matching: allowed)
        question.trace?.end(leg: "words", "words", candidates: answer.hits.count, visited: 0)
        response.unknown = answer.unknown
        // A vector of words that nobody knows still has neighbours. Other parts of a question speak for themselves.
        let isTextAlone = request.parts.allSatisfy { if case .text = $0.query { true } else { false } }
        guard answer.isKnown || !isTextAlone else {
            response.isUnknown = true
            return
        }
        if !answer.excluded.isEmpty {
            allowed = (allowed ?? attributes.read { $0.live }).subtracting(answer.excluded)
        }
        var fused: [UInt32: Fused] = [:]
        var isAll = answer.hits.count < depth
        if request.mode != .words {
            let (before, widened) = (response.visited, widened(request, to: depth))
            let nearest = try nearest(question, widened, allowed, k: depth, ef: max(ef, depth), &response.visited)
            isAll = isAll && nearest.count < depth
            question.trace?.end(
                leg: "vector", "vectors", candidates: nearest.count, visited: response.visited - before)
            let found = try store.environment.read { try exactly(nearest, question, $0) }
            for (place, candidate) in found.enumerated() {
                fused[candidate.number, default: Fused(number: candidate.number)].vectorRank = place + 1
            }
        }
        // Equal scores share a rank, so that vectors order reports that say the same.
        var rank = 0
        for (place, hit) in answer.hits.enumerated() {
            if place == 0 || hit.score != answer.hits[place - 1].score { rank = place + 1 }
            fused[hit.document, default: Fused(number: hit.document)].wordRank = rank
            fused[hit.document]?.wordScore = hit.score
        }
        let withWordsAlone = request.mode == .words ? ItemSet() : attributes.read { $0.withWordsAlone }
        let vectorWeight = request.vectorWeight ?? (answer.demands.isEmpty ? 1 : 0.25)
        let ordered = fused.values.map { candidate -> Fused in
            var candidate = candidate
            let standIn = withWordsAlone.contains(candidate.number) ? candidate.wordRank : nil
            if let rank = [candidate.vectorRank, standIn].compactMap(\.self).min() {
                candidate.fused += vectorWeight / (Self.fusionConstant + Float(rank))
            }
            if let rank = candidate.wordRank {
                candidate.fused += request.wordWeight / (Self.fusionConstant + Float(rank))
            }
            // No sum of ranks reaches a whole degree, so that demands come first and `fused` still orders the hits.
            let degree = Float(answer.demands.degree(of: candidate.number))
            candidate.fused += degree * (vectorWeight + request.wordWeight) / Self.fusionConstant
            return candidate
        }.sorted(by: Fused.precedes)
        selection.restart()
        response.hits = try store.environment.read { try hits(ordered, question, request, text, &selection, $0) }
        question.trace?.end("hits")
        if selection.isActive, response.hits.count < request.poolCount, !isAll {
            return try searchWithWords(
                text, question, request, matching, ef: ef, deepened: 4 * depth, &selection, &response)
        }
        let possible = allowed?.count ?? attributes.read { $0.live.count }
        response.isShortOfFilter = !request.filter.isEmpty && possible < request.k
    }

    private func hits(
        _ ordered: [Fused], _ question: Question, _ request: SearchRequest, _ text: String,
        _ selection: inout HitSelection, _ transaction: borrowing ReadTransaction
    ) throws -> [Hit] {
        var hits: [Hit] = []
        let highlighter = request.includesHighlights ? try QuestionHighlighter(text) : nil
        for candidate in ordered {
            if hits.count == request.poolCount { break }
            if selection.isTaken(candidate.number) { continue }
            // A case that was just deleted has no record.
            guard let entry = try store.entry(transaction, candidate.number) else { continue }
            let best = try bestVector(of: candidate.number, entry, question, request.target, transaction)
            guard let best else { continue }
            if let least = request.minScore, best.score < least { continue }
            let needsReport = request.includesReports || request.includesHighlights
            guard let record = try record(transaction, candidate.number, withReport: needsReport) else { continue }
            var hit = Hit(
                rank: hits.count + 1, id: record.id, score: best.score, via: best.via,
                image: best.via == .image ? Int(best.item - candidate.number) : nil, record: record)
            hit.legs = Hit.Legs(
                fused: candidate.fused, vectorRank: candidate.vectorRank, wordRank: candidate.wordRank,
                wordScore: candidate.wordScore)
            let vector =
                selection.keepsVectors ? try storedVector(transaction, best.via, best.item, question) : nil
            guard selection.takes(&hit, vector: vector) else { continue }
            if let highlighter { hit.highlights = record.report.map(highlighter.ranges) ?? [] }
            if !request.includesReports { hit.record.report = nil }
            hits.append(hit)
        }
        return hits
    }

    /// The vector of a case that is nearest to the question. A report without a vector is at a right angle to every question.
    private func bestVector(
        of number: UInt32, _ entry: CaseEntry, _ question: Question, _ target: SearchTarget,
        _ transaction: borrowing ReadTransaction
    ) throws -> (score: Float, item: UInt32, via: VectorKind)? {
        let serving = question.serving
        guard let dimension = serving.dimension else { return nil }
        var best: (score: Float, item: UInt32, via: VectorKind)?
        if entry.lacksReportVector(in: serving.generation), target == .report || entry.images.isEmpty {
            best = (0, number, .report)
        }
        for kind in target.kinds {
            for item in entry.items(kind, of: number, in: serving.generation) {
                let vector = try store.vector(transaction, kind, serving.key(item), dimension: dimension)
                guard let vector else { continue }
                let score = Self.cosine(question[kind], vector)
                if best.map({ score > $0.score }) ?? true { best = (score, item, kind) }
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
