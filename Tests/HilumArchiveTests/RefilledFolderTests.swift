import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import HilumArchive

/// A folder is emptied and filled again: the same names may be another patient's files.
@Suite("Names that are used again") struct RefilledFolderTests {
    private func run(
        _ archive: Archive, _ source: String, replaces: Bool = false
    ) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], replaces: replaces, isQuiet: true)
    }

    private func write(_ scratch: Scratch, _ names: [String], seed: Int, patient: String?) throws {
        for (place, name) in names.enumerated() {
            switch FileRole(name: name) {
            case .image: try scratch.write("in/" + name, makePNG(seed + place))
            case .record: try scratch.write("in/" + name, #"{"patient":"\#(patient ?? "")"}"#)
            default: try scratch.write("in/" + name, "the report of \(patient ?? "somebody"), \(seed)")
            }
        }
    }

    private func empty(_ scratch: Scratch) throws {
        try? FileManager.default.removeItem(atPath: scratch.path + "/in")
        try FileManager.default.createDirectory(atPath: scratch.path + "/in", withIntermediateDirectories: true)
    }

    /// Whether a case is made of one patient's files alone: digests of `MUELLER`, or none of them.
    private func isMixed(_ record: CaseRecord, _ first: Set<String>) -> Bool {
        var owners = Set(record.images.map { first.contains($0.digest) })
        if let report = record.report { owners.insert(report.contains("MUELLER")) }
        if let patient = record.fields.patient { owners.insert(patient == "MUELLER") }
        return owners.count > 1
    }

    static let secondFills: [[String]] = [
        ["001.png"], ["001.png", "001.json"], ["001.png", "001_lateral.png"], ["001_lateral.png"],
        ["001_lateral.png", "001.json"], ["001_PA.png", "001.txt"], ["001.png", "001.txt", "001.json"],
        ["001.json", "001.txt"], ["001_thumb.png"],
    ]

    @Test(
        "No case holds files of two patients, whatever the folder was filled with before and after",
        arguments: secondFills, [true, false])
    func nothingIsMixed(second: [String], isSaid: Bool) throws {
        // Without a file beside it, nothing says that a text alone is another patient's.
        guard isSaid || second.contains(where: { $0.hasSuffix(".png") }) else { return }
        for first in [
            ["001.png", "001_lateral.png", "001.txt", "001.json"], ["001.png", "001.txt"], ["001.png"],
            ["001.txt", "001.json"], ["001_PA.png", "001_lateral.png"],
        ] {
            let scratch = try Scratch()
            try write(scratch, first.filter { isSaid || $0 != "001.json" }, seed: 1, patient: "MUELLER")
            let archive = try scratch.makePlainArchive()
            #expect(try run(archive, scratch.path + "/in").stored == 1)
            let before = try #require(try archive.get(id: "001"))
            try empty(scratch)
            let names = second.filter { isSaid || $0 != "001.json" }
            try write(scratch, names, seed: 50, patient: "SCHMIDT")
            for source in [scratch.path + "/in", scratch.path + "/in/" + names[0]]
            where FileRole(name: source) != .record {
                let summary = try run(archive, source)
                let after = try #require(try archive.get(id: "001"))
                #expect(!isMixed(after, Set(before.images.map(\.digest))), "\(first) then \(names)")
                // It is the new case alone, or the old one as it was and the new one is refused by name.
                #expect(after.number != before.number || summary.refused.count == 1, "\(first) then \(names)")
                if summary.refused.count == 1 { #expect(after == before) }
            }
            #expect(try archive.check(deep: true).findings == [])
            _ = try run(archive, scratch.path + "/in", replaces: true)
            let last = try #require(try archive.get(id: "001"))
            #expect(!isMixed(last, Set(before.images.map(\.digest))) && last.number != before.number)
        }
    }

    @Test("A new image that took another one's place stands alone, and the summary says so")
    func theReviewersCase() throws {
        let scratch = try Scratch()
        try write(scratch, ["001.png", "001_lateral.png", "001.txt"], seed: 1, patient: "MUELLER")
        let archive = try scratch.makePlainArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        try empty(scratch)
        try write(scratch, ["001.png"], seed: 50, patient: nil)
        let summary = try run(archive, scratch.path + "/in")
        #expect(summary.replaced == 1 && summary.parted == 1 && summary.keepingImages == 0)
        #expect(summary.notes.contains { $0.contains("nothing shows that those are the same patient's") })
        let record = try #require(try archive.get(id: "001"))
        #expect(record.images.count == 1 && !record.hasReport)
        #expect(try run(archive, scratch.path + "/in").unchanged == 1)
    }

    /// Files that look the same for every patient.
    private static func makeBlack() throws -> [UInt8] {
        let samples = [UInt16](repeating: 0, count: 256)
        return try PNGEncoder.encode(GrayImage(width: 16, height: 16, samples: samples), bitDepth: 8)
    }

    @Test("A picture that is the same for everybody shows nothing of whose the others are", arguments: 0..<4)
    func picturesOfNobody(way: Int) throws {
        let scratch = try Scratch()
        // A blank one, and one that another case has too.
        let common = try way % 2 == 0 ? Self.makeBlack() : makePNG(7)
        if way % 2 == 1 { try scratch.write("in/other.png", common) }
        for (name, bytes) in [("001.png", try makePNG(1)), ("001_lateral.png", common)] {
            try scratch.write("in/" + name, bytes)
        }
        try scratch.write("in/001.txt", "Patient A: large left effusion.")
        let archive = try scratch.makePlainArchive()
        _ = try run(archive, scratch.path + "/in")
        let before = try #require(try archive.get(id: "001"))
        #expect(before.images.count == 2 && before.hasReport)
        try empty(scratch)
        // In the place of the one that was there, or beside it.
        try scratch.write(way < 2 ? "in/001.png" : "in/001_ll.png", makePNG(50))
        try scratch.write("in/001_lateral.png", common)
        if way % 2 == 1 { try scratch.write("in/other.png", common) }
        let summary = try run(archive, scratch.path + "/in")
        let after = try #require(try archive.get(id: "001"))
        if way < 2 {
            #expect(summary.replaced == 1 && summary.parted == 1 && !after.hasReport && after.images.count == 2)
        } else {
            #expect(summary.refused.count == 1 && after == before)
        }
    }

    @Test("Copies that keep the time of a file tie nothing to an image that overwrote another one")
    func copiesThatKeepTheirTime() throws {
        let scratch = try Scratch()
        let template = try scratch.write("template.png", Self.makeBlack())
        func copy(to name: String) throws {
            let target = scratch.path + "/in/" + name
            try? FileManager.default.removeItem(atPath: target)
            try FileManager.default.copyItem(atPath: template, toPath: target)
            var times = [timespec(tv_sec: 1_500_000_000, tv_nsec: 0), timespec(tv_sec: 1_500_000_000, tv_nsec: 0)]
            #expect(utimensat(AT_FDCWD, target, &times, 0) == 0)
        }
        try scratch.write("in/001.png", makePNG(1))
        try copy(to: "001_lateral.png")
        try scratch.write("in/001.txt", "the report of MUELLER")
        let archive = try scratch.makePlainArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        try empty(scratch)
        try scratch.write("in/001.png", makePNG(50))
        try copy(to: "001_lateral.png")
        #expect(try run(archive, scratch.path + "/in").parted == 1)
        #expect(try archive.get(id: "001")?.hasReport == false)
    }

    @Test("A patient who comes again does not get the report of the exam before")
    func followUp() throws {
        let scratch = try Scratch()
        let archive = try scratch.makePlainArchive()
        for (record, isKept) in [
            (#"{"patient":"X9"}"#, false), (#"{"patient":"X9","date":"2019-03-01"}"#, true),
            (#"{"patient":"X9","study":"1.2.3"}"#, true),
        ] {
            _ = try archive.delete(id: "q")
            try empty(scratch)
            try scratch.write("in/q.png", makePNG(1))
            try scratch.write("in/q.txt", "2019 exam: large left effusion.")
            try scratch.write("in/q.json", record)
            #expect(try run(archive, scratch.path + "/in").stored == 1)
            try empty(scratch)
            try scratch.write("in/q.png", makePNG(50))
            try scratch.write("in/q.json", record)
            let summary = try run(archive, scratch.path + "/in")
            #expect(summary.replaced == 1 && (summary.parted == 0) == isKept)
            #expect(try archive.get(id: "q")?.hasReport == isKept, "\(record)")
        }
    }

    @Test("A text that came first brings no image of the patient before to the image that follows it")
    func textFirst() throws {
        let scratch = try Scratch()
        try write(scratch, ["001.png", "001_lateral.png", "001.txt", "001.json"], seed: 1, patient: "MUELLER")
        let archive = try scratch.makePlainArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        let before = try #require(try archive.get(id: "001"))
        try empty(scratch)
        // Nobody can tell it from an addendum.
        try write(scratch, ["001.txt"], seed: 50, patient: nil)
        #expect(try run(archive, scratch.path + "/in").replaced == 1)
        try write(scratch, ["001.png"], seed: 60, patient: nil)
        #expect(try run(archive, scratch.path + "/in").replaced == 1)
        let after = try #require(try archive.get(id: "001"))
        #expect(after.images.count == 1 && after.fields.patient == nil && after.report?.contains("50") == true)
        #expect(Set(after.images.map(\.digest)).isDisjoint(with: before.images.map(\.digest)))
        // Now both lie there, and what leaves stays.
        try FileManager.default.removeItem(atPath: scratch.path + "/in/001.png")
        try write(scratch, ["001_lateral.png"], seed: 70, patient: nil)
        #expect(try run(archive, scratch.path + "/in").replaced == 1)
        #expect(try archive.get(id: "001")?.images.count == 2)
    }

    @Test("Where the picture of a case is another one now, its text updates nothing")
    func theTextOfAnOverwrittenImage() throws {
        let scratch = try Scratch()
        try write(scratch, ["images/1.png", "reports/1.txt"], seed: 1, patient: "MUELLER")
        let archive = try scratch.makePlainArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        try write(scratch, ["images/1.png", "reports/1.txt"], seed: 50, patient: "SCHMIDT")
        let alone = try run(archive, scratch.path + "/in/reports/1.txt")
        #expect(alone.refused.first?.reason.contains("another picture lies where its image lay") == true)
        #expect(try archive.get(id: "images/1")?.report?.contains("MUELLER") == true)
        #expect(try run(archive, scratch.path + "/in").replaced == 1)
        #expect(try archive.get(id: "images/1")?.report?.contains("SCHMIDT") == true)
    }

    @Test("The image of a row takes that row's text and fields only while the row is the same")
    func rows() throws {
        let scratch = try Scratch()
        let image = try scratch.write("in/x.png", makePNG(1))
        try scratch.write(
            "in/cases.jsonl", #"{"id":"other","image":"x.png","report":"of MUELLER","patient":"MUELLER"}"#)
        let archive = try scratch.makePlainArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        let before = try archive.get(id: "other")
        try scratch.write("in/x.png", makePNG(50))
        try scratch.write(
            "in/cases.jsonl", #"{"id":"other","image":"x.png","report":"of SCHMIDT","patient":"SCHMIDT"}"#)
        for _ in 0..<2 { #expect(try run(archive, image).refused.count == 1) }
        #expect(try archive.get(id: "other") == before)
        #expect(try run(archive, scratch.path + "/in").replaced == 1)
        #expect(try archive.get(id: "other")?.report == "of SCHMIDT")
    }

    @Test("One image by name keeps the text that lies in a tree beside it")
    func oneImageOfTrees() throws {
        let scratch = try Scratch()
        try write(scratch, ["images/w/1.png", "reports/w/1.txt"], seed: 1, patient: "MUELLER")
        let archive = try scratch.makePlainArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        let image = try scratch.write("in/images/w/1.png", makePNG(9))
        #expect(try run(archive, image).replaced == 1)
        #expect(try archive.get(id: "images/w/1")?.report?.contains("MUELLER") == true)
        // The text has another content too: the image alone says nothing of whose it is.
        try write(scratch, ["images/w/1.png", "reports/w/1.txt"], seed: 50, patient: "SCHMIDT")
        _ = try run(archive, image)
        #expect(try archive.get(id: "images/w/1")?.report?.contains("MUELLER") != true)
    }

    @Test("A patient, a date or a study that differs refuses a further image; the same patient's joins")
    func signs() throws {
        let scratch = try Scratch()
        let record = #"{"patient":"P1","date":"2020-01-01","study":"7"}"#
        try scratch.write("in/a_pa.png", makePNG(1))
        try scratch.write("in/a.json", record)
        let archive = try scratch.makePlainArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        let before = try archive.get(id: "a")
        try empty(scratch)
        try scratch.write("in/a_lateral.png", makePNG(2))
        for other in [#"{"patient":"P2"}"#, #"{"patient":"P1","date":"2021"}"#, #"{"study":"8"}"#, #"{"site":"A"}"#] {
            try scratch.write("in/a.json", other)
            let summary = try run(archive, scratch.path + "/in")
            #expect(summary.refused.count == 1 && !(summary.refused[0].reason.contains("P2")), "\(other)")
            #expect(try archive.get(id: "a") == before)
        }
        try scratch.write("in/a.json", #"{"patient":"P1","date":"2020-01","site":"A"}"#)
        #expect(try run(archive, scratch.path + "/in").replaced == 1)
        #expect(try archive.get(id: "a")?.images.count == 2)
        // A refusal goes with the case that it protects.
        try empty(scratch)
        try scratch.write("in/a_ll.png", makePNG(3))
        #expect(try run(archive, scratch.path + "/in").refused.count == 1)
        #expect(try archive.delete(id: "a"))
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        #expect(try archive.check(deep: true).findings == [])
    }
}

extension Scratch {
    /// An archive that stores reports as they are: those of these tests say whose they are by a name, which would be masked.
    fileprivate func makePlainArchive() throws -> Archive {
        try Archive.create(at: archive, privacy: PrivacySettings(deidentification: .off))
        return try Archive(path: archive, mode: .readWrite, embedder: FakeEmbedder())
    }
}
