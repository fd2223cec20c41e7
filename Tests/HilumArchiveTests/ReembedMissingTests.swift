import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Cases of several images of which the first could not be encoded again.
@Suite struct ReembedMissingTests {
    /// Stores 20 cases and `study` with two films, switches without the first film, and returns the archive.
    private func partlySwitched(_ scratch: Scratch, report: String?) throws -> Archive {
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        let paths = try (0..<2).map { try scratch.write("films/\($0).png", makePNG(500 + $0)) }
        var study = CaseInput(id: "study", report: report)
        study.images = paths.map { CaseImage(.file($0)) }
        try archive.put([study])
        try FileManager.default.removeItem(atPath: paths[0])
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        try archive.switchGeneration(allowsPartial: true)
        return archive
    }

    private func check(_ archive: Archive, _ comment: Comment) throws {
        #expect(try archive.check(deep: true).findings == [], comment)
        var request = SearchRequest(.text("granuloma"))
        request.target = .image
        request.mode = .hybrid
        let hits = try archive.search(request).hits
        let hit = try #require(hits.first { $0.id == "study" }, comment)
        #expect(hit.image == 1 && hits.first?.id == "study", comment)
        var near = SearchRequest(.id("study"))
        near.target = .image
        #expect(try archive.search(near).hits.count > 0, comment)
        var same = SearchRequest(.image(try makePNG(501)))
        same.target = .image
        let found = try archive.search(same).hits.first
        #expect(found?.id == "study" && found?.image == 1, comment)
    }

    @Test func theSecondImageFindsACaseWhoseFirstIsGone() throws {
        let scratch = try Scratch()
        let archive = try partlySwitched(scratch, report: "granuloma of the apex")
        try check(archive, "after the switch")
        archive.close()
        let again = try FakeModel.open(scratch.archive)
        try check(again, "after a reopening")
        try again.writeCheckpoint()
        again.close()
        let third = try FakeModel.open(scratch.archive)
        try check(third, "from a checkpoint")
        #expect(try third.delete(id: "study"))
        #expect(third.attributes.read { $0.withFurtherImageAlone.isEmpty })
        #expect(try third.check(deep: true).findings == [])
    }

    /// Without a report too, something is near the case.
    @Test func aCaseOfImagesAloneIsAskedForByItsSecond() throws {
        let scratch = try Scratch()
        let archive = try partlySwitched(scratch, report: nil)
        #expect(try archive.search(SearchRequest(.id("study"))).hits.count > 0)
        try archive.rollBackGeneration()
        #expect(archive.attributes.read { $0.withFurtherImageAlone.isEmpty && $0.withAnyImage.count > 0 })
        #expect(try archive.check(deep: true).findings == [])
    }

    /// A partial switch is mended by the files: whoever indexes them again gets the vectors that were missing.
    @Test func aCaseThatIsPutAgainGetsItsMissingVector() throws {
        let scratch = try Scratch()
        let archive = try partlySwitched(scratch, report: "granuloma of the apex")
        #expect(try archive.vectors(id: "study")?[.image] == nil)
        var study = CaseInput(id: "study", report: "granuloma of the apex")
        study.images = [
            CaseImage(.file(try scratch.write("films/0.png", makePNG(500)))),
            CaseImage(.file(scratch.path + "/films/1.png")),
        ]
        #expect(try archive.put([study]) == [.replaced(vectors: 3)])
        #expect(try archive.vectors(id: "study")?[.image]?.count == 48)
        #expect(try archive.put([study]) == [.unchanged(vectors: 3)])
        #expect(try archive.check(deep: true).findings == [])
        try archive.rollBackGeneration()
        #expect(try archive.reembedStatus().missingCount == 0)
        #expect(try archive.vectors(id: "study")?[.image]?.count == 32)
        #expect(try archive.check(deep: true).findings == [])
    }
}
