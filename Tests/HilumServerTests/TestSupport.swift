import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import Synchronization
import Testing

@testable import HilumArchive
@testable import HilumServer

/// A folder of its own that goes away with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/hilum-server-XXXXXX".utf8CString)
        // Safety: `template` ends with a NUL and lives through the closure.
        path = try template.withUnsafeMutableBufferPointer { buffer in
            let base = try #require(buffer.baseAddress)
            return String(cString: try #require(mkdtemp(base)))
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws {
        let target = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: target))
    }
}

/// Asks again and again until the condition holds; false when it does not within the time.
func eventually(within seconds: Double = 20, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = monotonicSeconds() + seconds
    while true {
        if try condition() { return true }
        if monotonicSeconds() >= end { return false }
        usleep(1000)
    }
}

/// An archive in memory. Its "vectors" have four dimensions; every search finds all cases that its filter lets through.
final class FakeArchive: ServedArchive {
    struct State {
        var cases: [String: CaseInput] = [:]
        var batches: [Int] = []
        var searches: [SearchRequest] = []
        /// Of COUNT and FACET.
        var countDeadlines: [Double?] = []
        var runningSearches = 0
        var mostRunningSearches = 0
        /// Requests other than searches that stand still.
        var waitingCount = 0
        var isClosed = false
        var isPutBroken = false
        /// Whether requests were to be made room for when the last case was stored.
        var wasCrowded = false
        var isDiskFull = false
        /// What REEMBED asked for.
        var orders: [ReembedOrder] = []
        /// Cases that fail by themselves for a reason that may pass, and how often each was tried.
        var stubborn: [String: Int] = [:]
        /// Pieces of work done in idle time.
        var idleCount = 0
    }

    let modelID: String? = "fake-model"
    let dimension: Int? = 4
    let recall = RecallEstimator()
    let state = Mutex(State())
    /// Searches for "wait" or with a large picture, explanations of "wait", snapshots to "/wait", orders to switch, puts of "wait…", and copies
    /// that ask what is new stand still until this is raised.
    let gate = AtomicFlag()

    init(caseCount: Int = 0) {
        for number in 0..<caseCount {
            let fields = CaseFields(view: number % 2 == 0 ? "PA" : "AP")
            let value = CaseInput(id: "case\(number)", report: "effusion number \(number)", fields: fields)
            state.withLock { $0.cases[value.id] = value }
        }
    }

    func shownID(_ id: String) -> String { id }

    func stats() -> ArchiveStats {
        let count = state.withLock { $0.cases.count }
        return ArchiveStats(
            cases: count, images: 0, reports: count, imageNodes: 0, reportNodes: count, dimension: 4,
            model: "fake-model", generation: 1, mapBytes: 0, fileBytes: 0, graphBytes: 0, checkpoint: 0,
            changesSinceCheckpoint: 0, deletions: 0, formatVersion: 1)
    }

    func search(_ request: SearchRequest) throws -> SearchResponse {
        state.withLock {
            $0.searches.append(request)
            $0.runningSearches += 1
            $0.mostRunningSearches = max($0.mostRunningSearches, $0.runningSearches)
        }
        defer { state.withLock { $0.runningSearches -= 1 } }
        var words = ""
        for part in request.parts {
            switch part.query {
            case .text(let text): words = text
            case .id(let id):
                guard get(id: id) != nil else { throw ArchiveError(.notFound, "no case has this id") }
            case .vector(let vector):
                guard vector.count == 4 else { throw ArchiveError(.badVector, "4 floats are needed") }
            case .image(let bytes):
                guard bytes.first == 0x89 else { throw ArchiveError(.badImage, "not a PNG") }
                if ImageDecoder.pixelCount(of: bytes) ?? 0 > 12 << 20 { _ = eventually { gate.isRaised } }
            }
        }
        if words == "wait" { _ = eventually { gate.isRaised } }
        if words == "crash" { throw FakeFailure() }
        let all = state.withLock { $0.cases.values.sorted { $0.id < $1.id } }
        let matching = all.filter { Self.matches($0, request.filter) }
        let hits = matching.prefix(request.k).enumerated().map { index, value in
            Hit(
                rank: index + 1, id: value.id, score: 0.9 - Float(index) * 0.01, via: .report, image: nil,
                record: Self.record(value))
        }
        return SearchResponse(
            hits: Array(hits), generation: 1, ef: request.ef ?? 64, visited: all.count, microseconds: 7,
            isExact: false, expectedRecall: request.recall.map { min(1, $0 + 0.01) },
            isShortOfFilter: !request.filter.isEmpty && matching.count < request.k)
    }

    /// Four patches of 8 by 8 pixels, the second the hottest; each word's evidence is its number and a half.
    func explain(_ image: GrayImage, text: String) -> Explanation {
        if text == "wait" { wait() }
        let words = text.split(separator: " ").enumerated().map { index, word in
            Explanation.Word(
                text: String(word), byteRange: index..<(index + 1), weight: 0.5,
                evidence: [0, Float(index) + 0.5, 0, 0], wholeImage: 0)
        }
        return Explanation(
            score: 0.25, total: 1, heat: [0, 1, 0, 0], patchWeights: [0.25, 0.25, 0.25, 0.25], words: words,
            grid: PatchGrid(side: 2, patchSide: 8, imageWidth: image.width, imageHeight: image.height),
            referenceCount: 3, isContrasted: true)
    }

    /// As a leader does whose writer is at work.
    func changes(since position: ArchivePosition?, byteCount: Int) throws -> ArchiveChanges {
        wait()
        throw ArchiveError(.stale, "it keeps no changes")
    }

    /// Stands still until the gate is raised.
    private func wait() {
        state.withLock { $0.waitingCount += 1 }
        _ = eventually { gate.isRaised }
        state.withLock { $0.waitingCount -= 1 }
    }

    /// Every case has the same image of 16 by 16 pixels; the picture of "large" is as large as its header says, and cannot be decoded.
    func imageBytes(of id: String, image place: Int) throws -> [UInt8] {
        if id == "large" { return makeHeaderOfPicture(width: 9000, height: 9000) }
        guard get(id: id) != nil else { throw ArchiveError(.notFound, "no case has this id") }
        return try PNGEncoder.encode(
            GrayImage(width: 16, height: 16, samples: [UInt16](repeating: 0, count: 256)), bitDepth: 8)
    }

    /// Keeps the order, and refuses to roll back.
    func snapshot(to target: String, interrupted: AtomicFlag) throws -> SnapshotSummary {
        if target == "/wait" { wait() }
        throw ArchiveError(.exists, "\(target): something stands here already")
    }

    func reembed(_ order: ReembedOrder) throws -> ReembedStatus {
        state.withLock { $0.orders.append(order) }
        if case .switch = order { wait() }
        if case .rollback = order { throw ArchiveError(.notFound, "no former generation is kept") }
        var status = ReembedStatus()
        status.model = "fake-model"
        status.total = state.withLock { $0.cases.count }
        if order != .status {
            status.state = .building
            status.nextGeneration = 2
        }
        return status
    }

    func put(_ inputs: [CaseInput], courtesy: Courtesy) throws -> [PutOutcome] {
        if inputs.contains(where: { $0.id.hasPrefix("wait") }) { _ = eventually { gate.isRaised } }
        let isCrowded = courtesy.isWanted
        return try state.withLock { state in
            state.wasCrowded = isCrowded
            if state.isDiskFull { throw ArchiveError(.io, "the disk is full") }
            if state.isPutBroken && inputs.count > 1 { throw ArchiveError(.badImage, "one of them is bad") }
            state.batches.append(inputs.count)
            return inputs.map { value in
                if let refusal = value.refusal { return .refused(refusal) }
                if let count = state.stubborn[value.id] {
                    state.stubborn[value.id] = count + 1
                    return .refused(ArchiveError(.io, "the decoder did not answer"))
                }
                if case .bytes(let bytes) = value.image, bytes.first != 0x89 {
                    return .refused(ArchiveError(.badImage, "not a PNG"))
                }
                if case .file(let path) = value.image, let bytes = try? FileIO.read(path), bytes.first != 0x89 {
                    return .refused(ArchiveError(.badImage, "not a PNG"))
                }
                if state.cases[value.id] == value { return .unchanged(vectors: value.vectorCount) }
                let isNew = state.cases.updateValue(value, forKey: value.id) == nil
                guard isNew else { return .replaced(vectors: value.vectorCount) }
                return .stored(vectors: value.vectorCount)
            }
        }
    }

    func withReports(_ source: SourceCase) -> SourceCase { source }

    func verdict(of origin: CaseOrigin, id: String) -> SourceVerdict {
        guard let known = state.withLock({ $0.cases[id] }) else { return .open }
        if known.origin == origin { return .unchanged }
        return known.origin?.source == origin.source ? .own(isTied: true) : .foreign("it came from elsewhere")
    }

    func sources(below prefix: String) -> [(id: String, source: String)] {
        state.withLock { $0.cases.values.compactMap { value in value.origin.map { (value.id, $0.source) } } }
            .filter { $0.1.hasPrefix(prefix) }
    }

    func forget(id: String, source: String) -> Bool {
        state.withLock { $0.cases[id]?.origin?.source == source && $0.cases.removeValue(forKey: id) != nil }
    }

    func erase(id: String) -> Bool { delete(id: id) }
    func delete(id: String) -> Bool { state.withLock { $0.cases.removeValue(forKey: id) != nil } }
    func get(id: String) -> CaseRecord? { state.withLock { $0.cases[id] }.map(Self.record) }
    func vectors(id: String) -> [VectorKind: [Float]]? { [.report: [1, 0, 0, 0]] }
    func count(_ filter: Filter, until deadline: Double?) -> Int {
        state.withLock { $0.countDeadlines.append(deadline) }
        return state.withLock { $0.cases.values.filter { Self.matches($0, filter) }.count }
    }

    /// By view and free metadata only.
    func facet(by key: String, _ filter: Filter, limit: Int, until deadline: Double?) throws -> Facet {
        state.withLock { $0.countDeadlines.append(deadline) }
        let matching = state.withLock { $0.cases.values.filter { Self.matches($0, filter) } }
        let texts = matching.compactMap { key == "view" ? $0.fields.view : $0.fields.metadata[key] }
        guard !texts.isEmpty || matching.isEmpty else { throw ArchiveError(.unknownKey(key), "no case has it") }
        let counts = Dictionary(grouping: texts) { $0 }.mapValues(\.count)
        return Facet(
            values: FacetValue.best(limit) { body in for (value, count) in counts { body(value, count) } },
            distinctCount: counts.count, caseCount: matching.count)
    }

    func explain(_ request: SearchRequest) throws -> (response: SearchResponse, plan: SearchPlan) {
        var plan = SearchPlan()
        plan.k = request.k
        plan.caseCount = state.withLock { $0.cases.count }
        plan.matchingCount = count(request.filter, until: nil)
        plan.legs = [SearchPlan.Leg(name: "vector", candidates: 3, visited: 5, rounds: 1, microseconds: 4)]
        plan.stages = [SearchPlan.Stage(name: "question", microseconds: 2)]
        return (try search(request), plan)
    }

    /// Every search leaves one piece of work for idle time.
    func estimateRecall(forSeconds seconds: Double, isInterrupted: () -> Bool) -> Bool {
        state.withLock { state in
            guard state.idleCount < state.searches.count else { return false }
            state.idleCount += 1
            return state.idleCount < state.searches.count
        }
    }

    func clearDeadReaders() {}
    func close() { state.withLock { $0.isClosed = true } }

    struct FakeFailure: Error {}

    private static func matches(_ value: CaseInput, _ filter: Filter) -> Bool {
        filter.conditions.allSatisfy { condition in
            let text = condition.key == "view" ? value.fields.view : value.fields.metadata[condition.key]
            let isOne = condition.values.contains { $0 == .equal(text ?? "") }
            return isOne != condition.isNegated
        }
    }

    private static func record(_ value: CaseInput) -> CaseRecord {
        var path: String?
        if case .file(let file) = value.image { path = file }
        return CaseRecord(
            id: value.id, number: 1, generation: 1,
            images: value.images.map { _ in CaseRecord.Image(path: path ?? "", digest: "") },
            hasReport: value.report != nil, report: value.report, fields: value.fields)
    }
}

/// A PNG by its header and its end; nothing can decode it.
func makeHeaderOfPicture(width: UInt32, height: UInt32) -> [UInt8] {
    let sides = [width, height].flatMap { side in withUnsafeBytes(of: side.bigEndian) { Array($0) } }
    let head: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
    return head + sides + [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + Array("IEND".utf8) + [0xAE, 0x42, 0x60, 0x82]
}

/// Processor time that this thread takes for `body`, in seconds.
func threadSeconds(_ body: () throws -> Void) rethrows -> Double {
    func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    let began = now()
    try body()
    return now() - began
}

/// A daemon that runs on a thread of its own.
final class RunningServer: Sendable {
    let server: Server
    let archive: FakeArchive
    let socketPath: String
    let folder: TemporaryFolder
    private let thread: WorkerThread

    init(
        archive: FakeArchive = FakeArchive(caseCount: 5), inbox: String? = nil, folder: TemporaryFolder? = nil,
        _ change: (inout ServerConfiguration) -> Void = { _ in }
    ) throws {
        let folder = try folder ?? TemporaryFolder()
        var configuration = ServerConfiguration()
        configuration.handlesSignals = false
        change(&configuration)
        socketPath = "\(folder.path)/s"
        let server = Server(serving: archive, socketPath: socketPath, inbox: inbox, configuration: configuration)
        self.server = server
        self.archive = archive
        self.folder = folder
        let box = FailureBox()
        thread = WorkerThread("server under test") {
            do { try server.run() } catch { box.text.withLock { $0 = "\(error)" } }
        }
        self.box = box
        try #require(eventually { server.isServing || box.text.withLock { $0 != nil } })
    }

    private final class FailureBox: Sendable { let text = Mutex<String?>(nil) }
    private let box: FailureBox

    /// What `run` threw, nil if nothing.
    var error: String? { box.text.withLock { $0 } }

    func client() throws -> Client { try Client(socketPath: socketPath, timeoutInSeconds: 20) }

    func stop() {
        server.stop()
        thread.join()
    }

    deinit { stop() }
}

/// The lines of a reply stream.
func lines(_ bytes: [UInt8]) -> [String] {
    String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(
        String.init)
}

extension RecoveringArchive {
    /// Stores cases and makes room for nobody.
    func put(_ inputs: [CaseInput]) throws -> [PutOutcome] { try put(inputs, courtesy: .none) }
}
