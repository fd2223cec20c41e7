import Foundation
import HilumCore
import HilumPrivacy
import Testing

@testable import HilumArchive

/// A report must not come to another patient's images, nor an old version in the place of a new one.
@Suite("Reports of messages come to their own exam", .enabled(if: decodesDICOM, "built without GDCM"))
struct ReportMixTests {
    private func index(_ archive: Archive, _ paths: String...) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: paths, isQuiet: true)
    }

    private func makeArchive(_ scratch: Scratch, _ dates: DateShift.Mode = .keep) throws -> Archive {
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(dates: dates))
        return try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
    }

    @Test(
        "An accession number leads to the exam of its time alone, for numbers are used again",
        arguments: [("20180505", true), ("20180510", true), ("", true), ("20180601", false), ("20240101", false)],
        ["later", "one run", "tags"])
    func accessionsOfAnotherYear(at given: (date: String, joins: Bool), form: String) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        let message = SyntheticMessage("Effusion.", patient: "INV-9", accession: "1001", date: given.date)
        try scratch.write(form == "tags" ? "in/a.hl7" : "later/a.hl7", message.bytes())
        if form == "tags" {
            try scratch.write(
                "in/IM1.dcm", makeFilm(1, study: "1.2.3", accession: "1001", patient: "INV-9", date: "20180505"))
        } else {
            try scratch.write("in/x.png", try makePNG(3))
            try scratch.write("in/cases.csv", "id,image,date,accession\nfilm,x.png,2018-05-05,1001\n")
        }
        var refused: [IndexSummary.Refusal] = []
        switch form {
        case "one run": refused = try index(archive, scratch.path + "/later", scratch.path + "/in").refused
        case "later":
            for folder in ["in", "later"] { refused += try index(archive, "\(scratch.path)/\(folder)").refused }
        default: refused = try index(archive, scratch.path + "/in").refused
        }
        let record = try archive.get(id: form == "tags" ? "1.2.3" : "film")
        #expect(refused.count == (given.joins ? 0 : 1))
        #expect(refused.allSatisfy { $0.reason.contains("dates") && !$0.reason.contains("INV-9") })
        // Where both lie in one folder neither is taken, as nobody knows which of them is right.
        #expect((record?.hasReport ?? false) == given.joins && (form == "tags" || record != nil))
        if form != "tags" && !given.joins { #expect(record?.fields.patient == nil) }
        if given.joins { #expect(try archive.count() == 1) }
    }

    @Test("A row that names a patient does not take the report of another, in one run too")
    func rowsOfAnotherPatient() throws {
        for (patient, joins) in [("INV-1", true), ("INV-2", false)] {
            let scratch = try Scratch()
            let archive = try makeArchive(scratch)
            try scratch.write("in/x.png", try makePNG(3))
            try scratch.write("in/cases.csv", "id,image,patient,accession\nfilm,x.png,INV-1,1001\n")
            try scratch.write(
                "later/a.hl7", SyntheticMessage("Effusion.", patient: patient, accession: "1001").bytes())
            let summary = try index(archive, scratch.path + "/in", scratch.path + "/later")
            #expect(summary.refused.isEmpty == joins, "\(summary.refused)")
            #expect(try archive.get(id: "film")?.hasReport ?? false == joins)
        }
    }

    @Test(
        "Of two reports of one folder the one that names another patient is refused, if the case says whose it is",
        arguments: [("INV-1", "tags", true), ("INV-1", "row", true), ("INV-3", "tags", false), ("", "row", false)])
    func wrongReportBeside(patient: String, form: String, isCertain: Bool) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        if form == "tags" {
            try scratch.write("in/IM1.dcm", makeFilm(1, study: "1.2.3", accession: "ACC-1", patient: patient))
        } else {
            // A table answers for its own folder.
            try scratch.write("in/t/x.png", try makePNG(3))
            try scratch.write("in/t/cases.csv", "id,image,patient,accession\n1.2.3,x.png,\(patient),ACC-1\n")
        }
        for (number, owner) in ["INV-2", "INV-1"].enumerated() {
            try scratch.write(
                "in/\(number).hl7", SyntheticMessage("Report of \(number).", patient: owner, accession: "ACC-1").bytes()
            )
        }
        let summary = try index(archive, scratch.path + "/in")
        #expect(summary.refused.count == 1 && summary.stored == (isCertain ? 1 : 0), "\(summary.refused)")
        #expect(try archive.get(id: "1.2.3")?.report == (isCertain ? "Report of 1." : nil))
        #expect((summary.refused.first?.source == scratch.path + "/in/0.hl7") == isCertain)
        #expect(summary.refused.allSatisfy { !$0.reason.contains("INV-") })
        guard isCertain else { return }
        let again = try index(archive, scratch.path + "/in")
        #expect(again.unchanged == 1 && again.refused.count == 1, "\(again)")
    }

    @Test("Two patients of one message are two cases, with and without numbers of orders", arguments: [true, false])
    func patientsOfOneMessage(haveNumbers: Bool) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        var message = SyntheticMessage(
            "Nodule on the left.", patient: "INV-1", accession: haveNumbers ? "ACC-1" : nil)
        message.segments += SyntheticMessage(
            "Cardiomegaly.", patient: "INV-2", accession: haveNumbers ? "ACC-2" : nil
        ).segments.dropFirst()
        try scratch.write("in/a.hl7", message.bytes())
        #expect(try index(archive, scratch.path + "/in").refused.isEmpty)
        let records = try ["a#1", "a#2"].map { try #require(try archive.get(id: $0)) }
        #expect(records.map(\.report) == ["Nodule on the left.", "Cardiomegaly."])
        #expect(Set(records.map { $0.fields.patient ?? "" }).count == 2)
    }

    @Test(
        "An older version never takes the place of a newer one, whatever becomes of dates",
        arguments: DateShift.Mode.allCases)
    func olderVersions(dates: DateShift.Mode) throws {
        for (statuses, kept) in [
            (["F", "F"], 1), (["P", "F"], 1), (["F", "C"], 1), (["C", "F"], 0), (["C", "C"], 1),
        ] {
            for isReversed in [false, true] {
                let scratch = try Scratch()
                let archive = try makeArchive(scratch, dates)
                // The case waits for its images, or has some, of nobody known.
                try scratch.write("in/x.png", try makePNG(3))
                try scratch.write("in/cases.csv", "id,image,accession\nfilm,x.png,ACC-1\n")
                _ = try index(archive, scratch.path + "/in")
                let versions = zip(["Early.", "Late."], statuses).enumerated().map { number, version in
                    SyntheticMessage(
                        version.0, patient: "INV-1", accession: "ACC-1", status: version.1,
                        at: "2026010\(number + 1)100000")
                }
                for (number, version) in (isReversed ? versions.reversed() : versions).enumerated() {
                    try scratch.write("later/\(number).hl7", version.bytes())
                    _ = try index(archive, "\(scratch.path)/later/\(number).hl7")
                }
                let report = try archive.get(id: "film")?.report
                let expected = ["Early.", "Late."][statuses == ["C", "F"] && dates != .drop ? 1 : kept]
                if dates == .drop, [["F", "F"], ["C", "C"]].contains(statuses) {
                    // Nothing tells which is newer: the one that is stored stays, and a person is asked.
                    #expect(report == (isReversed ? "Late." : "Early."), "\(dates)")
                } else {
                    #expect(report == expected, "\(dates) \(statuses) \(isReversed)")
                }
            }
        }
    }

    @Test("A file of messages that changes after it was looked through gives nobody another's text")
    func changedFiles() throws {
        let scratch = try Scratch()
        let first = SyntheticMessage("Effusion.", patient: "INV-1", accession: "ACC-1")
        let path = try scratch.write("in/current.hl7", first.bytes())
        let found = try SourceScanner.scan(scratch.path + "/in", preset: nil).items
        guard case .found(let source)? = found.first else { throw CancellationError() }
        #expect(try source.input().report == "Effusion.")
        for other in [
            SyntheticMessage("Pneumothorax.", patient: "INV-2", accession: "ACC-2").bytes(),
            SyntheticMessage("Effusion.", patient: "INV-2", accession: "ACC-1").bytes(), Array("MSH".utf8), [],
        ] {
            try Data(other).write(to: URL(fileURLWithPath: path))
            #expect { try source.input() } throws: { error in
                (error as? ArchiveError)?.code == .io && "\(error)".contains("changed")
            }
        }
        // Messages that are added behind it change nothing.
        try Data(first.bytes() + SyntheticMessage("Else.", patient: "INV-2").bytes()).write(
            to: URL(fileURLWithPath: path))
        #expect(try source.input().report == "Effusion.")
    }

    @Test("A message behind other words is no report, by whatever way it comes")
    func messagesBehindWords() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch)
        let words = Array("Sent by the information system\r".utf8)
        let bytes = words + SyntheticMessage("Effusion.", patient: "INV-1").bytes()
        try scratch.write("in/a.txt", bytes)
        try scratch.write("rows/b.txt", bytes)
        try scratch.write("rows/cases.jsonl", #"{"id": "b", "report_file": "b.txt"}"#)
        for folder in ["in", "rows"] {
            let summary = try index(archive, "\(scratch.path)/\(folder)")
            #expect(summary.stored == 0 && summary.refused.first?.reason.contains("HL7") == true, "\(summary.refused)")
            #expect(summary.refused.allSatisfy { !$0.reason.contains("INV-1") })
        }
        let outcomes = try archive.put([CaseInput(id: "c", report: String(decoding: bytes, as: UTF8.self))])
        guard case .refused(let error)? = outcomes.first else { throw CancellationError() }
        #expect(error.code == .badRequest)
        // Words that look a little like it are a report.
        _ = try archive.put([CaseInput(id: "d", report: "Signs of PID| no.\nMSH unchanged.\nPID known.")])
        #expect(try archive.get(id: "d") != nil)
    }
}
