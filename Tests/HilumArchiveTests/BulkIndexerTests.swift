import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import HilumArchive

@Suite struct BulkIndexerTests {
    /// A folder with `count` cases, images and reports in files.
    private func makeSource(_ scratch: Scratch, _ count: Int) throws -> String {
        var rows = ""
        for index in 0..<count {
            try scratch.write("data/images/\(index).png", makePNG(index))
            try scratch.write("data/reports/\(index).txt", makeReport(index))
            rows +=
                #"{"id":"c\#(index)","image":"images/\#(index).png","report_file":"reports/\#(index).txt","view":"PA"}"#
                + "\n"
        }
        try scratch.write("data/cases.jsonl", rows)
        return scratch.path + "/data"
    }

    private func run(
        _ archive: Archive, _ source: String, again: Bool = false, interrupt: AtomicFlag? = nil
    ) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], again: again, isQuiet: true, interrupt: interrupt)
    }

    @Test func aFolderIsStoredAndTheSecondRunReadsNothing() throws {
        let scratch = try Scratch()
        let source = try makeSource(scratch, 150)
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        let first = try run(archive, source)
        #expect(first.stored == 150 && first.unchanged == 0 && first.refused == [] && !first.isInterrupted)
        let encoded = embedder.imageCount.current
        // A file that may not be read proves that nobody tries; its size and time are the same.
        chmod(source + "/images/3.png", 0)
        let second = try run(archive, source)
        #expect(second.unchanged == 150 && second.stored == 0 && second.refused == [])
        #expect(embedder.imageCount.current == encoded)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func aFileThatChangedIsStoredAgainAndADeletedCaseComesBackWhenThatIsAskedFor() throws {
        let scratch = try Scratch()
        let source = try makeSource(scratch, 20)
        let archive = try scratch.makeArchive()
        _ = try run(archive, source)
        try scratch.write("data/reports/7.txt", "now with a pneumothorax")
        #expect(try archive.delete(id: "c9"))
        let left = try run(archive, source)
        #expect(left.stored == 0 && left.deleted == 1 && left.replaced == 1 && left.unchanged == 18)
        let again = try run(archive, source, again: true)
        #expect(again.stored == 1 && again.deleted == 0 && again.unchanged == 19)
        #expect(try archive.get(id: "c7")?.report == "now with a pneumothorax")
        #expect(try archive.get(id: "c9") != nil)
        // A file that is only touched is read and found to be the same.
        try scratch.write("data/images/5.png", makePNG(5))
        let touched = try run(archive, source)
        #expect(touched.stored == 0 && touched.unchanged == 20)
        // What was put by itself since is not lost to an older row.
        try archive.put([CaseInput(id: "c2", report: "from elsewhere")])
        let after = try run(archive, source)
        #expect(after.stored == 0 && after.replaced == 0 && after.refused.map(\.source) == [source + "/cases.jsonl:3"])
        #expect(after.refused.first?.reason.contains("c2 was put by itself") == true)
        #expect(try BulkIndexer(archive: archive).run(sources: [source], replaces: true, isQuiet: true).replaced == 1)
    }

    @Test func anIDIsRefusedWithTheRuleOfTheDaemon() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let manifest = try scratch.write(
            "ids.jsonl",
            #"{"id":"a\nb","report":"x"}"# + "\n" + #"{"id":"\#(String(repeating: "x", count: 256))","report":"x"}"#
                + "\n"
                + #"{"id":"good","report":"x"}"#)
        let summary = try run(archive, manifest)
        #expect(summary.stored == 1)
        let rule = "an id has 1 to 255 bytes and no control characters"
        #expect(summary.refused.map(\.reason) == [rule, rule])
    }

    @Test func badFilesAreRefusedEachWithItsReasonAndAgainWithoutReading() throws {
        let scratch = try Scratch()
        let source = try makeSource(scratch, 10)
        try scratch.write("data/images/1.png", "not an image")
        try scratch.write("data/images/2.png", Array(makePNG(2).prefix(60)))
        try FileManager.default.removeItem(atPath: source + "/images/3.png")
        try FileManager.default.removeItem(atPath: source + "/reports/4.txt")
        try scratch.write("data/reports/5.txt", [0xFF, 0xFE, 0x41])
        let handle = try #require(FileHandle(forWritingAtPath: source + "/cases.jsonl"))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("broken\n{\"id\":\"c0\",\"report\":\"twice\"}\n".utf8))
        try handle.close()
        let archive = try scratch.makeArchive()
        let first = try run(archive, source)
        #expect(first.stored == 5)
        #expect(first.refused.count == 7)
        #expect(first.refused.allSatisfy { !$0.reason.isEmpty && $0.source.contains("cases.jsonl:") })
        let second = try run(archive, source)
        #expect(second.unchanged == 5 && second.stored == 0)
        #expect(Set(second.refused.map(\.source)) == Set(first.refused.map(\.source)))
        try scratch.write("data/images/3.png", makePNG(3))
        #expect(try run(archive, source).stored == 1)
    }

    @Test func anInterruptedRunIsTakenUp() throws {
        let scratch = try Scratch()
        let source = try makeSource(scratch, 200)
        let embedder = FakeEmbedder()
        var archive = try scratch.makeArchive(embedder)
        let flag = AtomicFlag()
        flag.raise()
        #expect(try run(archive, source, interrupt: flag).isInterrupted)
        let lines = try String(contentsOfFile: source + "/cases.jsonl", encoding: .utf8).split(separator: "\n")
        try scratch.write("data/cases.jsonl", lines.prefix(90).joined(separator: "\n"))
        #expect(try run(archive, source).stored == 90)
        archive.close()
        try scratch.write("data/cases.jsonl", lines.joined(separator: "\n"))
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: embedder)
        let rest = try run(archive, source)
        #expect(rest.stored == 110 && rest.unchanged == 90 && !rest.isInterrupted)
        #expect(embedder.imageCount.current == 200)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func ofSeveralImagesOfACaseThoseThatCanBeReadAreStored() throws {
        let scratch = try Scratch()
        let good = [try scratch.write("good.png", makePNG(1)), try scratch.write("side.png", makePNG(2))]
        try scratch.write("bad.png", "text")
        try scratch.write(
            "cases.jsonl",
            #"{"id":"a","image":["none.png","bad.png","good.png","side.png"],"view":["","","PA","LATERAL"]}"#)
        let archive = try scratch.makeArchive()
        let summary = try run(archive, scratch.path + "/cases.jsonl")
        #expect(summary.stored == 1 && summary.notes.count == 1)
        #expect(summary.refused.map(\.source) == ["none.png", "bad.png"].map { "\(scratch.path)/\($0)" })
        let images = try #require(try archive.get(id: "a")?.images)
        #expect(images.map(\.path) == good && images.map(\.view) == ["PA", "LATERAL"])
        #expect(try archive.get(id: "a")?.fields.view == "PA")
    }

    @Test func aPictureInWhichNothingCanBeSeenIsStoredAndNoted() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let grey = GrayImage(width: 24, height: 16, samples: [UInt16](repeating: 9_000, count: 24 * 16))
        try scratch.write("in/grey.png", PNGEncoder.encode(grey, bitDepth: 16))
        try scratch.write("in/film.png", makePNG(1))
        let summary = try run(archive, scratch.path + "/in")
        #expect(summary.stored == 2 && summary.refused == [])
        #expect(summary.blankImages == ["grey"] && summary.oddImages == [])
        #expect(try run(archive, scratch.path + "/in").blankImages == [])
    }

    @Test(.enabled(if: SharedData.path != nil, "needs ../shared/data or $HILUM_SHARED/data"))
    func theRealCasesAreStoredAndNoneIsRefused() throws {
        let data = try #require(SharedData.path)
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let images = try run(archive, data + "/cxr-real")
        #expect(images.stored == 176 && images.refused == [])
        let stats = try archive.stats()
        #expect(stats.images == 176 && stats.reports == 147)
        let reports = try run(archive, data + "/report-corpus/cases.jsonl")
        #expect(reports.stored == 2618 && reports.refused == [])
        let again = try BulkIndexer(archive: archive).run(
            sources: [data + "/cxr-real", data + "/report-corpus/cases.jsonl"], isQuiet: true)
        #expect(again.unchanged == 2794 && again.stored == 0)
        #expect(again.seconds < (images.seconds + reports.seconds) / 10)
        #expect(try archive.check(deep: true).findings == [])
        let finding = try Filter(parsing: "finding=COVID-19")
        #expect(try archive.count(finding) == 107)
    }
}
