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

    /// A dark film with bars like letters in its corner.
    private func lettered(_ seed: Int) throws -> [UInt8] {
        var generator = SeededGenerator(seed: 12, keys: UInt64(seed))
        var image = GrayImage(
            width: 400, height: 400, samples: (0..<160_000).map { _ in UInt16(generator.integer(below: 9_000)) })
        // A corner of the film's own white, so that its range is known.
        image.samples[200 * 400 + 200] = 65_535
        for letter in 0..<8 {
            for y in 20..<34 {
                for x in [0, 1, 6, 7] { image.samples[y * 400 + 20 + 12 * letter + x] = 65_000 }
                if y == 26 || y == 27 { for x in 0..<8 { image.samples[y * 400 + 20 + 12 * letter + x] = 65_000 } }
            }
        }
        return try PNGEncoder.encode(image)
    }

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
}
