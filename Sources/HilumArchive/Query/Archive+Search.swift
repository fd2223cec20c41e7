import HilumCore
import HilumIndex
import LMDB

extension Archive {
    /// The cases, images or reports nearest to a question.
    ///
    /// The scores are exact for the stored vectors; which cases are looked at is approximate unless `isExact`. Never fewer
    /// than `k` hits while as many cases match.
    /// - Throws: `.badRequest`, `.badImage`, `.badVector`, `.limit`, `.notFound` for an id, `.notReady` without an embedder.
    /// - Complexity: about `ef · m` distances a graph; O(n) when exact.
    public func search(_ request: SearchRequest) throws -> SearchResponse { try search(request, nil) }

    /// - Parameter attempt: how often a first page was searched for while the archive changed.
    func search(_ asked: SearchRequest, _ trace: SearchTrace?, attempt: Int = 1) throws -> SearchResponse {
        try withArchiveErrors {
            let started = monotonicSeconds()
            var request = asked
            try checkSelection(request)
            try checkWidth(k: request.k, ef: request.ef)
            let serving = self.serving
            let page = try page(of: request, generation: serving.generation)
            if let page { request.k = Int(page.window) }
            var question = try question(request, serving)
            question.trace = trace
            trace?.end("question")
            let (chosen, ef, expected) = try choosingWidth(request)
            request = chosen
            var matching: ItemSet?
            let excluded = excluded(by: question, request)
            if !request.filter.isEmpty || !excluded.isEmpty {
                var set = try self.matching(request.filter, until: request.deadline)
                for number in excluded { set.remove(number) }
                matching = set
            }
            trace?.end("filter")
            let template = SearchResponse(
                hits: [], generation: Int(question.serving.generation), ef: ef, visited: 0, microseconds: 0,
                isExact: request.isExact, expectedRecall: expected, isShortOfFilter: false)
            let lookup = Lookup(question: question, request: request, matching: matching, ef: ef)
            var response: SearchResponse
            if let page {
                let known = pages.found(page)
                let found = try known ?? find(lookup, template)
                if !isCurrent(page) {
                    // What was found may be of another moment than the page says.
                    guard asked.cursor == SearchCursor.start, attempt < Self.firstPageAttempts else {
                        throw SearchCursor.isStale
                    }
                    return try search(asked, trace, attempt: attempt + 1)
                }
                if known == nil { pages.keep(found, page) }
                response = found.response
                let picks = cut(found, page, k: asked.k, &response)
                response.hits = try hits(of: picks, lookup, atMost: picks.count, from: Int(page.offset))
            } else {
                response = try answer(lookup, template)
            }
            trace?.note { plan in
                plan.mode = request.words == nil ? .vector : request.mode ?? .hybrid
                (plan.target, plan.k, plan.pool) = (request.target, asked.k, request.poolCount)
                (plan.ef, plan.isExact) = (ef, request.isExact)
                plan.caseCount = attributes.read { $0.live.count }
                plan.matchingCount = matching?.count ?? plan.caseCount
            }
            for kind in request.target.kinds where !question.isWithoutVector && options.keepsGraphs {
                recall.note(question[kind], kind, generation: question.serving.generation)
            }
            response.microseconds = Int((monotonicSeconds() - started) * 1e6)
            return response
        }
    }

    private static let firstPageAttempts = 5

    /// Cases that the question names and that are no hits.
    private func excluded(by question: Question, _ request: SearchRequest) -> Set<UInt32> {
        if !request.includesSelf { return question.selves }
        // Words cannot be subtracted: a report would be a hit for its words, however much the question is unlike it.
        return request.words == nil ? [] : question.unlikes
    }

    private func checkSelection(_ request: SearchRequest) throws(ArchiveError) {
        for (name, value) in [("mmr", request.mmr), ("dedup", request.dedup)] {
            guard let value else { continue }
            guard (0...1).contains(value) else { throw ArchiveError(.badRequest, "\(name) is a number from 0 to 1") }
            let k = request.cursor == nil ? request.k : max(SearchCursor.leastWindow, 10 * request.k)
            if k > Diversity.hitLimit {
                let most = request.cursor == nil ? Diversity.hitLimit : Diversity.hitLimit / 10
                throw ArchiveError(.limit, "with \(name), k is at most \(most)")
            }
        }
        guard let key = request.group else { return }
        if ["id", "finding", "findings", "affirmed", "denied", "uncertain"].contains(key) {
            throw ArchiveError(.badRequest, "group takes a key with one value a case, such as patient, not \(key)")
        }
        try checkKeys(of: Filter([Filter.Condition(key: key, values: [])]))
    }

    /// A question with all that decides its answer.
    struct Lookup {
        let question: Question
        let request: SearchRequest
        /// The cases that may be hits; nil for all.
        let matching: ItemSet?
        let ef: Int
    }

    /// The whole list of picks.
    private func find(_ lookup: Lookup, _ template: SearchResponse, extra: Int = 0) throws -> Found {
        let (request, matching) = (lookup.request, lookup.matching)
        var found = Found(response: template)
        var selection = HitSelection(request, matching)
        try selection.prepare(in: self)
        if let text = request.words {
            try findWithWords(text, lookup, &selection, &found)
        } else {
            try findByVectors(
                lookup.question, request, matching, ef: lookup.ef, extra: extra, &selection, &found)
        }
        if selection.isActive { settle(&found, request, matching, selection) }
        if let lambda = request.mmr {
            // Candidates have vectors where they did not come through the selection.
            let vectors = selection.isActive ? selection.vectors : found.picks.map { $0.candidate?.vector ?? [] }
            let places = Diversity.pick(
                request.k, Diversity.relevances(of: found.picks), vectors, lambda: lambda)
            found.picks = places.map { found.picks[$0] }
            lookup.question.trace?.end("diversity")
        }
        return found
    }

    /// Finds, and reads the records. A case that is replaced or deleted meanwhile drops out; then a little further is looked.
    private func answer(_ lookup: Lookup, _ template: SearchResponse) throws -> SearchResponse {
        var extra = 0
        while true {
            var found = try find(lookup, template, extra: extra)
            // A merge wants all candidates.
            let k = lookup.request.corpus == nil ? lookup.request.k : max(lookup.request.k, found.picks.count)
            found.response.hits = try hits(of: found.picks, lookup, atMost: k)
            let wanted = min(k, found.picks.count)
            if found.response.hits.count >= wanted || extra >= Self.mostExtra { return found.response }
            extra = extra == 0 ? Self.firstExtra : Self.mostExtra
        }
    }

    private static let firstExtra = 16
    private static let mostExtra = 256

    /// The records of picks that are still stored.
    ///
    /// - Parameter offset: hits before the first of them.
    private func hits(of picks: [Pick], _ lookup: Lookup, atMost count: Int, from offset: Int = 0) throws -> [Hit] {
        let (question, request) = (lookup.question, lookup.request)
        let highlighter = try request.includesHighlights ? request.words.map { try QuestionHighlighter($0) } : nil
        return try store.environment.read { transaction in
            // A process that asks once finds nothing of them in the system's cache, unless its scan announced them.
            if !options.keepsGraphs, request.includesReports || !picks.allSatisfy({ $0.candidate != nil }) {
                let numbers = picks.prefix(count).map { UInt64($0.number) }
                try transaction.announce(store.table(.cases), numbers)
                if request.includesReports { try transaction.announce(store.table(.reports), numbers) }
            }
            var hits: [Hit] = []
            for pick in picks {
                if hits.count == count { break }
                if hits.count % Self.timeStride == Self.timeStride - 1 { try checkTime(request) }
                // A case that was just deleted has no record.
                guard let entry = try store.entry(transaction, pick.number) else { continue }
                let best =
                    try pick.candidate ?? bestVector(of: pick.number, entry, question, request.target, transaction)
                guard let best else { continue }
                let needsReport = request.includesReports || highlighter != nil
                let record = try record(transaction, pick.number, entry, withReport: needsReport)
                var hit = Hit(
                    rank: offset + hits.count + 1, id: record.id, score: best.score, via: best.via,
                    image: best.via == .image ? Int(best.item - pick.number) : nil, record: record)
                (hit.legs, hit.group) = (pick.legs, pick.group)
                if let highlighter { hit.highlights = record.report.map(highlighter.ranges) ?? [] }
                if !request.includesReports { hit.record.report = nil }
                hits.append(hit)
            }
            question.trace?.end("hits")
            return hits
        }
    }

    private static let timeStride = 64

    /// Says why there are fewer hits than asked for, where some were passed over.
    private func settle(
        _ found: inout Found, _ request: SearchRequest, _ matching: ItemSet?, _ selection: HitSelection
    ) {
        found.response.droppedCount = selection.droppedCount
        found.response.isShortOfFilter = false
        guard found.picks.count < request.k else { return found.response.isShortOfWork = false }
        let possible = attributes.read { attributes in
            let those =
                switch request.target {
                case .case: attributes.live
                case .image: attributes.withAnyImage
                case .report: attributes.withText
                }
            return (matching ?? attributes.live).intersectionCount(those)
        }
        found.response.isShortOfFilter = !request.filter.isEmpty && possible < request.k
        if found.response.isShortOfFilter { found.response.isShortOfWork = false }
        found.response.isShortOfSelection =
            !found.response.isShortOfFilter && !found.response.isShortOfWork && possible >= request.k
            && request.minScore == nil
    }

    /// The breadth of a graph search for `k` hits that asks for none: among 200,000 templated reports, 64 lose 8 % of the ten nearest to a
    /// sentence, and 128 lose 5 %.
    static func standardEf(k: Int) -> Int { max(128, 2 * k) }

    /// The request with ef, or the exact scan, as its recall asks for; and the recall to be expected.
    private func choosingWidth(
        _ request: SearchRequest
    ) throws(ArchiveError) -> (request: SearchRequest, ef: Int, expectedRecall: Double?) {
        let standard = max(request.ef ?? Self.standardEf(k: request.k), request.k)
        guard let wanted = request.recall else { return (request, standard, nil) }
        guard wanted > 0, wanted <= 1 else { throw ArchiveError(.badRequest, "recall must be above 0, up to 1") }
        guard request.ef == nil else {
            throw ArchiveError(.badRequest, "ef and recall exclude each other; give one of them")
        }
        if request.isExact { return (request, standard, 1) }
        let choice = choice(for: wanted, k: request.k, request.target.kinds)
        if let ef = choice.ef, ef <= ArchiveLimits.ef {
            return (request, max(ef, request.k), choice.expectedRecall)
        }
        var exact = request
        exact.isExact = true
        return (exact, standard, 1)
    }
}
