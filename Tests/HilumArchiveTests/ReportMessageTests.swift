import Foundation
import HilumCore
import HilumPrivacy
import Testing

@testable import HilumArchive

/// A film of noise with the tags by which reports name it.
func makeFilm(
    _ seed: Int, study: String, accession: String? = nil, patient: String = "INV-1", issuer: String? = nil,
    date: String = "20260102"
) -> [UInt8] {
    var generator = SeededGenerator(seed: 23, keys: UInt64(seed))
    var file = SyntheticDICOM(
        width: 16, height: 16, samples: (0..<256).map { _ in UInt16(generator.integer(below: 4096)) })
    file.text(0x0008_0018, "UI", "\(study).9.\(seed)")
    file.text(0x0008_0020, "DA", date)
    if let accession { file.text(0x0008_0050, "SH", accession) }
    file.text(0x0010_0010, "PN", "INVENTADO^ALBA")
    file.text(0x0010_0020, "LO", patient)
    if let issuer { file.text(0x0010_0021, "LO", issuer) }
    file.text(0x0020_000D, "UI", study)
    return file.bytes
}

@Suite("Reports of messages and structured reports join their cases", .enabled(if: decodesDICOM, "built without GDCM"))
struct ReportMessageTests {
    private static let text = "Small effusion on the left."

    private func index(_ archive: Archive, _ paths: String...) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: paths, isQuiet: true)
    }

    private func makeArchive(_ scratch: Scratch, _ deid: PrivacySettings.Deidentification = .mask) throws -> Archive {
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: deid))
        return try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
    }

    /// How a report names its case.
    enum Key: String, CaseIterable, CustomTestStringConvertible {
        case study, accession, structured, name
        var testDescription: String { rawValue }
    }

    /// The file of an image, and that of its report.
    private func files(_ key: Key, patient: String = "INV-1", text: String = ReportMessageTests.text) throws -> (
        image: (String, [UInt8]), report: (String, [UInt8])
    ) {
        let film = makeFilm(1, study: "1.2.840.99.1", accession: "ACC-4711")
        let report: [UInt8]
        switch key {
        case .study:
            report = SyntheticMessage(text, patient: patient, accession: "OTHER-1", study: "1.2.840.99.1").bytes()
        case .accession: report = SyntheticMessage(text, patient: patient, accession: "ACC-4711").bytes()
        case .structured:
            var made = SyntheticReport(study: "1.2.840.99.1", patient: patient)
            made.content = [SyntheticReport.text("Findings", text)]
            report = made.bytes()
        case .name:
            return (("a/p7.png", try makePNG(5)), ("a/p7.hl7", SyntheticMessage(text, patient: patient).bytes()))
        }
        return (("a/IM1.dcm", film), (key == .structured ? "b/IM7" : "b/message.oru", report))
    }

    @Test(
        "In one folder a report is part of the case that it names, and a second run changes nothing",
        arguments: Key.allCases)
    func oneRun(key: Key) throws {
        let scratch = try Scratch()
        let (image, report) = try files(key)
        try scratch.write("in/" + image.0, image.1)
        try scratch.write("in/" + report.0, report.1)
        let archive = try makeArchive(scratch)
        let summary = try index(archive, scratch.path + "/in")
        #expect(summary.stored == 1 && summary.refused.isEmpty)
        #expect(try archive.count() == 1)
        let id = key == .name ? "a/p7" : "1.2.840.99.1"
        let record = try #require(try archive.get(id: id))
        #expect(record.hasImage && record.report?.hasSuffix(Self.text) == true)
        let again = try index(archive, scratch.path + "/in")
        #expect(again.unchanged == 1 && again.stored + again.replaced == 0)
    }

    @Test(
        "A report that comes later, from elsewhere, joins its case, and images take over the report that waits for them",
        arguments: Key.allCases, [true, false])
    func anyOrder(key: Key, imageComesFirst: Bool) throws {
        for deid in PrivacySettings.Deidentification.allCases {
            let scratch = try Scratch()
            let (image, report) = try files(key)
            let archive = try makeArchive(scratch, deid)
            // A name says something in one folder alone.
            let other = key == .name ? "in" : "later"
            for isImage in [imageComesFirst, !imageComesFirst] {
                if isImage {
                    try scratch.write("in/" + image.0, image.1)
                } else {
                    try scratch.write("\(other)/" + report.0, report.1)
                }
                let summary = try index(archive, scratch.path + (isImage ? "/in" : "/\(other)"))
                #expect(summary.refused.isEmpty, "\(key) \(deid) \(summary.refused)")
            }
            #expect(try archive.count() == 1, "\(key) \(deid)")
            let id = key == .name ? "a/p7" : "1.2.840.99.1"
            let record = try #require(try archive.get(id: id), "\(key) \(deid)")
            #expect(record.images.count == 1 && record.report?.hasSuffix(Self.text) == true, "\(key) \(deid)")
            // Neither source is read again into something else.
            let again = try index(archive, scratch.path + "/in", scratch.path + "/\(other)")
            #expect(again.refused.isEmpty, "\(key) \(deid) \(again)")
            if imageComesFirst { #expect(again.stored + again.replaced == 0, "\(key) \(deid) \(again)") }
            let settled = try index(archive, scratch.path + "/\(other)", scratch.path + "/in")
            #expect(settled.stored + settled.replaced == 0 && settled.refused.isEmpty, "\(key) \(deid) \(settled)")
            #expect(try archive.get(id: id)?.report?.hasSuffix(Self.text) == true)
            #expect(try archive.check(deep: true).findings == [])
        }
    }

    @Test("A report that joins a case leaves it where it came from, so that its images are not read again")
    func imagesAreNotReadAgain() throws {
        let scratch = try Scratch()
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        try scratch.write("in/IM1.dcm", makeFilm(1, study: "1.2.3", accession: "ACC-1"))
        try scratch.write("later/a.hl7", SyntheticMessage(Self.text, patient: "INV-1", accession: "ACC-1").bytes())
        _ = try index(archive, scratch.path + "/in")
        _ = try index(archive, scratch.path + "/later")
        #expect(try archive.get(id: "1.2.3")?.source == scratch.path + "/in/1.2.3")
        #expect(embedder.imageCount.current == 1)
        #expect(try index(archive, scratch.path + "/in").unchanged == 1)
        #expect(embedder.imageCount.current == 1)
    }

    @Test(
        "A report of another patient is refused by name, in whatever order both come",
        arguments: [Key.study, .accession, .structured], [true, false])
    func anotherPatient(key: Key, imageComesFirst: Bool) throws {
        let scratch = try Scratch()
        let (image, report) = try files(key, patient: "INV-2")
        let archive = try makeArchive(scratch)
        var refused: [IndexSummary.Refusal] = []
        for isImage in [imageComesFirst, !imageComesFirst] {
            let file = isImage ? image : report
            try scratch.write("\(isImage)/" + file.0, file.1)
            refused += try index(archive, "\(scratch.path)/\(isImage)").refused
        }
        for (id, _) in try archive.sources(below: "/") {
            let record = try #require(try archive.get(id: id))
            #expect(!record.hasImage || record.report == nil, "\(key): a report is beside the image of another patient")
        }
        // By accession number alone, images of another patient stand beside the report that waits.
        #expect(refused.count == 1 || key == .accession && !imageComesFirst)
        #expect(refused.allSatisfy { $0.reason.contains("two patients") && !$0.reason.contains("INV-") })
        // In one run likewise.
        let both = try Scratch()
        try both.write("in/" + image.0, image.1)
        try both.write("in/" + report.0, report.1)
        let summary = try index(try makeArchive(both), both.path + "/in")
        #expect(summary.stored == 0 && summary.refused.count == 1 && summary.refused[0].reason.contains("two patients"))
    }

    @Test(
        "Who gave a patient's number counts where both say it",
        arguments: [
            (nil, "INV-1^^^HOSP^MR", true), ("HOSP", "INV-1", true), ("HOSP", "INV-1^^^HOSP^MR", true),
            ("HOSP", "INV-1^^^CLINIC^MR", false), (nil, "9^^^STATE^SS~INV-1^^^HOSP^MR", true),
        ] as [(String?, String, Bool)])
    func issuers(issuer: String?, patient: String, isSame: Bool) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        try scratch.write("in/IM1.dcm", makeFilm(1, study: "1.2.3", accession: "ACC-1", issuer: issuer))
        try scratch.write("later/a.hl7", SyntheticMessage(Self.text, patient: patient, accession: "ACC-1").bytes())
        _ = try index(archive, scratch.path + "/in")
        #expect(try index(archive, scratch.path + "/later").refused.isEmpty == isSame)
        #expect(try archive.get(id: "1.2.3")?.hasReport == isSame)
    }

    @Test("A case of a table is joined by its accession number, if the table names the same patient")
    func tables() throws {
        for (patient, isSame) in [("INV-1", true), ("INV-2", false)] {
            for deid in PrivacySettings.Deidentification.allCases {
                let scratch = try Scratch()
                let archive = try makeArchive(scratch, deid)
                try scratch.write("in/x.png", try makePNG(3))
                try scratch.write(
                    "in/cases.jsonl",
                    #"{"id": "row", "image": "x.png", "patient": "\#(patient)", "AccessionNumber": "ACC-1"}"#)
                try scratch.write(
                    "later/a.hl7", SyntheticMessage(Self.text, patient: "INV-1", accession: "ACC-1").bytes())
                _ = try index(archive, scratch.path + "/in")
                let summary = try index(archive, scratch.path + "/later")
                #expect(summary.refused.isEmpty == isSame, "\(deid) \(summary.refused)")
                #expect(try archive.get(id: "row")?.hasReport == isSame, "\(deid)")
                #expect(try index(archive, scratch.path + "/in").unchanged == 1, "\(deid)")
            }
        }
    }

    @Test("Keys that lead to two cases refuse the report, and it joins neither")
    func twoCases() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        try scratch.write("in/IM1.dcm", makeFilm(1, study: "1.2.3", accession: "ACC-1"))
        try scratch.write("in/IM2.dcm", makeFilm(2, study: "1.2.4", accession: "ACC-1"))
        try scratch.write("in/IM3.dcm", makeFilm(3, study: "1.2.5", accession: "ACC-2"))
        _ = try index(archive, scratch.path + "/in")
        let messages = [
            ("a", SyntheticMessage(Self.text, patient: "INV-1", accession: "ACC-1"), "several cases"),
            ("b", SyntheticMessage(Self.text, patient: "INV-1", accession: "ACC-2", study: "1.2.3"), "another case"),
        ]
        for (name, message, words) in messages {
            try scratch.write("later/\(name).hl7", message.bytes())
            try scratch.write("in/\(name).hl7", message.bytes())
            for folder in ["later", "in"] {
                let summary = try index(archive, "\(scratch.path)/\(folder)/\(name).hl7")
                #expect(
                    summary.refused.count == 1 && summary.refused.first?.reason.contains(words) == true, "\(summary)")
            }
        }
        let summary = try index(archive, scratch.path + "/in")
        #expect(summary.refused.count == 2)
        for id in ["1.2.3", "1.2.4", "1.2.5"] { #expect(try archive.get(id: id)?.hasReport == false) }
    }

    @Test("A later version takes the place of an earlier one, whatever their order, and an addendum is added once")
    func versions() throws {
        func message(_ text: String, _ status: String, _ time: String, part: String = "R^Radiology Report^L") -> [UInt8]
        {
            SyntheticMessage(text, patient: "INV-1", accession: "ACC-1", status: status, at: time, part: part).bytes()
        }
        let early = message("Preliminary: effusion.", "P", "20260102100000")
        let final = message("Final: effusion on the left.", "F", "20260102110000")
        let corrected = message("Corrected: effusion on the right.", "C", "20260102120000")
        let addendum = message("The nodule is old.", "F", "20260103090000", part: "71020&ADT^XR^L")
        let late = message("Preliminary, sent again.", "P", "20260104100000")
        func run(_ messages: [[UInt8]], inOneFolder: Bool) throws -> String? {
            let scratch = try Scratch()
            let archive = try makeArchive(scratch)
            try scratch.write("in/IM1.dcm", makeFilm(1, study: "1.2.3", accession: "ACC-1"))
            _ = try index(archive, scratch.path + "/in")
            for (number, bytes) in messages.enumerated() {
                try scratch.write("later/\(number).hl7", bytes)
                if !inOneFolder { _ = try index(archive, "\(scratch.path)/later/\(number).hl7") }
            }
            let first = try index(archive, scratch.path + "/later")
            let again = try index(archive, scratch.path + "/later")
            #expect(first.refused.isEmpty && again.refused.isEmpty && again.stored + again.replaced == 0)
            #expect(try archive.count() == 1)
            return try archive.get(id: "1.2.3")?.report
        }
        for inOneFolder in [false, true] {
            #expect(try run([early, final], inOneFolder: inOneFolder) == "Final: effusion on the left.")
            #expect(try run([final, early, late], inOneFolder: inOneFolder) == "Final: effusion on the left.")
            #expect(try run([corrected, final], inOneFolder: inOneFolder) == "Corrected: effusion on the right.")
            #expect(
                try run([final, addendum, addendum], inOneFolder: inOneFolder)
                    == "Final: effusion on the left.\n\nADDENDUM:\nThe nodule is old.")
        }
        #expect(
            try run([addendum, final], inOneFolder: true)
                == "Final: effusion on the left.\n\nADDENDUM:\nThe nodule is old.")
    }

    @Test(
        "One file may hold the reports of many cases; what is no report in it is counted or refused, and the rest goes on"
    )
    func manyReports() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        var bytes: [UInt8] = []
        for number in 1...5 {
            try scratch.write(
                "in/IM\(number).dcm",
                makeFilm(number, study: "1.2.\(number)", accession: "ACC-\(number)", patient: "INV-\(number)"))
            bytes += SyntheticMessage("Effusion of \(number) cm.", patient: "INV-\(number)", accession: "ACC-\(number)")
                .bytes()
        }
        bytes += SyntheticMessage(
            order: [3: "LAB-1", 24: "CH", 25: "F"], results: ["OBX|1|NM|NA^Sodium^L||140|mmol/L"]
        ).bytes()
        bytes += Array("MSH|^~\\&|RIS|H|X|H|20260102||ORU^R01|1|P|2.5\r".utf8)
        try scratch.write("in/batch.hl7", bytes)
        let summary = try index(archive, scratch.path + "/in")
        #expect(summary.stored == 5 && summary.refused.map(\.source) == [scratch.path + "/in/batch.hl7: message 7"])
        #expect(summary.passedOver.counts["HL7: results of another service than radiology (OBR-24 CH)"] == 1)
        for number in 1...5 {
            #expect(try archive.get(id: "1.2.\(number)")?.report == "Effusion of \(number) cm.")
        }
        // A message that is added reads that one alone again.
        bytes += SyntheticMessage("Another one.", patient: "INV-9", accession: "ACC-9").bytes()
        try scratch.write("in/batch.hl7", bytes)
        let again = try index(archive, scratch.path + "/in")
        #expect(again.unchanged == 5 && again.stored == 1)
    }

    @Test(
        "Files are known by their content: a message in a text or without an ending, and a text that is called a message"
    )
    func content() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        let bytes = SyntheticMessage(Self.text, patient: "INV-1").bytes()
        try scratch.write("in/a.txt", bytes)
        try scratch.write("in/b", bytes)
        try scratch.write("in/c.hl7", "no message")
        try scratch.write("in/d.png", try makePNG(4))
        try scratch.write("in/d.txt", "A plain report.")
        let summary = try index(archive, scratch.path + "/in")
        #expect(summary.stored == 3 && summary.refused.isEmpty)
        for id in ["a", "b"] { #expect(try archive.get(id: id)?.report == Self.text) }
        #expect(summary.passedOver.counts["other kind (.hl7 without a message)"] == 1)
        // A manifest may name a message as the report of its row.
        try scratch.write("rows/x.oru", bytes)
        try scratch.write("rows/cases.jsonl", #"{"id": "row", "report_file": "x.oru"}"#)
        _ = try index(archive, scratch.path + "/rows")
        #expect(try archive.get(id: "row")?.report == Self.text)
    }

    @Test("One file by name is read, be it a message, a structured report or an XML of Open-i")
    func singleFiles() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        var structured = SyntheticReport(study: "1.2.9")
        structured.content = [SyntheticReport.text("Findings", Self.text)]
        try scratch.write("in/CXR1_1.png", try makePNG(1))
        let xml = """
            <eCitation><Abstract><AbstractText Label="FINDINGS">\(Self.text)</AbstractText></Abstract>
            <parentImage id="CXR1_1"/></eCitation>
            """
        let paths = [
            try scratch.write("in/a.hl7", SyntheticMessage(Self.text, patient: "INV-1").bytes()),
            try scratch.write("in/sr.dcm", structured.bytes()), try scratch.write("in/1.xml", xml),
        ]
        for path in paths { #expect(try index(archive, path).stored == 1, "\(path)") }
        #expect(try archive.get(id: "1")?.images.count == 1)
        for id in ["a", "1.2.9", "1"] {
            #expect(try archive.get(id: id)?.report?.hasSuffix(Self.text) == true, "\(id)")
        }
        let lab = try scratch.write(
            "in/lab.hl7", SyntheticMessage(order: [3: "L", 24: "LAB"], results: ["OBX|1|NM|NA||140"]).bytes())
        let error = #expect(throws: ArchiveError.self) { try index(archive, lab) }
        #expect(error?.reason.contains("another service than radiology") == true)
    }

    @Test(
        "What images and reports call an order finds the case, in every archive",
        arguments: PrivacySettings.Deidentification.allCases)
    func accessionsAreKeys(deid: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch, deid)
        try scratch.write("in/IM1.dcm", makeFilm(1, study: "1.2.3", accession: "ACC-1"))
        _ = try index(archive, scratch.path + "/in")
        #expect(try archive.count(Filter(parsing: "accession=ACC-1")) == 1)
        #expect(try archive.count(Filter(parsing: "accession=ACC-2")) == 0)
        let stored = try archive.get(id: "1.2.3")?.fields.metadata["accession"]
        #expect((stored == "ACC-1") == (deid == .off))
    }

    @Test(
        "No byte of an archive holds what a message says of persons",
        arguments: [PrivacySettings.Deidentification.mask, .require])
    func nothingIsLeft(deid: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch, deid)
        let study = "1.2.840.99887.4711"
        let text = "Dear Dr. Trugbild: Alba Inventado (MRN 55667788) has an effusion. Order ACC-9911, Quimera reading."
        var message = SyntheticMessage(text, patient: "55667788^^^HOSPX^MR", accession: "ACC-9911", study: study)
        message.segments.insert("PV1|1|O|||||12^Trugbild^Ida", at: 2)
        message.segments.insert("NK1|1|Quimera^Bruno|SPO", at: 2)
        try scratch.write("in/IM1.dcm", makeFilm(1, study: study, accession: "ACC-9911", patient: "55667788"))
        try scratch.write("later/Inventado.hl7", message.bytes())
        try scratch.write(
            "alone/Inventado.hl7",
            // No message but the other one says that Quimera is somebody's name.
            SyntheticMessage(text.replacing(", Quimera reading", with: ""), patient: "55667788", accession: "ACC-7722")
                .bytes())
        _ = try index(archive, scratch.path + "/in")
        #expect(try index(archive, scratch.path + "/later").replaced == 1)
        if deid == .require { #expect(try index(archive, scratch.path + "/alone").stored == 1) }
        try archive.writeCheckpoint()
        let report = try #require(try archive.get(id: study)?.report)
        #expect(report.contains("has an effusion") && report.contains("[NUMBER]") && report.contains("[NAME]"))
        var needles = ["Trugbild", "55667788", "ACC-9911", "ACC-7722", "Quimera", "HOSPX"]
        if deid == .require { needles += [study, "Inventado"] }
        #expect(try RawBytes.found(needles, below: scratch.archive) == [])
        #expect(try !RawBytes.found(["has an effusion"], below: scratch.archive).isEmpty)
        #expect(try archive.erase(id: study))
        archive.close()
        _ = try Archive.compact(scratch.archive)
        #expect(try RawBytes.found(["later/Inventado", study], below: scratch.archive) == [])
    }
}
