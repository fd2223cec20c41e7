import HilumArchive
import HilumCore
import HilumImaging
import HilumEmbedding

/// What the daemon needs of an archive, and no more. `Archive` is one; tests bring one that lives in memory.
///
/// Thread rule: reading calls from any thread and at once; writing calls from one thread (the writer queue).
/// Errors: an `ArchiveError` is answered with its code; any other error as `INTERNAL`.
protocol ServedArchive: Sendable {
    /// The model of the vectors; nil as long as none was chosen.
    var modelID: String? { get }
    /// Of the vectors; nil as long as no model was chosen.
    var dimension: Int? { get }
    /// What is known of the recall of searches.
    var recall: RecallEstimator { get }

    /// The keys of free metadata that stored cases have, in order.
    var metadataKeys: [String] { get }

    /// What people are shown in place of an id.
    func shownID(_ id: String) -> String
    /// The figures of the archive.
    func stats() throws -> ArchiveStats
    /// The cases nearest to a question, best first.
    func search(_ request: SearchRequest) throws -> SearchResponse
    /// The record of a case with its report, nil if there is none.
    func get(id: String) throws -> CaseRecord?
    /// The unit vectors of a case, nil if there is none.
    func vectors(id: String) throws -> [VectorKind: [Float]]?
    /// The bytes of an image of a stored case, by its place among them from 0.
    func imageBytes(of id: String, image place: Int) throws -> [UInt8]
    /// Which patches of an image answer to which words of a text.
    func explain(_ image: GrayImage, text: String) throws -> Explanation
    /// How many cases match.
    func count(_ filter: Filter, until deadline: Double?) throws -> Int
    /// How many of the matching cases have each value of a key, the most frequent first.
    func facet(by key: String, _ filter: Filter, limit: Int, until deadline: Double?) throws -> Facet
    /// Searches, and says how.
    func explain(_ request: SearchRequest) throws -> (response: SearchResponse, plan: SearchPlan)

    /// What the words of a question come to here.
    func wordCounts(of text: String) throws -> WordCounts
    /// The vector of a text or an image, as the model gives it.
    func vector(of query: Query) throws -> [Float]
    /// What was stored, changed and removed since a position; nothing without one.
    ///
    /// - Parameter byteCount: about how much of it at once.
    func changes(since position: ArchivePosition?, byteCount: Int) throws -> ArchiveChanges

    /// What is known of a source before it is read.
    func verdict(of origin: CaseOrigin, id: String) throws -> SourceVerdict
    /// The images that a case lacks which was stored from this very source, as they cannot be read.
    func lostImages(of origin: CaseOrigin) throws -> [LostImage]
    /// A source, where the archive knows the other half of it: the case of a report, or the report of images.
    func withReports(_ source: SourceCase) throws -> SourceCase
    /// The cases whose source begins with `prefix`, with their sources.
    func sources(below prefix: String) throws -> [(id: String, source: String)]
    /// Removes a case whose files are gone, if it came from `source`; false otherwise.
    func forget(id: String, source: String) throws -> Bool
    /// Stores or replaces cases; what it says is durable when it returns. One outcome a case, in order.
    ///
    /// - Parameter courtesy: whom the work makes room for.
    func put(_ inputs: [CaseInput], courtesy: Courtesy) throws -> [PutOutcome]
    /// Removes a case durably; false if there is none.
    func delete(id: String) throws -> Bool
    /// As `delete`, and takes out of the tables what a deleted case leaves there; whether there was anything.
    func erase(id: String) throws -> Bool
    /// Carries out an order on the archive's generations; any thread.
    ///
    /// - Returns: where it stands then.
    func reembed(_ order: ReembedOrder) throws -> ReembedStatus
    /// Copies the archive into the new folder `target`; any thread. Gives up when `interrupted` is raised.
    func snapshot(to target: String, interrupted: AtomicFlag) throws -> SnapshotSummary
    /// Uses a moment in which no request runs, for about `seconds`, to measure recall; returns soon after
    /// `isInterrupted` says so.
    /// Called on the writer's thread.
    ///
    /// - Returns: whether more is left to do.
    func estimateRecall(forSeconds seconds: Double, isInterrupted: () -> Bool) throws -> Bool
    /// Brings back what a failed write has left unfit for changes, where it is time. Called on the writer's thread again and again, also
    /// while requests run, and cheap where nothing is to be done.
    func mend()
    /// Frees what readers that have died hold. Called on the writer's thread about once a minute while there are
    /// changes.
    func clearDeadReaders() throws
    /// Checkpoints and closes; nothing is called afterwards.
    func close()
}

extension ServedArchive {
    /// Nothing ever is.
    func mend() {}
    /// None, for an archive that does not say.
    func lostImages(of origin: CaseOrigin) throws -> [LostImage] { [] }
    /// None, for an archive that does not say.
    var metadataKeys: [String] { [] }
    /// Not of an archive that does not say.
    func wordCounts(of text: String) throws -> WordCounts { throw isNoPart }
    /// Not of an archive that does not say.
    func vector(of query: Query) throws -> [Float] { throw isNoPart }
    /// Not of an archive that does not say.
    func changes(since position: ArchivePosition?, byteCount: Int) throws -> ArchiveChanges { throw isNoPart }

    private var isNoPart: ArchiveError { ArchiveError(.notReady, "this archive is no part of a larger one") }
}

extension Archive: ServedArchive {
    /// Carries out an order on the generations.
    func reembed(_ order: ReembedOrder) throws -> ReembedStatus {
        switch order {
        case .status: break
        case .start(let model, let precision, let pace):
            try startReembedding(model: model, precision: precision, pace: pace)
        case .pause: try pauseReembedding(true)
        case .resume: try pauseReembedding(false)
        case .pace(let pace): try setReembedding(pace: pace)
        // The work in the background follows new cases at once, so little is left to wait for.
        case .switch(let allowsPartial): try switchGeneration(allowsPartial: allowsPartial, within: 4)
        case .rollback(let allowsPartial): try rollBackGeneration(allowsPartial: allowsPartial, within: 4)
        case .abort: try abortReembedding()
        case .drop: try dropKeptGeneration()
        }
        return try reembedStatus()
    }

    /// Copies the archive.
    func snapshot(to target: String, interrupted: AtomicFlag) throws -> SnapshotSummary {
        try snapshot(to: target, interrupted: interrupted, progress: nil)
    }

    /// Stores or replaces cases, on as many threads as there are cores.
    @discardableResult
    func put(_ inputs: [CaseInput], courtesy: Courtesy) throws -> [PutOutcome] {
        try put(inputs, threads: defaultThreadCount, courtesy: courtesy)
    }
}
