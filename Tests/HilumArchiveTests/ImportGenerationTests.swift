import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Vectors that come into a generation beside the one that is searched.
@Suite struct ImportGenerationTests {
    /// Case i of `makeInput`: two of three have an image, two of three a report.
    private func lines(_ range: Range<Int>, _ kind: VectorKind) -> [(index: Int, line: String)] {
        range.filter { $0 % 3 != (kind == .image ? 2 : 1) }.map {
            ($0, "{\"id\":\"case-\($0)\",\"kind\":\"\(kind.rawValue)\"}")
        }
    }

    private func seed(_ index: Int, _ kind: VectorKind) -> Int { index + (kind == .image ? 0 : 10_000) }

    /// Vectors of 24 values for cases of `makeInput`.
    private func write(
        _ scratch: Scratch, _ name: String, _ range: Range<Int>, _ kinds: [VectorKind] = VectorKind.allCases
    ) throws -> [VectorSource] {
        try kinds.map { kind in
            let all = lines(range, kind)
            return try VectorFixture.write(
                scratch, "\(name)-\(kind.rawValue)",
                all.map { VectorFixture.vector(seed($0.index, kind), dimension: 24) },
                all.map(\.line))
        }
    }

    private func look(_ archive: Archive, _ range: Range<Int>) throws {
        for kind in VectorKind.allCases {
            for (index, _) in lines(range, kind) where index % 4 == 0 {
                let vector = VectorFixture.vector(seed(index, kind), dimension: 24)
                #expect(try ids(archive, vector, kind == .image ? .image : .report) == ["case-\(index)"])
            }
        }
    }

    @Test("A generation of another dimension is imported, switched to, rolled back and dropped")
    func wholeRun() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<90)
        let before = try first(archive, makeReport(3))
        let sources = try write(scratch, "new", 0..<90)
        let summary = try importer(archive).run(sources, into: .space("biovil"))
        #expect(summary.stored == 90 && summary.refused == [] && summary.notes == [], "\(summary.notes)")
        let status = try archive.reembedStatus()
        #expect(status.state == .ready && status.done == 90 && status.missingCount == 0 && status.nextDimension == 24)
        #expect(status.nextModel == "space:biovil")
        #expect(try archive.check(deep: true).findings == [])
        #expect(try first(archive, makeReport(3)) == before, "the former one is searched meanwhile")
        try archive.switchGeneration()
        #expect(archive.space == "biovil" && archive.dimension == 24 && archive.embedder == nil)
        try look(archive, 0..<90)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        let opened = try Archive(path: scratch.archive, mode: .readWrite, options: FakeModel.options)
        try look(opened, 0..<90)
        #expect(Archive.modelDirectory(of: scratch.archive + "/none") == nil)
        try opened.rollBackGeneration()
        #expect(try first(opened, makeReport(3)) == before)
        try opened.switchGeneration()
        try opened.dropKeptGeneration()
        try opened.removeLeavingGenerations()
        try look(opened, 0..<90)
        #expect(try opened.check(deep: true).findings == [])
        opened.close()
        let folder = try #require(Archive.modelDirectory(of: scratch.archive))
        #expect(ImportedSpace.read(folder: folder)?.name == "biovil")
    }

    @Test("What lacks a vector is a gap with a name; a later run fills it")
    func gaps() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<60)
        let some = try write(scratch, "some", 0..<40)
        let partial = try importer(archive).run(some, into: .space("x"))
        let lacking = lines(40..<60, .image).count + lines(40..<60, .report).count
        #expect(partial.stored == 40 && partial.notes.contains { $0.hasPrefix("\(lacking) images and reports") })
        let status = try archive.reembedStatus()
        #expect(status.state == .ready && status.missingCount == lacking && status.missingIDs.first == "case-40")
        let report = try archive.check(deep: true)
        #expect(report.findings == [] && report.notes.contains { $0.contains("which were not imported") })
        let error = #expect(throws: ArchiveError.self) { try archive.switchGeneration() }
        #expect(error?.code == .stale && error?.reason.contains("allow a partial switch") == true)
        // By kind, and over an opening.
        archive.close()
        let again = try FakeModel.open(scratch.archive)
        let images = try write(scratch, "images", 0..<60, [.image])
        let second = try importer(again).run(images, into: .space("x"))
        #expect(second.stored == lines(40..<60, .image).count && second.refused == [])
        #expect(try again.check(deep: true).findings == [])
        again.close()
        let third = try FakeModel.open(scratch.archive)
        let rest = try importer(third).run(write(scratch, "rest", 0..<60, [.report]), into: .space("x"))
        #expect(rest.stored == lines(40..<60, .report).count && rest.notes == [], "\(rest.notes)")
        #expect(try third.reembedStatus().missingCount == 0)
        #expect(try third.check(deep: true).findings == [])
        try third.switchGeneration()
        try look(third, 0..<60)
    }

    @Test("A partial switch searches what is there, and imports go into it")
    func partial() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<30)
        _ = try importer(archive).run(write(scratch, "some", 0..<20), into: .space("x"))
        try archive.switchGeneration(allowsPartial: true)
        try look(archive, 0..<20)
        #expect(try archive.reembedStatus().searchedMissingCount > 0)
        #expect(try archive.check(deep: true).findings == [])
        // The cases were put, so their vectors are changed only if that is asked for.
        let rest = try write(scratch, "rest", 20..<30)
        #expect(try importer(archive).run(rest).refused.count == 10)
        let summary = try importer(archive).run(rest, replaces: true)
        #expect(summary.replaced == 10, "\(summary.refused)")
        #expect(try archive.reembedStatus().searchedMissingCount == 0)
        try look(archive, 0..<30)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A new case is a gap of an imported generation, and both follow deletions")
    func newCases() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<30)
        _ = try importer(archive).run(write(scratch, "v", 0..<30), into: .space("x"))
        try store(archive, 30..<31)
        #expect(try archive.delete(id: "case-0"))
        let error = #expect(throws: ArchiveError.self) { try archive.switchGeneration() }
        #expect(error?.code == .stale)
        #expect(try archive.reembedStatus().missingIDs == ["case-30"])
        let more = try importer(archive).run(write(scratch, "w", 30..<31), into: .space("x"))
        #expect(more.stored == 1)
        try archive.switchGeneration()
        try look(archive, 1..<31)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A file of which nothing fits makes no generation, and the right one may follow")
    func nothingFits() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<9)
        #expect(try archive.delete(id: "case-8"))
        let format = try archive.stats().formatVersion
        let wrong = try VectorFixture.write(
            scratch, "wrong", VectorFixture.vectors(0..<4, dimension: 40),
            ["{\"id\":\"x\"}", "{\"id\":\"case-0\",\"image\":5}", "{\"id\":\"case-8\"}", "{\"id\":\"y\"}"])
        let summary = try importer(archive).run([wrong], into: .space("x"))
        #expect(summary.stored == 0 && summary.refused.count == 3 && summary.deleted == 1, "\(summary.refused)")
        #expect(summary.notes == ["nothing of it is of a stored case, so no generation was made"])
        let status = try archive.reembedStatus()
        #expect(try status.nextGeneration == nil && status.state == .none && archive.stats().formatVersion == format)
        let right = try importer(archive).run(write(scratch, "right", 0..<9), into: .space("x"))
        #expect(right.stored == 8 && right.refused == [] && right.deleted >= 1)
        try archive.switchGeneration()
        try look(archive, 0..<8)
    }

    @Test("What no generation takes is refused by name")
    func refusals() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<9)
        let all = try write(scratch, "v", 0..<12)
        let summary = try importer(archive).run(all, into: .space("x"))
        #expect(summary.stored == 9 && summary.refused.count == 3)
        #expect(summary.refused.allSatisfy { $0.reason.contains("takes vectors of stored cases") })
        #expect(try importer(archive).run(all, into: .space("x")).unchanged == 9)
        let other = try VectorFixture.write(
            scratch, "o", VectorFixture.vectors(500..<503, dimension: 24),
            ["{\"id\":\"case-0\"}", "{\"id\":\"case-0\",\"image\":1}", "{\"id\":\"case-1\",\"kind\":\"report\"}"])
        let reasons = try importer(archive).run([other], into: .space("x")).refused.map(\.reason)
        #expect(reasons.contains { $0.contains("has another vector of the image of case-0") }, "\(reasons)")
        #expect(reasons.contains { $0.contains("has 1 images, so none of the number 1") })
        #expect(reasons.contains { $0.contains("case-1 has no report") })
        for (maker, code, reason) in [
            (VectorImporter.Maker.space("y"), ArchiveError.Code.exists, "abort it first"),
            (.space("a b"), .badRequest, "a space is named by"),
        ] {
            let error = #expect(throws: ArchiveError.self) { _ = try importer(archive).run(all, into: maker) }
            #expect(error?.code == code && error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        }
        let narrow = try VectorFixture.write(scratch, "n", VectorFixture.vectors(0..<2), VectorFixture.lines(0..<2))
        let error = #expect(throws: ArchiveError.self) { _ = try importer(archive).run([narrow], into: .space("x")) }
        #expect(error?.code == .badVector && error?.reason.contains("have 24 values, not 16") == true)
        #expect(throws: ArchiveError.self) { try archive.startReembedding(model: FakeModel.write(scratch, "new")) }
        try archive.abortReembedding()
        try archive.removeLeavingGenerations()
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("Parts of a model fill its generation, and the model encodes what they lack")
    func ofAModel() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<40)
        let loaded = try FakeModel.load(FakeModel.write(scratch, "new", dimension: 24), nil)
        let embedder = try #require(loaded.embedder as? FakeEmbedder)
        // Those of the other cases are encoded here.
        let reports = (0..<30).filter { $0 % 3 != 1 }
        let values = try embedder.embed(reports: reports.map(makeReport), threads: 1)
        let rows = reports.indices.map { Array(values[($0 * 24)..<($0 * 24 + 24)]) }
        let bytes = VectorFixture.npy(rows)
        let seal = VectorSeal(rowCount: rows.count, dimension: 24, model: embedder.modelID, vectors: SHA256.hex(bytes))
        let lines = reports.map { "{\"id\":\"case-\($0)\",\"kind\":\"report\"}\n" }.joined()
        let source = VectorSource(
            vectors: try scratch.write("p.npy", bytes),
            lines: try scratch.write("p.jsonl", seal.sealed(Array(lines.utf8))))
        let summary = try importer(archive).run([source], into: .model(loaded))
        #expect(summary.stored == reports.count && summary.refused == [] && summary.notes == [])
        #expect(try archive.reembedStatus().missingCount == 0 && archive.check(deep: true).findings == [])
        try archive.switchGeneration()
        #expect(archive.space == nil)
        for index in (0..<40) where index % 3 != 1 && index % 10 != 0 {
            #expect(try first(archive, makeReport(index)) == "case-\(index)")
        }
        let other = try FakeModel.load(FakeModel.write(scratch, "other", dimension: 24), nil)
        let error = #expect(throws: ArchiveError.self) { _ = try importer(archive).run([source], into: .model(other)) }
        #expect(error?.code == .stale, "another model's vectors")
    }

    @Test("Imported vectors without picture or text are gaps of a model's generation")
    func reembeddingImports() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<3),
            [
                "{\"id\":\"a\"}", "{\"id\":\"b\",\"kind\":\"report\"}",
                "{\"id\":\"c\",\"kind\":\"report\",\"report\":\"An effusion.\"}",
            ])
        #expect(try importer(archive).run([source]).stored == 3)
        try archive.startReembedding(model: FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        let status = try archive.reembedStatus()
        #expect(status.missingCount == 2 && status.missingIDs == ["a", "b"])
        #expect(throws: ArchiveError.self) { try archive.switchGeneration() }
        try archive.switchGeneration(allowsPartial: true)
        #expect(try first(archive, "An effusion.") == "c")
        try archive.rollBackGeneration()
        #expect(try ids(archive, VectorFixture.vector(1)) == ["b"])
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A daemon leaves a generation alone that is being imported, and notes gaps once it is complete")
    func background() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<30)
        var run = importer(archive)
        run.interrupt = AtomicFlag()
        run.interrupt?.raise()
        let sources = try write(scratch, "v", 0..<30)
        #expect(try run.run(sources, into: .space("x")).isInterrupted)
        let reembedder = Reembedder(archive)
        reembedder.start()
        let turns = reembedder.turns.current
        let end = monotonicSeconds() + 20
        archive.changed.ring()
        while reembedder.turns.current < turns + 2, monotonicSeconds() < end {
            archive.changed.ring()
            usleep(1000)
        }
        #expect(try archive.reembedStatus().state == .building && archive.reembedStatus().done == 0)
        #expect(try importer(archive).run(sources, into: .space("x")).stored == 30)
        try store(archive, 30..<31)
        while try archive.reembedStatus().missingCount == 0, monotonicSeconds() < end { usleep(1000) }
        #expect(try archive.reembedStatus().missingIDs == ["case-30"])
        reembedder.stop()
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A run that is killed at any moment goes on where it was", arguments: 0..<6)
    func killed(_ seed: Int) async throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<120)
        archive.close()
        let sources = try write(scratch, "v", 0..<120)
        var generator = SeededGenerator(seed: 9, keys: UInt64(seed))
        let count = UInt64(1 + generator.integer(below: 14))
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [
                path = scratch.archive as String, names = sources.flatMap { [$0.vectors, $0.lines] } as [String],
                count = count as UInt64
            ] in
            let sources = try VectorSource.find(names)
            let archive = try FakeModel.open(path)
            let start = try newestTransaction(of: path)
            Thread.detachNewThread {
                while (try? newestTransaction(of: path)).map({ $0 < start + count }) ?? true { usleep(100) }
                kill(getpid(), SIGKILL)
            }
            _ = try importer(archive, batch: 10).run(sources, into: .space("x"))
            kill(getpid(), SIGKILL)
        }
        let left = try FakeModel.open(scratch.archive)
        #expect(left.generation == 1)
        #expect(try left.check(deep: true).findings == [])
        let summary = try importer(left, batch: 10).run(sources, into: .space("x"))
        #expect(summary.refused == [] && summary.stored + summary.unchanged == 120)
        #expect(try left.reembedStatus().missingCount == 0)
        try left.switchGeneration()
        try look(left, 0..<120)
        #expect(try left.check(deep: true).findings == [])
    }
}
