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
        "Left base opacity", "No change.", "Heart size is normal.", "異常なし", "胸水なし", "Negative.",
        "IMPRESSION: Negative.", "NAD", "No abnormality.", "Abnormal.", "n.p.", "特になし", "異常(-)",
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
            #expect(try ids("quux").first == "filler")
            #expect(try ids("quux", .report).first == "filler")
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
        #expect(try archive.put([CaseInput(id: "filler", report: "See folder quux")]) == [.unchanged(vectors: 0)])
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

    @Test(
        "Who searches for the words of a filler gets it first"
    )
    func fillersFirst() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        // Older than the filler, and each the nearest of all vectors or with a word of it.
        try archive.put([
            CaseInput(id: "near", report: "FINDINGS: No effusion. Please see the attached CT."),
            CaseInput(
                id: "word", image: .bytes(try makePNG(1)), report: "FINDINGS: Attached to the left, see effusion."),
        ])
        try archive.put((0..<40).map { CaseInput(id: "case-\($0)", report: makeReport($0)) })
        try archive.put([
            CaseInput(id: "filler", report: "see attached"),
            CaseInput(id: "with-image", image: .bytes(try makePNG(2)), report: "Report zyxel"),
            CaseInput(id: "real", report: "FINDINGS: Clear lungs, wibble."),
        ])
        func ids(_ text: String, _ change: (inout SearchRequest) -> Void = { _ in }) throws -> [String] {
            var request = SearchRequest(.text(text))
            change(&request)
            return try archive.search(request).hits.map(\.id)
        }
        for target in [SearchTarget.case, .report] {
            for question in ["see attached", "See attached.", "\"see attached\""] {
                #expect(try ids(question) { $0.target = target }.first == "filler", "\(question)")
            }
            #expect(try ids("zyxel") { $0.target = target }.first == "with-image")
            // A word of one real report comes before the nearest vector too.
            #expect(try ids("wibble") { $0.target = target }.first == "real")
        }
        #expect(try ids("see attached") { $0.mode = .words }.first == "filler")
        // What the question demands of findings is no matter of words alone.
        #expect(try ids("left effusion see attached").first != "filler")
        #expect(try !ids("effusion").prefix(5).contains("filler"))
    }

    @Test(
        "A question of one word that calls the film normal finds the reports that do, in either language",
        arguments: ["negative", "normal", "Negative.", "異常なし", "陰性", "NAD"])
    func normalQuestion(_ text: String) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        try archive.put([
            CaseInput(
                id: "rh", report: "FINDINGS: Negative contrast of a normal heart. Large left effusion. COVID negative."),
            CaseInput(id: "abnormal", report: "Abnormal."),
            CaseInput(id: "long", report: "HISTORY: Cough. FINDINGS: Normal chest."),
            CaseInput(id: "short", report: "IMPRESSION: Negative."),
            CaseInput(id: "japanese", report: "【所見】異常なし"),
        ])
        let hits = try archive.search(SearchRequest(.text(text))).hits.map(\.id)
        #expect(Set(hits.prefix(3)) == ["long", "short", "japanese"])
        #expect(hits.last == "abnormal")
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
