import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Snapshots, restoring them, compacting.
@Suite struct BackupTests {
    private func hits(_ archive: Archive) throws -> [[String]] {
        try (0..<10).map { try archive.search(SearchRequest(.text(makeReport($0 * 3 + 3)))).hits.map(\.id) }
    }

    private func open(_ path: String, _ mode: Archive.Mode = .readOnly) throws -> Archive {
        try Archive(path: path, mode: mode, embedder: FakeEmbedder())
    }

    private func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    /// Turns every bit of one byte.
    private func damage(_ file: String, at share: Double = 0.5) throws {
        var bytes = try FileIO.read(file)
        bytes[Int(Double(bytes.count - 1) * share)] ^= 0xFF
        chmod(file, 0o644)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
    }

    private func code(_ body: () throws -> Void) -> ArchiveError.Code? {
        do { try body() } catch { return (error as? ArchiveError)?.code }
        return nil
    }

    @Test func aSnapshotThatIsRestoredElsewhereAnswersTheSame() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<120)
        _ = try archive.delete(id: "case-6")
        try scratch.write("archive/log.key", String(repeating: "k", count: 32))
        chmod(scratch.archive + "/log.key", 0o600)
        try scratch.write("archive/model/config.json", "{}")
        let copy = scratch.path + "/copy"
        var told: [Int] = []
        let summary = try archive.snapshot(to: copy + "/") { done, total in
            told.append(done)
            #expect(total == 79)
        }
        #expect(summary.cases == 119 && summary.imageCount == 79 && summary.lostImageCount == 0)
        #expect(told == Array(1...79))
        #expect(try names(copy) == ["data.mdb", "images", "log.key", "model", "snapshot.json"])
        #expect(try summary.sha256 == FileIO.digest(copy + "/data.mdb").sha256)
        let wanted = try hits(archive)
        // Later changes are not in it.
        try store(archive, 120..<140)
        let again = scratch.path + "/again"
        let restored = try Archive.restore(copy, to: again)
        #expect(restored.cases == 119 && restored.imageCount == 79 && restored.former == nil)
        #expect(try names(again) == ["data.mdb", "images", "log.key", "model"])
        var status = stat()
        #expect(stat(again + "/log.key", &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(stat(again, &status) == 0 && status.st_mode & 0o777 == 0o750)
        let other = try open(again, .readWrite)
        #expect(try hits(other) == wanted && wanted.allSatisfy { $0.count == 10 })
        #expect(try other.check(deep: true).findings == [])
        try store(other, 120..<125)
        #expect(try other.count() == 124)
        #expect(try names(scratch.path) == ["again", "archive", "copy"], "nothing unfinished is left")
    }

    /// Each commit puts three cases with images and deletes three: a snapshot holds whole commits, and all images they name.
    @Test func snapshotsBesideAWriterHoldWholeCommits() async throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let ends = AtomicFlag()
        async let writing: Void = {
            var step = 0
            // At least as long as it takes until cases go again.
            while !ends.isRaised || step < 7 {
                let inputs = try (0..<3).map {
                    CaseInput(id: "s\(step)-\($0)", image: .bytes(try makePNG(step * 3 + $0)), report: makeReport(step))
                }
                try archive.put(inputs)
                if step > 4 { for part in 0..<3 { _ = try archive.delete(id: "s\(step - 5)-\(part)") } }
                step += 1
            }
        }()
        for number in 0..<5 {
            let copy = "\(scratch.path)/copy\(number)"
            let summary = try archive.snapshot(to: copy)
            #expect(summary.lostImageCount == 0)
            let restored = "\(scratch.path)/restored\(number)"
            _ = try Archive.restore(copy, to: restored)
            let other = try open(restored)
            #expect(try other.check(deep: true).findings == [])
            #expect(try other.count() == summary.cases)
            other.close()
        }
        ends.raise()
        try await writing
        #expect(try archive.check(deep: true).findings == [])
        let kept = try FileManager.default.subpathsOfDirectory(atPath: scratch.archive + "/images")
            .filter { $0.contains("/") }
        #expect(kept.count == (try archive.count()), "images of deleted cases are gone when the snapshots are done")
    }

    @Test func imagesAreHeldWhileASnapshotIsMade() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<2)
        let files = try (0..<2).map {
            ImageStore.path(of: ImageStore.digest(try makePNG($0)), in: scratch.archive)
        }
        let progress = AtomicCounter()
        // Told after the first of two images: now one goes for good, and the other goes and comes again.
        _ = try archive.snapshot(to: scratch.path + "/copy") { done, _ in
            guard done == 1, let again = try? makeInput(1) else { return }
            progress.increment()
            for id in ["case-0", "case-1"] { _ = try? archive.delete(id: id) }
            #expect(files.allSatisfy { access($0, F_OK) == 0 })
            _ = try? archive.put([again])
        }
        #expect(progress.current == 1)
        #expect(access(files[0], F_OK) != 0 && access(files[1], F_OK) == 0)
        #expect(try archive.check(deep: true).findings == [])
        #expect(try Archive.restore(scratch.path + "/copy", to: scratch.path + "/again").imageCount == 2)
    }

    @Test("the model of a generation that is dropped while a snapshot is made is in the snapshot that names it")
    func modelsAreHeldWhileASnapshotIsMade() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<4)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try finishReembedding(archive)
        let progress = AtomicCounter()
        _ = try archive.snapshot(to: scratch.path + "/copy") { done, _ in
            guard done == 1 else { return }
            progress.increment()
            do {
                try archive.switchGeneration()
                try archive.dropKeptGeneration()
                try archive.removeLeavingGenerations()
            } catch { Issue.record("\(error)") }
            #expect(access(scratch.archive + "/model", F_OK) == 0)
        }
        #expect(progress.current == 1)
        try archive.removeLeavingGenerations()
        #expect(access(scratch.archive + "/model", F_OK) != 0, "gone now")
        _ = try Archive.restore(scratch.path + "/copy", to: scratch.path + "/again")
        let again = try FakeModel.open(scratch.path + "/again")
        #expect(try again.generation == 1 && first(again, makeReport(3)) == "case-3")
    }

    @Test("a model that lies elsewhere, behind a link, is in the snapshot")
    func linkedModel() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<2)
        let elsewhere = scratch.path + "/elsewhere"
        #expect(rename(scratch.archive + "/model", elsewhere) == 0)
        try FileManager.default.createSymbolicLink(
            atPath: scratch.archive + "/model", withDestinationPath: elsewhere)
        _ = try archive.snapshot(to: scratch.path + "/copy")
        try FileManager.default.removeItem(atPath: elsewhere)
        _ = try Archive.restore(scratch.path + "/copy", to: scratch.path + "/again")
        let again = try FakeModel.open(scratch.path + "/again")
        #expect(try again.count() == 2)
    }

    @Test func aSnapshotOfWhatIsNotSoundIsRefusedOrSaid() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<30)
        archive.close()
        let digest = ImageStore.digest(try makePNG(0))
        try damage(ImageStore.path(of: digest, in: scratch.archive))
        unlink(ImageStore.path(of: ImageStore.digest(try makePNG(1)), in: scratch.archive))
        let copy = scratch.path + "/copy"
        let summary = try Archive.snapshot(of: scratch.archive, to: copy)
        #expect(summary.lostImageCount == 2 && summary.imageCount == 18)
        let restored = try Archive.restore(copy, to: scratch.path + "/again")
        #expect(restored.lostImageCount == 2 && restored.cases == 30)
        for share in [0.35, 0.6] {
            try damage(scratch.archive + "/data.mdb", at: share)
        }
        #expect(code { _ = try Archive.snapshot(of: scratch.archive, to: scratch.path + "/bad") } == .damaged)
        #expect(code { _ = try Archive.compact(scratch.archive) } == .damaged)
        #expect(try names(scratch.path) == ["again", "archive", "copy"])
    }

    @Test func placesThatAreTakenAreRefused() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<9)
        try scratch.write("other/file", "x")
        let elsewhere = scratch.path + "/copy"
        #expect(code { _ = try archive.snapshot(to: scratch.path + "/other") } == .exists)
        #expect(code { _ = try archive.snapshot(to: scratch.path + "/none/copy") } == .notFound)
        #expect(code { _ = try archive.snapshot(to: scratch.archive + "/copy") } == .badRequest)
        try scratch.write("copy.snapshot-unfinished/mine", "x")
        #expect(code { _ = try archive.snapshot(to: elsewhere) } == .exists)
        #expect(try names(scratch.path + "/copy.snapshot-unfinished") == ["mine"])
        // What an interrupted run left goes.
        try scratch.write("copy.snapshot-unfinished/.hilum-unfinished", "")
        let flag = AtomicFlag()
        flag.raise()
        #expect(code { _ = try archive.snapshot(to: elsewhere, interrupted: flag) } == .io)
        #expect(try names(scratch.path) == ["archive", "other"])
        _ = try archive.snapshot(to: elsewhere)
        #expect(code { _ = try Archive.restore(elsewhere, to: scratch.archive) } == .exists)
        #expect(
            code { _ = try Archive.restore(elsewhere, to: scratch.archive, replaces: true) } == .busy(holder: getpid()))
        #expect(code { _ = try Archive.restore(elsewhere, to: scratch.path + "/other") } == .exists)
        #expect(code { _ = try Archive.restore(elsewhere, to: scratch.path + "/other/file") } == .exists)
        #expect(code { _ = try Archive.restore(elsewhere, to: scratch.path + "/none/archive") } == .notFound)
        #expect(code { _ = try Archive.restore(scratch.path + "/other", to: scratch.path + "/new") } == .notFound)
        try FileManager.default.createDirectory(atPath: scratch.path + "/empty", withIntermediateDirectories: false)
        #expect(try Archive.restore(elsewhere, to: scratch.path + "/empty").cases == 9)
        #expect(try archive.count() == 9)
    }

    @Test func restoringExchangesAnArchiveAndKeepsIt() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<20)
        _ = try archive.snapshot(to: scratch.path + "/copy")
        try store(archive, 20..<50)
        archive.close()
        let restored = try Archive.restore(scratch.path + "/copy", to: scratch.archive, replaces: true)
        #expect(restored.former == scratch.archive + ".before-restore-1")
        let present = try open(scratch.archive, .readWrite)
        let former = try open(scratch.archive + ".before-restore-1", .readWrite)
        #expect(try present.count() == 20 && former.count() == 50)
        present.close()
        #expect(
            try Archive.restore(scratch.path + "/copy", to: scratch.archive, replaces: true).former
                == scratch.archive + ".before-restore-2")
    }

    @Test("A snapshot with one wrong byte is refused, and what stood there stays", arguments: 0..<5)
    func aDamagedSnapshotIsRefused(_ part: Int) throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<20)
        try scratch.write("archive/model/config.json", "{}")
        let copy = scratch.path + "/copy"
        _ = try archive.snapshot(to: copy)
        archive.close()
        let image = ImageStore.path(of: ImageStore.digest(try makePNG(3)), in: copy)
        switch part {
        case 0: try damage(copy + "/data.mdb", at: 0.9)
        case 1: try damage(copy + "/model/config.json")
        case 2: try damage(image)
        case 3: unlink(image)
        default:
            let file = copy + "/" + SnapshotManifest.fileName
            let text = String(decoding: try FileIO.read(file), as: UTF8.self)
            try Data(text.replacing("model/config.json", with: "../../escaped").utf8)
                .write(to: URL(fileURLWithPath: file))
        }
        #expect(code { _ = try Archive.restore(copy, to: scratch.archive, replaces: true) } == .damaged)
        #expect(try names(scratch.path) == ["archive", "copy"])
        #expect(try open(scratch.archive).count() == 20)
    }

    /// A copy for the night before an upgrade: nothing is upgraded on the way.
    @Test func anArchiveOfAnOlderFormatIsCopiedAsItIs() throws {
        let scratch = try Scratch()
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/format-1"
        try FileManager.default.copyItem(atPath: fixture, toPath: scratch.archive)
        let store = try FileIO.digest(scratch.archive + "/data.mdb")
        let summary = try Archive.snapshot(of: scratch.archive, to: scratch.path + "/copy")
        #expect(try FileIO.digest(scratch.archive + "/data.mdb") == store)
        #expect(summary.cases > 0)
        #expect(try SnapshotManifest(of: scratch.path + "/copy").format == 1)
        let restored = try Archive.restore(scratch.path + "/copy", to: scratch.path + "/again")
        #expect(restored.cases == summary.cases)
        let archive = try Archive(path: scratch.path + "/again", mode: .readWrite)
        #expect(try archive.count() == summary.cases && archive.check(deep: true).findings == [])
    }

    @Test func compactingFreesSpaceAndTheBytesOfWhatWasDeleted() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let secret = "zebrafish"
        try archive.put([CaseInput(id: "secret", report: "Small effusion beside the \(secret).")])
        try store(archive, 0..<400)
        let wanted = try hits(archive)
        _ = try archive.delete(id: "secret")
        for index in 100..<400 { _ = try archive.delete(id: "case-\(index)") }
        #expect(code { _ = try Archive.compact(scratch.archive) } == .busy(holder: getpid()))
        archive.close()
        let reader = try open(scratch.archive)
        #expect(code { _ = try Archive.compact(scratch.archive) } != nil, "a reader would go on with the old file")
        reader.close()
        try scratch.write("archive/compact.unfinished/data.mdb", "left by a run that was killed")
        let (before, after) = try Archive.compact(scratch.archive)
        #expect(after * 2 < before, "\(before) \(after)")
        #expect(try Data(FileIO.read(scratch.archive + "/data.mdb")).range(of: Data(secret.utf8)) == nil)
        #expect(try !names(scratch.archive).contains { $0.hasPrefix("compact") })
        let again = try open(scratch.archive, .readWrite)
        #expect(try again.count() == 100 && again.check(deep: true).findings == [])
        #expect(try hits(again).map { $0.first } == wanted.map { $0.first })
        try store(again, 400..<420)
        again.close()
        let last = try open(scratch.archive)
        #expect(try last.count() == 120 && last.check(deep: true).findings == [])
    }

    @Test func anotherProcessThatReadsKeepsAnArchiveFromBeingCompacted() async throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<30)
        archive.close()
        let reader = try open(scratch.archive)
        await #expect(processExitsWith: .success) { [path = scratch.archive as String] in
            let error = #expect(throws: ArchiveError.self) { try Archive.compact(path) }
            #expect(error?.code == .busy(holder: 0))
        }
        #expect(try reader.count() == 30)
        reader.close()
        await #expect(processExitsWith: .success) { [path = scratch.archive as String] in
            _ = try Archive.compact(path)
        }
        #expect(try open(scratch.archive).count() == 30)
    }

    /// Killed while it copies, a snapshot has no name yet, and the next one takes its place.
    @Test func aSnapshotThatIsKilledLeavesNoWholeOne() async throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<30)
        archive.close()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = scratch.path as String] in
            _ = try Archive.snapshot(of: path + "/archive", to: path + "/copy") { done, _ in
                if done == 10 { kill(getpid(), SIGKILL) }
            }
        }
        #expect(try names(scratch.path) == ["archive", "copy.snapshot-unfinished"])
        #expect(try Archive.snapshot(of: scratch.archive, to: scratch.path + "/copy").imageCount == 20)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = scratch.path as String] in
            _ = try Archive.restore(path + "/copy", to: path + "/archive", replaces: true) { done, _ in
                if done == 10 { kill(getpid(), SIGKILL) }
            }
        }
        #expect(try open(scratch.archive).count() == 30)
        #expect(try Archive.restore(scratch.path + "/copy", to: scratch.archive, replaces: true).cases == 30)
        #expect(try names(scratch.path) == ["archive", "archive.before-restore-1", "copy"])
    }

    @Test(
        "Without its key, or with another one, an archive gives no snapshot, and check says so",
        arguments: [PrivacySettings.Deidentification.mask, .require])
    func keys(deidentification: PrivacySettings.Deidentification) throws {
        let scratch = try Scratch()
        try scratch.write("in/a.png", makePNG(1))
        try scratch.write("in/a.txt", "Left effusion.")
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: deidentification))
        let archive = try open(scratch.archive, .readWrite)
        #expect(try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true).stored == 1)
        archive.close()
        let (file, copy) = (scratch.archive + "/log.key", scratch.path + "/copy")
        let key = try FileIO.read(file)
        for other in [nil, [UInt8](repeating: 7, count: 32)] {
            try FileManager.default.removeItem(atPath: file)
            if let other {
                try scratch.write("archive/log.key", other)
                chmod(file, 0o600)
            }
            let error = #expect(throws: ArchiveError.self) { try Archive.snapshot(of: scratch.archive, to: copy) }
            #expect(error?.code == .io && error?.reason.contains("log.key") == true, "\(String(describing: error))")
            #expect(access(copy, F_OK) != 0)
            for isDeep in [false, true] {
                let report = try Archive.check(at: scratch.archive, deep: isDeep)
                #expect(report.findings.count == 1 && report.findings[0].contains("log.key"), "\(report.findings)")
                // Where names are not sealed all the rest is checked.
                #expect(report.cases == (deidentification == .mask ? 1 : 0))
                // Those of an archive that opens are counted by the deep check alone.
                #expect((report.pages > 0) == (isDeep || deidentification != .mask))
            }
            if other == nil { try scratch.write("archive/log.key", []) }
            try FileManager.default.removeItem(atPath: file)
            try scratch.write("archive/log.key", key)
            chmod(file, 0o600)
        }
        #expect(try Archive.check(at: scratch.archive, deep: true).findings == [])
        #expect(try Archive.snapshot(of: scratch.archive, to: copy).cases == 1)
        // As an earlier release may have made it.
        try FileManager.default.removeItem(atPath: copy + "/log.key")
        let manifest = try SnapshotManifest(of: copy)
        let without = SnapshotManifest(
            format: manifest.format, cases: manifest.cases, files: manifest.files.filter { $0.path != "log.key" },
            images: (manifest.imageCount, manifest.imageByteCount), lostImageCount: 0)
        try scratch.write("copy/snapshot.json", without.json.text)
        let again = scratch.path + "/again"
        #expect(try Archive.restore(copy, to: again).cases == 1)
        #expect(Archive.keyFault(of: again)?.contains("log.key is missing") == true)
        #expect(Archive.keyFault(of: scratch.archive) == nil)
        guard deidentification == .mask else { return }
        // Records are compared though the key is missing, where such an archive is checked and where such a snapshot is restored.
        for damaged in [again, copy] {
            let store = try Store(path: damaged, mode: .readWrite, mapSizeInBytes: 64 << 20)
            try store.environment.write { transaction in
                for number in 0...1 { _ = try transaction.delete(store.table(.reports), UInt64(number)) }
            }
            store.environment.close()
        }
        let findings = try Archive.check(at: again, deep: false).findings
        #expect(findings.contains { $0.contains("its report is missing") })
        #expect(findings.last?.contains("log.key is missing") == true, "\(findings)")
        let damaged = SnapshotManifest(
            format: manifest.format, cases: manifest.cases,
            files: try without.files.map { .init($0.path, try FileIO.digest("\(copy)/\($0.path)")) },
            images: (manifest.imageCount, manifest.imageByteCount), lostImageCount: 0)
        try scratch.write("copy/snapshot.json", damaged.json.text)
        let refusal = #expect(throws: ArchiveError.self) { try Archive.restore(copy, to: scratch.path + "/third") }
        #expect(refusal?.code == .damaged && refusal?.reason.contains("its report is missing") == true)
    }

    @Test("A snapshot that is damaged is none to be written to, and one that grew by pages is an archive")
    func damagedSnapshots() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<20)
        let copy = scratch.path + "/copy"
        _ = try archive.snapshot(to: copy)
        archive.close()
        #expect(Archive.isSnapshot(copy) && !Archive.isSnapshot(scratch.archive))
        func refusal() -> String? {
            do { try open(copy, .readWrite).close() } catch { return (error as? ArchiveError)?.reason }
            return nil
        }
        let (manifest, store) = (try FileIO.read(copy + "/snapshot.json"), try FileIO.read(copy + "/data.mdb"))
        for bytes in [[], Array(manifest.prefix(40))] as [[UInt8]] {
            try scratch.write("copy/snapshot.json", bytes)
            #expect(Archive.isSnapshot(copy) && refusal()?.contains("snapshot.json cannot be read") == true)
            #expect(throws: Never.self) { try open(copy).close() }
        }
        try scratch.write("copy/snapshot.json", manifest)
        for bytes in [store + [120], Array(store.dropLast(4096)), Array(store.dropLast(1))] {
            try scratch.write("copy/data.mdb", bytes)
            #expect(Archive.isSnapshot(copy) && refusal()?.contains("hilum restore") == true)
        }
        try scratch.write("copy/data.mdb", store + [UInt8](repeating: 0, count: 4096))
        #expect(!Archive.isSnapshot(copy))
    }
}
