import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import HilumIndex
import Testing

@testable import HilumArchive

/// Vectors of 48 floats of which reports use the first 16, and rare reports the last 16; the rest is 0.
private struct SparseEmbedder: Embedder {
    let modelID: String
    let dimension = 48
    private let words = FakeEmbedder(dimension: 16)

    init(_ name: String) { modelID = SHA256.hex(Array(name.utf8)) }

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        images.flatMap { _ in [1] + [Float](repeating: 0, count: dimension - 1) }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        try reports.flatMap { report in
            let rest = [Float](repeating: 0, count: 32)
            let vector = try words.embed(reports: [report], threads: threads)
            return report.contains("rare") ? rest + vector : vector + rest
        }
    }

    @Sendable static func load(_ folder: String, _ precision: String?) throws -> LoadedModel {
        let embedder = SparseEmbedder((folder as NSString).lastPathComponent)
        return LoadedModel(embedder, folder: folder, files: ["fake.txt": Array("sparse".utf8)])
    }
}

/// Archives whose codes leave out what is 0 in all vectors, and vectors that are not.
@Suite struct ShortCodeTests {
    private static let common = 0..<120
    private static let rare = 120..<126

    private static func report(_ number: Int) -> String { (rare.contains(number) ? "rare " : "") + makeReport(number) }

    private static func inputs(_ numbers: some Sequence<Int>) -> [CaseInput] {
        numbers.map { CaseInput(id: "case-\($0)", report: report($0)) }
    }

    private static func options(keepsGraphs: Bool = true) -> Archive.Options {
        var options = Archive.Options()
        (options.vectorsForCodes, options.vectorsForScan, options.keepsGraphs) = (50, 20, keepsGraphs)
        options.loadModel = SparseEmbedder.load
        return options
    }

    private static func open(_ path: String, keepsGraphs: Bool = true, _ model: String = "first") throws -> Archive {
        try Archive(
            path: path, mode: keepsGraphs ? .readWrite : .readOnly, embedder: SparseEmbedder(model),
            options: options(keepsGraphs: keepsGraphs))
    }

    /// An archive of the common cases, whose codes hold 16 elements.
    private static func make(_ scratch: Scratch) throws -> Archive {
        try Archive.create(at: scratch.archive)
        let archive = try open(scratch.archive)
        try archive.put(inputs(common))
        try archive.writeCheckpoint()
        #expect(archive.graphs?.report.index.quantizer?.kept == [0..<16])
        return archive
    }

    private static func expectFound(_ archive: Archive, _ numbers: some Sequence<Int>, _ note: Comment) throws {
        for number in numbers {
            var request = SearchRequest(.text(report(number)))
            (request.mode, request.k) = (.vector, 5)
            let hits = try archive.search(request).hits
            #expect(hits.first?.id == "case-\(number)" && abs((hits.first?.score ?? 0) - 1) < 1e-5, note)
            request.isExact = true
            let exact = try archive.search(request).hits
            #expect(hits.map(\.id) == exact.map(\.id), note)
        }
    }

    @Test("A vector that codes cannot hold is found at once, and after a reopening")
    func rareVectors() throws {
        let scratch = try Scratch()
        let archive = try Self.make(scratch)
        try Self.expectFound(archive, [3, 77], "before")
        let checkpoint = archive.progress.withLock { $0.checkpoint?.epoch }
        // Alone, so that its place would be looked for while it is stored, and then several.
        try archive.put(Self.inputs([120]))
        // Other rare vectors need no other codes, and a crash none either.
        #expect(archive.graphs?.report.index.quantizer?.kept == [0..<48])
        #expect(archive.progress.withLock { $0.checkpoint?.epoch } != checkpoint)
        try archive.put(Self.inputs(121..<126))
        try Self.expectFound(archive, [3, 77, 120, 125], "at once")
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        for keepsGraphs in [true, false] {
            let reopened = try Self.open(scratch.archive, keepsGraphs: keepsGraphs)
            defer { reopened.close() }
            try Self.expectFound(reopened, [3, 77, 120, 125], "again")
        }
        #expect(try Archive.check(at: scratch.archive, deep: true).findings == [])
    }

    @Test("A kill between such a commit and the change of the graphs loses nothing")
    func killBeforeTheGraphs() async throws {
        let scratch = try Scratch()
        try Self.make(scratch).close()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = scratch.archive as String] in
            let archive = try Self.open(path)
            let start = try newestTransaction(of: path)
            let isHeld = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                // What follows a commit in memory waits until this ends.
                archive.attributes.read { _ in
                    isHeld.signal()
                    while ((try? newestTransaction(of: path)) ?? 0) <= start { usleep(100) }
                    usleep(10_000)
                    kill(getpid(), SIGKILL)
                }
            }
            isHeld.wait()
            try archive.put(Self.inputs(Self.rare))
        }
        for keepsGraphs in [false, true, false] {
            let archive = try Self.open(scratch.archive, keepsGraphs: keepsGraphs)
            defer { archive.close() }
            try Self.expectFound(archive, [3, 77, 120, 125], "keeps graphs: \(keepsGraphs)")
            if keepsGraphs { #expect(archive.graphs?.report.index.quantizer?.kept == [0..<48]) }
        }
        #expect(try Archive.check(at: scratch.archive, deep: true).findings == [])
    }

    @Test func aSecondGenerationTakesThemToo() throws {
        let scratch = try Scratch()
        let archive = try Self.make(scratch)
        defer { archive.close() }
        try scratch.write("second/fake.txt", "sparse")
        try archive.startReembedding(model: scratch.path + "/second")
        try finishReembedding(archive)
        let beside = { archive.generations.withLock { $0.beside?.graphs.report.index.quantizer } }
        try archive.writeCheckpoint()
        #expect(beside()?.kept == [0..<16])
        try archive.put(Self.inputs(Self.rare))
        try finishReembedding(archive)
        #expect(beside()?.kept == [0..<48])
        try archive.switchGeneration()
        try Self.expectFound(archive, [3, 77, 120, 125], "after the switch")
        #expect(try archive.check(deep: true).findings == [])
    }
}
