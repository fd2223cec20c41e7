import Foundation
import HilumCore
import Testing

@testable import HilumArchive

@Suite struct IdentityTests {
    private func run(
        _ archive: Archive, _ source: String, replaces: Bool = false
    ) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], replaces: replaces, isQuiet: true)
    }

    @Test("A case of another source is replaced only when that is asked for")
    func januaryIsNotReplacedByFebruary() throws {
        let scratch = try Scratch()
        for (seed, month) in ["jan", "feb"].enumerated() {
            try scratch.write("\(month)/001.png", makePNG(seed))
            try scratch.write("\(month)/001.txt", "report of \(month)")
        }
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/jan").stored == 1)
        let dry = try BulkIndexer(archive: archive).dryRun(sources: [scratch.path + "/feb"])
        let other = try run(archive, scratch.path + "/feb")
        for summary in [dry, other] {
            #expect(summary.stored == 0 && summary.replaced == 0)
            #expect(summary.refused.map(\.source) == [scratch.path + "/feb/001.png"])
            #expect(summary.refused.first?.reason.contains("001 came from \(scratch.path)/jan/001") == true)
        }
        #expect(try archive.get(id: "001")?.report == "report of jan")
        let replaced = try run(archive, scratch.path + "/feb", replaces: true)
        #expect(replaced.stored == 0 && replaced.replaced == 1 && replaced.refused == [])
        #expect(try archive.get(id: "001")?.source == scratch.path + "/feb/001")
        #expect(try run(archive, scratch.path + "/feb").unchanged == 1)
        #expect(try archive.check(deep: true).findings == [])
        // From the folder above, they are two cases.
        #expect(try run(archive, scratch.path).stored == 2)
        #expect(try archive.get(id: "jan/001")?.report == "report of jan")
    }

    @Test("The same case at another place is no news, and a folder that moved keeps its cases")
    func aFolderThatMoved() throws {
        let scratch = try Scratch()
        try scratch.write("old/a.png", makePNG(1))
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/old").stored == 1)
        try FileManager.default.copyItem(atPath: scratch.path + "/old", toPath: scratch.path + "/copy")
        let copy = try run(archive, scratch.path + "/copy")
        #expect(copy.unchanged == 1 && copy.refused == [])
        #expect(try archive.get(id: "a")?.imagePath == scratch.path + "/old/a.png")
        try FileManager.default.moveItem(atPath: scratch.path + "/old", toPath: scratch.path + "/new")
        #expect(try run(archive, scratch.path + "/new").unchanged == 1)
        let moved = try #require(try archive.get(id: "a"))
        #expect(moved.imagePath == scratch.path + "/new/a.png" && moved.source == scratch.path + "/new/a")
    }

    @Test("Reports without images move with their folder too")
    func reportsThatMoved() throws {
        let scratch = try Scratch()
        try scratch.write("old/a_report.txt", "clear")
        try scratch.write("old/b.txt", "a nodule")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/old").stored == 2)
        try FileManager.default.copyItem(atPath: scratch.path + "/old", toPath: scratch.path + "/new")
        #expect(try run(archive, scratch.path + "/new").unchanged == 2)
        #expect(try archive.get(id: "a")?.source == scratch.path + "/old/a")
        try FileManager.default.removeItem(atPath: scratch.path + "/old/a_report.txt")
        try scratch.write("new/a_report.txt", "clear")
        #expect(try run(archive, scratch.path + "/new").unchanged == 2)
        #expect(try archive.get(id: "a")?.source == scratch.path + "/new/a")
        #expect(try archive.get(id: "b")?.source == scratch.path + "/old/b")
    }

    @Test("A source is the same by whatever path it is reached")
    func aSourceByAnotherPath() throws {
        let scratch = try Scratch()
        try scratch.write("data/a.txt", "clear")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/link", withDestinationPath: scratch.path + "/data")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/data/").stored == 1)
        try scratch.write("data/a.txt", "not clear any more")
        #expect(try run(archive, scratch.path + "/link/../data/.").replaced == 1)
        try scratch.write("data/a.txt", "and clear again after all")
        #expect(try run(archive, scratch.path + "/link").replaced == 1)
        #expect(try run(archive, scratch.path + "/data/a.txt").unchanged == 1)
    }

    @Test("A file that is indexed by itself brings the other half of its case")
    func oneFile() throws {
        let scratch = try Scratch()
        try scratch.write("in/a.png", makePNG(1))
        try scratch.write("in/a_report.txt", "clear")
        try scratch.write("in/ab.txt", "somebody else")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in/a.png").stored == 1)
        #expect(try archive.get(id: "a")?.report == "clear")
        #expect(try run(archive, scratch.path + "/in/a_report.txt").unchanged == 1)
        #expect(try archive.get(id: "a")?.hasImage == true && archive.stats().cases == 1)
        #expect(try run(archive, scratch.path + "/in").unchanged == 1)
    }

    @Test("Stored, replaced and half cases are counted apart, and a dry run shows the same")
    func counts() throws {
        let scratch = try Scratch()
        for index in 0..<3 { try scratch.write("in/\(index).png", makePNG(index)) }
        for index in 1..<5 { try scratch.write("in/\(index).txt", makeReport(index)) }
        let archive = try scratch.makeArchive()
        let dry = try BulkIndexer(archive: archive).dryRun(sources: [scratch.path + "/in"])
        #expect(try archive.stats().cases == 0)
        #expect(dry.pairings.map(\.id) == ["0", "1", "2", "3", "4"] && dry.pairings.allSatisfy { $0.fate == .store })
        let first = try run(archive, scratch.path + "/in")
        for summary in [dry, first] {
            #expect(summary.stored == 5 && summary.replaced == 0 && summary.imageOnly == 1 && summary.reportOnly == 2)
        }
        try scratch.write("in/0.txt", "a report that came later")
        let second = try run(archive, scratch.path + "/in")
        #expect(second.stored == 0 && second.replaced == 1 && second.unchanged == 4)
        #expect(second.imageOnly == 0 && second.reportOnly == 2)
    }

    @Test("The half of a pair that came first gives way to the pair")
    func theHalfThatCameFirst() throws {
        let scratch = try Scratch()
        try scratch.write("in/reports/a.txt", "a report before its image")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        #expect(try archive.get(id: "reports/a") != nil)
        try scratch.write("in/images/a.png", makePNG(1))
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        #expect(try archive.get(id: "reports/a") == nil && archive.get(id: "images/a")?.hasImage == true)
        #expect(try archive.stats().cases == 1)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("Entries of the layout before sources are read, and the journal says whose they are")
    func olderEntries() throws {
        var entry = CaseEntry()
        entry.id = "a"
        entry.hasReport = true
        entry.fields.patient = "p1"
        var bytes = entry.encoded()
        // Layout 2 is layout 3 without the source, whose absence is one byte.
        bytes[0] = 2
        bytes.removeLast()
        let old = try bytes.withUnsafeBytes { try CaseEntry(decoding: $0) }
        #expect(old == entry && old.source == nil)
        entry.source = "/data/a"
        #expect(try entry.encoded().withUnsafeBytes { try CaseEntry(decoding: $0) } == entry)
    }

    @Test("A deleted case leaves a mark until its files change")
    func tombstones() throws {
        let scratch = try Scratch()
        try scratch.write("in/a.txt", "clear")
        let archive = try scratch.makeArchive()
        _ = try run(archive, scratch.path + "/in")
        func verdict() throws -> SourceVerdict {
            var finder = CaseFinder(root: scratch.path + "/in")
            let found = try #require(finder.cases(ofGroup: [FoundFile(path: "a.txt")]).first)
            return try archive.verdict(of: found.origin, id: found.id)
        }
        #expect(try verdict() == .unchanged)
        #expect(try archive.delete(id: "a"))
        #expect(try verdict() == .deleted)
        try scratch.write("in/a.txt", "clear after all")
        #expect(try verdict() == .open)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A case that went with its files, or into another one, may come back")
    func comingsBack() throws {
        let scratch = try Scratch()
        try scratch.write("in/a.txt", "clear")
        try scratch.write("in/reports/b.txt", "a report before its image")
        let archive = try scratch.makeArchive()
        func verdict(_ name: String) throws -> SourceVerdict {
            var finder = CaseFinder(root: scratch.path + "/in")
            let found = try #require(finder.cases(ofGroup: [FoundFile(path: name)]).first)
            return try archive.verdict(of: found.origin, id: found.id)
        }
        _ = try run(archive, scratch.path + "/in")
        #expect(try archive.forget(id: "a", source: scratch.path + "/in/a"))
        #expect(try verdict("a.txt") == .open)
        #expect(try verdict("reports/b.txt") == .unchanged)
        try scratch.write("in/images/b.png", makePNG(1))
        _ = try run(archive, scratch.path + "/in")
        #expect(try archive.get(id: "reports/b") == nil)
        #expect(try verdict("reports/b.txt") == .open)
    }

    @Test("A new report keeps the images of the case, though their files are gone")
    func addenda() throws {
        let scratch = try Scratch()
        let path = try scratch.write("in/a.png", makePNG(1))
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        _ = try run(archive, scratch.path + "/in")
        let before = try #require(try archive.vectors(id: "a"))
        try FileManager.default.removeItem(atPath: path)
        var input = CaseInput(id: "a", report: "addendum: a nodule")
        input.keepsImages = true
        #expect(try archive.put([input]) == [.replaced(vectors: 2)])
        #expect(embedder.imageCount.current == 1)
        let after = try #require(try archive.get(id: "a"))
        #expect(after.report == "addendum: a nodule" && after.images.map(\.path) == [path])
        #expect(try archive.vectors(id: "a")?[.image] == before[.image])
        let report = try archive.check(deep: true)
        #expect(report.findings == [] && report.missingCount == 1)
        #expect(report.missing == [CheckReport.MissingImage(id: "a", path: path)])
        let nobody = CaseInput(id: "b", report: "x")
        var without = nobody
        without.keepsImages = true
        guard case .refused = try archive.put([without])[0] else { return #expect(Bool(false)) }
    }
}
