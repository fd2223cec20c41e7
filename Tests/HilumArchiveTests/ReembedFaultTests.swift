import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// A second generation when something goes wrong: a model that is gone, a full disk, damage, orders at the wrong time.
@Suite struct ReembedFaultTests {
    /// What a kill leaves: the files as they are while the archive is open.
    private func copy(_ scratch: Scratch) throws -> Scratch {
        let other = try Scratch()
        try FileManager.default.copyItem(atPath: scratch.archive, toPath: other.archive)
        return other
    }

    @Test func anImageThatWasEncodedAfterTheCheckpointDoesNotCostTheGraphs() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<30)
        let film = try scratch.write("films/0.png", makePNG(500))
        try archive.put([CaseInput(id: "film", image: .file(film), report: "granuloma of the apex")])
        try FileManager.default.removeItem(atPath: film)
        let model = try FakeModel.write(scratch, "new")
        try archive.startReembedding(model: model)
        try finishReembedding(archive)
        #expect(try archive.reembedStatus().missingCount == 1)
        try scratch.write("films/0.png", makePNG(500))
        try archive.startReembedding(model: model)
        try finishReembedding(archive)
        #expect(try archive.reembedStatus().missingCount == 0)
        let left = try copy(scratch)
        let again = try FakeModel.open(left.archive)
        // Graphs that are made anew have no place in a checkpoint.
        #expect(again.generations.withLock { $0.beside?.checkpoint?.graphs.isEmpty } == false)
        #expect(try again.check(deep: true).findings == [])
        try again.switchGeneration()
        #expect(try again.vectors(id: "film")?[.image]?.count == 48)
        #expect(try again.check(deep: true).findings == [])
    }

    @Test func aModelThatIsGoneOrAnotherStopsTheWorkAndNotTheService() throws {
        let scratch = try Scratch()
        var archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<60)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        _ = try archive.encodeNextBatch()
        archive.close()
        let file = scratch.archive + "/model.2/fake.txt"
        let bytes = try FileIO.read(file)
        for text in [nil, "new 40", "other 48"] as [String?] {
            try FileManager.default.removeItem(atPath: file)
            if let text { try Data(text.utf8).write(to: URL(fileURLWithPath: file)) }
            archive = try FakeModel.open(scratch.archive)
            let error = #expect(throws: ArchiveError.self) { try archive.encodeNextBatch() }
            #expect(error?.code == (text == nil ? .notFound : .stale), "\(error?.reason ?? "")")
            #expect(throws: ArchiveError.self) { try archive.switchGeneration() }
            #expect(try first(archive, makeReport(5)) == "case-5" && archive.reembedStatus().done == 32)
            try archive.put(makeInputs(60..<61))
            archive.close()
            if text == nil { try Data(bytes).write(to: URL(fileURLWithPath: file)) }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        archive = try FakeModel.open(scratch.archive)
        try finishReembedding(archive)
        try archive.switchGeneration()
        #expect(try archive.generation == 2 && archive.check(deep: true).findings == [])
    }

    /// A limit on the file's size fails the write as a full disk does. It binds the whole process, so this runs in one of its own.
    @Test func aFullDiskCostsNothingButTime() async throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<400)
        archive.close()
        let model = try FakeModel.write(scratch, "new", dimension: 256)
        await #expect(processExitsWith: .success) {
            [path = scratch.archive as String, model = model as String] in
            let archive = try FakeModel.open(path)
            try archive.startReembedding(model: model)
            _ = try archive.encodeNextBatch()
            var status = stat()
            stat(path + "/data.mdb", &status)
            signal(SIGXFSZ, SIG_IGN)
            var old = rlimit()
            getrlimit(__rlimit_resource_t(1), &old)
            var tight = rlimit(rlim_cur: rlim_t(status.st_size), rlim_max: old.rlim_max)
            setrlimit(__rlimit_resource_t(1), &tight)
            let error = #expect(throws: ArchiveError.self) { try finishReembedding(archive) }
            #expect(error?.code == .io)
            #expect(try first(archive, makeReport(5)) == "case-5")
            archive.close()
        }
        let left = try FakeModel.open(scratch.archive)
        let done = try left.reembedStatus().done
        #expect(done >= 32 && done < 400)
        #expect(try left.generation == 1 && left.check(deep: true).findings == [])
        try finishReembedding(left)
        try left.switchGeneration()
        #expect(try first(left, makeReport(5)) == "case-5")
        #expect(try left.check(deep: true).findings == [])
    }

    @Test func aGenerationThatCannotBeReadIsNotGoneOnWith() throws {
        let scratch = try Scratch()
        var archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<40)
        let model = try FakeModel.write(scratch, "new")
        try archive.startReembedding(model: model)
        _ = try archive.encodeNextBatch()
        try archive.store.environment.write { transaction in
            try archive.store.deleteVector(
                transaction, .report, VectorKey(generation: 2, item: 3), dimension: 48)
            try transaction.delete(archive.store.table(.meta), CheckpointHead.name(generation: 2))
        }
        archive.close()
        archive = try FakeModel.open(scratch.archive)
        let error = #expect(throws: ArchiveError.self) { try archive.startReembedding(model: model) }
        #expect(error?.code == .damaged && error?.reason.contains("abort it first") == true)
        try archive.abortReembedding()
        try archive.removeLeavingGenerations()
        try archive.startReembedding(model: model)
        try finishReembedding(archive)
        try archive.switchGeneration()
        #expect(try archive.generation == 3 && archive.check(deep: true).findings == [])
    }

    /// The folder of a generation is removed with it, so a table must not name any other.
    @Test(
        "a model's folder is its generation's", arguments: ["..", ".", "images", "model.2", "model", "", "model.3/.."])
    func foreignFolders(_ folder: String) throws {
        var table = GenerationTable()
        table.set(GenerationRecord(number: 3, role: .leaving, dimension: 4, modelID: "a", folder: folder))
        #expect(throws: (any Error).self) {
            try table.encoded().withUnsafeBytes { try GenerationTable(decoding: $0) }
        }
    }

    @Test func twoStartsAtOnceMakeOneGeneration() throws {
        for isSame in [true, false] {
            let scratch = try Scratch()
            let archive = try FakeModel.makeArchive(scratch)
            try store(archive, 0..<20)
            let models = try (0..<4).map { try FakeModel.write(scratch, isSame ? "new" : "new\($0)") }
            let outcomes = parallelMap(models, threads: 4) { model -> ArchiveError? in
                do {
                    try archive.startReembedding(model: model)
                    return nil
                } catch { return error as? ArchiveError }
            }
            #expect(outcomes.count { $0 == nil } == (isSame ? 4 : 1))
            #expect(outcomes.compactMap(\.self).allSatisfy { $0.code == .exists })
            #expect(archive.generations.withLock { $0.table.records.map(\.number) } == [1, 2])
            try finishReembedding(archive)
            try archive.switchGeneration()
            #expect(try archive.check(deep: true).findings == [])
        }
    }

    @Test func aSwitchThatWouldTakeTooLongGivesUp() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        try store(archive, 20..<60)
        let error = #expect(throws: ArchiveError.self) { try archive.switchGeneration(within: 0) }
        #expect(error?.code == .notReady && error?.reason.contains("try again") == true && archive.generation == 1)
        try archive.switchGeneration(within: 60)
        #expect(archive.generation == 2)
        // Nothing came since, so no time is needed.
        try archive.rollBackGeneration(within: 0)
        #expect(try archive.generation == 1 && archive.check(deep: true).findings == [])
    }

    /// Each reopening leaves the tables of metadata in the checkpoints, so that filters read them while the generation changes.
    @Test func filtersHoldAcrossASwitch() throws {
        let scratch = try Scratch()
        var archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<120)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        let filter = try Filter(parsing: "finding=effusion view=PA site=A")
        let wanted = try archive.count(filter)
        for round in 0..<10 {
            archive.close()
            archive = try FakeModel.open(scratch.archive)
            let (stop, failures) = (AtomicFlag(), AtomicCounter())
            let group = DispatchGroup()
            for _ in 0..<2 {
                group.enter()
                Thread.detachNewThread { [archive] in
                    while !stop.isRaised { if (try? archive.count(filter)) != wanted { failures.increment() } }
                    group.leave()
                }
            }
            if round % 2 == 0 { try archive.switchGeneration() } else { try archive.rollBackGeneration() }
            stop.raise()
            group.wait()
            #expect(failures.current == 0, "round \(round)")
        }
        #expect(wanted > 0)
    }

    /// The tables of the generation that is switched to still lie in its checkpoint when a search asks which case belongs to which group.
    @Test("a search by groups goes on while the generation is switched")
    func groupsHoldAcrossASwitch() throws {
        let scratch = try Scratch()
        var archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<120)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        archive.close()
        archive = try FakeModel.open(scratch.archive)
        var request = SearchRequest(.id("case-4"))
        request.group = "patient"
        request.k = 20
        let wanted = try archive.search(request).hits
        #expect(wanted.count == 20 && Set(wanted.map(\.group?.value)).count == 20)

        // As a search does, with the switch where it hurts most.
        var selection = HitSelection(request, nil)
        try selection.prepare(in: archive)
        try archive.switchGeneration()
        for hit in wanted {
            let number = hit.record.number
            let isNew = selection.looks(at: number)
            let group = selection.group(of: number, hit.record.fields.patient)
            #expect(isNew && group?.others == hit.group?.others)
        }
        #expect(try archive.search(request).hits.count == 20)
    }

    /// Both older formats: what a release of the first one wrote, and what this one writes before a second generation is begun.
    @Test("an archive of an older format gets a second generation", arguments: [1, 2])
    func olderFormats(_ format: Int) throws {
        let scratch = try Scratch()
        if format == 1 {
            let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/format-1"
            try FileManager.default.copyItem(atPath: fixture, toPath: scratch.archive)
        } else {
            let made = try FakeModel.makeArchive(scratch)
            try store(made, 0..<23)
            made.close()
        }
        let archive = try Archive(path: scratch.archive, mode: .readWrite, options: FakeModel.options)
        #expect(try archive.stats().formatVersion == 2)
        // The fifth case of the first format has a report, and the sixth of what is stored here.
        let id = format == 1 ? "case-4" : "case-5"
        let old = try archive.vectors(id: id)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        #expect(try archive.stats().formatVersion == 3)
        try finishReembedding(archive)
        #expect(try archive.reembedStatus().done == 23 && archive.reembedStatus().missingCount == 0)
        try archive.switchGeneration()
        let report = try #require(try archive.get(id: id)?.report)
        #expect(try first(archive, report) == id)
        #expect(try archive.check(deep: true).findings == [])
        // The fixture came without its model, and a generation without one cannot be searched.
        if format == 2 {
            try archive.rollBackGeneration()
            #expect(try archive.vectors(id: id) == old)
        }
        archive.close()
        let reader = try Archive(path: scratch.archive, mode: .readOnly)
        #expect(try reader.stats().formatVersion == 3 && reader.check(deep: true).findings == [])
    }
}
