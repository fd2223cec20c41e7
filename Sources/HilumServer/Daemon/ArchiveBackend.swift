import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumEmbedding

extension Server {
    /// A daemon over an archive that is open for writing.
    public convenience init(
        archive: Archive, socketPath: String, inbox: String? = nil,
        configuration: ServerConfiguration = ServerConfiguration()
    ) {
        self.init(
            archive: ArchiveBackend(archive: archive), socketPath: socketPath, inbox: inbox,
            configuration: configuration)
    }
}

/// An `Archive` as the daemon sees it: the same calls, with errors as reply codes.
///
/// Thread rule: that of `Archive`.
struct ArchiveBackend: ArchiveService {
    let archive: Archive

    func facts() throws -> ServiceFacts {
        try refusing {
            let stats = try archive.stats()
            return ServiceFacts(
                modelID: archive.modelID ?? "", dimension: archive.dimension ?? 0, generation: stats.generation,
                caseCount: stats.cases)
        }
    }

    func search(_ search: ServiceSearch) throws -> ServiceAnswer {
        var request = SearchRequest(search.queries.map { SearchRequest.Part(Self.query($0.query), weight: $0.weight) })
        request.k = search.k
        request.ef = search.ef
        request.recall = search.recall
        request.isExact = search.isExact
        request.minScore = search.minimumScore
        request.includesSelf = search.includesSelf
        request.includesReports = search.includesReports
        request.filter = Self.filter(search.conditions)
        switch search.target {
        case .case: request.target = .case
        case .image: request.target = .image
        case .report: request.target = .report
        }
        return try refusing {
            let response = try archive.search(request)
            let hits = response.hits.map { hit in
                ServiceHit(score: hit.score, via: hit.via.rawValue, record: Self.record(hit.record))
            }
            return ServiceAnswer(
                hits: hits, generation: response.generation, ef: response.ef, visited: response.visited,
                microseconds: response.microseconds, isShortOfFilter: response.isShortOfFilter,
                expectedRecall: response.expectedRecall, isExact: response.isExact)
        }
    }

    func put(_ cases: [ServiceCase]) throws -> [ServicePutOutcome] {
        try refusing {
            let outcomes = try archive.put(cases.map(Self.input))
            return zip(cases, outcomes).map { value, outcome in
                switch outcome {
                case .stored(let vectors): return .stored(vectors: vectors)
                case .unchanged:
                    return .unchanged(vectors: (value.image == nil ? 0 : 1) + (value.report == nil ? 0 : 1))
                case .refused(let error): return .refused(Self.code(error), reason: error.description)
                }
            }
        }
    }

    func delete(id: String) throws -> Bool { try refusing { try archive.delete(id: id) } }

    func get(id: String) throws -> ServiceRecord? { try refusing { try archive.get(id: id).map(Self.record) } }

    func vectors(id: String) throws -> ServiceVectors? {
        try refusing { try archive.vectors(id: id).map { ServiceVectors(image: $0[.image], report: $0[.report]) } }
    }

    func explain(_ image: ServiceExplainedImage, text: String) throws -> ServiceExplanation {
        try refusing {
            let bytes =
                switch image {
                case .id(let id): try archive.imageBytes(of: id)
                case .image(let bytes): bytes
                }
            let decoded: GrayImage
            do { decoded = try ImageDecoder.decode(bytes) } catch { throw ArchiveError(.badImage, "\(error)") }
            return Self.explanation(try archive.explain(decoded, text: text))
        }
    }

    func count(_ conditions: [ServiceCondition]) throws -> Int {
        try refusing { try archive.count(Self.filter(conditions)) }
    }

    func statisticsAsJSON() throws -> [UInt8] {
        try refusing {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Array(try encoder.encode(Statistics(stats: try archive.stats(), recall: archive.recall)))
        }
    }

    func metrics() throws -> [MetricFamily] {
        try refusing {
            let stats = try archive.stats()
            let kinds = VectorKind.allCases
            let estimates = kinds.map { archive.recall.estimate($0) }
            func by(_ values: [Int]) -> [MetricFamily.Sample] {
                zip(kinds, values).map { .init(Double($1), [("kind", $0.rawValue)]) }
            }
            var recalls: [MetricFamily.Sample] = []
            var bounds: [MetricFamily.Sample] = []
            for (kind, estimate) in zip(kinds, estimates) {
                for (ef, figure) in zip(RecallEstimator.measuredEfs, estimate.figures) {
                    let labels = [("kind", kind.rawValue), ("ef", String(ef))]
                    recalls.append(.init(figure.value, labels))
                    bounds.append(.init(figure.low, labels + [("bound", "low")]))
                    bounds.append(.init(figure.high, labels + [("bound", "high")]))
                }
            }
            return [
                MetricFamily("hilum_cases", .gauge, "Stored cases.", [.init(Double(stats.cases))]),
                MetricFamily("hilum_vectors", .gauge, "Stored vectors, by kind.", by([stats.images, stats.reports])),
                MetricFamily(
                    "hilum_nodes", .gauge, "Distinct vectors in the graphs, by kind.",
                    by([stats.imageNodes, stats.reportNodes])),
                MetricFamily(
                    "hilum_store_bytes", .gauge, "Size of the store on disk, without images.",
                    [.init(Double(stats.fileBytes))]),
                MetricFamily(
                    "hilum_graph_bytes", .gauge, "Memory of vectors and links.", [.init(Double(stats.graphBytes))]),
                MetricFamily(
                    "hilum_deletions_total", .counter, "Cases replaced or deleted since the archive was made.",
                    [.init(Double(stats.deletions))]),
                MetricFamily(
                    "hilum_recall", .gauge, "Recall@10 of sampled live queries against an exact scan, by graph and ef.",
                    recalls),
                MetricFamily(
                    "hilum_recall_bound", .gauge, "Bounds of the 95 % interval of hilum_recall.", bounds),
                MetricFamily(
                    "hilum_recall_samples_total", .counter, "Live queries that were answered again exactly, by graph.",
                    by(estimates.map(\.sampleCount))),
            ]
        }
    }

    func useIdleTime(seconds: Double, isInterrupted: () -> Bool) throws -> Bool {
        try refusing { try archive.estimateRecall(forSeconds: seconds, isInterrupted: isInterrupted) }
    }

    func maintain() throws { try refusing { try archive.clearDeadReaders() } }

    func close() { archive.close() }

    // MARK: translation

    private func refusing<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as ArchiveError {
            throw ServerError.refused(Self.code(error), error.description)
        }
    }

    private static func code(_ error: ArchiveError) -> ReplyCode {
        switch error.code {
        case .notFound: .notFound
        case .exists: .exists
        case .badImage: .badImage
        case .badVector: .badVector
        case .badRequest: .badRequest
        case .readOnly: .readOnly
        case .limit: .limit
        case .notReady: .notReady
        case .stale: .stale
        case .busy: .busy
        case .damaged, .io: .io
        }
    }

    private static func query(_ query: ServiceQuery) -> Query {
        switch query {
        case .text(let text): .text(text)
        case .id(let id): .id(id)
        case .image(let bytes): .image(bytes)
        case .vector(let vector): .vector(vector)
        }
    }

    private static func filter(_ conditions: [ServiceCondition]) -> Filter {
        Filter(
            conditions.map { condition in
                let values = condition.values.map { value -> Filter.Value in
                    switch value {
                    case .equal(let text): .equal(text)
                    case .range(let from, let to): .range(lower: from, upper: to)
                    }
                }
                return Filter.Condition(key: condition.key, values: values, isNegated: condition.isNegated)
            })
    }

    private static func explanation(_ explanation: Explanation) -> ServiceExplanation {
        let grid = explanation.grid
        func map(_ total: Float, _ heat: [Float]) -> ServiceExplanation.Map {
            let patch = grid.hottest(heat)
            let place = grid.rectangle(of: patch)
            return ServiceExplanation.Map(
                total: total, heat: heat,
                hottest: ServiceExplanation.Place(
                    row: patch / grid.side, column: patch % grid.side, x: place.x, y: place.y, width: place.width,
                    height: place.height))
        }
        return ServiceExplanation(
            score: explanation.score, rows: grid.side, columns: grid.side, referenceCount: explanation.referenceCount,
            whole: map(explanation.total, explanation.heat),
            words: explanation.words.map { word in
                ServiceExplanation.Word(
                    text: word.text, range: word.byteRange, weight: word.weight, map: map(word.total, word.evidence))
            })
    }

    private static func input(_ value: ServiceCase) -> CaseInput {
        let image: ImageSource? =
            switch value.image {
            case .none: nil
            case .file(let path): .file(path)
            case .bytes(let bytes): .bytes(bytes)
            }
        return CaseInput(id: value.id, image: image, report: value.report, fields: value.fields)
    }

    private static func record(_ record: CaseRecord) -> ServiceRecord {
        var result = ServiceRecord(id: record.id)
        result.imagePath = record.imagePath
        result.hasImage = record.hasImage
        result.hasReport = record.hasReport
        result.report = record.report
        result.fields = record.fields
        return result
    }
}

/// What STATS says: the figures of the archive, and under `recall` what is known of each graph.
private struct Statistics: Encodable {
    let stats: ArchiveStats
    let recall: RecallEstimator

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        try stats.encode(to: encoder)
        var object = encoder.container(keyedBy: Key.self)
        var graphs = object.nestedContainer(keyedBy: Key.self, forKey: Key("recall"))
        for kind in VectorKind.allCases {
            let estimate = recall.estimate(kind)
            var graph = graphs.nestedContainer(keyedBy: Key.self, forKey: Key(kind.rawValue))
            try graph.encode(RecallEstimator.k, forKey: Key("k"))
            try graph.encode(estimate.sampleCount, forKey: Key("samples"))
            try graph.encode(estimate.waitingCount, forKey: Key("waiting"))
            for (ef, figure) in zip(RecallEstimator.measuredEfs, estimate.figures) {
                try graph.encode(Self.rounded(figure.value), forKey: Key("at_ef\(ef)"))
                try graph.encode([figure.low, figure.high].map(Self.rounded), forKey: Key("ci95_ef\(ef)"))
            }
        }
    }

    /// To five decimals, more than the samples tell.
    private static func rounded(_ value: Double) -> Double { (value * 1e5).rounded() / 1e5 }
}
