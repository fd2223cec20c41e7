import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// What is left of a case that was deleted.
@Suite struct PurgeTests {
    private func run(_ archive: Archive, _ source: String, replaces: Bool = false) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], replaces: replaces, isQuiet: true)
    }

    /// Whether the bytes of a text stand in any file of an archive.
    private func holds(_ archive: String, _ text: String) throws -> Bool {
        try FileManager.default.subpathsOfDirectory(atPath: archive).contains { name in
            guard let bytes = try? FileIO.read("\(archive)/\(name)") else { return false }
            return Data(bytes).range(of: Data(text.utf8)) != nil
        }
    }

    @Test("Neither the names nor the words of a deleted case are left after compacting, whatever came from where")
    func nothingIsLeft() throws {
        let scratch = try Scratch()
        for folder in ["in", "other"] {
            try scratch.write("\(folder)/MUELLER_HANS_1.png", makePNG(folder == "in" ? 1 : 2))
            try scratch.write("\(folder)/MUELLER_HANS_1.txt", "Small effusion beside the zebrafish.")
        }
        for index in 0..<40 { try scratch.write("in/\(index).txt", makeReport(index)) }
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 41)
        // A case from elsewhere takes its place, and one is refused for it.
        #expect(try run(archive, scratch.path + "/other").refused.count == 1)
        #expect(try run(archive, scratch.path + "/other", replaces: true).replaced == 1)
        #expect(try run(archive, scratch.path + "/in").refused.count == 1)
        #expect(try archive.delete(id: "MUELLER_HANS_1"))
        archive.close()
        _ = try Archive.compact(scratch.archive)
        for word in ["MUELLER", "mueller", "zebrafish"] { #expect(try !holds(scratch.archive, word), "\(word)") }
        let again = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try again.count() == 40 && again.check(deep: true).findings == [])
        var request = SearchRequest(.text("effusion"))
        request.mode = .words
        #expect(try again.search(request).hits.count > 0)
        // It is still known as deleted.
        var finder = CaseFinder(root: scratch.path + "/other")
        let files = ["MUELLER_HANS_1.png", "MUELLER_HANS_1.txt"].map { FoundFile(path: $0) }
        let found = try #require(finder.cases(ofGroup: files).first)
        #expect(try again.verdict(of: found.origin, id: found.id) == .deleted)
        let verdict = try again.verdict(of: try #require(finder.cases(ofGroup: [files[1]]).first).origin, id: found.id)
        #expect(verdict == .deleted)
    }

    @Test("Every word segment with a deleted report is written anew, also where segments lie in each other")
    func wordsOfAFew() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        // One report of many is far from half of a segment.
        for round in 0..<12 {
            try archive.put((0..<10).map { CaseInput(id: "\(round)-\($0)", report: "clear quokka\(round)x\($0)") })
        }
        for (round, place) in [(0, 3), (5, 0), (11, 9)] { #expect(try archive.delete(id: "\(round)-\(place)")) }
        archive.close()
        _ = try Archive.compact(scratch.archive)
        for (round, place) in [(0, 3), (5, 0), (11, 9)] {
            #expect(try !holds(scratch.archive, "quokka\(round)x\(place)"))
            let again = try Archive(path: scratch.archive, mode: .readOnly, embedder: FakeEmbedder())
            var request = SearchRequest(.text("quokka\(round)x\((place + 1) % 10)"))
            request.mode = .words
            #expect(try again.search(request).hits.count == 1)
            again.close()
        }
        let last = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        let head = try last.store.environment.read { try WordTable(store: last.store).head($0, nextNumber: 1) }
        #expect(head.words.segments.reduce(0) { $0 + $1.documentCount } == 117)
        #expect(try last.count() == 117 && last.check(deep: true).findings == [])
        try last.put([CaseInput(id: "new", report: "clear quokka again")])
        #expect(try last.check(deep: true).findings == [])
    }

    @Test("A case whose file was refused since is forgotten by name too")
    func aRefusedVersion() throws {
        let scratch = try Scratch()
        try scratch.write("in/MUELLER.txt", "clear")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        try scratch.write("in/MUELLER.txt", [0xFF, 0xFE, 0x41, 0x42, 0x43])
        #expect(try run(archive, scratch.path + "/in").refused.count == 1)
        #expect(try archive.delete(id: "MUELLER"))
        archive.close()
        _ = try Archive.compact(scratch.archive)
        #expect(try !holds(scratch.archive, "MUELLER"))
    }
}
