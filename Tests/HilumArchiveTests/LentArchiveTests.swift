import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Archives that are lent before their graphs are in memory.
@Suite struct LentArchiveTests {
    private static func options(least: Int = 60) -> Archive.Options {
        var options = Archive.Options()
        (options.vectorsForCodes, options.vectorsForScan, options.vectorsForLending) = (50, 20, least)
        return options
    }

    private static func open(
        _ path: String, _ mode: Archive.Mode = .readWrite, least: Int = 60, lending: ((Archive) -> Void)? = nil
    ) throws -> Archive {
        try Archive(
            path: path, mode: mode, embedder: FakeEmbedder(), options: options(least: least), lending: lending)
    }

    private static func makeClosed(_ scratch: Scratch) throws {
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<150)
        archive.close()
    }

    private static func answers(_ archive: Archive) throws -> [String] {
        var answers: [String] = []
        for index in [1, 7, 44, 92] {
            for filter in ["", "view=PA", "finding=nodule"] {
                for query in [Query.text(makeReport(index)), .id("case-\(index)")] {
                    var request = SearchRequest(query)
                    request.filter = try Filter(parsing: filter)
                    (request.isExact, request.mode) = (true, .vector)
                    answers += try archive.search(request).hits.map { "\($0.id) \($0.via) \($0.score)" }
                }
            }
        }
        return answers
    }

    @Test func whatIsLentAnswersLikeTheWhole() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        var lent: Archive?
        var early: Result<[String], any Error> = .success([])
        var stats: Result<ArchiveStats, any Error>?
        let archive = try Self.open(scratch.archive) { other in
            lent = other
            early = Result { try Self.answers(other) }
            stats = Result { try other.stats() }
        }
        let other = try #require(lent)
        #expect(other.graphs == nil && other.mode == .readOnly && archive.graphs != nil)
        let wanted = try Self.answers(archive)
        #expect(try early.get() == wanted && !wanted.isEmpty)
        let (before, after) = (try #require(try stats?.get()), try archive.stats())
        #expect(
            (before.reportNodes, before.graphBytes, before.cases) == (after.reportNodes, after.graphBytes, after.cases))
        // It goes on to show what it was lent with, while the whole one changes.
        try store(archive, 150..<160)
        #expect(try archive.delete(id: "case-7"))
        try archive.writeCheckpoint()
        #expect(try first(other, makeReport(44)) == "case-44")
        #expect(try other.count() == 150 && archive.count() == 159)
        let error = #expect(throws: ArchiveError.self) { try other.put([makeInput(300)]) }
        #expect(error?.code == .readOnly)
        other.close()
        #expect(try first(archive, makeReport(155)) == "case-155", "closing it leaves the store open")
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
    }

    @Test func smallGraphsAndReadersAreNotLent() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        var count = 0
        try Self.open(scratch.archive, least: 1_000) { _ in count += 1 }.close()
        try Self.open(scratch.archive, .readOnly) { _ in count += 1 }.close()
        #expect(count == 0)
        try Self.open(scratch.archive) { _ in count += 1 }.close()
        #expect(count == 1)
    }

    @Test func withoutACheckpointNothingIsLent() throws {
        let scratch = try Scratch()
        try Self.makeClosed(scratch)
        // A vector that is gone is found when the graphs are read with what is newer.
        let store = try Store(path: scratch.archive, mode: .readWrite, mapSizeInBytes: 64 << 20)
        try store.environment.write { transaction in
            _ = try transaction.delete(store.table(.meta), CheckpointHead.name(generation: 1))
        }
        store.environment.close()
        var lent: Archive?
        let archive = try Self.open(scratch.archive) { lent = $0 }
        #expect(lent == nil, "without a checkpoint there is nothing to scan")
        #expect(try first(archive, makeReport(44)) == "case-44")
        archive.close()
    }
}
