import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import HilumArchive

/// A film of noise with the tags of a study.
func makeDICOM(
    _ seed: Int, study: String, view: String = "PA", patient: String = "123", issuer: String? = nil,
    name: String = "FAMILY^GIVEN"
) -> [UInt8] {
    var generator = SeededGenerator(seed: 17, keys: UInt64(seed))
    var file = SyntheticDICOM(
        width: 16, height: 16, samples: (0..<256).map { _ in UInt16(generator.integer(below: 4096)) })
    for (tag, kind, text) in [
        (0x0008_0018, "UI", "\(study).9.\(seed)"), (0x0008_0020, "DA", "20200229"), (0x0008_0060, "CS", "DX"),
        (0x0010_0010, "PN", name), (0x0010_0020, "LO", patient), (0x0010_1010, "AS", "063Y"),
        (0x0018_5101, "CS", view), (0x0020_000D, "UI", study),
    ] as [(UInt32, String, String)] { file.text(tag, kind, text) }
    if let issuer { file.text(0x0010_0021, "LO", issuer) }
    return file.bytes
}

/// Whether the program that decodes DICOM was built with GDCM.
let decodesDICOM: Bool = {
    do throws(ImagingError) { _ = try ImageDecoder.decode(makeDICOM(0, study: "1.2")) } catch {
        if case .decoderMissing = error.code { return false }
    }
    return true
}()

@Suite("DICOM studies as cases", .enabled(if: decodesDICOM, "built without GDCM"))
struct DICOMStudyTests {
    private func index(_ scratch: Scratch) throws -> (archive: Archive, summary: IndexSummary) {
        let archive = try scratch.makeArchive()
        return (archive, try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true))
    }

    @Test("The files of one study are one case with the frontal image first, wherever they lie")
    func oneStudyIsOneCase() throws {
        let scratch = try Scratch()
        try scratch.write("in/a/IM1", makeDICOM(1, study: "1.2.3", view: "LL"))
        try scratch.write("in/b/IM2.dcm", makeDICOM(2, study: "1.2.3"))
        try scratch.write("in/a/IM3.dcm", makeDICOM(3, study: "1.2.4", patient: "9"))
        let (archive, summary) = try index(scratch)
        #expect(summary.stored == 2 && summary.refused.isEmpty)
        let record = try #require(try archive.get(id: "1.2.3"))
        #expect(record.images.map(\.view) == ["PA", "LL"])
        let fields = record.fields
        #expect(fields.modality == "DX" && fields.view == "PA" && fields.date == "2020-02-29")
        #expect(fields.metadata["study"] == "1.2.3" && fields.metadata["age"] == "63")
        let patient = try #require(fields.patient)
        #expect(patient.utf8.count == 12 && !patient.contains("123"))
        #expect(try archive.get(id: "1.2.4")?.fields.patient != patient)
        let again = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(again.unchanged == 2 && again.stored + again.replaced == 0)
    }

    @Test("No file of an archive holds the patient's name or number")
    func patientsAreHidden() throws {
        let scratch = try Scratch()
        try scratch.write("in/x.dcm", makeDICOM(1, study: "1.2.3", patient: "4711-0815-X"))
        _ = try index(scratch)
        for name in try FileManager.default.subpathsOfDirectory(atPath: scratch.archive) {
            guard let bytes = try? FileIO.read("\(scratch.archive)/\(name)") else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(!text.contains("4711-0815") && !text.contains("FAMILY^GIVEN"), "\(name)")
        }
    }

    @Test(
        "A text beside a file, in the study's folder or beside that folder is the study's report",
        arguments: [
            ("in/x.dcm", "in/x.txt"), ("in/s50/IM1", "in/s50/report.txt"), ("in/p1/s50/IM1.dcm", "in/p1/s50.txt"),
        ])
    func textsGoWithTheirStudy(image: String, text: String) throws {
        let scratch = try Scratch()
        try scratch.write(image, makeDICOM(1, study: "1.2.3"))
        try scratch.write("in/other.dcm", makeDICOM(2, study: "1.2.4"))
        try scratch.write(text, "Small effusion on the left.")
        let (archive, summary) = try index(scratch)
        #expect(summary.stored == 2)
        #expect(try archive.get(id: "1.2.3")?.hasReport == true && archive.get(id: "1.2.4")?.hasReport == false)
    }

    @Test("An object that is no picture is passed over in a folder, and refused in words by itself")
    func objectsWithoutPicture() throws {
        let scratch = try Scratch()
        var report = SyntheticDICOM(objectClass: "1.2.840.10008.5.1.4.1.1.88.33")
        report.text(0x0020_000D, "UI", "1.2.3")
        let path = try scratch.write("in/sr.dcm", report.bytes)
        try scratch.write("in/x.dcm", makeDICOM(1, study: "1.2.3"))
        let (archive, summary) = try index(scratch)
        #expect(summary.stored == 1 && summary.refused.isEmpty)
        #expect(summary.passedOver.counts["DICOM: a structured report without a text"] == 1)
        let error = #expect(throws: ArchiveError.self) {
            try BulkIndexer(archive: archive).run(sources: [path], isQuiet: true)
        }
        #expect(error?.reason.contains("a structured report") == true)
        let outcome = try archive.put([CaseInput(id: "sr", image: .bytes(report.bytes))])
        guard case .refused(let refusal) = outcome.first else {
            Issue.record("\(outcome)")
            return
        }
        #expect(refusal.code == .badImage && refusal.reason.contains("a structured report"))
    }

    @Test(
        "Images of two patients are no case, whatever says that they are one",
        arguments: [
            ["in/a/IM1.dcm", "in/b/IM2.dcm"], ["in/x_pa.dcm", "in/x_lateral.dcm"],
        ])
    func twoPatients(paths: [String]) throws {
        let scratch = try Scratch()
        let study = paths[0].contains("x_") ? ["1.2.3", "1.2.4"] : ["1.2.3", "1.2.3"]
        try scratch.write(paths[0], makeDICOM(1, study: study[0], patient: "ALICE"))
        try scratch.write(paths[1], makeDICOM(2, study: study[1], patient: "BOB"))
        try scratch.write("in/other.dcm", makeDICOM(3, study: "1.2.5", patient: "CAROL"))
        let (archive, summary) = try index(scratch)
        for (id, _) in try archive.sources(below: scratch.path) {
            #expect(try archive.get(id: id)?.images.count == 1, "a picture of each is in one case")
        }
        #expect(try archive.get(id: "1.2.5") != nil)
        #expect(summary.stored + summary.refused.count >= 2)
        #expect(summary.refused.allSatisfy { $0.reason.contains("two patients") && !$0.reason.contains("BOB") })
    }

    @Test("What may pass is tried again, and what will not is not")
    func passingFaults() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        for (code, isOpen) in [(ArchiveError.Code.io, true), (.notReady, true), (.badImage, false)] {
            let origin = CaseOrigin(source: "/in/\(code)", fingerprint: [UInt8](repeating: 7, count: 32))
            var input = CaseInput(id: "\(code)", report: "effusion")
            input.origin = origin
            var prepared = PreparedCase(input)
            prepared.refusal = ArchiveError(code, "not now")
            _ = try archive.commit([prepared])
            #expect((try archive.verdict(of: origin, id: "\(code)") == .open) == isOpen)
        }
    }

    @Test("A text in the source itself that is named by the study is its report")
    func aTextNamedByTheStudy() throws {
        let scratch = try Scratch()
        try scratch.write("in/1.2.3.txt", "Small effusion on the left.")
        try scratch.write("in/deep/x.dcm", makeDICOM(1, study: "1.2.3"))
        try scratch.write("in/other.dcm", makeDICOM(2, study: "1.2.4"))
        let (archive, summary) = try index(scratch)
        #expect(summary.stored == 2 && summary.refused.isEmpty)
        #expect(try archive.get(id: "1.2.3")?.hasReport == true && archive.get(id: "1.2.4")?.hasReport == false)
    }

    @Test("What a request says of a case comes before what its tags say")
    func fieldsOfARequestCount() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let bytes = makeDICOM(1, study: "1.2.3")
        let fields = CaseFields(patient: "p1", view: "AP", metadata: ["age": "7"])
        try archive.put([CaseInput(id: "a", image: .bytes(bytes), fields: fields)])
        let record = try #require(try archive.get(id: "a"))
        #expect(record.fields.patient == "p1" && record.fields.view == "AP" && record.fields.metadata["age"] == "7")
        #expect(record.fields.modality == "DX" && record.fields.metadata["series"] == nil)
        let hits = try archive.search(SearchRequest(.image(bytes))).hits
        #expect(hits.first?.id == "a" && (hits.first?.score ?? 0) > 0.999)
    }
}

@Suite("Groups of studies") struct StudyGroupsTests {
    @Test("A text belongs to a study as long as its place holds one alone")
    func textsFollow() {
        var groups = StudyGroups()
        let text = FoundFile(path: "p1/s50.txt")
        let film = FoundFile(path: "p1/s50/IM1")
        let place = groups.group(of: text)
        #expect(groups.note("1.2", of: film).contains(place))
        #expect(groups.group(of: text) == groups.group(of: film))
        #expect(StudyGroups.study(ofGroup: groups.group(of: text)) == "1.2")
        let second = FoundFile(path: "p1/s50/IM2")
        #expect(groups.note("1.3", of: second).contains("study 1.2"))
        #expect(groups.group(of: text) == place && groups.group(of: film) != groups.group(of: second))
        _ = groups.note(nil, of: second)
        #expect(groups.group(of: text) == groups.group(of: film))
        #expect(groups.note("1.2", of: film).isEmpty)
    }

    @Test("What one file touches does not grow with the studies of its folder")
    func manyStudies() {
        var groups = StudyGroups()
        for number in 0..<2_000 {
            let touched = groups.note("1.2.\(number)", of: FoundFile(path: "x/2024/IM\(number)"))
            #expect(touched.count <= 8)
        }
    }

    @Test("A study is named by digits and points, and begins and ends with a digit")
    func uids() throws {
        let folder = try Scratch()
        for (text, isStudy) in [("1.2.3", true), ("..", false), (".", false), ("1.2.", false), ("", false)] {
            let path = try folder.write("x.dcm", makeDICOM(1, study: text))
            let study = StudyGroups.study(of: FoundFile(path: "x.dcm"), at: path)
            #expect((study == text) == isStudy, "\(text)")
        }
    }
}
