import HilumCore
import HilumPrivacy
import Testing

@testable import HilumArchive

/// A patient is found by the number, wherever a case came from.
@Suite("Questions for a patient", .enabled(if: decodesDICOM, "without GDCM")) struct PatientQuestionTests {
    /// PAT1 has a film with and one without an issuer, a message and a row; PAT2 a film and a row.
    private func archive(_ scratch: Scratch, _ deidentification: PrivacySettings.Deidentification) throws -> Archive {
        try scratch.write("in/f/a.dcm", makeDICOM(1, study: "1.2.1", patient: "PAT1"))
        try scratch.write("in/f/b.dcm", makeDICOM(2, study: "1.2.2", patient: "PAT1", issuer: "NORTH"))
        try scratch.write("in/f/c.dcm", makeDICOM(3, study: "1.2.3", patient: "PAT2"))
        try scratch.write("in/m.hl7", SyntheticMessage("A nodule.", patient: "PAT1", accession: "ACC-7").bytes())
        try scratch.write(
            "in/t/cases.csv", "id,patient,report\nr1,PAT1,effusion\nr2,PAT2,edema\nr3,,clear\n")
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: deidentification))
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 7 && summary.refused == [])
        return archive
    }

    @Test(
        "A number finds all cases of its patient, and none of another's",
        arguments: [PrivacySettings.Deidentification.off, .mask, .require])
    func finds(deidentification: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, deidentification)
        func ids(_ filter: String) throws -> [String] {
            var request = SearchRequest(.text("effusion"))
            request.k = 20
            request.filter = try Filter(parsing: filter)
            let found = try archive.search(request).hits.map(\.id)
            #expect(try archive.count(request.filter) == found.count)
            return found.sorted()
        }
        let known = ["1.2.1", "1.2.2", "r1"]
        let others = ["1.2.3", "r2", "r3"]
        let shown: ([String]) -> [String] = { $0.map(archive.shownID) }
        let message = try ids("patient=PAT1").filter { !shown(known).contains($0) }
        #expect(message.count == 1, "the report that came as a message")
        #expect(try ids("patient=PAT1") == (shown(known) + message).sorted())
        #expect(try ids("patient!=PAT1") == shown(others).sorted())
        #expect(try ids("patient=PAT2") == shown(["1.2.3", "r2"]).sorted())
        #expect(try ids("patient=PAT1,PAT2").count == 6)
        #expect(try ids("patient=PAT3") == [])
        #expect(try ids("patient=PAT1 patient!=PAT1") == [])
        #expect(try ids("patient_number=PAT1") == (shown(["1.2.1", "1.2.2"]) + message).sorted())
        // What a hit says finds the same cases as before.
        let hash = try #require(try archive.get(id: "1.2.2")?.fields.patient)
        #expect(try ids("patient=\(hash)") == shown(["1.2.2"]))
    }

    @Test("Counts of values stay what they are, among the patient's cases too")
    func facets() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, .mask)
        let all = try archive.facet(by: "patient")
        #expect(all.values.map(\.count).reduce(0, +) == 6 && all.values.count == 5)
        let one = try archive.facet(by: "patient", Filter(parsing: "patient=PAT1"))
        #expect(one.values.map(\.count).reduce(0, +) == 4 && one.values.count == 3)
        #expect(!one.values.contains { $0.value == "PAT2" })
    }

    @Test("Whoever may not read the key is told so, and no empty answer")
    func withoutKey() throws {
        let scratch = try Scratch()
        try archive(scratch, .mask).close()
        try scratch.write("archive/log.key", "short")
        let archive = try Archive(path: scratch.archive, mode: .readOnly, embedder: FakeEmbedder())
        #expect(throws: ArchiveError.self) { try archive.count(Filter(parsing: "patient=PAT1")) }
        #expect(try archive.count(Filter(parsing: "view=PA")) == 3)
    }
}
