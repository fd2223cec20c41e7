import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import HilumArchive

/// What `hilum index` makes of a part of what it knows: one file of a case, or what is left of one.
@Suite struct OneFileTests {
    private func run(
        _ archive: Archive, _ source: String, replaces: Bool = false, again: Bool = false
    ) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], replaces: replaces, again: again, isQuiet: true)
    }

    private func names(_ archive: Archive, _ id: String) throws -> [String] {
        (try archive.get(id: id)?.images ?? []).map { FilePath.name(of: $0.path) }
    }

    @Test(
        "One file of a case adds to that case or updates its image, and leaves the rest alone",
        arguments: [
            ("in/p1/s50/0a.jpg", "in/p1/s50/0b.jpg", "in/p1/s50.txt", "p1/s50"),
            ("in/ward/7_pa.png", "in/ward/7_lateral.png", "in/ward/7.txt", "ward/7"),
            ("in/images/w/7_pa.png", "in/images/w/7_lateral.png", "in/reports/w/7.txt", "images/w/7"),
            ("in/st/image.png", "in/st/lateral.png", "in/st/report.txt", "st"),
        ])
    func oneFile(first: String, second: String, text: String, id: String) throws {
        let scratch = try Scratch()
        let image = try scratch.write(first, makePNG(1))
        try scratch.write(second, makePNG(2))
        try scratch.write(text, "left effusion")
        try scratch.write("in/ward/8.png", makePNG(9))
        try scratch.write("in/7.png", makePNG(8))
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        #expect(try run(archive, scratch.path + "/in").refused == [])
        let before = try #require(try archive.get(id: id))
        #expect(before.images.count == 2 && before.hasReport)
        let count = try archive.stats().cases
        let encoded = embedder.imageCount.current
        for path in [first, second, text] {
            let again = try run(archive, "\(scratch.path)/\(path)")
            #expect(again.unchanged == 1 && again.stored + again.replaced == 0, "\(path)")
        }
        #expect(embedder.imageCount.current == encoded)
        try scratch.write(first, makePNG(3))
        #expect(try run(archive, image).replaced == 1)
        let after = try #require(try archive.get(id: id))
        #expect(try names(archive, id) == before.images.map { FilePath.name(of: $0.path) })
        #expect(after.images.first?.digest != before.images.first?.digest)
        #expect(after.images.last?.digest == before.images.last?.digest && after.report == before.report)
        try scratch.write(text, "no effusion any more")
        #expect(try run(archive, "\(scratch.path)/\(text)").replaced == 1)
        #expect(try archive.get(id: id)?.report == "no effusion any more" && names(archive, id).count == 2)
        #expect(try archive.stats().cases == count && archive.check(deep: true).findings == [])
        let whole = try run(archive, scratch.path + "/in")
        #expect(whole.unchanged == count && whole.stored + whole.replaced == 0)
    }

    @Test("A new file of a study adds an image to the study's case, wherever the run before began")
    func aNewFileOfAStudy() throws {
        let scratch = try Scratch()
        try scratch.write("in/p1/s50/0a.jpg", makePNG(1))
        try scratch.write("in/p1/s50.txt", "left effusion")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        let path = try scratch.write("in/p1/s50/0b.jpg", makePNG(2))
        #expect(try run(archive, path).replaced == 1)
        #expect(try names(archive, "p1/s50") == ["0a.jpg", "0b.jpg"])
        #expect(try archive.get(id: "p1/s50")?.report == "left effusion" && archive.stats().cases == 1)
        #expect(try run(archive, scratch.path + "/in").unchanged == 1)
    }

    @Test("One DICOM file of a study does not replace the study", .enabled(if: decodesDICOM, "without GDCM"))
    func oneFileOfADICOMStudy() throws {
        let scratch = try Scratch()
        let first = try scratch.write("in/a/IM1.dcm", makeDICOM(1, study: "1.2.3"))
        try scratch.write("in/b/IM2.dcm", makeDICOM(2, study: "1.2.3", view: "LL"))
        try scratch.write("in/IM9.dcm", makeDICOM(9, study: "1.2.4", patient: "9"))
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 2)
        try scratch.write("in/a/IM1.dcm", makeDICOM(5, study: "1.2.3"))
        #expect(try run(archive, first).replaced == 1)
        #expect(try names(archive, "1.2.3") == ["IM1.dcm", "IM2.dcm"] && archive.stats().cases == 2)
        #expect(try run(archive, scratch.path + "/in").unchanged == 2)
        // A file of another patient is refused by name.
        let other = try scratch.write("in/c/IM3.dcm", makeDICOM(6, study: "1.2.3", patient: "BOB"))
        let refused = try run(archive, other)
        #expect(refused.refused.first?.reason.contains("two patients") == true && refused.replaced == 0)
        #expect(try names(archive, "1.2.3") == ["IM1.dcm", "IM2.dcm"])
    }

    @Test("One image of a row of a manifest stays that row's")
    func oneFileOfARow() throws {
        let scratch = try Scratch()
        let image = try scratch.write("in/x.png", makePNG(1))
        try scratch.write("in/cases.jsonl", #"{"id":"other","image":"x.png","report":"clear","patient":"p1"}"#)
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        #expect(try run(archive, image).unchanged == 1)
        try scratch.write("in/x.png", makePNG(2))
        #expect(try run(archive, image).replaced == 1)
        let known = try #require(try archive.get(id: "other"))
        #expect(known.report == "clear" && known.fields.patient == "p1")
        #expect(try archive.stats().cases == 1 && run(archive, scratch.path + "/in").unchanged == 1)
    }

    @Test(
        "A case whose files lie there, and that a report joins, has lost no image",
        .enabled(if: decodesDICOM, "built without GDCM"))
    func aMessageJoins() throws {
        let scratch = try Scratch()
        try scratch.write("in/x.dcm", makeFilm(1, study: "1.2.840.99.1", accession: "ACC-7"))
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        try scratch.write("later/m.hl7", SyntheticMessage("A nodule.", patient: "INV-1", accession: "ACC-7").bytes())
        let joined = try run(archive, scratch.path + "/later")
        #expect(joined.replaced == 1 && joined.notes.allSatisfy { !$0.contains("have left") }, "\(joined)")
        let record = try #require(try archive.get(id: "1.2.840.99.1"))
        #expect(record.images.count == 1 && record.report?.contains("nodule") == true)
    }

    @Test("A report whose image has left stays with its case, and a new one updates it")
    func aReportAlone() throws {
        let scratch = try Scratch()
        let image = try scratch.write("in/images/1.png", makePNG(1))
        try scratch.write("in/reports/1.txt", "clear")
        let second = try scratch.write("in/x.png", makePNG(2))
        try scratch.write("in/x.txt", "clear too")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 2)
        for path in [image, second] { try FileManager.default.removeItem(atPath: path) }
        #expect(try run(archive, scratch.path + "/in").unchanged == 2)
        try scratch.write("in/reports/1.txt", "a nodule")
        try scratch.write("in/x.txt", "a nodule too")
        let dry = try BulkIndexer(archive: archive).dryRun(sources: [scratch.path + "/in"])
        #expect(dry.replaced == 2 && dry.stored == 0)
        let again = try run(archive, scratch.path + "/in")
        #expect(again.replaced == 2 && again.stored == 0)
        #expect(again.notes.contains { $0.contains("2 cases keep images whose files have left") })
        try scratch.write("in/reports/1.txt", "two nodules")
        #expect(try run(archive, scratch.path + "/in/reports/1.txt").replaced == 1)
        #expect(try archive.get(id: "reports/1") == nil && archive.stats().cases == 2)
        for (id, report) in [("images/1", "two nodules"), ("x", "a nodule too")] {
            let known = try #require(try archive.get(id: id))
            #expect(known.images.count == 1 && known.report == report)
        }
        // What is there alone counts where that is asked for.
        #expect(try run(archive, scratch.path + "/in", replaces: true).replaced == 2)
        #expect(try archive.get(id: "x")?.hasImage == false && archive.check(deep: true).findings == [])
    }

    @Test("One image of a pair that has left stays with its case when the folder is indexed again")
    func oneImageOfTwo() throws {
        let scratch = try Scratch()
        let first = try scratch.write("in/s1_pa.png", makePNG(1))
        try scratch.write("in/s1.txt", "clear")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        try FileManager.default.removeItem(atPath: first)
        try scratch.write("in/s1_lateral.png", makePNG(2))
        #expect(try run(archive, scratch.path + "/in").replaced == 1)
        #expect(try names(archive, "s1") == ["s1_pa.png", "s1_lateral.png"])
        #expect(try run(archive, scratch.path + "/in").unchanged == 1)
    }

    @Test("What is left of a deleted case is known as deleted, and one of its files that changes is not")
    func whatIsLeftOfADeletedCase() throws {
        let scratch = try Scratch()
        try scratch.write("in/s1_pa.png", makePNG(1))
        let lateral = try scratch.write("in/s1_lateral.png", makePNG(2))
        try scratch.write("in/s1.txt", "clear")
        let archive = try scratch.makeArchive()
        func verdict(_ names: String...) throws -> SourceVerdict {
            var finder = CaseFinder(root: scratch.path + "/in")
            let found = try #require(finder.cases(ofGroup: names.map { FoundFile(path: $0) }).first)
            return try archive.verdict(of: found.origin, id: found.id)
        }
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        // A run over one file alone forgets nothing of the others.
        try scratch.write("in/s1_lateral.png", makePNG(3))
        #expect(try run(archive, lateral).replaced == 1)
        #expect(try archive.delete(id: "s1"))
        for names in [["s1_pa.png", "s1_lateral.png", "s1.txt"], ["s1_lateral.png", "s1.txt"], ["s1.txt"]] {
            var finder = CaseFinder(root: scratch.path + "/in")
            let found = try #require(finder.cases(ofGroup: names.map { FoundFile(path: $0) }).first)
            #expect(try archive.verdict(of: found.origin, id: found.id) == .deleted, "\(names)")
        }
        try scratch.write("in/s1.txt", "not clear any more")
        #expect(try verdict("s1_lateral.png", "s1.txt") == .open && verdict("s1_lateral.png") == .deleted)
        #expect(try archive.check(deep: true).findings == [])
        // Whoever asks for it has it back, and may delete it again.
        #expect(try run(archive, scratch.path + "/in", again: true).stored == 1)
        #expect(try verdict("s1_pa.png", "s1_lateral.png", "s1.txt") == .unchanged)
        #expect(try archive.delete(id: "s1") && verdict("s1.txt") == .deleted)
    }

    @Test("Journal entries of the layout before marks are read")
    func olderJournal() throws {
        var entry = JournalEntry(name: "/data/a", fingerprint: [UInt8](repeating: 3, count: 32))
        entry.number = 7
        #expect(entry.encoded().first == 1)
        let old = try entry.encoded().withUnsafeBytes { try JournalEntry(key: entry.key, decoding: $0) }
        #expect(old.marks.isEmpty && old.number == 7)
        entry.marks.insert(hashOf: [1])
        entry.marks.insert(hashOf: [2])
        let new = try entry.encoded().withUnsafeBytes { try JournalEntry(key: entry.key, decoding: $0) }
        #expect(new.marks == entry.marks && new.name == "/data/a" && entry.encoded().first == 2)
    }
}

/// Two spellings of a name, and patients whose numbers are equal.
@Suite struct DoubtTests {
    private let composed = "M\u{FC}ller"
    private let decomposed = "Mu\u{308}ller"

    @Test("Of names that differ in their Unicode form alone one is taken, whichever came first", arguments: [0, 1])
    func unicodeTwins(turn: Int) throws {
        let scratch = try Scratch()
        let spellings = turn == 0 ? [composed, decomposed] : [decomposed, composed]
        for name in spellings {
            let isComposed = name.utf8.elementsEqual(composed.utf8)
            try scratch.write("in/\(name).png", makePNG(isComposed ? 1 : 2))
            try scratch.write("in/\(name)_report.txt", isComposed ? "mine" : "the other one's")
        }
        let archive = try scratch.makeArchive()
        for _ in 0..<2 {
            let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
            #expect(summary.stored + summary.unchanged == 1 && summary.replaced == 0)
            #expect(summary.passedOver.counts == [NameTwins.reason: 2])
            #expect(summary.notes.count { $0.contains("another Unicode spelling") } == 2)
            let known = try #require(try archive.get(id: composed))
            #expect(known.report == "mine" && known.images.count == 1)
            #expect(known.imagePath?.utf8.elementsEqual("\(scratch.path)/in/\(composed).png".utf8) == true)
        }
        let error = #expect(throws: ArchiveError.self) {
            try BulkIndexer(archive: archive).run(sources: ["\(scratch.path)/in/\(decomposed).png"], isQuiet: true)
        }
        #expect(error?.reason.contains("another Unicode spelling") == true)
    }

    @Test("A text goes to no image whose twin it may belong to, also in parallel trees")
    func textsOfTwins() throws {
        let scratch = try Scratch()
        for (seed, name) in [composed, decomposed].enumerated() {
            try scratch.write("in/images/\(name).png", makePNG(seed))
            try scratch.write("in/flat/\(name).png", makePNG(seed))
        }
        try scratch.write("in/reports/\(decomposed).txt", "whose?")
        try scratch.write("in/flat/\(decomposed).txt", "whose?")
        // Without a twin the two spellings are one name.
        try scratch.write("in/one/\(composed).png", makePNG(3))
        try scratch.write("in/one/\(decomposed).txt", "clear")
        let archive = try scratch.makeArchive()
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 3 && summary.passedOver.counts == [NameTwins.reason: 4])
        for folder in ["images", "flat"] {
            #expect(try archive.get(id: "\(folder)/\(composed)")?.hasReport == false)
        }
        #expect(try archive.get(id: "one/\(composed)")?.report == "clear")
    }

    @Test("Folders that differ in their Unicode form alone are not mixed")
    func foldersOfTwins() throws {
        let scratch = try Scratch()
        try scratch.write("in/\(composed)/1.png", makePNG(1))
        try scratch.write("in/\(decomposed)/1.txt", "the other one's")
        let archive = try scratch.makeArchive()
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 1 && summary.passedOver.counts == [NameTwins.reason: 1])
        #expect(try archive.get(id: "\(composed)/1")?.hasReport == false)
    }

    /// Tags of 17 MiB before those of the patient.
    private func longHeader(_ bytes: [UInt8]) -> [UInt8] {
        // Private data of group 0009, explicit and little endian, before group 0010.
        let mark: [UInt8] = [0x10, 0x00, 0x10, 0x00]
        guard let place = bytes.indices.first(where: { bytes[$0...].starts(with: mark) }) else { return bytes }
        let count = 17 << 20
        let head: [UInt8] =
            [0x09, 0x00, 0x10, 0x10] + Array("OB".utf8) + [0, 0]
            + (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }
        return bytes[..<place] + head + [UInt8](repeating: 5, count: count) + bytes[place...]
    }

    @Test(
        "Two patients are told apart though their tags lie far behind", .enabled(if: decodesDICOM, "without GDCM"),
        arguments: [true, false])
    func tagsFarBehind(hasStudy: Bool) throws {
        let scratch = try Scratch()
        let study = hasStudy ? "1.2.3" : ""
        try scratch.write("in/x_pa.dcm", longHeader(makeDICOM(1, study: study, patient: "ALICE")))
        try scratch.write("in/x_lateral.dcm", longHeader(makeDICOM(2, study: study, patient: "BOB")))
        try scratch.write("in/y_pa.dcm", longHeader(makeDICOM(3, study: "1.2.4", patient: "CAROL")))
        let archive = try scratch.makeArchive()
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 1 && summary.refused.count == 1)
        #expect(summary.refused.first?.reason.contains("two patients") == true)
        #expect(try archive.get(id: "1.2.4")?.fields.patient != nil)
    }

    @Test("One number that two hospitals gave is two patients", .enabled(if: decodesDICOM, "without GDCM"))
    func issuers() throws {
        let scratch = try Scratch()
        let films = [("x_pa", 1, "NORTH"), ("x_lateral", 2, "SOUTH"), ("y", 3, "NORTH"), ("z", 4, "SOUTH")]
        for (name, seed, issuer) in films {
            try scratch.write("in/\(name).dcm", makeDICOM(seed, study: "", patient: "7", issuer: issuer))
        }
        try scratch.write("in/v_pa.dcm", makeDICOM(5, study: "", patient: "7", issuer: "NORTH"))
        try scratch.write("in/v_lateral.dcm", makeDICOM(6, study: "", patient: "7"))
        let archive = try scratch.makeArchive()
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 3 && summary.refused.count == 1)
        #expect(summary.refused.first?.reason.contains("two patients") == true)
        let patients = try ["y", "z", "v"].map { try archive.get(id: $0)?.fields.patient }
        #expect(patients[0] != patients[1] && patients[0] == patients[2] && patients[0] != nil)
        // By the number alone, files with and without its issuer are found together.
        let bare = try scratch.write("bare/w.dcm", makeDICOM(7, study: "", patient: "7"))
        #expect(try BulkIndexer(archive: archive).run(sources: [bare], isQuiet: true).stored == 1)
        let numbers = try ["y", "z", "v", "w"].map { try archive.get(id: $0)?.fields.metadata["patient_number"] }
        let number = try #require(numbers[0])
        #expect(numbers.allSatisfy { $0 == number })
        #expect(try archive.get(id: "w")?.fields.patient == number)
        #expect(try archive.count(Filter(parsing: "patient_number=\(number)")) == 4)
    }

    @Test("A file whose tags cannot be read to their end says so, and the decoder says whose it is")
    func unreadTags() throws {
        let scratch = try Scratch()
        var file = SyntheticDICOM(width: 4, height: 4, samples: [UInt16](repeating: 7, count: 16))
        file.elements[0x0020_000D] = nil
        file.elements[0x0009_1010] = ("ob", [1, 2, 3, 4])
        try scratch.write("in/x.dcm", file.bytes)
        let scan = try SourceScanner.scan(scratch.path + "/in")
        #expect(scan.items.count == 1 && scan.notes.contains { $0.contains("cannot be read to their end") })
    }
}
