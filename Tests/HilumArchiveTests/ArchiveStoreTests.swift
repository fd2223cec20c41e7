import Foundation
import HilumCore
import Testing

@testable import HilumArchive

@Suite struct ArchiveStoreTests {
    @Test func whatWasPutIsThereAfterReopening() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<150)
        archive.close()
        let again = try Archive(path: scratch.archive, mode: .readOnly)
        #expect(try again.count() == 150)
        for index in 0..<150 {
            let input = try makeInput(index)
            let record = try #require(try again.get(id: input.id))
            #expect(record.report == input.report)
            #expect(record.hasImage == (input.image != nil))
            #expect(record.fields == input.fields)
            let vectors = try #require(try again.vectors(id: input.id))
            #expect(vectors.count == (input.image == nil ? 0 : 1) + (input.report == nil ? 0 : 1))
        }
        #expect(try again.get(id: "case-150") == nil)
        #expect(try again.check(deep: true).findings == [])
    }

    @Test func theSameCaseAgainIsUnchangedAndIsNotEncodedAgain() throws {
        let scratch = try Scratch()
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        try store(archive, 0..<30)
        let encoded = embedder.imageCount.current + embedder.reportCount.current
        #expect(try archive.put(makeInputs(0..<30)).allSatisfy { if case .unchanged = $0 { true } else { false } })
        #expect(embedder.imageCount.current + embedder.reportCount.current == encoded)
        #expect(try archive.stats().deletions == 0)
    }

    @Test func aNewVersionReplacesTheOldOne() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<20)
        let before = try #require(try archive.get(id: "case-3"))
        var input = try makeInput(3)
        input.report = "a new nodule in the right apex"
        input.image = nil
        #expect(try archive.put([input]) == [.replaced(vectors: 1)])
        let after = try #require(try archive.get(id: "case-3"))
        #expect(after.report == input.report && !after.hasImage)
        #expect(after.number > before.number)
        #expect(try archive.count() == 20)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        let again = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try again.get(id: "case-3") == after)
        #expect(try again.check(deep: true).findings == [])
    }

    @Test func newMetadataKeepNumberAndVectors() throws {
        let scratch = try Scratch()
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        try store(archive, 0..<5)
        let before = try #require(try archive.get(id: "case-0"))
        let encoded = embedder.imageCount.current
        var input = try makeInput(0)
        input.fields.view = "lateral"
        #expect(try archive.put([input]) == [.replaced(vectors: 2)])
        #expect(try archive.get(id: "case-0")?.number == before.number)
        #expect(embedder.imageCount.current == encoded)
        #expect(try archive.count(Filter(parsing: "view=lateral")) == 1)
        #expect(try archive.count(Filter(parsing: "view=PA id=case-0")) == 0)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func aDeletedCaseIsGoneEverywhere() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<40)
        #expect(try archive.delete(id: "case-6"))
        #expect(try !archive.delete(id: "case-6"))
        #expect(try archive.get(id: "case-6") == nil)
        #expect(try archive.vectors(id: "case-6") == nil)
        #expect(try archive.count(Filter(parsing: "id=case-6")) == 0)
        var request = SearchRequest(.text(makeReport(6)))
        request.k = 40
        #expect(try !archive.search(request).hits.contains { $0.id == "case-6" })
        #expect(try archive.check(deep: true).findings == [])
        #expect(try archive.put([makeInput(6)]) == [.stored(vectors: 2)])
        #expect(try archive.count() == 40)
    }

    @Test func whatCannotBeStoredIsRefusedByItselfWithAReason() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let bad = [
            CaseInput(id: "nothing"), CaseInput(id: "blank", report: " \n"), CaseInput(id: "", report: "text"),
            CaseInput(id: "a\u{7}b", report: "text"), CaseInput(id: String(repeating: "x", count: 256), report: "text"),
            CaseInput(id: "noise", image: .bytes([1, 2, 3, 4])), CaseInput(id: "empty", image: .bytes([])),
            CaseInput(id: "missing", image: .file(scratch.path + "/none.png")),
            CaseInput(id: "cut", image: .bytes(Array(try makePNG(1).dropLast(40)))),
            CaseInput(id: "long", report: String(repeating: "x", count: ArchiveLimits.reportByteCount + 1)),
        ]
        let outcomes = try archive.put(bad + [CaseInput(id: "good", report: "clear lungs")])
        let codes = outcomes.map { outcome -> ArchiveError.Code? in
            if case .refused(let error) = outcome { error.code } else { nil }
        }
        #expect(
            codes == [
                .badRequest, .badRequest, .badRequest, .badRequest, .badRequest, .badImage, .badImage, .badImage,
                .badImage, .limit,
                nil,
            ])
        #expect(outcomes.last == .stored(vectors: 1))
        #expect(try archive.count() == 1)
        for case .refused(let error) in outcomes { #expect(!error.reason.isEmpty) }
    }

    @Test func anImageGivenAsBytesIsKeptUntilItsLastCaseGoes() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let bytes = try makePNG(1)
        let outcomes = try archive.put(["a", "b", "c", "d"].map { CaseInput(id: $0, image: .bytes(bytes)) })
        #expect(outcomes.allSatisfy { $0 == .stored(vectors: 1) })
        #expect(try archive.delete(id: "c") && archive.delete(id: "d"))
        let path = try #require(try archive.get(id: "a")?.imagePath)
        #expect(path == (try archive.get(id: "b")?.imagePath))
        #expect(try archive.imageBytes(of: "a") == bytes)
        #expect(try archive.delete(id: "a"))
        #expect(try archive.imageBytes(of: "b") == bytes)
        #expect(try archive.check(deep: true).findings == [])
        #expect(try archive.put([CaseInput(id: "b", report: "no image any more")]) == [.replaced(vectors: 1)])
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(throws: ArchiveError.self) { try archive.imageBytes(of: "b") }
    }

    @Test func anImageFileThatChangedIsNotPassedOffAsTheStoredOne() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let file = try scratch.write("a.png", makePNG(1))
        try archive.put([CaseInput(id: "a", image: .file(file))])
        #expect(try archive.imageBytes(of: "a") == makePNG(1))
        try scratch.write("a.png", makePNG(2))
        let changed = #expect(throws: ArchiveError.self) { try archive.imageBytes(of: "a") }
        #expect(changed?.code == .stale)
        try FileManager.default.removeItem(atPath: file)
        let missing = #expect(throws: ArchiveError.self) { try archive.imageBytes(of: "a") }
        #expect(missing?.code == .notFound)
        #expect(try archive.check(deep: true).isClean)
    }

    @Test func anEmbedderOfAnotherModelIsRefused() throws {
        let scratch = try Scratch()
        try scratch.makeArchive().close()
        let error = #expect(throws: ArchiveError.self) {
            try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder("other"))
        }
        #expect(error?.code == .stale)
        let size = #expect(throws: ArchiveError.self) {
            try Archive(path: scratch.archive, mode: .readOnly, embedder: FakeEmbedder(dimension: 16))
        }
        #expect(size?.code == .stale)
        let without = try Archive(path: scratch.archive, mode: .readWrite)
        #expect(without.dimension == 32)
        let put = #expect(throws: ArchiveError.self) { try without.put([makeInput(0)]) }
        #expect(put?.code == .notReady)
    }

    @Test func aSecondWriterIsRefusedWithTheFirstOnesProcess() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let error = #expect(throws: ArchiveError.self) {
            try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        }
        #expect(error?.code == .busy(holder: getpid()))
        #expect(error?.reason.contains("\(getpid())") == true)
        archive.close()
        try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder()).close()
    }

    @Test func creatingAndOpeningRefuseWhatIsThereOrNot() throws {
        let scratch = try Scratch()
        let missing = #expect(throws: ArchiveError.self) { try Archive(path: scratch.archive, mode: .readOnly) }
        #expect(missing?.code == .notFound)
        try Archive.create(at: scratch.archive)
        let exists = #expect(throws: ArchiveError.self) { try Archive.create(at: scratch.archive) }
        #expect(exists?.code == .exists)
        let noModel = #expect(throws: ArchiveError.self) {
            try Archive.create(at: scratch.path + "/other", modelDirectory: scratch.path + "/none")
        }
        #expect(noModel?.code == .notFound)
        let readOnly = try Archive(path: scratch.archive, mode: .readOnly)
        let delete = #expect(throws: ArchiveError.self) { try readOnly.delete(id: "a") }
        #expect(delete?.code == .readOnly)
        let search = #expect(throws: ArchiveError.self) { try readOnly.search(SearchRequest(.text("a"))) }
        #expect(search?.code == .notReady)
    }

    @Test func theModelsFilesAreCopiedIntoTheArchive() throws {
        let scratch = try Scratch()
        try scratch.write("model/weights.safetensors", [1, 2, 3])
        try scratch.write("model/config.json", "{}")
        try Archive.create(at: scratch.archive, modelDirectory: scratch.path + "/model")
        let folder = try #require(Archive.modelDirectory(of: scratch.archive))
        #expect(try FileIO.read(folder + "/weights.safetensors") == [1, 2, 3])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                "config.json", "weights.safetensors",
            ])
    }

    @Test func theStoreGrowsFromATinyMap() throws {
        let scratch = try Scratch()
        var options = Archive.Options()
        options.mapSizeInBytes = 256 << 10
        let archive = try scratch.makeArchive(FakeEmbedder(dimension: 300), options: options)
        for start in stride(from: 0, to: 1200, by: 300) {
            let inputs = (start..<(start + 300)).map {
                CaseInput(id: "r\($0)", report: "report \($0) " + makeReport($0))
            }
            #expect(try archive.put(inputs).allSatisfy { $0 == .stored(vectors: 1) })
        }
        #expect(archive.store.environment.growthCount >= 2)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        let again = try Archive(path: scratch.archive, mode: .readOnly)
        #expect(try again.count() == 1200)
        #expect(try again.vectors(id: "r7")?[.report]?.count == 300)
    }
}
