import Foundation
import HilumCore
import HilumPhantom
import HilumWords
import Testing

@testable import HilumArchive

/// The words of reports: in the transaction of the case, and as an answer beside vectors.
@Suite struct WordsTests {
    private static let reports: [(id: String, report: String)] = [
        ("effusion", "FINDINGS: Small left pleural effusion. No pneumothorax. IMPRESSION: Left effusion."),
        (
            "denied",
            "FINDINGS: No pleural effusion or pneumothorax. Heart size is normal. IMPRESSION: No acute disease."
        ),
        ("ptx", "FINDINGS: There is a moderate right pneumothorax. No effusion. IMPRESSION: Right pneumothorax."),
        ("doubt", "FINDINGS: Blunted angle, possible small effusion. IMPRESSION: Possible effusion."),
        ("history", "INDICATION: Evaluate for pneumothorax. FINDINGS: Lungs are clear. IMPRESSION: Normal chest."),
        ("ja", "所見：左胸水を認める。気胸なし。\n印象：左胸水。"),
        ("right", "FINDINGS: Large right pleural effusion. IMPRESSION: Right effusion."),
    ]

    private func inputs() -> [CaseInput] { Self.reports.map { CaseInput(id: $0.id, report: $0.report) } }

    private func ids(_ archive: Archive, _ text: String, _ change: (inout SearchRequest) -> Void = { _ in }) throws
        -> [String]
    {
        var request = SearchRequest(.text(text))
        change(&request)
        return try archive.search(request).hits.map(\.id)
    }

    @Test("A finding means that the report affirms it, and 'no' that it denies it")
    func affirmedAndDenied() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(inputs())
        #expect(try Set(ids(archive, "pleural effusion").prefix(3)) == ["effusion", "ja", "right"])
        #expect(try ids(archive, "pneumothorax").first == "ptx")
        #expect(try Set(ids(archive, "left effusion").prefix(2)) == ["effusion", "ja"])
        #expect(try Set(ids(archive, "no effusion").prefix(2)) == ["denied", "ptx"])
        #expect(try Set(ids(archive, "胸水").prefix(3)) == ["effusion", "ja", "right"])
        #expect(try Set(ids(archive, "胸水なし").prefix(2)) == ["denied", "ptx"])
        // No report contains 右側, but the lexicon knows what it says.
        #expect(try ids(archive, "右側の胸水").first == "right")
        #expect(try archive.search(SearchRequest(.text("left-sided effusion"))).unknown.isEmpty)
        // What is denied or asked about is no answer from words.
        #expect(try ids(archive, "pneumothorax") { $0.mode = .words } == ["ptx"])
        #expect(
            try Set(ids(archive, "any:pneumothorax") { $0.mode = .words }) == [
                "effusion", "denied", "ptx", "history", "ja",
            ])
        #expect(try !ids(archive, "effusion -large").contains("right"))
        #expect(try ids(archive, "\"blunted angle\"") { $0.mode = .words } == ["doubt"])
        #expect(try ids(archive, "blunt*") { $0.mode = .words } == ["doubt"])
    }

    @Test("A hit says what vectors and words made of it, and which bytes answered")
    func legsAndHighlights() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(inputs())
        var request = SearchRequest(.text("pneumothorax"))
        request.includesHighlights = true
        let hit = try #require(try archive.search(request).hits.first)
        let legs = try #require(hit.legs)
        #expect(legs.wordRank == 1 && (legs.wordScore ?? 0) > 0)
        #expect(hit.record.report == nil)
        let report = Array(Self.reports[2].report.utf8)
        let words = hit.highlights.map { String(decoding: report[$0], as: UTF8.self) }
        #expect(words.count == 2 && words.allSatisfy { $0.contains("pneumothorax") })
        request.mode = .vector
        request.includesHighlights = false
        #expect(try archive.search(request).hits.first?.legs == nil)
    }

    @Test("Of a finding that no report speaks of, the wider one comes first, and both are named")
    func unsaidFindings() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(inputs())
        var response = try archive.search(SearchRequest(.text("tension pneumothorax")))
        #expect(response.unsaid == ["tension-pneumothorax"] && response.wider == ["pneumothorax"])
        #expect(response.hits.first?.record.id == "ptx")
        #expect(["denied", "effusion", "ja"].contains(response.hits.last?.record.id))
        // Its side goes with it.
        try archive.put([CaseInput(id: "left", report: "Left pneumothorax.")])
        #expect(try ids(archive, "right tension pneumothorax").first == "ptx")
        #expect(try ids(archive, "left tension pneumothorax").first == "left")
        response = try archive.search(SearchRequest(.text("pacemaker")))
        #expect(response.unsaid == ["pacemaker"] && response.wider.isEmpty)
        for text in ["effusion", "no tension pneumothorax", "xyzzy", "any:pacemaker"] {
            #expect(try archive.search(SearchRequest(.text(text))).unsaid.isEmpty, "\(text)")
        }
    }

    @Test("Unknown words are named, and a question of nothing else finds nothing")
    func unknownWords() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(inputs())
        var response = try archive.search(SearchRequest(.text("xyzzy")))
        #expect(response.hits.isEmpty && response.unknown == ["xyzzy"])
        response = try archive.search(SearchRequest(.text("effusion xyzzy")))
        #expect(response.hits.count == 7 && response.unknown == ["xyzzy"])
        // The lexicon knows it, though no report speaks of it.
        response = try archive.search(SearchRequest(.text("pacemaker")))
        #expect(response.unknown.isEmpty && response.hits.count == 7)
        #expect(response.isUnknown == false)
        // A question that also names a case, or only excludes, is answered by vectors.
        #expect(try archive.search(SearchRequest([.init(.id("ptx")), .init(.text("xyzzy"))])).hits.count == 7)
        #expect(try ids(archive, "-pneumothorax").count == 6)
        // A quotation mark without a partner is none.
        #expect(try ids(archive, "effusion 2\" above").count == 7)
    }

    @Test("A finding with a side is excluded with its side")
    func excludedSide() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(inputs())
        let found = try ids(archive, "effusion -left effusion")
        #expect(found.first == "right" && !found.contains("effusion") && !found.contains("ja"))
        #expect(try !ids(archive, "effusion -\"left\"").contains("effusion"))
    }

    @Test("A question of 64 KiB takes little time and memory, whatever it repeats")
    func longQuestions() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(inputs())
        let many = (0..<9_000).map { "word\($0) " }.joined()
        for part in ["effusion ", "-e* ", "possible effusion, ", "\"", "no ", "a\u{0}b ", "胸水 ", many] {
            let text = String(repeating: part, count: max(1, 65_000 / part.utf8.count))
            #expect(try ids(archive, text).count <= 10)
        }
        let exclusions = (0..<100).map { "-word\($0)" }.joined(separator: " ")
        let error = #expect(throws: ArchiveError.self) { try archive.search(SearchRequest(.text("x " + exclusions))) }
        #expect(error?.code == .limit)
    }

    @Test("Filters ask what reports say, and findings that were given")
    func filters() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(inputs())
        try archive.put([
            CaseInput(id: "given", report: "FINDINGS: Left effusion.", fields: CaseFields(findings: ["nodule"]))
        ])
        #expect(try archive.count(Filter(parsing: "affirmed=effusion")) == 4)
        #expect(try archive.count(Filter(parsing: "denied=effusion")) == 2)
        #expect(try archive.count(Filter(parsing: "uncertain=effusion")) == 1)
        #expect(try archive.count(Filter(parsing: "affirmed!=effusion")) == 4)
        #expect(try archive.count(Filter(parsing: "affirmed=effusion,pneumothorax")) == 5)
        #expect(try archive.count(Filter(parsing: "affirmed=effusion denied=pneumothorax")) == 2)
        #expect(try archive.count(Filter(parsing: "affirmed=\"left effusion\"")) == 3)
        let said = try #require(try archive.saidFindings().first { $0.name == "effusion" })
        #expect(said == SaidFinding(name: "effusion", affirmed: 4, denied: 2, uncertain: 1))
        // The case that was given findings counts with these alone.
        #expect(try archive.count(Filter(parsing: "finding=effusion")) == 3)
        #expect(try archive.count(Filter(parsing: "finding=nodule")) == 1)
    }

    @Test("A case is found by its words until it is gone, after reopening, replacing and many merges")
    func lifeOfACase() throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive()
        for start in stride(from: 0, to: 700, by: 7) {
            try archive.put(
                (start..<(start + 7)).map {
                    CaseInput(id: "case-\($0)", report: "FINDINGS: Marker word\($0) in series\($0 % 5).")
                })
        }
        #expect(try ids(archive, "word345") { $0.mode = .words } == ["case-345"])
        _ = try archive.delete(id: "case-345")
        #expect(try archive.search(SearchRequest(.text("word345"))).unknown == ["word345"])
        try archive.put([CaseInput(id: "case-346", report: "FINDINGS: Another text altogether.")])
        #expect(try archive.search(SearchRequest(.text("word346"))).unknown == ["word346"])
        archive.close()
        for mode in [Archive.Mode.readOnly, .readWrite] {
            archive = try Archive(path: scratch.archive, mode: mode, embedder: FakeEmbedder())
            #expect(try ids(archive, "altogether") { $0.mode = .words } == ["case-346"])
            #expect(try ids(archive, "word347") { $0.mode = .words } == ["case-347"])
            #expect(try archive.search(SearchRequest(.text("word345"))).unknown == ["word345"])
            #expect(
                try ids(archive, "series3") {
                    $0.mode = .words; $0.k = 500
                }.count == 140)
            #expect(try archive.check(deep: true).findings == [])
            archive.close()
        }
    }

    @Test(
        "Reports of a release without words are read later, in short transactions, and found meanwhile by their vectors"
    )
    func olderReports() throws {
        let scratch = try Scratch()
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/format-1"
        try FileManager.default.copyItem(atPath: fixture, toPath: scratch.archive)
        var archive = try Archive(path: scratch.archive, mode: .readWrite)
        #expect(try archive.unreadReportCount() == 15)
        #expect(try archive.check(deep: true).findings == [])
        while try archive.readOldReports() > 0 {}
        #expect(try archive.unreadReportCount() == 0)
        #expect(try archive.count(Filter(parsing: "affirmed=effusion")) > 0)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        archive = try Archive(path: scratch.archive, mode: .readOnly)
        #expect(try archive.unreadReportCount() == 0)
        #expect(try archive.count(Filter(parsing: "affirmed=effusion")) > 0)
    }

    @Test("An archive of images alone is searched by text as before")
    func imagesAlone() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put((0..<20).map { CaseInput(id: "image-\($0)", image: .bytes(try makePNG($0))) })
        let response = try archive.search(SearchRequest(.text("left pleural effusion")))
        #expect(response.hits.count == 10 && response.unknown.isEmpty)
    }
}
