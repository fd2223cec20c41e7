import Foundation
import HilumCore
import HilumPrivacy
import Testing

@testable import HilumArchive

/// What an archive takes out of cases, and what it finds all the same.
@Suite struct PrivacyTests {
    private func archive(
        _ scratch: Scratch, _ settings: PrivacySettings, options: Archive.Options = Archive.Options()
    ) throws -> Archive {
        try Archive.create(at: scratch.archive, privacy: settings)
        return try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(), options: options)
    }

    private let report = "MRN: 00482917. Dr. Okonkwo saw a 3.2 cm mass and a pleural effusion on 3/12/2019."
    private let masked = "MRN: [NUMBER]. Dr. [NAME] saw a 3.2 cm mass and a pleural effusion on [DATE]."

    @Test func aNewArchiveMasksReportsAndCountsWhatItMasked() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        #expect(archive.privacySettings == PrivacySettings(deidentification: .mask, dates: .keep))
        try archive.put([CaseInput(id: "a", report: report, fields: CaseFields(patient: "p1", date: "2019-03-12"))])
        let stored = try #require(try archive.get(id: "a"))
        #expect(stored.report == masked)
        #expect(stored.fields.patient == "p1" && stored.fields.date == "2019-03-12")
        let counts = archive.maskCounts
        #expect(counts[.name] == 1 && counts[.number] == 1 && counts[.date] == 1 && counts.total == 3)
        #expect(try archive.stats().deidentification == "mask")
        // The same case again is the same, and counts nothing.
        let again = try archive.put([CaseInput(id: "a", report: report, fields: stored.fields)])
        #expect(again == [.unchanged(vectors: 1)])
        #expect(archive.maskCounts.total == 3)
        let hits = try archive.search(SearchRequest(.text("pleural effusion"))).hits
        #expect(hits.map(\.id) == ["a"])
    }

    @Test func anArchiveOfAnEarlierReleaseStaysAsItWasUntilItIsChanged() throws {
        let scratch = try Scratch()
        let folder = scratch.path + "/in"
        try scratch.write("in/a.txt", report)
        try Archive.create(at: scratch.archive)
        let store = try Store(path: scratch.archive, mode: .readWrite, mapSizeInBytes: 1 << 20)
        try store.environment.write { transaction in
            for key in [Store.MetaKey.deid, .dates] { try transaction.delete(store.table(.meta), key.rawValue) }
        }
        store.environment.close()
        var archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(archive.privacySettings == PrivacySettings(deidentification: .off))
        _ = try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true)
        #expect(try archive.get(id: "a")?.report == report)
        archive.close()
        try Archive.set(PrivacySettings(deidentification: .mask), at: scratch.archive)
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.get(id: "a")?.report == report, "what is stored stays")
        let summary = try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true)
        #expect(summary.replaced == 1 && summary.masked.total == 3)
        #expect(try archive.get(id: "a")?.report == masked)
        #expect(try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true).unchanged == 1)
        archive.close()
        #expect { try Archive.set(PrivacySettings(deidentification: .require), at: scratch.archive) } throws: {
            ($0 as? ArchiveError)?.code == .badRequest
        }
    }

    @Test func namesInTagsAndFieldsAreMaskedWhereverTheyStand() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, PrivacySettings())
        let file = PlantedCases.dicom(study: "1.2.3", object: "1.2.3.4")
        let outcomes = try archive.put([
            CaseInput(id: "a", image: .bytes(file.bytes), report: PlantedCases.reportOfTags),
            CaseInput(
                id: "b", report: "zimbrick has no effusion. seen with olivette.",
                fields: CaseFields(metadata: PlantedCases.metadata)),
        ])
        #expect(outcomes.count == 2)
        let first = try #require(try archive.get(id: "a"))
        #expect(RawBytes.found(PlantedCases.inTags, in: Array((first.report ?? "").utf8)) == [])
        #expect(first.report?.hasPrefix("Effusion on the right.") == true)
        #expect(first.fields.metadata["study"] == "1.2.3", "UIDs stay where only texts are masked")
        let second = try #require(try archive.get(id: "b"))
        #expect(RawBytes.found(["zimbrick", "olivette"], in: Array((second.report ?? "").utf8)) == [])
        #expect(second.fields.metadata["ward"] == "3B")
        #expect(Set(second.fields.metadata.keys) == Set(PlantedCases.metadata.keys))
        // What stands there now is found by what stood there.
        for key in ["mrn", "phone"] {
            let condition = Filter.Condition(key: key, values: [.equal(try #require(PlantedCases.metadata[key]))])
            #expect(try archive.count(Filter([condition])) == 1)
        }
    }

    @Test(arguments: [PrivacySettings.Deidentification.mask, .require])
    func numbersAndNamesOfPatientsAreMaskedHoweverShort(deidentification: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, PrivacySettings(deidentification: deidentification))
        func masked(_ report: String, _ fields: CaseFields) throws -> String? {
            try archive.put([CaseInput(id: "a", report: report, fields: fields)])
            return try archive.get(id: "a")?.report
        }
        let text = "QXZW12 effusion. MRN QXZW12"
        let wanted = "[NUMBER] effusion. MRN [NUMBER]"
        for key in ["mrn", "accession", "patient_id"] {
            #expect(try masked(text, CaseFields(metadata: [key: "QXZW12"])) == wanted)
        }
        for number in ["PAT3", "AB12", "ABCDEF"] {
            #expect(try masked("\(number) effusion", CaseFields(metadata: ["mrn": number])) == "[NUMBER] effusion")
        }
        #expect(try masked("Effusion Kowalski", CaseFields(patient: "KOWALSKI")) == "Effusion [NAME]")
        #expect(
            try masked("Hans Meier effusion, Meier.", CaseFields(patient: "Meier, Hans"))
                == "[NAME] effusion, [NAME].")
        #expect(
            try masked("A 12 mm effusion, patient 12.", CaseFields(patient: "12"))
                == "A 12 mm effusion, patient [NUMBER].")
        #expect(
            try masked("Normal effusion at T12", CaseFields(patient: "normal", metadata: ["mrn": "T12"]))
                == "Normal effusion at T12")
    }

    @Test func aTextThatComesLaterIsMaskedByTheRowOfItsCase() throws {
        let scratch = try Scratch()
        try scratch.write("in/a.png", makePNG(1))
        try scratch.write("in/a.json", #"{"patient":"Meier, Hans"}"#)
        let archive = try scratch.makeArchive()
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        try scratch.write("in/a.txt", "Meier has an effusion.")
        let text = scratch.path + "/in/a.txt"
        _ = try BulkIndexer(archive: archive).run(sources: [text], isQuiet: true)
        #expect(try archive.get(id: "a")?.report == "[NAME] has an effusion.")
        #expect(try archive.get(id: "a")?.fields.patient == "Meier, Hans")
    }

    @Test(.enabled(if: decodesDICOM, "without GDCM"), arguments: ["QX12", "PAT-44"])
    func numbersInTagsAndMessagesAreMaskedHoweverShort(number: String) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, PrivacySettings())
        let report = "MRN \(number). Patient \(number) was seen; ID: \(number)"
        let wanted = "MRN [NUMBER]. Patient [NUMBER] was seen; ID: [NUMBER]"
        let film = makeDICOM(1, study: "1.2.3", patient: number)
        try archive.put([CaseInput(id: "a", image: .bytes(film), report: report)])
        #expect(try archive.get(id: "a")?.report == wanted)
        try scratch.write("in/m.hl7", SyntheticMessage(report, patient: number, accession: "ACC-7").bytes())
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        var reports: [String] = []
        try archive.forEachCase(withReports: true) { record in
            if record.id != "a", let report = record.report { reports.append(report) }
            return true
        }
        #expect(reports == [wanted])
    }

    @Test(arguments: [DateShift.Mode.keep, .shift, .drop])
    func datesStayMoveOrGo(mode: DateShift.Mode) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, PrivacySettings(dates: mode))
        func input(_ id: String, _ date: String, _ patient: String?) -> CaseInput {
            CaseInput(
                id: id, report: "effusion \(id)",
                fields: CaseFields(patient: patient, date: date, metadata: ["followup_date": date]))
        }
        try archive.put([
            input("a", "2019-03-12", "p1"), input("b", "2019-04-11", "p1"), input("c", "2019-03-12", "p2"),
            input("d", "2019-03-12", nil),
        ])
        let dates = try ["a", "b", "c", "d"].map { try archive.get(id: $0)?.fields.date }
        let others = try ["a", "b", "c", "d"].map { try archive.get(id: $0)?.fields.metadata["followup_date"] }
        #expect(dates == others)
        switch mode {
        case .keep: #expect(dates == ["2019-03-12", "2019-04-11", "2019-03-12", "2019-03-12"])
        case .drop: #expect(dates == [nil, nil, nil, nil])
        case .shift:
            let shift = DateShift(.shift, key: try PseudonymKey(file: scratch.archive + "/log.key"))
            #expect(dates[0] == shift.apply(to: "2019-03-12", of: "p1"))
            #expect(dates[1] == shift.apply(to: "2019-04-11", of: "p1"))
            #expect(dates[2] == shift.apply(to: "2019-03-12", of: "p2"))
            #expect(dates[3] == nil && dates[0] != "2019-03-12")
        }
        // The same cases again move no further.
        try archive.put([input("a", "2019-03-12", "p1")])
        #expect(try archive.get(id: "a")?.fields.date == dates[0])
    }

    @Test func anArchiveThatRequiresItKnowsCasesByPseudonymAndByName() throws {
        let scratch = try Scratch()
        let settings = PrivacySettings(deidentification: .require)
        var archive = try archive(scratch, settings)
        let fields = CaseFields(
            patient: "patient-99120", view: "PA", site: "Riverbend Clinic",
            metadata: ["study": "1.2.840.113619.2.55.3", "age": "94"])
        let image = ImageSource.bytes(try makePNG(1))
        try archive.put([CaseInput(id: "case-of-Trelawney", image: image, report: report, fields: fields)])
        let stored = try #require(try archive.get(id: "case-of-Trelawney"))
        #expect(stored.id.utf8.count == 20 && stored.id == archive.shownID("case-of-Trelawney"))
        #expect(try archive.get(id: stored.id) == stored)
        #expect(stored.fields.view == "PA" && stored.fields.metadata["age"] == "90")
        #expect(stored.fields.metadata["study"]?.hasPrefix("2.25.") == true)
        for (key, value) in [
            ("patient", "patient-99120"), ("site", "Riverbend Clinic"), ("study", "1.2.840.113619.2.55.3"),
            ("id", "case-of-Trelawney"),
        ] {
            #expect(try archive.count(Filter([.init(key: key, values: [.equal(value)])])) == 1, "\(key)")
        }
        #expect(try archive.search(SearchRequest(.id("case-of-Trelawney"))).hits.first?.id == stored.id)
        // Given back as it was read, it is the same case.
        var again = CaseInput(id: stored.id, image: .bytes(try makePNG(1)), report: stored.report)
        again.fields = stored.fields
        #expect(try archive.put([again]) == [.unchanged(vectors: 2)])
        archive.close()
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.get(id: "case-of-Trelawney") == stored)
        #expect(try archive.check(deep: true).findings == [])
        #expect(try archive.delete(id: "case-of-Trelawney"))
        #expect(try archive.get(id: stored.id) == nil)
        archive.close()
        // Without its key nobody reads it, and no other key is made.
        unlink(scratch.archive + "/log.key")
        #expect { _ = try Archive(path: scratch.archive, mode: .readOnly) } throws: {
            ($0 as? ArchiveError)?.code == .io
        }
        #expect(access(scratch.archive + "/log.key", F_OK) != 0)
    }

    @Test("A key that is lost or exchanged ends writing, and reading goes on", arguments: [true, false])
    func lostKey(isExchanged: Bool) throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive()
        let file = scratch.archive + "/log.key"
        // Nothing was hidden by it yet.
        _ = try Archive.logNames(at: scratch.archive)
        unlink(file)
        _ = try Archive.logNames(at: scratch.archive)
        #expect(try archive.put([makeInput(1)]).count == 1)
        archive.close()
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        archive.close()
        rename(file, scratch.path + "/kept")
        if isExchanged {
            try scratch.write("archive/log.key", [UInt8](repeating: 7, count: 32))
            chmod(file, 0o600)
        }
        func open() throws { _ = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder()) }
        let error = #expect(throws: ArchiveError.self) { try open() }
        #expect(error?.code == .io && error?.description.contains("bring") == true)
        if !isExchanged { #expect(access(file, F_OK) != 0, "no other one is made") }
        #expect(try Archive(path: scratch.archive, mode: .readOnly).count() == 1)
        rename(scratch.path + "/kept", file)
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.put([makeInput(2)]).count == 1)
        archive.close()
    }

    @Test("A key that cannot be used is an error, and no other one is written over it", arguments: [0, 31, 33, -1])
    func keysThatAreNone(byteCount: Int) throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let file = scratch.archive + "/log.key"
        #expect(try Archive.logNames(at: scratch.archive).name("x") == Archive.logNames(at: scratch.archive).name("x"))
        archive.close()
        unlink(file)
        if byteCount < 0 {
            mkdir(file, 0o700)
        } else {
            try scratch.write("archive/log.key", [UInt8](repeating: 7, count: byteCount))
            chmod(file, 0o600)
        }
        for attempt in [
            { _ = try Archive.logNames(at: scratch.archive) },
            { _ = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder()) },
        ] as [() throws -> Void] {
            let error = #expect(throws: ArchiveError.self) { try attempt() }
            #expect(error?.code == .io && error?.description.contains("bring it back from a backup") == true)
        }
        // Who only reads needs none.
        #expect(try Archive(path: scratch.archive, mode: .readOnly).count() == 0)
        if byteCount >= 0 { #expect(try FileIO.read(file) == [UInt8](repeating: 7, count: byteCount)) }
    }

    @Test func aPictureWithWordsInItIsStoredOnlyWhereNothingIsTakenOut() throws {
        var file = PlantedCases.dicom(study: "1.2.3", object: "1.2.3.4")
        file.text(0x0028_0301, "CS", "YES")
        for (mode, isStored) in [(PrivacySettings.Deidentification.require, false), (.mask, false), (.off, true)] {
            let scratch = try Scratch()
            let archive = try archive(scratch, PrivacySettings(deidentification: mode))
            try archive.put([CaseInput(id: "a", image: .bytes(file.bytes), report: "effusion")])
            #expect(try archive.count() == 1 && archive.get(id: "a")?.images.count == (isStored ? 1 : 0))
            #expect(try archive.quarantined().count == (isStored ? 0 : 1))
            #expect(try archive.get(id: "a")?.fields.metadata["burned_in"] == "yes")
        }
    }

    @Test func foldersAreFollowedInAnArchiveThatHidesNames() throws {
        let scratch = try Scratch()
        let folder = scratch.path + "/in"
        for number in 0..<6 {
            try scratch.write("in/Abernathy/\(number).png", try makePNG(number))
            try scratch.write("in/Abernathy/\(number).txt", makeReport(number + 1))
        }
        let archive = try archive(scratch, PrivacySettings(deidentification: .require))
        let indexer = BulkIndexer(archive: archive)
        #expect(try indexer.run(sources: [folder], isQuiet: true).stored == 6)
        #expect(try indexer.run(sources: [folder], isQuiet: true).unchanged == 6)
        try scratch.write("in/Abernathy/3.txt", "nodule at the apex")
        let summary = try indexer.run(sources: [folder], isQuiet: true)
        #expect(summary.replaced == 1 && summary.unchanged == 5)
        #expect(try archive.get(id: "Abernathy/3")?.report == "nodule at the apex")
        #expect(try archive.imageBytes(of: "Abernathy/3") == makePNG(3))
        #expect(try archive.delete(id: "Abernathy/3"))
        #expect(try archive.sources(below: folder + "/").count == 5)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        #expect(try RawBytes.found(["Abernathy"], below: scratch.archive) == [])
    }

    @Test func aFilterOfTheUsersIsAskedFirstAndRefusesByItself() throws {
        let scratch = try Scratch()
        let script = try scratch.write(
            "filter.sh",
            """
            #!/bin/bash
            while IFS= read -r line; do
              n=${line#*:}; n=${n%%,*}
              case "$line" in
                *refuse*) echo "{\\"n\\":$n,\\"refuse\\":true}" ;;
                *broken*) echo "nonsense" ;;
                *) echo "{\\"n\\":$n,\\"text\\":\\"filtered by Dr. Okonkwo\\"}" ;;
              esac
            done
            """)
        var options = Archive.Options()
        options.reportFilter = try ReportFilter("bash \(script)")
        let archive = try archive(scratch, PrivacySettings(), options: options)
        let outcomes = try archive.put(
            [("a", "secretword"), ("b", "refuse secretword"), ("c", "broken secretword"), ("d", "other")].map {
                CaseInput(id: $0.0, report: $0.1)
            }, threads: 1)
        #expect(try archive.get(id: "a")?.report == "filtered by Dr. [NAME]")
        #expect(try archive.get(id: "d")?.report == "filtered by Dr. [NAME]")
        let refusals = outcomes.compactMap { if case .refused(let error) = $0 { error } else { nil } }
        #expect(refusals.map(\.code) == [.badRequest, .notReady])
        #expect(refusals.allSatisfy { !$0.description.contains("secretword") })
        archive.close()
        #expect(try RawBytes.found(["secretword"], below: scratch.archive) == [])
    }
}
