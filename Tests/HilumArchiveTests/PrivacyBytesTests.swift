import Foundation
import HilumCore
import HilumPrivacy
import Testing

@testable import HilumArchive

/// Nothing of what was planted is left in any byte that an archive writes.
@Suite struct PrivacyBytesTests {
    @Test func atLeastSixtyIdentifiersArePlanted() {
        #expect((PlantedCases.inTexts + PlantedCases.inTags + PlantedCases.inNames).count >= 60)
        let texts = (PlantedCases.reports + PlantedCases.metadata.values).joined(separator: "\n")
        #expect(RawBytes.found(PlantedCases.inTexts, in: Array(texts.utf8)) == PlantedCases.inTexts)
        let tags = PlantedCases.dicom(study: "1.2.840.113619.2.55.3", object: "1.2.840.113619.2.77.1").bytes
        #expect(RawBytes.found(PlantedCases.inTags, in: tags) == PlantedCases.inTags)
    }

    /// Stores the planted cases by every way, deletes and refuses some, and writes a snapshot.
    ///
    /// - Returns: everything that was said meanwhile.
    private func fill(_ scratch: Scratch, _ settings: PrivacySettings) throws -> String {
        var said = ""
        let folder = scratch.path + "/in"
        for (number, report) in PlantedCases.reports.enumerated() {
            try scratch.write("in/Faulkenberry/study-5520031-\(number).txt", report)
            try scratch.write("in/Faulkenberry/study-5520031-\(number).png", try makePNG(number))
        }
        try scratch.write(
            "in/Abernathy/Pemberton-scan.dcm",
            PlantedCases.dicom(study: "1.2.840.113619.2.55.3", object: "1.2.840.113619.2.77.1").bytes)
        try scratch.write("in/Abernathy/Pemberton-scan.txt", PlantedCases.reportOfTags)
        try scratch.write("in/Mossgrove.png", Array("no picture".utf8))
        try scratch.write("in/Mossgrove.txt", PlantedCases.reports[0])
        try Archive.create(at: scratch.archive, privacy: settings)
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        let summary = try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true)
        #expect(summary.stored >= 4)
        said += "\(summary.masked) \(summary.notes)"
        let inputs = PlantedCases.reports.enumerated().map { number, report in
            CaseInput(
                id: "case-of-Trelawney-\(number)",
                image: .bytes(PlantedCases.dicom(study: "1.2.840.113619.2.55.3", object: "1.2.3.\(number)").bytes),
                report: report,
                fields: CaseFields(
                    patient: "patient-99120", site: "Riverbend Clinic", metadata: PlantedCases.metadata))
        }
        for outcome in try archive.put(inputs) { said += "\(outcome)" }
        // An error about a report does not say it.
        let long = String(repeating: PlantedCases.reports[1], count: 2000)
        let bad = [
            CaseInput(id: "x", report: long),
            CaseInput(id: "y", image: .bytes([1, 2]), report: PlantedCases.reports[1]),
        ]
        for outcome in try archive.put(bad) {
            said += "\(outcome)"
        }
        #expect(try archive.delete(id: "case-of-Trelawney-1"))
        _ = try archive.put([inputs[2], inputs[0]])
        try archive.writeCheckpoint()
        for needle in PlantedCases.inTexts + PlantedCases.inTags {
            var request = SearchRequest(.text("any:\(needle)"))
            request.mode = .words
            // A number may stand in a mask's place as part of another word; nothing is found by a name.
            if needle.allSatisfy(\.isLetter) {
                #expect(try archive.search(request).hits.isEmpty, "\(needle) is found")
            }
        }
        _ = try archive.snapshot(to: scratch.path + "/copy")
        said += try archive.stats().json.text
        archive.close()
        return said
    }

    @Test func anArchiveThatMasksHoldsNothingOfReportsAndTags() throws {
        let scratch = try Scratch()
        let said = try fill(scratch, PrivacySettings())
        let needles = PlantedCases.inTexts + PlantedCases.inTags
        #expect(try RawBytes.found(needles, below: scratch.archive) == [])
        #expect(try RawBytes.found(needles, below: scratch.path + "/copy") == [])
        #expect(RawBytes.found(needles, in: Array(said.utf8)) == [])
        // The test sees what is there.
        #expect(try !RawBytes.found(["right upper lobe"], below: scratch.archive).isEmpty)
    }

    @Test func anArchiveThatRequiresItHoldsNothingOfIDsFilesAndUIDsEither() throws {
        let scratch = try Scratch()
        let said = try fill(scratch, PrivacySettings(deidentification: .require))
        let needles = PlantedCases.inTexts + PlantedCases.inTags + PlantedCases.inNames
        #expect(try RawBytes.found(needles, below: scratch.archive) == [])
        #expect(try RawBytes.found(needles, below: scratch.path + "/copy") == [])
        #expect(RawBytes.found(PlantedCases.inTexts + PlantedCases.inTags, in: Array(said.utf8)) == [])
        let restored = scratch.path + "/restored"
        _ = try Archive.restore(scratch.path + "/copy", to: restored)
        #expect(try RawBytes.found(needles, below: restored) == [])
        let archive = try Archive(path: restored, mode: .readOnly)
        #expect(try archive.get(id: "case-of-Trelawney-0")?.report?.contains("right upper lobe") == true)
        #expect(try archive.check(deep: true).findings == [])
    }

    /// An archive that takes nothing out has the most to lose, and it has codes and a second segment of words.
    @Test(arguments: [10, 2500])
    func aForgottenCaseLeavesNothingInAnyFile(count: Int) throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: .off))
        var archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        try scratch.write("in/Faulkenberry/study-5520031.txt", PlantedCases.reports[0] + "\nxylophonic sign")
        try scratch.write("in/Faulkenberry/study-5520031.png", try makePNG(3))
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        let reports = (0..<count).map { CaseInput(id: "r\($0)", report: makeReport($0 * 10 + 1 + $0 % 9)) }
        try archive.put(Array(reports.prefix(count / 2)))
        let kept = try makePNG(77)
        let fields = CaseFields(
            patient: "patient-99120", site: "Riverbend Clinic", metadata: ["mrn": "MRN5550017", "note": "Zimbrick"])
        try archive.put([
            CaseInput(id: "case-of-Trelawney", image: .bytes(kept), report: PlantedCases.reports[1], fields: fields)
        ])
        try archive.put(Array(reports.suffix(count - count / 2)))
        try archive.writeCheckpoint()
        // A source that was refused because of it names it in the journal.
        try scratch.write("other/case-of-Trelawney.txt", "another report")
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/other"], isQuiet: true)
        let vectors = try #require(try archive.vectors(id: "case-of-Trelawney"))
        archive.close()
        let digest = SHA256.hex(kept)
        let both = Array((PlantedCases.reports[1] + PlantedCases.reports[0]).utf8)
        let needles =
            PlantedCases.inTexts.filter { RawBytes.found([$0], in: both) != [] } + [
                "case-of-Trelawney", "patient-99120", "Riverbend Clinic", "MRN5550017", "Zimbrick", "study-5520031",
                "Faulkenberry", "xylophonic", digest,
            ]
        #expect(try RawBytes.found(needles, below: scratch.archive).count >= needles.count - 3, "they are there before")
        archive = try Archive(path: scratch.archive, mode: .readWrite)
        #expect(try archive.erase(id: "case-of-Trelawney"))
        #expect(try archive.erase(id: "Faulkenberry/study-5520031"))
        #expect(try !archive.erase(id: "case-of-Trelawney"))
        archive.close()
        _ = try Archive.compact(scratch.archive)
        #expect(try RawBytes.found(needles, below: scratch.archive) == [])
        let data = Data(try FileIO.read(scratch.archive + "/data.mdb"))
        for vector in vectors.values {
            let bytes = vector.withUnsafeBytes { Data($0) }
            #expect(data.range(of: bytes) == nil)
        }
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.check(deep: true).findings == [])
        #expect(try archive.count() == count)
        var request = SearchRequest(.text("any:xylophonic"))
        request.mode = .words
        #expect(try archive.search(request).hits.isEmpty)
        // The others are found as before.
        #expect(try archive.search(SearchRequest(.text(makeReport(1)))).hits.contains { $0.id == "r0" })
        try store(archive, 0..<20)
        #expect(try archive.check(deep: true).findings == [])
    }

    /// A case that was deleted leaves a mark and bytes; they go when it is forgotten later.
    @Test func aDeletedCaseIsForgottenLater() throws {
        let scratch = try Scratch()
        let archive = try Archive.created(at: scratch.archive, PrivacySettings(deidentification: .off))
        try scratch.write("in/Faulkenberry.txt", PlantedCases.reports[0])
        try scratch.write("in/other.txt", "No effusion.")
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(try archive.delete(id: "Faulkenberry"))
        // The words of the two lie in one segment.
        #expect(try archive.erase(id: "Faulkenberry"))
        #expect(try !archive.erase(id: "Faulkenberry") && archive.count() == 1)
        archive.close()
        _ = try Archive.compact(scratch.archive)
        #expect(try RawBytes.found(["Faulkenberry", "Harrowgate"], below: scratch.archive) == [])
    }
}

extension Archive {
    fileprivate static func created(at path: String, _ settings: PrivacySettings) throws -> Archive {
        try create(at: path, privacy: settings)
        return try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder())
    }
}
