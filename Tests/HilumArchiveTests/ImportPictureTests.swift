import Foundation
import HilumCore
import HilumImaging
import HilumPrivacy
import Testing

@testable import HilumArchive

/// Pictures that imported lines name, in archives that take identifiers out.
@Suite struct ImportPictureTests {
    private func archive(_ scratch: Scratch, _ mode: PrivacySettings.Deidentification) throws -> Archive {
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: mode))
        return try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(imageSide: 32))
    }

    private func source(_ scratch: Scratch, _ lines: String...) throws -> VectorSource {
        try VectorFixture.write(scratch, "v", VectorFixture.vectors(0..<lines.count, dimension: 32), lines)
    }

    /// A DICOM file that says that its device wrote into the picture.
    private func burned() -> [UInt8] {
        var file = PlantedCases.dicom(study: "1.2.3", object: "1.2.3.4")
        file.text(0x0028_0301, "CS", "YES")
        return file.bytes
    }

    @Test(
        "A picture that index sets aside does not come in by a line, whatever its id; others do",
        arguments: [PrivacySettings.Deidentification.mask, .require])
    func whatIsSetAsideStaysOut(mode: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, mode)
        try scratch.write("in/tagged.dcm", burned())
        try scratch.write("in/lettered.png", try LetteredFilm.png(1))
        try scratch.write("in/plain.png", try makePNG(3, side: 64))
        let source = try source(
            scratch, #"{"id":"c1","image":"in/tagged.dcm"}"#, #"{"id":"c2","image":"in/lettered.png"}"#,
            #"{"id":"c3","image":"in/plain.png"}"#, #"{"id":"c4","image":"in/gone.png"}"#)
        // Before and after index has seen them.
        for round in 0..<2 {
            let summary = try importer(archive).run([source])
            let refused = summary.refused.map { String($0.source.suffix(1)) }
            #expect(refused == (mode == .require ? ["1", "2"] : ["1"]), "\(summary.refused)")
            #expect(summary.refused.allSatisfy { $0.reason.contains("path") })
            #expect(summary.stored == (round == 1 ? 0 : mode == .require ? 2 : 3))
            #expect(try archive.get(id: "c1") == nil && (archive.get(id: "c2") == nil) == (mode == .require))
            #expect(try archive.get(id: "c3")?.imagePath != nil && archive.get(id: "c4")?.imagePath == nil)
            if round == 0 {
                _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
                #expect(try archive.quarantined().count == (mode == .require ? 2 : 1))
            }
        }
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test(
        "A picture that a person dropped stays away, and one that a person released comes in",
        arguments: [PrivacySettings.Deidentification.mask, .require])
    func decisionsCount(mode: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, mode)
        try scratch.write("in/tagged.dcm", burned())
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        let image = try #require(try archive.quarantined().first)
        let id = image.entry.id
        let others = try source(scratch, #"{"id":"c1","image":"in/tagged.dcm"}"#)
        #expect(try importer(archive).run([others]).refused.first?.reason.contains("waits") == true)
        try archive.drop([image])
        #expect(try importer(archive).run([others]).refused.first?.reason.contains("dropped") == true)
        #expect(try archive.count() == 0)
        // A person looks again and releases.
        #expect(try archive.erase(id: id))
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], again: true, isQuiet: true)
        let again = try #require(try archive.quarantined().first)
        #expect(try archive.release([again]).map(\.outcome) == [.stored(vectors: 1)])
        let own = try source(scratch, "{\"id\":\"\(id)\",\"image\":\"in/tagged.dcm\"}")
        #expect(try importer(archive).run([own], replaces: true).refused == [])
        #expect(try archive.get(id: id)?.images.count == 1)
        // The same case by the name that people are shown, with another vector.
        let shown = try source(
            scratch, #"{"id":"other"}"#, "{\"id\":\"\(archive.shownID(id))\",\"image\":\"in/tagged.dcm\"}")
        #expect(try importer(archive).run([shown], replaces: true).refused == [])
        #expect(try archive.get(id: id)?.images.count == 1)
    }

    @Test("Names in the tags of a picture are masked in the report of its line")
    func tagsMaskReports() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, .mask)
        try scratch.write("in/a.dcm", PlantedCases.dicom(study: "1.2.3", object: "1.2.3.4").bytes)
        let report = "Effusion of thornbury; castellane agrees."
        let source = try source(scratch, "{\"id\":\"c1\",\"image\":\"in/a.dcm\",\"report\":\"\(report)\"}")
        #expect(try importer(archive).run([source]).stored == 1)
        let stored = try #require(try archive.get(id: "c1")?.report)
        #expect(!stored.contains("thornbury") && stored.hasPrefix("Effusion of"))
    }

    @Test("Where nothing is taken out, every picture comes in")
    func off() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, .off)
        try scratch.write("in/tagged.dcm", burned())
        let source = try source(scratch, #"{"id":"c1","image":"in/tagged.dcm"}"#)
        #expect(try importer(archive).run([source]).stored == 1)
    }
}
