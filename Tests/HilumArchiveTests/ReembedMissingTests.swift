import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
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

    /// Whether a search by the image of `seed` finds `id`.
    private func finds(_ archive: Archive, _ id: String, _ seed: Int) throws -> Bool {
        var request = SearchRequest(.image(try makePNG(seed)))
        request.target = .image
        guard let hit = try archive.search(request).hits.first else { return false }
        return hit.id == id && hit.score > 0.999
    }

    private func index(_ archive: Archive, _ source: String, replaces: Bool = false) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], replaces: replaces, isQuiet: true)
    }

    @Test("A file that was away at a switch is encoded when it is indexed again, as it was", arguments: [0, 1, 2])
    func aFileThatIsBack(door: Int) throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        for seed in 0..<10 { try scratch.write("in/c\(seed).png", makePNG(seed)) }
        #expect(try index(archive, scratch.path + "/in").stored == 10)
        let (here, away) = (scratch.path + "/in/c8.png", scratch.path + "/away.png")
        try FileManager.default.moveItem(atPath: here, toPath: away)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        try archive.switchGeneration(allowsPartial: true)
        #expect(try !finds(archive, "c8", 8))
        let status = try archive.reembedStatus()
        #expect(status.searchedMissingCount == 1 && status.searchedMissingIDs == ["c8"])
        let report = try archive.check(deep: true)
        #expect(report.findings == [] && report.notes.contains { $0.contains("generation 2 lacks 1 images") })
        if door == 2 { try archive.dropKeptGeneration() }
        // Same size, same time.
        try FileManager.default.moveItem(atPath: away, toPath: here)
        let summary = try index(archive, door == 0 ? here : scratch.path + "/in", replaces: door == 1)
        #expect(summary.replaced == 1 && summary.unchanged == (door == 0 ? 0 : 9))
        #expect(try finds(archive, "c8", 8))
        #expect(try archive.reembedStatus().searchedMissingCount == 0)
        #expect(try index(archive, scratch.path + "/in").unchanged == 10)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func aRollbackDropsNoImageSilently() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        try archive.switchGeneration()
        // Stored by a call that encodes for one generation alone.
        let path = try scratch.write("films/0.png", makePNG(500))
        try archive.put([CaseInput(id: "c10", image: .file(path))])
        try FileManager.default.removeItem(atPath: path)
        let error = #expect(throws: ArchiveError.self) { try archive.rollBackGeneration() }
        #expect(error?.code == .stale && error?.reason.contains("1 images could not be read") == true)
        #expect(try finds(archive, "c10", 500) && archive.reembedStatus().generation == 2)
        try archive.rollBackGeneration(allowsPartial: true)
        #expect(try archive.reembedStatus().searchedMissingIDs == ["c10"])
        let report = try archive.check(deep: true)
        #expect(report.findings == [] && report.notes.contains { $0.contains("generation 1 lacks 1 images") })
        #expect(try archive.reembedStatus().json.text.contains(#""searched_missing_ids":["c10"]"#))
    }

    @Test func whatIsIndexedIsEncodedForTheKeptGenerationToo() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        try archive.switchGeneration()
        let path = try scratch.write("in/c10.png", makePNG(500))
        #expect(try index(archive, scratch.path + "/in").stored == 1)
        try FileManager.default.removeItem(atPath: path)
        try archive.rollBackGeneration()
        #expect(try finds(archive, "c10", 500) && archive.check(deep: true).findings == [])
    }

    /// The model gives one image and one report nothing that can be used.
    private struct PoisonedEmbedder: Embedder {
        let inner: FakeEmbedder
        var modelID: String { inner.modelID }
        var dimension: Int { inner.dimension }
        var imageSide: Int? { inner.imageSide }

        func embed(images: [GrayImage], threads: Int) throws -> [Float] {
            try images.flatMap { image in
                let isPoisoned = image.width == 17
                let vectors = try inner.embed(images: [image], threads: 1)
                return isPoisoned ? vectors.map { _ in Float.nan } : vectors
            }
        }

        func embed(reports: [String], threads: Int) throws -> [Float] {
            try reports.flatMap { report in
                let vectors = try inner.embed(reports: [report], threads: 1)
                return report.contains("poison") ? vectors.map { _ in 0 } : vectors
            }
        }
    }

    @Test func oneVectorThatCannotBeUsedStopsNothing() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        let bytes = try makePNG(77, side: 17)
        try archive.put([CaseInput(id: "odd", image: .bytes(bytes), report: "effusion, poison")])
        let model = PoisonedEmbedder(inner: FakeEmbedder("new", dimension: 48))
        try archive.startReembedding(modelDirectory: try FakeModel.write(scratch, "new"), embedder: model)
        try finishReembedding(archive)
        let status = try archive.reembedStatus()
        #expect(status.state == .ready && status.missingCount == 1 && status.missingIDs == ["odd"])
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func onlyTheGenerationThatWasMeantIsSwitchedTo() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        // Somebody gives it up and begins another one.
        try archive.abortReembedding()
        try archive.removeLeavingGenerations()
        try archive.startReembedding(model: try FakeModel.write(scratch, "newer"))
        try finishReembedding(archive)
        let error = #expect(throws: ArchiveError.self) { try archive.switchGeneration(expected: (1, 2)) }
        #expect(error?.code == .stale)
        #expect(try archive.reembedStatus().generation == 1)
        try archive.switchGeneration(expected: (1, 3))
        #expect(try archive.reembedStatus().generation == 3)
    }
}
