import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import HilumPrivacy
import Testing

@testable import HilumArchive

/// Images into which words may be written wait for a person, and their cases do without them.
@Suite struct QuarantineTests {
    private func archive(
        _ scratch: Scratch, _ mode: PrivacySettings.Deidentification = .mask
    ) throws -> Archive {
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: mode))
        return try open(scratch)
    }

    private func open(_ scratch: Scratch) throws -> Archive {
        try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(imageSide: 32))
    }

    /// A DICOM file that says that its device wrote into the picture.
    private func burned(_ object: String) -> [UInt8] {
        var file = PlantedCases.dicom(study: "1.2.3", object: object)
        file.text(0x0028_0301, "CS", "YES")
        return file.bytes
    }

    private func lettered(_ seed: Int) throws -> [UInt8] { try LetteredFilm.png(seed) }

    private func expectSound(_ archive: Archive, _ comment: Comment? = nil) throws {
        #expect(try archive.check(deep: true).findings == [], comment)
    }

    @Test(arguments: [PrivacySettings.Deidentification.mask, .require])
    func anImageThatSaysSoIsSetAsideUntilItIsReleased(mode: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, mode)
        let case1 = CaseInput(id: "case-of-Trelawney", image: .bytes(burned("1.2.3.4")), report: "effusion")
        let outcome = try archive.put([case1])
        guard case .stored(let vectors, let notes)? = outcome.first else {
            Issue.record("\(outcome)")
            return
        }
        #expect(vectors == 1 && notes.contains { $0.contains("set aside") })
        let image = try #require(try archive.quarantined().first)
        #expect(image.id == archive.shownID("case-of-Trelawney") && image.reason == .tag && image.isCaseStored)
        #expect(try archive.stats().quarantined == 1 && archive.stats().images == 0)
        #expect(try archive.get(id: "case-of-Trelawney")?.images == [])
        #expect(try archive.picture(of: image).width == 24)
        try expectSound(archive)
        // The same again is no news.
        #expect(try archive.put([case1]) == [.unchanged(vectors: 1)])
        #expect(try archive.quarantined() == [image])

        let released = try archive.release([image])
        #expect(released.map(\.outcome) == [.replaced(vectors: 2)])
        #expect(try archive.quarantined() == [] && archive.stats().quarantined == 0 && archive.stats().images == 1)
        #expect(try archive.get(id: "case-of-Trelawney")?.report == "effusion")
        #expect(try archive.search(SearchRequest(.image(burned("1.2.3.4")))).hits.first?.via == .image)
        #expect(try archive.put([case1]) == [.unchanged(vectors: 2)])
        try expectSound(archive)
        archive.close()
        let again = try open(scratch)
        #expect(try again.quarantined() == [] && again.stats().images == 1)
        #expect(try again.delete(id: "case-of-Trelawney"))
        try expectSound(again)
        again.close()
        if mode == .require { #expect(try RawBytes.found(["Trelawney"], below: scratch.archive) == []) }
    }

    @Test func textNearTheBorderIsSetAsideWhereNamesAreHiddenAndCountedWhereTheyAreMasked() throws {
        for (mode, isHeld) in [(PrivacySettings.Deidentification.require, true), (.mask, false), (.off, false)] {
            let scratch = try Scratch()
            let archive = try archive(scratch, mode)
            try scratch.write("in/a.png", try lettered(1))
            try scratch.write("in/a.txt", "effusion")
            try scratch.write("in/b.png", try makePNG(2))
            let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
            #expect(summary.quarantined == (isHeld ? 1 : 0) && summary.textImages == (mode == .mask ? ["a"] : []))
            #expect(try archive.quarantined().map(\.reason) == (isHeld ? [.text] : []))
            #expect(try archive.stats().images == (isHeld ? 1 : 2) && summary.refused == [])
            try expectSound(archive)
        }
    }

    @Test func aCaseOfNothingElseWaitsWholeAndItsFieldsComeWithIt() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch)
        try scratch.write("in/a.dcm", burned("1.2.3.4"))
        let folder = scratch.path + "/in"
        let first = try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true)
        #expect(first.stored == 0 && first.quarantined == 1 && first.refused.count == 1)
        #expect(first.refused.first?.reason.contains("set aside") == true)
        let second = try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true)
        #expect(second.refused == first.refused && second.quarantined == 0)
        let image = try #require(try archive.quarantined().first)
        #expect(!image.isCaseStored && image.source?.hasPrefix(folder) == true)
        #expect(try archive.release([image]).map(\.outcome) == [.stored(vectors: 1)])
        let record = try #require(try archive.get(id: image.id))
        #expect(record.fields.date == "2019-03-12" && record.fields.metadata["burned_in"] == "yes")
        #expect(record.source == image.source)
        let third = try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true)
        #expect(third.unchanged == 1 && third.refused == [] && third.quarantined == 0)
        try expectSound(archive)
    }

    @Test func whatIsDroppedStaysAwayAndWhatIsGoneIsForgotten() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch)
        let both = CaseInput(id: "b", image: .bytes(burned("1.2.3.5")), report: "nodule")
        try archive.put([CaseInput(id: "a", image: .bytes(burned("1.2.3.4"))), both])
        #expect(try archive.quarantined().map(\.id) == ["a", "b"])
        try archive.drop(try archive.quarantined())
        #expect(try archive.quarantined() == [] && archive.stats().quarantined == 0)
        #expect(ImageStore.digests(in: scratch.archive).isEmpty, "dropped bytes are kept")
        try expectSound(archive)
        #expect(try archive.put([both]) == [.unchanged(vectors: 1)])
        guard case .refused(let error)? = try archive.put([CaseInput(id: "a", image: .bytes(burned("1.2.3.4")))]).first
        else {
            Issue.record("a dropped image was stored")
            return
        }
        #expect(error.reason.contains("dropped"))
        // Another picture of the case takes the place of what waits.
        try archive.put([CaseInput(id: "c", image: .bytes(burned("1.2.3.6")), report: "edema")])
        try archive.put([CaseInput(id: "c", image: .bytes(try makePNG(3)), report: "edema")])
        #expect(try archive.quarantined() == [])
        try archive.put([CaseInput(id: "Harrowgate", image: .bytes(burned("1.2.3.7")))])
        #expect(try archive.erase(id: "Harrowgate") && archive.quarantined() == [])
        #expect(try archive.delete(id: "b"))
        guard case .stored(let vectors, _)? = try archive.put([both]).first else {
            Issue.record("a deleted case is not stored anew")
            return
        }
        #expect(try vectors == 1 && archive.quarantined().count == 1)
        try expectSound(archive)
        archive.close()
        _ = try Archive.compact(scratch.archive)
        #expect(try RawBytes.found(["Harrowgate"], below: scratch.archive) == [])
    }

    @Test func aSnapshotHasWhatWaits() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch)
        try archive.put([CaseInput(id: "a", image: .bytes(burned("1.2.3.4")), report: "effusion")])
        _ = try archive.snapshot(to: scratch.path + "/copy")
        archive.close()
        _ = try Archive.restore(scratch.path + "/copy", to: scratch.path + "/again")
        let restored = try Archive(
            path: scratch.path + "/again", mode: .readWrite, embedder: FakeEmbedder(imageSide: 32))
        let image = try #require(try restored.quarantined().first)
        #expect(try restored.release([image]).map(\.outcome) == [.replaced(vectors: 2)])
        try expectSound(restored)
    }

    @Test func anImageNeverJoinsACaseFromElsewhere() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch)
        try scratch.write("in/a.dcm", burned("1.2.3.4"))
        let folder = scratch.path + "/in"
        _ = try BulkIndexer(archive: archive).run(sources: [folder], isQuiet: true)
        let image = try #require(try archive.quarantined().first)
        // Somebody else's case takes the id meanwhile.
        try archive.put([CaseInput(id: image.id, report: "nodule", fields: CaseFields(patient: "another"))])
        guard case .refused(let error)? = try archive.release([image]).first?.outcome else {
            Issue.record("two patients were mixed")
            return
        }
        #expect(try error.code == .exists && archive.get(id: image.id)?.images == [])
        // And an image that comes for an id that is taken is not kept for it either.
        try archive.put([CaseInput(id: "1.2.9", report: "edema")])
        var file = PlantedCases.dicom(study: "1.2.9", object: "1.2.9.1")
        file.text(0x0028_0301, "CS", "YES")
        try scratch.write("other/b.dcm", file.bytes)
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/other"], isQuiet: true)
        #expect(try archive.quarantined().map(\.id) == [image.id])
        try expectSound(archive)
    }

    @Test func anImageThatCannotBeReadNowIsNotReleased() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch)
        let file = try scratch.write("in/a.dcm", burned("1.2.3.4"))
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        unlink(file)
        let images = try archive.quarantined()
        guard case .refused? = try archive.release(images).first?.outcome else {
            Issue.record("it was released")
            return
        }
        #expect(try archive.quarantined() == images)
        try expectSound(archive)
    }

    // MARK: Films of several sources

    @Test("Films of two folders under one id become one case of one film, however they are released", arguments: 0..<3)
    func filmsOfTwoSourcesNeverMix(order: Int) throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, .require)
        for folder in ["d1", "d2"] {
            try scratch.write("\(folder)/img1.png", try lettered(folder == "d1" ? 1 : 2))
            _ = try BulkIndexer(archive: archive).run(sources: ["\(scratch.path)/\(folder)"], isQuiet: true)
        }
        let images = try archive.quarantined()
        try #require(images.count == 2 && Set(images.map(\.id)).count == 1)
        let calls = order == 0 ? [images] : order == 1 ? images.map { [$0] } : images.reversed().map { [$0] }
        let outcomes = try calls.flatMap { try archive.release($0) }
        #expect(outcomes.count == 2 && outcomes.allSatisfy { $0.images.count == 1 })
        #expect(outcomes.first?.outcome == .stored(vectors: 1))
        guard case .refused(let error)? = outcomes.last?.outcome else {
            Issue.record("two films were mixed: \(outcomes)")
            return
        }
        #expect(error.code == .exists && error.reason.contains("from elsewhere"))
        let record = try #require(try archive.get(id: images[0].id))
        #expect(record.images.count == 1)
        #expect(try archive.quarantined().map(\.entry) == outcomes.last?.images.map(\.entry), "the other one waits")
        try expectSound(archive)
    }

    @Test("Images of one source that name two patients are not released together")
    func patientsOfOneSourceNeverMix() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch)
        try scratch.write("in/a.dcm", burned("1.2.3.4"))
        _ = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        let first = try #require(try archive.quarantined().first)
        var entry = first.entry
        entry.fields.patient = "another"
        entry.image.digest[0] ^= 1
        let second = QuarantinedImage(
            id: first.id, name: "x", reason: .tag, source: first.source, view: nil, isCaseStored: false, seconds: 0,
            entry: entry)
        guard case .refused(let error)? = try archive.release([first, second]).first?.outcome else {
            Issue.record("two patients were mixed")
            return
        }
        #expect(try error.reason.contains("two patients") && archive.get(id: first.id) == nil)
    }

    @Test("What is released of a case leaves its other images waiting")
    func theOtherImageStillWaits() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch, .require)
        var input = CaseInput(id: "a", report: "effusion")
        input.images = [CaseImage(.bytes(try lettered(1))), CaseImage(.bytes(try lettered(2)))]
        try archive.put([input])
        let images = try archive.quarantined()
        try #require(images.count == 2)
        #expect(try archive.release([images[1]]).map(\.outcome) == [.replaced(vectors: 2)])
        #expect(try archive.quarantined() == [images[0]])
        try expectSound(archive)
        #expect(try archive.release([images[0]]).map(\.outcome) == [.replaced(vectors: 3)])
        #expect(try archive.get(id: "a")?.images.count == 2 && archive.quarantined() == [])
        try expectSound(archive)
    }

    // MARK: Whoever is killed

    /// The archive as a process that is killed now leaves it.
    private func left(of archive: String, at copy: String) throws {
        try FileManager.default.copyItem(atPath: archive, toPath: copy)
        try? FileManager.default.removeItem(atPath: copy + "/writer.lock")
    }

    @Test("A release that is killed leaves the image waiting or in its case, and its bytes are of one user")
    func killedRelease() throws {
        let scratch = try Scratch()
        try archive(scratch).close()
        let (path, copy) = (scratch.archive, scratch.path + "/killed")
        let embedder = FakeEmbedder(imageSide: 32) { _ in try self.left(of: path, at: copy) }
        let archive = try Archive(path: path, mode: .readWrite, embedder: embedder)
        try archive.put([CaseInput(id: "a", image: .bytes(burned("1.2.3.4")))])
        let images = try archive.quarantined()
        let before = try newestTransaction(of: path)
        #expect(try archive.release(images).map(\.outcome) == [.stored(vectors: 1)])
        // One transaction: nobody can be killed between the decision and the case.
        #expect(try newestTransaction(of: path) == before + 1)
        try expectSound(archive)
        #expect(try archive.erase(id: "a") && ImageStore.digests(in: path).isEmpty)
        try expectSound(archive)
        archive.close()

        let killed = try Archive(path: copy, mode: .readWrite, embedder: FakeEmbedder(imageSide: 32))
        try expectSound(killed)
        #expect(try killed.quarantined().map(\.entry) == images.map(\.entry), "it is listed again")
        #expect(try killed.release(killed.quarantined()).map(\.outcome) == [.stored(vectors: 1)])
        #expect(try killed.erase(id: "a") && ImageStore.digests(in: copy).isEmpty)
        try expectSound(killed)
        killed.close()
    }

    @Test("A drop is one transaction, and dropping twice counts once")
    func killedDrop() throws {
        let scratch = try Scratch()
        let archive = try archive(scratch)
        let bytes = burned("1.2.3.4")
        // Two cases use the same bytes.
        try archive.put([CaseInput(id: "a", image: .bytes(bytes)), CaseInput(id: "b", image: .bytes(bytes))])
        let images = try archive.quarantined()
        try #require(images.count == 2)
        let before = try newestTransaction(of: scratch.archive)
        try archive.drop([images[0], images[0]])
        #expect(try newestTransaction(of: scratch.archive) == before + 1)
        try archive.drop([images[0]])
        #expect(try archive.quarantined() == [images[1]] && ImageStore.digests(in: scratch.archive).count == 1)
        try expectSound(archive)
        try archive.drop(images)
        #expect(ImageStore.digests(in: scratch.archive).isEmpty)
        try expectSound(archive)
    }
}
