import HilumCore
import Testing

@testable import HilumArchive

/// Vectors of deleted cases do not come back by themselves.
@Suite("Deleted cases stay deleted when vectors are imported")
struct ImportReturnTests {
    @Test("A case that was deleted or erased is left out and named, until somebody asks for it")
    func staysDeleted() throws {
        let scratch = try Scratch()
        var archive = try VectorFixture.makeSpace(scratch)
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<10), VectorFixture.lines(0..<10, #","report":"Small nodule.""#))
        #expect(try importer(archive).run([source]).stored == 10)
        #expect(try archive.delete(id: "case-1") && archive.erase(id: "case-2"))
        for _ in 0..<2 {
            let summary = try importer(archive).run([source])
            #expect(summary.stored == 0 && summary.unchanged == 8 && summary.refused == [])
            #expect(summary.deleted == 2 && summary.deletedPlaces == ["\(source.lines):2", "\(source.lines):3"])
            #expect(try archive.count() == 8)
            // Over an opening, and a store that is written anew.
            archive.close()
            _ = try Archive.compact(scratch.archive)
            archive = try Archive(path: scratch.archive, mode: .readWrite, options: FakeModel.options)
        }
        var asked = importer(archive)
        asked.again = true
        #expect(try asked.run([source]).stored == 2)
        let after = try importer(archive).run([source])
        #expect(after.unchanged == 10 && after.deleted == 0)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("What keeps a case out does not name it, also where names are hidden")
    func namesNobody() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch, privacy: PrivacySettings(deidentification: .require))
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<2), [#"{"id":"Harrowgate"}"#, #"{"id":"other"}"#])
        #expect(try importer(archive).run([source]).stored == 2)
        let shown = archive.shownID("Harrowgate")
        #expect(try archive.erase(id: shown))
        #expect(try importer(archive).run([source]).deleted == 1)
        // As an export of this archive names it.
        let exported = try VectorFixture.write(scratch, "w", VectorFixture.vectors(0..<1), ["{\"id\":\"\(shown)\"}"])
        #expect(try importer(archive).run([exported]).deleted == 1)
        archive.close()
        _ = try Archive.compact(scratch.archive)
        #expect(try RawBytes.found(["Harrowgate", shown], below: scratch.archive) == [])
    }

    @Test("A part of a set leaves out what was deleted, and the rest is unchanged; a fresh archive takes all")
    func parts() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let parts = try (1...3).map { try VectorFixture.writePart(scratch, $0, of: 3, 0..<30) }
        #expect(try importer(archive).run(parts).stored == 30)
        #expect(try archive.delete(id: "case-4"))
        let summary = try importer(archive).run(parts)
        #expect(summary.stored == 0 && summary.unchanged == 29 && summary.deleted == 1 && summary.refused == [])
        archive.close()
        let other = try Scratch()
        let fresh = try VectorFixture.makeSpace(other)
        #expect(try importer(fresh).run(parts).stored == 30)
    }

    @Test("A case that was indexed or put is known by its id too, and a new one of this id ends that")
    func otherSources() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try scratch.write("in/a.txt", "Left effusion.")
        let folder = scratch.path + "/in"
        #expect(try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true).stored == 1)
        try store(archive, 0..<1)
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<2, dimension: 32),
            [#"{"id":"a","kind":"report"}"#, #"{"id":"case-0"}"#])
        #expect(try archive.erase(id: "a") && archive.delete(id: "case-0"))
        #expect(try importer(archive).run([source]).deletedPlaces == ["\(source.lines):1", "\(source.lines):2"])
        try store(archive, 0..<1)
        #expect(try BulkIndexer(archive: archive).run(sources: [folder], again: true, isQuiet: true).stored == 1)
        let summary = try importer(archive).run([source])
        #expect(summary.deleted == 0 && summary.refused.count == 2, "they came from elsewhere")
        #expect(try importer(archive).run([source], replaces: true).replaced == 2)
        // Files that have left are not deleted by anybody.
        #expect(try archive.forget(id: "a", source: "import"))
        #expect(try importer(archive).run([source], replaces: true).stored == 1)
    }
}
