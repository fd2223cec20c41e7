import Foundation
import HilumCore
import HilumImaging
import HilumIndex
import HilumEmbedding
import LMDB

/// The question as vectors: one for each graph, the same unless a stored case is part of it.
struct Question {
    var image: [Float]
    var report: [Float]
    /// The numbers of the cases it names.
    var selves: Set<UInt32> = []
    /// What the search uses to its end, whatever is switched meanwhile.
    let serving: Serving
    /// Whether only words are asked, so that the vectors are zero: no model can encode them in this space.
    var isWithoutVector = false
    /// Measures the search, where somebody wants to know.
    var trace: SearchTrace?

    subscript(kind: VectorKind) -> [Float] { kind == .image ? image : report }
}

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
            var response = SearchResponse(
                hits: [], generation: Int(question.serving.generation), ef: ef, visited: 0, microseconds: 0,
                isExact: request.isExact,
                expectedRecall: expected, isShortOfFilter: false)
            var matching: ItemSet?
            if !request.filter.isEmpty || (!request.includesSelf && !question.selves.isEmpty) {
                var set = try self.matching(request.filter)
                if !request.includesSelf { for number in question.selves { set.remove(number) } }
                matching = set
            }
            trace?.end("filter")
            var selection = HitSelection(request, matching)
            if let text = request.words {
                try searchWithWords(text, question, request, matching, ef: ef, &selection, &response)
            } else {
                try searchVectors(question, request, matching, ef: ef, &selection, &response)
            }
            if selection.isActive { settle(&response, request, matching, selection) }
            if let lambda = request.mmr {
                response.hits = Diversity.pick(request.k, of: response.hits, selection.vectors, lambda: lambda)
                trace?.end("diversity")
            }
            if let page {
                if !isCurrent(page) {
                    // What was found may be of another moment than the page says.
                    guard asked.cursor == SearchCursor.start, attempt < Self.firstPageAttempts else {
                        throw SearchCursor.isStale
                    }
                    return try search(asked, trace, attempt: attempt + 1)
                }
                cut(&response, page, k: asked.k)
            }
            trace?.note { plan in
                plan.mode = request.words == nil ? .vector : request.mode ?? .hybrid
                (plan.target, plan.k, plan.pool) = (request.target, asked.k, request.poolCount)
                (plan.ef, plan.isExact) = (ef, request.isExact)
                plan.caseCount = attributes.read { $0.live.count }
                plan.matchingCount = matching?.count ?? plan.caseCount
            }
            for kind in request.target.kinds where !question.isWithoutVector {
                recall.note(question[kind], kind, generation: question.serving.generation)
            }
            response.microseconds = Int((monotonicSeconds() - started) * 1e6)
            return response
        }
    }

    private static let firstPageAttempts = 5

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

    /// Says why there are fewer hits than asked for, where some were passed over.
    private func settle(
        _ response: inout SearchResponse, _ request: SearchRequest, _ matching: ItemSet?, _ selection: HitSelection
    ) {
        response.droppedCount = selection.droppedCount
        response.isShortOfFilter = false
        guard response.hits.count < request.k else { return }
        let possible = attributes.read { attributes in
            let those =
                switch request.target {
                case .case: attributes.live
                case .image: attributes.withAnyImage
                case .report: attributes.withText
                }
            return (matching ?? attributes.live).intersectionCount(those)
        }
        response.isShortOfFilter = !request.filter.isEmpty && possible < request.k
        response.isShortOfSelection = !response.isShortOfFilter && possible >= request.k && request.minScore == nil
    }

    /// Fills in the hits of a question without words.
    private func searchVectors(
        _ question: Question, _ request: SearchRequest, _ matching: ItemSet?, ef: Int,
        _ selection: inout HitSelection, _ response: inout SearchResponse
    ) throws {
        try selection.prepare(in: self)
        var extra = 0
        while true {
            let wanted = request.poolCount + extra
            let (before, widened) = (response.visited, widened(request, to: wanted))
            let found = try nearest(question, widened, matching, k: wanted, ef: ef + extra, &response.visited)
            question.trace?.end(
                leg: "vector", "vectors", candidates: found.count, visited: response.visited - before)
            let isAll = found.count < wanted
            selection.restart()
            response.hits = try hits(found, question, request, &selection)
            question.trace?.end("hits")
            if response.hits.count >= request.poolCount || isAll || selection.isAtEnd { break }
            if selection.isActive {
                // Many were passed over.
                extra = 4 * wanted - request.poolCount
            } else {
                // A case that is replaced or deleted while the search runs drops out; then look a little further.
                if extra >= 256 { break }
                extra = extra == 0 ? 16 : 256
            }
        }
        response.isShortOfFilter = !request.filter.isEmpty && response.hits.count < request.k
    }

    /// The request, as a scan of all vectors where so many candidates are wanted that a walk through the graph would cost more.
    func widened(_ request: SearchRequest, to count: Int) -> SearchRequest {
        guard count > max(ArchiveLimits.hitCount, attributes.read { $0.live.count } / 8) else { return request }
        var request = request
        request.isExact = true
        return request
    }

    /// The breadth of a graph search for `k` hits that asks for none.
    static func standardEf(k: Int) -> Int { max(64, 2 * k) }

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

    // MARK: The question

    private func question(_ request: SearchRequest, _ serving: Serving) throws -> Question {
        guard !request.parts.isEmpty else {
            throw ArchiveError(.badRequest, "a search needs a text, an image, an id or a vector")
        }
        guard let dimension = serving.dimension, serving.graphs != nil else {
            throw ArchiveError(.notReady, "\(path): the archive is empty and has no model yet; index something first")
        }
        var question = Question(
            image: [Float](repeating: 0, count: dimension), report: [Float](repeating: 0, count: dimension),
            serving: serving)
        let isOfWords = try asksWordsAlone(request, serving)
        for part in request.parts {
            if isOfWords, case .text(let text) = part.query {
                try checkText(text)
                continue
            }
            guard part.weight.isFinite else { throw ArchiveError(.badRequest, "a weight must be a number") }
            let (image, report, number) = try vectors(
                of: part.query, target: request.target, serving, dimension: dimension)
            for index in 0..<dimension {
                question.image[index] += part.weight * image[index]
                question.report[index] += part.weight * report[index]
            }
            if let number { question.selves.insert(number) }
        }
        if isOfWords, request.mode == .words,
            request.parts.allSatisfy({ if case .text = $0.query { true } else { false } })
        {
            question.isWithoutVector = true
            return question
        }
        guard let image = unitVector(question.image), let report = unitVector(question.report) else {
            throw ArchiveError(.badVector, "the parts of the question cancel each other out; change the weights")
        }
        question.image = image
        question.report = report
        return question
    }

    /// Whether texts ask the words of reports and no vectors, because the vectors that are searched were imported.
    ///
    /// - Throws: `.notReady` where such a text is all that there is to ask vectors with.
    private func asksWordsAlone(_ request: SearchRequest, _ serving: Serving) throws(ArchiveError) -> Bool {
        let hasText = request.parts.contains { if case .text = $0.query { true } else { false } }
        guard hasText, serving.embedder == nil, serving.space != nil else { return false }
        let isTextAlone = request.parts.allSatisfy { if case .text = $0.query { true } else { false } }
        if request.mode == .words || request.mode != .vector && !isTextAlone { return true }
        throw cannotEncode(serving)
    }

    private func cannotEncode(_ serving: Serving) -> ArchiveError {
        guard let space = serving.space else {
            return ArchiveError(.notReady, "\(path): no model is loaded, so texts and images cannot be searched for")
        }
        return ArchiveError(
            .notReady,
            "the vectors of this archive are those of the space \(space), and no model here can encode a text or an image in it; "
                + "ask with a vector of that encoder (vec=) or a stored case (id=), or ask the words of reports (mode=words)"
        )
    }

    private func checkText(_ text: String) throws(ArchiveError) {
        guard !text.allSatisfy(\.isWhitespace) else { throw ArchiveError(.badRequest, "the text is empty") }
        guard text.utf8.count <= ArchiveLimits.reportByteCount else {
            throw ArchiveError(.limit, "the text is longer than \(ArchiveLimits.reportByteCount) bytes")
        }
    }

    /// The unit vectors to ask the image graph and the report graph with.
    private func vectors(
        of query: Query, target: SearchTarget, _ serving: Serving, dimension: Int
    ) throws -> ([Float], [Float], UInt32?) {
        switch query {
        case .text(let text):
            try checkText(text)
            let vector = try unit(try ready(serving).embed(reports: [text], threads: defaultThreadCount), dimension)
            return (vector, vector, nil)
        case .image(let bytes):
            let embedder = try ready(serving)
            let image: GrayImage
            do { image = try ImageDecoder.decode(bytes) } catch { throw ArchiveError(.badImage, "\(error)") }
            let vector = try unit(try embedder.embed(images: [image], threads: defaultThreadCount), dimension)
            return (vector, vector, nil)
        case .vector(let given):
            guard given.count == dimension else {
                throw ArchiveError(.badVector, "the vector has \(given.count) values, the archive's have \(dimension)")
            }
            let vector = try unit(given, dimension)
            return (vector, vector, nil)
        case .id(let id):
            return try store.environment.read { transaction in
                guard let number = try store.number(transaction, of: id) else {
                    throw ArchiveError(.notFound, "there is no case \(id)")
                }
                let key = serving.key(number)
                var image = try store.vector(transaction, .image, key, dimension: dimension)
                if image == nil, let entry = try store.entry(transaction, number),
                    let further = entry.items(.image, of: number, in: serving.generation).first
                {
                    image = try store.vector(transaction, .image, serving.key(further), dimension: dimension)
                }
                let report = try store.vector(transaction, .report, key, dimension: dimension)
                guard let first = target == .report ? report ?? image : image ?? report else {
                    let entry = try store.entry(transaction, number)
                    if let entry, entry.missingImageCount(in: serving.generation) > 0 {
                        throw ArchiveError(
                            .badRequest, "the image of case \(id) could not be encoded again, so nothing is near it")
                    }
                    if entry?.lacksReportVector(in: serving.generation) == true {
                        throw ArchiveError(
                            .badRequest,
                            "the case \(id) has only a report without known words, so nothing is near it; search for its words"
                        )
                    }
                    throw store.damaged("case \(number) has no vector")
                }
                return (first, first, number)
            }
        }
    }

    private func ready(_ serving: Serving) throws -> any Embedder {
        guard let embedder = serving.embedder else { throw cannotEncode(serving) }
        return embedder
    }

    private func unit(_ vector: [Float], _ dimension: Int) throws -> [Float] {
        guard vector.count == dimension, let unit = unitVector(vector) else {
            throw ArchiveError(.badVector, "the vector is not finite or has no direction")
        }
        return unit
    }

    /// The `k` nearest by the stored vectors, for a graph that only knows codes; any order.
    private func scanStored(
        _ query: [Float], _ kind: VectorKind, _ matching: ItemSet?, k: Int, _ serving: Serving, _ visited: inout Int
    ) throws -> [Candidate] {
        var nearest: [Candidate] = []
        var count = 0
        try store.environment.read { transaction in
            try store.forEachVector(
                transaction, kind, generation: serving.generation, dimension: query.count
            ) { item, vector in
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

    /// So many nearest are kept in order while vectors are read; more are sorted at the end.
    private static let insertionLimit = 512

    /// The cosine of two unit vectors.
    static func cosine(_ left: [Float], _ right: [Float]) -> Float {
        var product = 0.0
        for place in left.indices { product += Double(left[place]) * Double(right[place]) }
        return max(-1, min(1, Float(product)))
    }

    /// The candidates with the scores of the stored vectors, where their graph only knows codes.
    func exactly(
        _ candidates: [Candidate], _ question: Question, _ transaction: borrowing ReadTransaction
    ) throws -> [Candidate] {
        let serving = question.serving
        guard let graphs = serving.graphs, let dimension = serving.dimension else { return candidates }
        var exact = candidates
        for index in exact.indices where graphs[exact[index].via].index.precision == .i8 {
            let kind = exact[index].via
            // A case that was just deleted has no vector any more, and no record either.
            let key = serving.key(exact[index].item)
            guard let vector = try store.vector(transaction, kind, key, dimension: dimension) else { continue }
            exact[index].score = Self.cosine(kind == .image ? question.image : question.report, vector)
        }
        return exact.sorted { ($1.score, $0.number) < ($0.score, $1.number) }
    }

    // MARK: The graphs

    struct Candidate {
        /// Of the case.
        var number: UInt32
        /// Of the vector: the case's number, or that of one of its further images.
        var item: UInt32
        var score: Float
        var via: VectorKind
    }

    /// The best `k` cases, each by its best vector, the best first.
    func nearest(
        _ question: Question, _ request: SearchRequest, _ matching: ItemSet?, k: Int, ef: Int, _ visited: inout Int
    ) throws -> [Candidate] {
        var best: [UInt32: Candidate] = [:]
        for kind in request.target.kinds {
            let set = matching.map { set in attributes.read { $0.items(of: set, kind) } }
            if set?.isEmpty == true { continue }
            for found in try nearestCases(question, kind, request, set, k: k, ef: ef, &visited) {
                if let other = best[found.number], other.score >= found.score { continue }
                best[found.number] = found
            }
        }
        let sorted = best.values.sorted { ($1.score, $0.number) < ($0.score, $1.number) }
        return Array(sorted.prefix(k))
    }

    /// The best `k` cases by vectors of one kind, or all that there are; any order.
    private func nearestCases(
        _ question: Question, _ kind: VectorKind, _ request: SearchRequest, _ matching: ItemSet?, k: Int, ef: Int,
        _ visited: inout Int
    ) throws -> [Candidate] {
        var count = k
        while true {
            let items = try nearestItems(question, kind, request, matching, k: count, ef: max(ef, count), &visited)
            let isShared = kind == .image && attributes.read { !$0.furtherImages.isEmpty }
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
        guard let index = question.serving.graphs?[kind].index else { return [] }
        let query = question[kind]
        if request.isExact && index.precision == .i8 {
            return try scanStored(query, kind, matching, k: k, question.serving, &visited)
        }
        // Where the lower half of codes is gone, a few more are looked at before the stored vectors decide.
        let wanted = index.lacksResiduals ? 2 * k + 16 : k
        let result = try query.withUnsafeBufferPointer { vector in
            request.isExact
                ? try index.exactSearch(vector, k: wanted, filter: matching)
                : try index.search(vector, k: wanted, ef: max(ef, wanted), filter: matching)
        }
        // A scan visits no node of the graph, but compares.
        visited += result.visited == 0 ? result.distanceCount : result.visited
        return result.hits.map {
            Candidate(number: $0.item, item: $0.item, score: max(-1, min(1, 1 - $0.distance)), via: kind)
        }
    }

    /// The records of the candidates that are still stored and taken, at most as many as are looked for.
    private func hits(
        _ candidates: [Candidate], _ question: Question, _ request: SearchRequest, _ selection: inout HitSelection
    ) throws -> [Hit] {
        try store.environment.read { transaction in
            var hits: [Hit] = []
            for candidate in try exactly(candidates, question, transaction) {
                if hits.count == request.poolCount { break }
                if let least = request.minScore, candidate.score < least {
                    selection.isAtEnd = true
                    break
                }
                if selection.isTaken(candidate.number) { continue }
                guard let record = try record(transaction, candidate.number, withReport: request.includesReports) else {
                    continue
                }
                var hit = Hit(
                    rank: hits.count + 1, id: record.id, score: candidate.score, via: candidate.via,
                    image: candidate.via == .image ? Int(candidate.item - candidate.number) : nil, record: record)
                let vector =
                    selection.keepsVectors
                    ? try storedVector(transaction, candidate.via, candidate.item, question) : nil
                if selection.takes(&hit, vector: vector) { hits.append(hit) }
            }
            return hits
        }
    }

    /// The vector of an item, as the question's scores are measured with; nil where there is none.
    func storedVector(
        _ transaction: borrowing ReadTransaction, _ kind: VectorKind, _ item: UInt32, _ question: Question
    ) throws -> [Float]? {
        try store.vector(transaction, kind, question.serving.key(item), dimension: question.image.count)
    }
}
