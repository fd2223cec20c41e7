import Dispatch
import Foundation
import HilumCore
import LMDB
import Testing

@testable import HilumArchive

/// Archives whose graphs come into memory while they answer.
@Suite struct OpeningBehindTests {
    /// Holds the threads that read graphs until it is opened.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        func wait() { semaphore.wait() }
        /// For the threads of both graphs.
        func open() { for _ in 0..<2 { semaphore.signal() } }
    }

    private static func options(_ gate: Gate? = nil, least: Int = 60) -> Archive.Options {
        var options = Archive.Options()
        (options.vectorsForCodes, options.vectorsForScan, options.vectorsForOpeningBehind) = (50, 20, least)
        if let gate { options.beforeOpeningBehind = { gate.wait() } }
        return options
    }

    private static func open(_ path: String, _ gate: Gate? = nil, least: Int = 60) throws -> Archive {
        try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder(), options: options(gate, least: least))
    }

    private static func makeClosed(_ scratch: Scratch) throws {
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<150)
        archive.close()
    }

    private static func isHere(_ archive: Archive) -> Bool {
        VectorKind.allCases.allSatisfy { archive.graphs?[$0].indexIfHere != nil }
    }

    /// Waits for both graphs.
    private static func expectWhole(_ archive: Archive) throws {
        for kind in VectorKind.allCases {
            let count = archive.attributes.read { $0.with(kind).count }
            #expect(count > 50 && archive.graphs?[kind].index.count == count)
        }
        #expect(isHere(archive))
    }

    /// Ids, ways and scores of questions of every kind.
    private static func answers(_ archive: Archive, isExact: Bool = false) throws -> [String] {
        var answers: [String] = []
        for target in SearchTarget.allCases {
            for index in [1, 7, 44, 92] {
                for filter in ["", "view=PA", "finding=nodule"] {
                    for query in [Query.text(makeReport(index)), .id("case-\(index)")] {
                        var request = SearchRequest(query)
                        request.filter = try Filter(parsing: filter)
                        (request.target, request.k, request.isExact, request.mode) = (target, 12, isExact, .vector)
                        answers += try archive.search(request).hits.map {
                            "\($0.id) \($0.via) \(String(format: "%.5f", $0.score))"
                        }
                    }
                }
            }
        }
        return answers
    }

    @Test func answersDoNotWaitForGraphs() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        let eager = try Self.open(scratch.archive, least: .max)
        #expect(Self.isHere(eager))
        let byGraphs = try Self.answers(eager)
        eager.close()
        let gate = Gate()
        let archive = try Self.open(scratch.archive, gate)
        defer { archive.close() }
        #expect(!Self.isHere(archive) && !archive.needsReopening)
        let wanted = try Self.answers(archive, isExact: true)
        #expect(try Self.answers(archive) == wanted)
        var diverse = SearchRequest(.text(makeReport(3)))
        (diverse.mode, diverse.minScore) = (.hybrid, 0.1)
        #expect(try !archive.search(diverse).hits.isEmpty)
        let stats = try archive.stats()
        #expect(try archive.estimateRecall(forSeconds: 0.1) == false)
        #expect(!Self.isHere(archive), "no question waits for them")
        gate.open()
        try Self.expectWhole(archive)
        #expect(try Self.answers(archive) == byGraphs)
        let later = try archive.stats()
        #expect((stats.reportNodes, stats.graphBytes) == (later.reportNodes, later.graphBytes))
        try store(archive, 150..<160)
        #expect(try archive.delete(id: "case-7"))
        #expect(try first(archive, makeReport(155)) == "case-155")
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func aChangeWaitsForThem() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        let gate = Gate()
        let archive = try Self.open(scratch.archive, gate)
        DispatchQueue.global().asyncAfter(deadline: .now() + 0.05) { gate.open() }
        try store(archive, 150..<160)
        #expect(Self.isHere(archive))
        #expect(try first(archive, makeReport(155)) == "case-155")
        archive.close()
        let again = try Self.open(scratch.archive)
        defer { again.close() }
        #expect(try first(again, makeReport(155)) == "case-155")
        #expect(try again.check(deep: true).findings == [])
    }

    @Test("What a crash left out of the checkpoint is linked as it opens")
    func afterACrash() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        let archive = try Self.open(scratch.archive)
        try store(archive, 150..<160)
        #expect(try archive.delete(id: "case-7"))
        let copy = scratch.path + "/copy"
        try FileManager.default.copyItem(atPath: scratch.archive, toPath: copy)
        archive.close()
        let reopened = try Self.open(copy)
        defer { reopened.close() }
        #expect(try first(reopened, makeReport(155)) == "case-155")
        #expect(try reopened.count() == 159)
        #expect(try reopened.check(deep: true).findings == [])
    }

    @Test func closingDoesNotWaitForThem() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        let gate = Gate()
        let archive = try Self.open(scratch.archive, gate)
        let graphs = archive.graphs
        archive.close()
        gate.open()
        #expect(graphs?.report.index.count == 0, "a graph that does not come is an empty one")
        #expect((graphs?.report.failure as? LMDBError)?.code == .closed)
        let again = try Self.open(scratch.archive)
        defer { again.close() }
        #expect(try first(again, makeReport(44)) == "case-44")
    }

    /// Flips a bit in the first piece of the codes of reports, and where `alsoVectors` in a vector.
    private static func damage(_ scratch: Scratch, alsoVectors: Bool) throws {
        let store = try Store(path: scratch.archive, mode: .readOnly, mapSizeInBytes: 64 << 20)
        let values = try store.environment.read { transaction -> [[UInt8]] in
            let head = try #require(try Checkpoint(store: store, generation: 1).head(transaction))
            let epoch = try #require(head.graphs[.report]?.codeEpochs.first)
            let key = PieceKey(generation: 1, role: .codes(.report), piece: 0, epoch: epoch).number
            var values = [try #require(try transaction.get(store.table(.graphs), key))]
            if alsoVectors {
                let vector = VectorKey(generation: 1, item: 3).number(part: 0)
                values.append(try #require(try transaction.get(store.table(.vectors(.report)), vector)))
            }
            return values
        }
        store.environment.close()
        let file = scratch.archive + "/data.mdb"
        var bytes = Data(try FileIO.read(file))
        for value in values {
            let place = try #require(bytes.range(of: Data(value)))
            bytes[place.lowerBound + 40] ^= 1
        }
        try bytes.write(to: URL(fileURLWithPath: file))
    }

    @Test func aDamagedGraphIsMadeAgainFromItsVectors() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        try Self.damage(scratch, alsoVectors: false)
        let gate = Gate()
        let archive = try Self.open(scratch.archive, gate)
        let wanted = try Self.answers(archive, isExact: true)
        #expect(try Self.answers(archive) == wanted)
        gate.open()
        try Self.expectWhole(archive)
        #expect(!archive.needsReopening)
        try store(archive, 150..<160)
        try archive.writeCheckpoint()
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        let again = try Self.open(scratch.archive)
        try Self.expectWhole(again)
        #expect(again.graphs?.report.index.precision == .i8)
        #expect(try first(again, makeReport(155)) == "case-155")
        again.close()
        #expect(try Archive.check(at: scratch.archive, deep: true).findings == [])
    }

    @Test func aGraphThatCannotBeMadeStopsChangesAlone() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        try Self.damage(scratch, alsoVectors: true)
        let archive = try Self.open(scratch.archive)
        defer { archive.close() }
        #expect(archive.graphs?.report.index.count == 0)
        #expect(archive.needsReopening)
        let error = #expect(throws: ArchiveError.self) { try archive.put([makeInput(200)]) }
        #expect(error?.code == .io && error?.reason.contains("run `hilum check`") == true)
        var byWords = SearchRequest(.text(makeReport(44)))
        byWords.mode = .words
        #expect(try !archive.search(byWords).hits.isEmpty)
        // Nothing of it reached a checkpoint.
        try archive.writeCheckpoint()
        #expect(try archive.get(id: "case-44") != nil)
    }
}
