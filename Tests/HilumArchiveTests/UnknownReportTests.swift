import Foundation
import HilumCore
import HilumIndex
import Testing

@testable import HilumArchive

/// Reports without one known word: they get no vector, and their own words find them.
@Suite struct UnknownReportTests {
    /// What stands where a report should be.
    static let fillers = [
        "N/A", "see attached", "XXXX", "___", "None.", "not available", "See attached report.", "Report to follow.",
        "12345", "?", "a", "なし", "別紙参照",
    ]
    /// Short, and reports all the same.
    static let reports = [
        "Normal chest.", "Normal.", "No acute disease.", "Clear lungs.", "Unremarkable.", "Stable.",
        "Left base opacity", "No change.", "Heart size is normal.", "異常なし", "胸水なし",
    ]

    private func makeArchive(_ scratch: Scratch) throws -> Archive {
        try scratch.makeArchive(FakeEmbedder(knowsAllWords: false))
    }

    private func open(_ scratch: Scratch) throws -> Archive {
        try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(knowsAllWords: false))
    }

    @Test("Filler has no vector", arguments: fillers)
    func filler(_ text: String) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        #expect(try archive.put([CaseInput(id: "a", report: text)]) == [.stored(vectors: 0)])
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A report of few words has one", arguments: reports)
    func shortReport(_ text: String) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        #expect(try archive.put([CaseInput(id: "a", report: text)]) == [.stored(vectors: 1)])
    }

    @Test("A model that knows the words decides where the lexicon knows none")
    func modelDecides() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(FakeEmbedder())
        #expect(try archive.put([CaseInput(id: "a", report: "Unauffällig.")]) == [.stored(vectors: 1)])
    }

    @Test("Such a case is found by its words and no first rank of other questions, keeps its image, and lives on")
    func lifeOfACase() throws {
        let scratch = try Scratch()
        var archive = try makeArchive(scratch)
        try archive.put([
            CaseInput(id: "filler", report: "See folder quux"),
            CaseInput(id: "both", image: .bytes(try makePNG(1)), report: "N/A zyxel"),
            CaseInput(id: "real", report: "FINDINGS: Small left pleural effusion."),
        ])
        func check(_ archive: Archive) throws {
            func ids(_ text: String, _ target: SearchTarget = .case) throws -> [String] {
                var request = SearchRequest(.text(text))
                request.target = target
                return try archive.search(request).hits.map(\.id)
            }
            // The nearest vector shares the first rank, and the older case comes first.
            #expect(try ids("quux").prefix(2).contains("filler"))
            #expect(try ids("quux", .report).prefix(2).contains("filler"))
            #expect(try ids("zyxel").first == "both")
            #expect(try ids("left effusion") == ["real", "both"])
            #expect(try ids("left effusion", .report) == ["real"])
            #expect(try archive.get(id: "filler")?.report == "See folder quux")
            let error = #expect(throws: ArchiveError.self) { try archive.search(SearchRequest(.id("filler"))) }
            #expect(error?.code == .badRequest)
            #expect(try archive.stats().reports == 3)
            #expect(try archive.check(deep: true).findings == [])
        }
        try check(archive)
        // From the checkpoint, and from the cases after it.
        archive.close()
        archive = try open(scratch)
        try check(archive)
        #expect(try archive.put([CaseInput(id: "filler", report: "See folder quux")]) == [.unchanged])
        var changed = CaseInput(id: "filler", report: "See folder quux")
        changed.fields.view = "PA"
        #expect(try archive.put([changed]) == [.replaced(vectors: 0)])
        try check(archive)
        // A report takes its place, and goes again.
        #expect(try archive.put([CaseInput(id: "filler", report: "Right pneumothorax.")]) == [.replaced(vectors: 1)])
        #expect(try archive.put([changed]) == [.replaced(vectors: 0)])
        try check(archive)
        #expect(try archive.delete(id: "both"))
        archive.close()
        archive = try open(scratch)
        #expect(try archive.stats().reports == 2)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("An opening without a checkpoint and one after a crash agree")
    func withoutCheckpoint() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        try archive.put((0..<30).map { CaseInput(id: "case-\($0)", report: $0 % 3 == 0 ? "N/A" : makeReport($0)) })
        try FileManager.default.copyItem(atPath: scratch.archive, toPath: scratch.path + "/copy")
        let copy = try Archive(path: scratch.path + "/copy", mode: .readOnly, embedder: FakeEmbedder())
        #expect(try copy.stats().reports == 30)
        #expect(try copy.check(deep: true).findings == [])
        #expect(try copy.search(SearchRequest(.text("effusion"))).hits.count == 10)
    }

    @Test("The summary of a bulk run counts them")
    func summary() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        let rows = ["N/A", "Clear lungs.", "see attached", "Left effusion."].enumerated().map { row in
            "{\"id\":\"\(row.offset)\",\"report\":\"\(row.element)\"}\n"
        }
        let manifest = try scratch.write("cases.jsonl", rows.joined())
        let summary = try BulkIndexer(archive: archive).run(sources: [manifest], isQuiet: true)
        #expect(summary.stored == 4 && summary.reportsWithoutVector == 2)
    }
}
