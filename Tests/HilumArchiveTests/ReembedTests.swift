import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// A second generation beside the first: making it, switching, going back, removing.
@Suite struct ReembedTests {
    @Test func aWholeRunEndsWithAnotherModelThatIsSearched() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<200)
        #expect(try archive.reembedStatus().state == .none)
        #expect(try archive.stats().formatVersion == 2)
        let model = try FakeModel.write(scratch, "new")
        try archive.startReembedding(model: model)
        var status = try archive.reembedStatus()
        #expect(status.state == .building && status.done == 0 && status.total == 200 && status.nextDimension == 48)
        #expect(try archive.encodeNextBatch() == .encoded(32))
        #expect(try archive.reembedStatus().done == 32)
        #expect(throws: ArchiveError.self) { try archive.switchGeneration() }
        try finishReembedding(archive)
        status = try archive.reembedStatus()
        #expect(status.state == .ready && status.done == 200 && status.missingCount == 0)
        #expect(archive.generation == 1 && archive.dimension == 32, "nothing is searched before the switch")
        #expect(try archive.check(deep: true).findings == [])
        try archive.switchGeneration()
        #expect(archive.generation == 2 && archive.dimension == 48 && archive.modelID == status.nextModel)
        let response = try archive.search(SearchRequest(.text(makeReport(5))))
        #expect(response.generation == 2 && response.hits.first?.id == "case-5")
        #expect(try archive.vectors(id: "case-5")?[.report]?.count == 48)
        #expect(try recall(archive, queries: 20) >= 0.95)
        #expect(try archive.stats().generation == 2 && archive.stats().formatVersion == 3)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        #expect(Archive.modelDirectory(of: scratch.archive)?.hasSuffix("/model.2") == true)
        let again = try FakeModel.open(scratch.archive)
        #expect(try again.generation == 2 && first(again, makeReport(5)) == "case-5")
        #expect(try again.check(deep: true).findings == [])
        #expect(throws: ArchiveError.self) {
            again.close()
            _ = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder("old"))
        }
    }

    /// The vectors of a generation that was made beside are those that an archive of that model alone would have.
    @Test func theNewGenerationEqualsAnArchiveOfThatModel() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<60)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        try archive.switchGeneration()
        let other = try Scratch()
        let plain = try other.makeArchive(FakeEmbedder("new", dimension: 48))
        try store(plain, 0..<60)
        for index in 0..<60 {
            let made = try archive.vectors(id: "case-\(index)")
            #expect(try made == plain.vectors(id: "case-\(index)") && made?.isEmpty == false, "case-\(index)")
        }
    }

    @Test("changes meanwhile reach both generations", arguments: [0, 1, 2, 3])
    func changesMeanwhile(_ seed: Int) throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<120)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        var generator = SeededGenerator(seed: 5, keys: UInt64(seed))
        var inputs = Dictionary(uniqueKeysWithValues: try makeInputs(0..<120).map { ($0.id, $0) })
        var next = 120
        for step in 0..<40 {
            switch generator.integer(below: 5) {
            case 0:
                let input = try makeInput(next)
                next += 1
                inputs[input.id] = input
                try archive.put([input])
            case 1:
                let id = generator.pick(inputs.keys.sorted())
                var input = try makeInput(1000 + step)
                input.id = id
                inputs[id] = input
                try archive.put([input])
            case 2:
                let id = generator.pick(inputs.keys.sorted())
                inputs[id] = nil
                #expect(try archive.delete(id: id))
            case 3:
                // Only metadata: the number stays.
                let id = generator.pick(inputs.keys.sorted())
                inputs[id]?.fields.site = "changed"
                try archive.put([try #require(inputs[id])])
            default: _ = try archive.encodeNextBatch(7)
            }
            if step % 10 == 9 { #expect(try archive.check(deep: true).findings == [], "step \(step)") }
        }
        try finishReembedding(archive)
        try archive.switchGeneration()
        #expect(try archive.check(deep: true).findings == [])
        #expect(try archive.count() == inputs.count)
        #expect(
            try archive.count(Filter(parsing: "site=changed")) == inputs.values.count { $0.fields.site == "changed" })
        let embedder = FakeEmbedder("new", dimension: 48)
        for input in inputs.values {
            let report = try input.report.map { try embedder.embed(reports: [$0], threads: 1) }
            #expect(try archive.vectors(id: input.id)?[.report] == report, "\(input.id)")
        }
    }

    @Test func newCasesAfterTheSwitchSurviveARollback() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<50)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        // It came after the generation was complete, and the switch still finds it.
        try store(archive, 50..<60)
        try archive.switchGeneration()
        #expect(try first(archive, makeReport(53)) == "case-53" && archive.generation == 2)
        #expect(try archive.reembedStatus().state == .kept)
        try store(archive, 60..<75)
        #expect(try archive.delete(id: "case-3"))
        try archive.rollBackGeneration()
        #expect(archive.generation == 1 && archive.dimension == 32)
        #expect(try first(archive, makeReport(71)) == "case-71")
        #expect(try archive.get(id: "case-3") == nil)
        #expect(try archive.check(deep: true).findings == [])
        #expect(throws: ArchiveError.self) { try archive.rollBackGeneration() }
        let fault = #expect(throws: ArchiveError.self) { try archive.dropKeptGeneration() }
        #expect(fault?.description.contains("abort") == true, "after a rollback that is how the newer one goes")
        // And forward again.
        try store(archive, 75..<80)
        try archive.switchGeneration()
        #expect(try first(archive, makeReport(77)) == "case-77" && archive.generation == 2)
        #expect(try archive.check(deep: true).findings == [])
        #expect(try archive.count() == 79)
    }

    @Test func dropAndAbortLeaveNothingBehind() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<80)
        let model = try FakeModel.write(scratch, "new")
        try archive.startReembedding(model: model)
        _ = try archive.encodeNextBatch()
        #expect(throws: ArchiveError.self) { try archive.dropKeptGeneration() }
        try archive.abortReembedding()
        #expect(try archive.reembedStatus().leaving == [2])
        #expect(try archive.check(deep: true).findings == [], "what is being removed is no damage")
        #expect(try archive.encodeNextBatch() == .gone)
        try archive.removeLeavingGenerations()
        #expect(try archive.reembedStatus().leaving == [])
        #expect(!FileManager.default.fileExists(atPath: scratch.archive + "/model.2"))
        #expect(throws: ArchiveError.self) { try archive.abortReembedding() }
        try archive.startReembedding(model: model)
        #expect(try archive.reembedStatus().nextGeneration == 3, "numbers are not used again")
        try finishReembedding(archive)
        try archive.switchGeneration()
        #expect(throws: ArchiveError.self) { try archive.abortReembedding() }
        try archive.dropKeptGeneration()
        #expect(throws: ArchiveError.self) { try archive.rollBackGeneration() }
        try archive.removeLeavingGenerations()
        #expect(!FileManager.default.fileExists(atPath: scratch.archive + "/model"))
        try archive.store.environment.read { transaction in
            for name in [Store.Name.imageVectors, .reportVectors, .graphs] {
                try transaction.forEach(archive.store.table(name)) { key, _ in
                    #expect(UInt64(keyBytes: key).map { $0 >> 48 } == 2, "\(name)")
                    return true
                }
            }
        }
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        let again = try FakeModel.open(scratch.archive)
        #expect(try again.generation == 3 && first(again, makeReport(5)) == "case-5")
        try again.put(makeInputs(80..<90))
        #expect(try again.check(deep: true).findings == [])
    }

    @Test func anImageThatIsGoneIsNamedAndStopsTheSwitch() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        var inputs: [CaseInput] = []
        for index in 0..<4 {
            let path = try scratch.write("films/\(index).png", makePNG(500 + index))
            inputs.append(
                CaseInput(id: "film-\(index)", image: .file(path), report: index % 2 == 0 ? "nodule \(index)" : nil))
        }
        try archive.put(inputs)
        try FileManager.default.removeItem(atPath: scratch.path + "/films/0.png")
        try scratch.write("films/1.png", makePNG(999))
        let model = try FakeModel.write(scratch, "new")
        try archive.startReembedding(model: model)
        try finishReembedding(archive)
        var status = try archive.reembedStatus()
        #expect(status.state == .ready && status.missingCount == 2 && status.missingIDs == ["film-0", "film-1"])
        let error = #expect(throws: ArchiveError.self) { try archive.switchGeneration() }
        #expect(error?.code == .stale && error?.reason.contains("2 images") == true && archive.generation == 1)
        #expect(try archive.check(deep: true).findings == [])
        // One file comes back, and is tried again.
        try scratch.write("films/1.png", makePNG(501))
        try archive.startReembedding(model: model)
        try finishReembedding(archive)
        status = try archive.reembedStatus()
        #expect(status.missingCount == 1 && status.missingIDs == ["film-0"])
        #expect(try archive.check(deep: true).findings == [])
        try archive.switchGeneration(allowsPartial: true)
        #expect(archive.generation == 2)
        #expect(try archive.vectors(id: "film-0")?.keys.sorted { $0.rawValue < $1.rawValue } == [.report])
        #expect(try archive.vectors(id: "film-1")?[.image] != nil)
        #expect(try first(archive, "nodule 0") == "film-0")
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        let again = try FakeModel.open(scratch.archive)
        #expect(try again.check(deep: true).findings == [])
        // A case that leaves takes its gap with it.
        #expect(try again.delete(id: "film-0"))
        #expect(try again.check(deep: true).findings == [])
        try again.rollBackGeneration()
        #expect(try again.reembedStatus().missingCount == 0)
        #expect(try again.check(deep: true).findings == [])
    }

    /// A model that knows no word of a report makes no vector of it, whatever the other model knows.
    @Test func reportsGetVectorsAsAnIngestMakesThem() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try archive.put([CaseInput(id: "odd", report: "qwxyz vfgh"), CaseInput(id: "plain", report: "effusion left")])
        #expect(try archive.vectors(id: "odd")?[.report] != nil)
        try archive.startReembedding(model: try FakeModel.write(scratch, "deaf"))
        try finishReembedding(archive)
        try archive.switchGeneration()
        #expect(try archive.vectors(id: "odd")?[.report] == nil)
        #expect(try archive.vectors(id: "plain")?[.report] != nil)
        #expect(try archive.check(deep: true).findings == [])
        let hit = try archive.search(SearchRequest(.text("qwxyz"))).hits.first
        #expect(hit?.id == "odd", "its words still find it")
        archive.close()
        let again = try FakeModel.open(scratch.archive)
        #expect(try again.check(deep: true).findings == [])
        try again.rollBackGeneration()
        #expect(try again.vectors(id: "odd")?[.report] != nil)
        #expect(try again.check(deep: true).findings == [])
    }

    @Test func whatCannotBeStartedIsRefused() throws {
        let scratch = try Scratch()
        let empty = try Scratch()
        let noModel = try empty.makeArchive()
        #expect(throws: ArchiveError.self) { try noModel.startReembedding(model: "x") }
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<10)
        #expect(throws: ArchiveError.self) { try archive.startReembedding(model: scratch.path + "/nowhere") }
        let same = #expect(throws: ArchiveError.self) {
            try archive.startReembedding(model: scratch.path + "/models/old")
        }
        #expect(same?.code == .exists)
        #expect(throws: ArchiveError.self) { try archive.pauseReembedding(true) }
        #expect(try archive.encodeNextBatch() == .gone)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        let other = try FakeModel.write(scratch, "other")
        let second = #expect(throws: ArchiveError.self) { try archive.startReembedding(model: other) }
        #expect(second?.code == .exists && second?.reason.contains("abort") == true)
        #expect(try archive.stats().formatVersion == 3)
        // Another precision is another model.
        try archive.abortReembedding()
        try archive.removeLeavingGenerations()
        try archive.startReembedding(model: scratch.path + "/models/old", precision: "bf16")
        try finishReembedding(archive)
        try archive.switchGeneration()
        #expect(archive.modelID == FakeEmbedder("bf16-old").modelID && archive.dimension == 32)
        let reader = #expect(throws: ArchiveError.self) {
            archive.close()
            try Archive(path: scratch.archive, mode: .readOnly).switchGeneration()
        }
        #expect(reader?.code == .readOnly)
    }

    @Test func aPutThatWasPreparedBeforeASwitchIsEncodedAgain() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        let prepared = try archive.prepare(
            [PreparedCase(try makeInput(30))], with: try archive.writableEmbedder(), threads: 1)
        try archive.switchGeneration()
        let outcomes = try archive.commit(prepared)
        #expect(outcomes == [.stored(vectors: 2)])
        #expect(try archive.vectors(id: "case-30")?[.report]?.count == 48)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func aSearchEndsOnTheGenerationItBeganWith() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<150)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        let failures = AtomicCounter()
        let searches = AtomicCounter()
        let stop = AtomicFlag()
        let group = DispatchGroup()
        for thread in 0..<2 {
            group.enter()
            Thread.detachNewThread {
                var index = thread
                while !stop.isRaised {
                    index += 2
                    let wanted = "case-\(3 * (index % 40) + 3)"
                    let text = makeReport(3 * (index % 40) + 3)
                    if index % 30 != 27, (3 * (index % 40) + 3) % 10 != 0, (try? first(archive, text)) != wanted {
                        failures.increment(by: 1)
                    }
                    searches.increment(by: 1)
                }
                group.leave()
            }
        }
        for _ in 0..<6 {
            try archive.switchGeneration()
            try archive.rollBackGeneration()
        }
        stop.raise()
        group.wait()
        #expect(failures.current == 0 && searches.current > 0)
    }
}
