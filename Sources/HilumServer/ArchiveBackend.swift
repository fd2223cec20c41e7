import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumMCR

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
                microseconds: response.microseconds, isShortOfFilter: response.isShortOfFilter)
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
            return Array(try encoder.encode(try archive.stats()))
        }
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
        return CaseInput(
            id: value.id, image: image, report: value.report, patient: value.patient, modality: value.modality,
            view: value.view, date: value.date, site: value.site, findings: value.findings, metadata: value.metadata)
    }

    private static func record(_ record: CaseRecord) -> ServiceRecord {
        var result = ServiceRecord(id: record.id)
        result.imagePath = record.imagePath
        result.hasImage = record.hasImage
        result.hasReport = record.hasReport
        result.report = record.report
        result.patient = record.patient
        result.modality = record.modality
        result.view = record.view
        result.date = record.date
        result.site = record.site
        result.findings = record.findings
        result.metadata = record.metadata
        return result
    }
}
