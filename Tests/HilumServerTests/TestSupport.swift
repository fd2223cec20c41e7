import Foundation
import HilumArchive
import HilumCore
import Synchronization
import Testing

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

/// An archive in memory. Its "vectors" have four dimensions; a text is found when a case's report contains it.
final class FakeArchive: ArchiveService {
    struct State {
        var cases: [String: ServiceCase] = [:]
        var batches: [Int] = []
        var searches: [ServiceSearch] = []
        var runningSearches = 0
        var mostRunningSearches = 0
        var isClosed = false
        var isPutBroken = false
        var isDiskFull = false
        /// Pieces of work done in idle time.
        var idleCount = 0
    }

    let state = Mutex(State())
    /// Searches for "wait" and puts of "wait…" stand still until this is raised.
    let gate = AtomicFlag()

    init(caseCount: Int = 0) {
        for number in 0..<caseCount {
            var value = ServiceCase(id: "case\(number)", report: "effusion number \(number)")
            value.fields.view = number % 2 == 0 ? "PA" : "AP"
            state.withLock { $0.cases[value.id] = value }
        }
    }

    func facts() -> ServiceFacts {
        ServiceFacts(modelID: "fake-model", dimension: 4, generation: 1, caseCount: state.withLock { $0.cases.count })
    }

    func search(_ search: ServiceSearch) throws -> ServiceAnswer {
        state.withLock {
            $0.searches.append(search)
            $0.runningSearches += 1
            $0.mostRunningSearches = max($0.mostRunningSearches, $0.runningSearches)
        }
        defer { state.withLock { $0.runningSearches -= 1 } }
        var words = ""
        for (query, _) in search.queries {
            switch query {
            case .text(let text): words = text
            case .id(let id):
                guard get(id: id) != nil else { throw ServerError.refused(.notFound, "no case has this id") }
            case .vector(let vector):
                guard vector.count == 4 else { throw ServerError.refused(.badVector, "4 floats are needed") }
            case .image(let bytes):
                guard bytes.first == 0x89 else { throw ServerError.refused(.badImage, "not a PNG") }
            }
        }
        if words == "wait" { _ = eventually { gate.isRaised } }
        if words == "crash" { throw FakeFailure() }
        let all = state.withLock { $0.cases.values.sorted { $0.id < $1.id } }
        let matching = all.filter { Self.matches($0, search.conditions) }
        let hits = matching.prefix(search.k).enumerated().map { index, value in
            ServiceHit(score: 0.9 - Float(index) * 0.01, via: "report", record: Self.record(value))
        }
        return ServiceAnswer(
            hits: Array(hits), generation: 1, ef: search.ef ?? 64, visited: all.count, microseconds: 7,
            isShortOfFilter: !search.conditions.isEmpty && matching.count < search.k,
            expectedRecall: search.recall.map { min(1, $0 + 0.01) })
    }

    /// Two patches; each word's evidence is its number.
    func explain(_ image: ServiceExplainedImage, text: String) throws -> ServiceExplanation {
        switch image {
        case .id(let id): if get(id: id) == nil { throw ServerError.refused(.notFound, "no case has this id") }
        case .image(let bytes): if bytes.first != 0x89 { throw ServerError.refused(.badImage, "not a PNG") }
        }
        let place = ServiceExplanation.Place(row: 0, column: 1, x: 8, y: 0, width: 8, height: 16)
        let words = text.split(separator: " ").enumerated().map { index, word in
            ServiceExplanation.Word(
                text: String(word), range: index..<(index + 1), weight: 0.5,
                map: ServiceExplanation.Map(total: Float(index), heat: [0, Float(index)], hottest: place))
        }
        return ServiceExplanation(
            score: 0.25, rows: 1, columns: 2, referenceCount: 3,
            whole: ServiceExplanation.Map(total: 1, heat: [0, 1], hottest: place), words: words)
    }

    func put(_ cases: [ServiceCase]) throws -> [ServicePutOutcome] {
        if cases.contains(where: { $0.id.hasPrefix("wait") }) { _ = eventually { gate.isRaised } }
        return try state.withLock { state in
            if state.isDiskFull { throw ServerError.refused(.io, "the disk is full") }
            if state.isPutBroken && cases.count > 1 { throw ServerError.refused(.badImage, "one of them is bad") }
            state.batches.append(cases.count)
            return cases.map { value in
                if case .bytes(let bytes) = value.image, bytes.first != 0x89 {
                    return .refused(.badImage, reason: "not a PNG")
                }
                if case .file(let path) = value.image, let bytes = try? FileIO.read(path), bytes.first != 0x89 {
                    return .refused(.badImage, reason: "not a PNG")
                }
                let vectors = (value.image == nil ? 0 : 1) + (value.report == nil ? 0 : 1)
                if state.cases[value.id] == value { return .unchanged(vectors: vectors) }
                state.cases[value.id] = value
                return .stored(vectors: vectors)
            }
        }
    }

    func delete(id: String) -> Bool { state.withLock { $0.cases.removeValue(forKey: id) != nil } }
    func get(id: String) -> ServiceRecord? { state.withLock { $0.cases[id] }.map(Self.record) }
    func vectors(id: String) -> ServiceVectors? { ServiceVectors(image: nil, report: [1, 0, 0, 0]) }
    func count(_ conditions: [ServiceCondition]) -> Int {
        state.withLock { $0.cases.values.filter { Self.matches($0, conditions) }.count }
    }
    func statisticsAsJSON() -> [UInt8] { Array("{\"cases\":\(state.withLock { $0.cases.count })}".utf8) }
    func metrics() -> [MetricFamily] {
        return [
            MetricFamily("fake_cases", .gauge, "Cases.", [.init(Double(state.withLock { $0.cases.count }))]),
            MetricFamily(
                "fake_idle_total", .counter, "Moments of idle time.", [.init(Double(state.withLock { $0.idleCount }))]),
        ]
    }

    /// Every search leaves one piece of work for idle time.
    func useIdleTime(seconds: Double, isInterrupted: () -> Bool) -> Bool {
        state.withLock { state in
            guard state.idleCount < state.searches.count else { return false }
            state.idleCount += 1
            return state.idleCount < state.searches.count
        }
    }

    func maintain() {}
    func close() { state.withLock { $0.isClosed = true } }

    struct FakeFailure: Error {}

    private static func matches(_ value: ServiceCase, _ conditions: [ServiceCondition]) -> Bool {
        conditions.allSatisfy { condition in
            let text = condition.key == "view" ? value.fields.view : value.fields.metadata[condition.key]
            let isOne = condition.values.contains { $0 == .equal(text ?? "") }
            return isOne != condition.isNegated
        }
    }

    private static func record(_ value: ServiceCase) -> ServiceRecord {
        var record = ServiceRecord(id: value.id)
        record.hasImage = value.image != nil
        if case .file(let path) = value.image { record.imagePath = path }
        record.hasReport = value.report != nil
        record.report = value.report
        record.fields = value.fields
        return record
    }
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
        let server = Server(archive: archive, socketPath: socketPath, inbox: inbox, configuration: configuration)
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
