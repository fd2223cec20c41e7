import HilumCore
import HilumEmbedding
import HilumImaging

@testable import HilumArchive
@testable import HilumServer

/// An archive of no cases for a request handler; a search finds one hit, whose id is what was asked.
final class EmptyArchive: ServedArchive {
    let modelID: String? = "none"
    let dimension: Int? = 4
    let recall = RecallEstimator()

    private var nothing: ArchiveError { ArchiveError(.notFound, "no case has this id") }

    func shownID(_ id: String) -> String { id }

    func stats() -> ArchiveStats {
        ArchiveStats(
            cases: 0, images: 0, reports: 0, imageNodes: 0, reportNodes: 0, dimension: 4, model: "none", generation: 1,
            mapBytes: 0, fileBytes: 0, graphBytes: 0, checkpoint: 0, changesSinceCheckpoint: 0, deletions: 0,
            formatVersion: 1)
    }

    func search(_ request: SearchRequest) throws -> SearchResponse {
        let name =
            switch request.parts.first?.query {
            case .text(let text), .id(let text): text
            default: "vector"
            }
        let fields = CaseFields(view: request.filter.conditions.first?.key)
        let record = CaseRecord(
            id: name, number: 1, generation: 1, images: [], hasReport: true, report: name, fields: fields)
        let hit = Hit(rank: 1, id: name, score: 0.5, via: .report, image: nil, record: record)
        return SearchResponse(
            hits: [hit], generation: 1, ef: request.ef ?? 64, visited: 1, microseconds: 1, isExact: request.isExact,
            expectedRecall: request.recall, isShortOfFilter: false)
    }

    func get(id: String) -> CaseRecord? {
        CaseRecord(id: id, number: 1, generation: 1, images: [], hasReport: true, report: id, fields: CaseFields())
    }

    func vectors(id: String) -> [VectorKind: [Float]]? { [.report: [1, 0, 0, 0]] }
    func imageBytes(of id: String, image place: Int) throws -> [UInt8] { throw nothing }
    func explain(_ image: GrayImage, text: String) throws -> Explanation { throw nothing }
    func count(_ filter: Filter, until deadline: Double?) -> Int { filter.conditions.count }

    func facet(by key: String, _ filter: Filter, limit: Int, until deadline: Double?) -> Facet {
        Facet(values: FacetValue.best(limit) { body in body(key, 1) }, distinctCount: 1, caseCount: 1)
    }

    func explain(_ request: SearchRequest) throws -> (response: SearchResponse, plan: SearchPlan) {
        (try search(request), SearchPlan())
    }

    func verdict(of origin: CaseOrigin, id: String) -> SourceVerdict { .open }
    func sources(below prefix: String) -> [(id: String, source: String)] { [] }
    func forget(id: String, source: String) -> Bool { false }
    func put(_ inputs: [CaseInput], courtesy: Courtesy) -> [PutOutcome] {
        inputs.map { .stored(vectors: $0.vectorCount, notes: []) }
    }
    func delete(id: String) -> Bool { false }
    func erase(id: String) -> Bool { false }
    func withReports(_ source: SourceCase) -> SourceCase { source }
    func reembed(_ order: ReembedOrder) -> ReembedStatus { ReembedStatus() }
    func snapshot(to target: String, interrupted: AtomicFlag) throws -> SnapshotSummary { throw nothing }
    func estimateRecall(forSeconds seconds: Double, isInterrupted: () -> Bool) -> Bool { false }
    func clearDeadReaders() {}
    func close() {}
}
