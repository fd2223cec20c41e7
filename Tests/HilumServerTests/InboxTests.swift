import CHilumSystem
import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import Testing

@testable import HilumArchive
@testable import HilumServer

private func stamp(_ number: Int) -> InboxLedger.Stamp {
    InboxLedger.Stamp(byteCount: number, modifiedInNanoseconds: Int64(number), inode: UInt64(number))
}

extension InboxLedger.Arrival {
    /// The case of the files, as the watcher finds it.
    fileprivate var found: SourceCase? {
        var finder = CaseFinder(root: "/in")
        return finder.cases(ofGroup: files).first
    }
    fileprivate var id: String? { found?.id }
    fileprivate var image: String? { found?.imagePaths.first }
    fileprivate var report: String? { found?.reportPath }
}

@Suite struct InboxLedgerTests {
    @Test func aFileCountsOnceItHasBeenStill() {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 0.5)
        ledger.see("/in/a.png", stamp(1), now: 0)
        #expect(ledger.due(now: 0.4, limit: 64).arrivals.isEmpty)
        ledger.see("/in/a.png", stamp(2), now: 0.4)
        #expect(ledger.nextDue == 0.9)
        #expect(ledger.due(now: 0.6, limit: 64).arrivals.isEmpty)
        ledger.see("/in/a.png", stamp(2), now: 0.8)
        let found = ledger.due(now: 0.9, limit: 64).arrivals
        #expect(found.map(\.id) == ["a"])
        #expect(found.first?.image == "/in/a.png" && found.first?.report == nil)
        #expect(ledger.due(now: 9, limit: 64).arrivals.isEmpty)
    }

    @Test func aFileWhoseRightsChangeIsLookedAtAgain() throws {
        let folder = try TemporaryFolder()
        try folder.write("inbox/a.txt", "clear")
        let path = folder.path + "/inbox/a.txt"
        let before = try #require(InboxRun.stamp(of: path))
        usleep(20_000)
        chmod(path, 0o600)
        let after = try #require(InboxRun.stamp(of: path))
        #expect(before != after)
        var ledger = InboxLedger(root: folder.path + "/inbox", stillInSeconds: 0.5)
        ledger.see(path, before, now: 0)
        for arrival in ledger.due(now: 1, limit: 64).arrivals { ledger.finish(arrival, .refused) }
        ledger.see(path, before, now: 2)
        #expect(ledger.nextDue == nil)
        ledger.see(path, after, now: 3)
        #expect(ledger.due(now: 4, limit: 64).arrivals.map(\.id) == ["a"])
    }

    @Test func aCaseThatIsRefusedAsAWholeWaitsForItsOtherFiles() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 0.5)
        for (name, verdict) in [("a", InboxLedger.Verdict.refusedAsCase), ("b", .refused)] {
            ledger.see("/in/\(name).png", stamp(1), now: 0)
            for arrival in ledger.due(now: 1, limit: 64).arrivals { ledger.finish(arrival, verdict) }
            #expect(ledger.nextDue == nil)
            ledger.see("/in/\(name).txt", stamp(1), now: 2)
            let arrival = try #require(ledger.due(now: 3, limit: 64).arrivals.first)
            #expect(arrival.files.count == (name == "a" ? 2 : 1))
        }
    }

    @Test func failuresOfFilesThatHaveLeftAreForgotten() throws {
        let folder = try TemporaryFolder()
        try folder.write("here.txt", "clear")
        let here = folder.path + "/here.txt"
        var memory = InboxMemory()
        #expect(memory.noteFailure(of: [here], [stamp(1)]) == 1)
        for index in 0..<1000 { _ = memory.noteFailure(of: ["\(folder.path)/gone\(index).txt"], [stamp(1)]) }
        #expect(memory.failureCount < 130)
        #expect(memory.noteFailure(of: [here], [stamp(1)]) == 2, "what is there is remembered")
    }

    @Test func aFullInboxIsEmptiedInOrderWithoutALookAtAllOfItForEachBatch() {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 0.5)
        let count = 10_000
        for number in 0..<count { ledger.see("/in/\(number).png", stamp(1), now: 0) }
        var seen: [String] = []
        while let due = ledger.nextDue, due <= 1 {
            let found = ledger.due(now: 1, limit: 64).arrivals
            #expect(!found.isEmpty && found.count <= 64)
            for arrival in found {
                seen.append(arrival.group)
                ledger.finish(arrival, .taken)
            }
        }
        #expect(seen.count == count && seen == seen.sorted() && Set(seen).count == count)
        // Each batch a look would be 785,000.
        #expect(ledger.lookCount <= 10 * count, "\(ledger.lookCount) looks")
    }

    @Test func aManifestThatComesLaterGoesBeforeTheFilesThatWait() {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 0.5)
        for number in 0..<2_000 { ledger.see("/in/\(number).png", stamp(1), now: 0) }
        #expect(ledger.due(now: 1, limit: 10).arrivals.count == 10)
        ledger.see("/in/cases.csv", stamp(1), now: 1)
        #expect(ledger.due(now: 1.2, limit: 10).arrivals.allSatisfy { $0.manifest == nil })
        #expect(ledger.due(now: 1.6, limit: 10).arrivals.first?.manifest?.path == "cases.csv")
    }

    @Test func aFileThatChangesWhileItIsQueuedWaitsUntilItIsStill() {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 0.5)
        for number in 0..<200 { ledger.see("/in/\(1_000 + number).png", stamp(1), now: 0) }
        let first = ledger.due(now: 1, limit: 10).arrivals
        ledger.see("/in/1010.png", stamp(2), now: 1)
        ledger.lose("/in/1011.png")
        #expect(ledger.due(now: 1.1, limit: 10).arrivals.first?.files.first?.path == "1012.png")
        for arrival in first { ledger.finish(arrival, .taken) }
        var rest: [String] = []
        while let due = ledger.nextDue, due <= 2 {
            rest += ledger.due(now: 2, limit: 10).arrivals.flatMap { $0.files.map(\.path) }
        }
        #expect(rest.contains("1010.png") && !rest.contains("1011.png") && rest.count == 179)
    }

    @Test func imageAndReportOfOneStemAreOneCase() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/images/a.png", stamp(1), now: 0)
        ledger.see("/in/reports/a.txt", stamp(2), now: 0.8)
        #expect(ledger.due(now: 1.5, limit: 64).arrivals.isEmpty)
        let found = try #require(ledger.due(now: 1.8, limit: 64).arrivals.first)
        #expect(found.image == "/in/images/a.png" && found.report == "/in/reports/a.txt")
    }

    @Test func filesOfOneStudyAreOneArrivalWithTheTextThatWasThereFirst() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/b/IM2.txt", stamp(1), now: 0)
        let text = try #require(ledger.due(now: 1, limit: 64).arrivals.first)
        ledger.finish(text, .taken)
        ledger.see("/in/a/IM1.dcm", stamp(2), now: 2) { _ in FileGlance(study: "1.2") }
        let first = try #require(ledger.due(now: 3, limit: 64).arrivals.first)
        #expect(first.files.map(\.path) == ["a/IM1.dcm"])
        ledger.finish(first, .taken)
        ledger.see("/in/b/IM2.dcm", stamp(3), now: 4) { _ in FileGlance(study: "1.2") }
        let second = try #require(ledger.due(now: 5, limit: 64).arrivals.first)
        #expect(second.files.map(\.path) == ["a/IM1.dcm", "b/IM2.dcm", "b/IM2.txt"])
        ledger.finish(second, .taken)
        #expect(StudyGroups.study(ofGroup: second.group) == "1.2")
        ledger.lose("/in/b/IM2.dcm")
        #expect(ledger.due(now: 9, limit: 64).arrivals.isEmpty)
    }

    @Test func aTextThatTwoStudiesCameToShareIsOfferedByItselfAndSoIsTheFirstStudy() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/w/report.txt", stamp(1), now: 0)
        ledger.see("/in/w/A/IM1.dcm", stamp(2), now: 0) { _ in FileGlance(study: "1.2") }
        let first = try #require(ledger.due(now: 1, limit: 64).arrivals.first)
        #expect(first.files.map(\.path) == ["w/A/IM1.dcm", "w/report.txt"])
        ledger.finish(first, .taken)
        ledger.see("/in/w/B/IM1.dcm", stamp(3), now: 2) { _ in FileGlance(study: "1.3") }
        let arrivals = ledger.due(now: 3, limit: 64).arrivals
        #expect(
            Set(arrivals.map { $0.files.map(\.path) }) == [["w/A/IM1.dcm"], ["w/B/IM1.dcm"], ["w/report.txt"]])
    }

    @Test func aReportThatArrivesLaterUpdatesTheCase() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        let first = try #require(ledger.due(now: 1, limit: 64).arrivals.first)
        ledger.finish(first, .taken)
        ledger.see("/in/a.txt", stamp(2), now: 5)
        let second = try #require(ledger.due(now: 6, limit: 64).arrivals.first)
        #expect(second.image == "/in/a.png" && second.report == "/in/a.txt")
    }

    @Test func aRefusedFileWaitsForAChange() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        ledger.finish(try #require(ledger.due(now: 1, limit: 64).arrivals.first), .refused)
        ledger.see("/in/a.png", stamp(1), now: 2)
        #expect(ledger.nextDue == nil)
        // A report for it is taken without the image that was refused.
        ledger.see("/in/a.txt", stamp(2), now: 2)
        let report = try #require(ledger.due(now: 3, limit: 64).arrivals.first)
        #expect(report.image == nil && report.report == "/in/a.txt")
        ledger.finish(report, .taken)
        ledger.see("/in/a.png", stamp(3), now: 4)
        let image = try #require(ledger.due(now: 5, limit: 64).arrivals.first)
        #expect(image.image == "/in/a.png" && image.report == "/in/a.txt")
    }

    @Test func filesRefusedTogetherComeBackTogether() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        ledger.see("/in/a.txt", stamp(2), now: 0)
        ledger.finish(try #require(ledger.due(now: 1, limit: 64).arrivals.first), .refused)
        #expect(ledger.nextDue == nil)
        ledger.see("/in/a.png", stamp(3), now: 2)
        let pair = try #require(ledger.due(now: 3, limit: 64).arrivals.first)
        #expect(pair.image == "/in/a.png" && pair.report == "/in/a.txt")
        ledger.finish(pair, .refused)
        // Without the one that may be at fault, the other is tried alone.
        ledger.lose("/in/a.png")
        let rest = try #require(ledger.due(now: 4, limit: 64).arrivals.first)
        #expect(rest.image == nil && rest.report == "/in/a.txt")
    }

    @Test func aPassingFailureIsTriedAgain() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        ledger.finish(try #require(ledger.due(now: 1, limit: 64).arrivals.first), .failed(retryAt: 7))
        #expect(ledger.nextDue == 7)
        #expect(ledger.due(now: 7, limit: 64).arrivals.count == 1)
    }

    @Test func aFileThatChangesWhileItIsTakenIsTakenAgain() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        let first = try #require(ledger.due(now: 1, limit: 64).arrivals.first)
        ledger.see("/in/a.png", stamp(2), now: 1.1)
        ledger.finish(first, .taken)
        #expect(ledger.due(now: 2.2, limit: 64).arrivals.first?.stamps["a.png"] == stamp(2))
    }

    @Test func twoImagesOfOneNameAreTwoCases() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/p1/x.png", stamp(1), now: 0)
        ledger.finish(try #require(ledger.due(now: 1, limit: 64).arrivals.first), .taken)
        ledger.see("/in/a/x.png", stamp(2), now: 2)
        ledger.see("/in/b/x.txt", stamp(3), now: 2)
        let (arrivals, refusals) = ledger.due(now: 3, limit: 64)
        #expect(arrivals.map(\.id) == ["a/x", "b/x"] && arrivals.map(\.image) == ["/in/a/x.png", nil])
        #expect(refusals.isEmpty)
    }

    @Test func foreignFilesAreNamedAndTemporaryOnesIgnored() {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/notes.pdf", stamp(1), now: 0)
        #expect(ledger.due(now: 1, limit: 64).refusals.map(\.path) == ["/in/notes.pdf"])
        #expect(ledger.due(now: 2, limit: 64).refusals.isEmpty)
        for name in [".a.png", "a.png.tmp", "a.PART", "a.png.tmp-12", "a~", ""] {
            #expect(FileRole.reasonToSkip(name) != nil, "\(name)")
        }
        for name in ["a.png", "a", "part.png", "tmp"] { #expect(FileRole.reasonToSkip(name) == nil, "\(name)") }
        #expect(FilePlace(path: "x/a.b.png", role: .image).id == "x/a.b")
        #expect(FileRole(name: "1.2.840.10008.5") == .image)
    }

    @Test func aManifestAnswersForTheFilesOfItsFolder() throws {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/set/images/1.png", stamp(1), now: 0)
        ledger.see("/in/set/cases.jsonl", stamp(2), now: 0.5)
        ledger.see("/in/x.png", stamp(3), now: 0.5)
        let arrivals = ledger.due(now: 2, limit: 64).arrivals
        #expect(arrivals.map { $0.manifest?.path } == ["set/cases.jsonl", nil])
        for arrival in arrivals { ledger.finish(arrival, .taken) }
        // An image that comes later brings the manifest back, not a case of its own.
        ledger.see("/in/set/images/2.png", stamp(4), now: 3)
        #expect(ledger.due(now: 5, limit: 64).arrivals.map { $0.manifest?.path } == ["set/cases.jsonl"])
        // A manifest in the inbox itself answers for what its rows name.
        ledger.see("/in/cases.csv", stamp(5), now: 6)
        let root = try #require(ledger.due(now: 8, limit: 64).arrivals.first)
        ledger.claim(["/in/x.png", "/in/later.png"], for: root.group)
        ledger.finish(root, .taken)
        ledger.see("/in/later.png", stamp(6), now: 9)
        ledger.see("/in/own.png", stamp(7), now: 9)
        #expect(ledger.due(now: 11, limit: 64).arrivals.map { $0.manifest?.path } == ["cases.csv", nil])
        // When the manifest goes, its files are cases again.
        ledger.lose("/in/cases.csv")
        ledger.see("/in/later.png", stamp(8), now: 12)
        #expect(ledger.due(now: 14, limit: 64).arrivals.map(\.id) == ["later", "x"])
    }

    @Test func aFileThatGoesLeavesNothingBehind() {
        var ledger = InboxLedger(root: "/in", stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        ledger.lose("/in/a.png")
        #expect(ledger.nextDue == nil && ledger.paths.isEmpty)
        #expect(ledger.due(now: 5, limit: 64).arrivals.isEmpty)
    }

    @Test func randomComingsAndGoingsEndWithEveryCaseTaken() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<50 {
            var ledger = InboxLedger(root: "/in", stillInSeconds: 0.5)
            var files: [String: InboxLedger.Stamp] = [:]
            var taken: [String: InboxLedger.Stamp] = [:]
            var now = 0.0
            func step(_ ledger: inout InboxLedger) {
                for arrival in ledger.due(now: now, limit: 3).arrivals {
                    if generator.chance(0.2) {
                        ledger.finish(arrival, .failed(retryAt: now + 1))
                    } else {
                        ledger.finish(arrival, .taken)
                        for (path, stamp) in arrival.stamps { taken["/in/" + path] = stamp }
                    }
                }
            }
            for number in 0..<100 {
                now += generator.uniform() * 0.4
                let path = "/in/\(generator.pick(["a", "b", "c"])).\(generator.pick(["png", "txt"]))"
                if generator.chance(0.2) {
                    ledger.lose(path)
                    files[path] = nil
                } else {
                    files[path] = stamp(number)
                    ledger.see(path, stamp(number), now: now)
                }
                step(&ledger)
            }
            for _ in 0..<100 {
                now += 1
                step(&ledger)
            }
            for (path, stamp) in files { #expect(taken[path] == stamp) }
            #expect(ledger.nextDue == nil)
        }
    }
}

@Suite struct InboxSightTests {
    @Test func aFileIsGoneOnlyOnTheDeviceWhereItWas() throws {
        let folder = try TemporaryFolder()
        try folder.write("in/a.txt", "a")
        try folder.write("in/b/deep/c.txt", "c")
        var status = stat()
        try #require(lstat(folder.path + "/in", &status) == 0)
        let device = UInt64(status.st_dev)
        var sight = InboxSight(root: folder.path + "/in")
        #expect(!sight.isGone(folder.path + "/in/a.txt") && sight.isGone(folder.path + "/in/b/x.txt"))
        // A file where a folder is looked for is no proof.
        #expect(!sight.isGone(folder.path + "/in/a.txt/x"))
        // What is mounted in the folder has gone away with its files.
        sight.saw(folder.path + "/in/b/deep", device: device &+ 1)
        #expect(!sight.isGone(folder.path + "/in/b/deep/x.txt"))
        try FileManager.default.removeItem(atPath: folder.path + "/in/b/deep")
        #expect(!sight.isGone(folder.path + "/in/b/deep/c.txt"))
        sight.saw(folder.path + "/in/b/deep", device: device)
        #expect(sight.isGone(folder.path + "/in/b/deep/c.txt"))
        // Nothing was seen in this folder, and it is empty.
        #expect(!sight.isGone(folder.path + "/in/b/other.txt"))
    }
}

@Suite struct InboxWatcherTests {
    @Test func droppedFilesBecomeCasesWithinTwoSeconds() throws {
        let folder = try TemporaryFolder()
        let inbox = folder.path + "/inbox"
        try folder.write("inbox/early/e1.txt", "effusion")
        // Looking at everything is put off, so that what is found was reported by the kernel.
        let running = try RunningServer(archive: FakeArchive(), inbox: inbox, folder: folder) {
            $0.inbox.rescanInSeconds = 600
        }
        defer { running.stop() }
        let archive = running.archive
        #expect(eventually { archive.get(id: "early/e1") != nil })

        let dropped = monotonicSeconds()
        try folder.write("inbox/new/deep/n1.txt", "left effusion\n")
        try Data([0x89, 1]).write(to: URL(fileURLWithPath: inbox + "/n2.png"))
        try folder.write("inbox/.hidden.txt", "no")
        try folder.write("inbox/half.txt.part", "no")
        try folder.write("inbox/bad.png", "this is no image")
        #expect(eventually { archive.get(id: "new/deep/n1") != nil && archive.get(id: "n2") != nil })
        let seconds = monotonicSeconds() - dropped
        #expect(seconds >= 0.4)
        // The promise is two seconds; machines that run the tests may be busy with other things.
        #expect(seconds < 8)

        // A text that arrives later updates the case.
        try folder.write("inbox/n2.txt", "no effusion")
        #expect(
            eventually { archive.get(id: "n2")?.report == "no effusion" && archive.get(id: "n2")?.hasImage == true })
        // Renamed into place.
        try FileManager.default.moveItem(atPath: inbox + "/half.txt.part", toPath: inbox + "/half.txt")
        #expect(eventually { archive.get(id: "half") != nil })
        #expect(archive.get(id: ".hidden") == nil && archive.get(id: "bad") == nil)
        // Searchable over the socket.
        let client = try running.client()
        #expect(try client.request("GET id=new/deep/n1").status.isOK)
        // What was refused is taken once it changes.
        try Data([0x89, 2, 3]).write(to: URL(fileURLWithPath: inbox + "/bad.png"))
        #expect(eventually { archive.get(id: "bad") != nil })
    }

    @Test func filesAreFoundWithoutEventsOfTheKernel() throws {
        let folder = try TemporaryFolder()
        let running = try RunningServer(archive: FakeArchive(), inbox: folder.path + "/inbox", folder: folder) {
            $0.inbox.usesKernelEvents = false
            $0.inbox.rescanInSeconds = 0.05
            $0.inbox.stillInSeconds = 0.05
        }
        defer { running.stop() }
        try folder.write("inbox/a/b/n1.txt", "effusion")
        #expect(eventually { running.archive.get(id: "a/b/n1") != nil })
        try folder.write("inbox/a/b/n1.txt", "no effusion")
        #expect(eventually { running.archive.get(id: "a/b/n1")?.report == "no effusion" })
    }

    @Test func aTimeFarOffIsATimeLikeAnyOther() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.txt", "effusion")
        var times = [timespec(tv_sec: 10_000_000_000, tv_nsec: 7), timespec(tv_sec: 10_000_000_000, tv_nsec: 7)]
        try #require(utimensat(AT_FDCWD, folder.path + "/a.txt", &times, 0) == 0)
        let far = try #require(InboxRun.stamp(of: folder.path + "/a.txt"))
        times[1].tv_nsec = 8
        try #require(utimensat(AT_FDCWD, folder.path + "/a.txt", &times, 0) == 0)
        #expect(InboxRun.stamp(of: folder.path + "/a.txt") != far)
    }

    @Test func aFullDiskIsWaitedFor() throws {
        let folder = try TemporaryFolder()
        let archive = FakeArchive()
        archive.state.withLock { $0.isDiskFull = true }
        let running = try RunningServer(archive: archive, inbox: folder.path + "/inbox", folder: folder) {
            $0.inbox.stillInSeconds = 0.05
            $0.inbox.retryInSeconds = 0.05
        }
        defer { running.stop() }
        try folder.write("inbox/a.txt", "effusion")
        let client = try running.client()
        #expect(try client.request("PUT id=b report=x").status.code == .io)
        archive.state.withLock { $0.isDiskFull = false }
        #expect(eventually { archive.get(id: "a") != nil })
    }
}

/// An inbox over an archive on disk.
@Suite struct InboxArchiveTests {
    private func serve(
        _ folder: TemporaryFolder, missing: MissingFileRule = .keep,
        configure: (inout ServerConfiguration) -> Void = { _ in }, _ body: (Archive, Client) throws -> Void
    ) throws { try serveInbox(folder, missing: missing, configure: configure, body) }

    @Test func aDeletedCaseStaysDeletedUntilItsFileChanges() throws {
        let folder = try TemporaryFolder()
        try folder.write("inbox/a.txt", "effusion")
        try folder.write("inbox/b.txt", "nodule")
        try serve(folder) { archive, client in
            #expect(eventually { isThere(archive, "a") && isThere(archive, "b") })
            let reply = try client.request("DELETE id=a")
            #expect(reply.status.isOK)
        }
        try serve(folder) { archive, _ in
            // A file that is new shows that the inbox was read.
            try folder.write("inbox/c.txt", "clear")
            #expect(eventually { isThere(archive, "c") })
            #expect(!isThere(archive, "a") && isThere(archive, "b"))
            try folder.write("inbox/a.txt", "effusion, as before")
            #expect(eventually { isThere(archive, "a") })
        }
    }

    @Test func aDeletedCaseStaysDeletedWhoeverStoredItLast() throws {
        let folder = try TemporaryFolder()
        try folder.write("data/b.txt", "nodule")
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: PixelEmbedder())
        #expect(try BulkIndexer(archive: archive).run(sources: [folder.path + "/data"], isQuiet: true).stored == 1)
        archive.close()
        try folder.write("inbox/a.txt", "effusion")
        // The same case as the indexed one.
        try folder.write("inbox/b.txt", "nodule")
        try serve(folder) { archive, client in
            try folder.write("inbox/c.txt", "clear")
            #expect(eventually { isThere(archive, "a") && isThere(archive, "c") })
            #expect(try client.request("PUT id=a report=\"corrected\"").status.isOK)
            for id in ["a", "b"] { #expect(try client.request("DELETE id=\(id)").status.isOK) }
        }
        try serve(folder) { archive, _ in
            try folder.write("inbox/d.txt", "clear")
            #expect(eventually { isThere(archive, "d") })
            #expect(!isThere(archive, "a") && !isThere(archive, "b"))
        }
    }

    @Test func anAddendumUpdatesTheReportThoughTheImageHasLeft() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/x.png", 100)
        try folder.write("inbox/x.txt", "first report")
        try serve(folder) { archive, _ in
            #expect(eventually { (try? archive.get(id: "x")?.hasReport) == true })
            let digest = try archive.get(id: "x")?.images.first?.digest
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/x.png")
            try folder.write("inbox/x.txt", "first report. ADDENDUM: a nodule")
            #expect(eventually { (try? archive.get(id: "x")?.report)?.hasSuffix("a nodule") == true })
            let record = try #require(try archive.get(id: "x"))
            #expect(record.images.map(\.digest) == [digest] && record.source == folder.path + "/inbox/x")
            #expect(try archive.check(deep: true).missing.map(\.id) == ["x"])
        }
    }

    @Test func aFileOfTheInboxDoesNotTakeOverACaseFromElsewhere() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "data/cases.jsonl", #"{"id":"0001","report":"effusion","patient":"p7","findings":["effusion"]}"#)
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: PixelEmbedder())
        #expect(try BulkIndexer(archive: archive).run(sources: [folder.path + "/data"], isQuiet: true).stored == 1)
        archive.close()
        try writeImage(folder, "inbox/0001.png", 7)
        try serve(folder) { archive, _ in
            try folder.write("inbox/last.txt", "clear")
            #expect(eventually { isThere(archive, "last") })
            let record = try #require(try archive.get(id: "0001"))
            #expect(!record.hasImage && record.fields.patient == "p7" && record.report == "effusion")
        }
    }

    @Test func theInboxAndIndexGiveTheSameIDs() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/ward/7.png", 1)
        try folder.write("inbox/ward/7.txt", "clear")
        try writeImage(folder, "inbox/images/a.png", 2)
        try folder.write("inbox/reports/a.txt", "clear too")
        try writeImage(folder, "inbox/set/1.png", 3)
        try folder.write("inbox/set/cases.jsonl", #"{"id":"s-1","image":"1.png","patient":"p1"}"#)
        try serve(folder) { archive, _ in
            #expect(eventually { (try? archive.stats().cases) == 3 && isThere(archive, "s-1") })
            for id in ["ward/7", "images/a"] {
                let record = try archive.get(id: id)
                #expect(record?.hasImage == true && record?.hasReport == true, "\(id)")
            }
        }
        let archive = try Archive(path: folder.path + "/archive", mode: .readWrite, embedder: PixelEmbedder())
        defer { archive.close() }
        let summary = try BulkIndexer(archive: archive).run(sources: [folder.path + "/inbox"], isQuiet: true)
        #expect(summary.unchanged == 3 && summary.stored == 0 && summary.replaced == 0 && summary.refused == [])
    }

    @Test("A row of a manifest in the inbox names no file elsewhere, unless below a root", arguments: [false, true])
    func rowsReadBelowTheInbox(isRoot: Bool) throws {
        let folder = try TemporaryFolder()
        let secret = folder.path + "/secret"
        try folder.write("secret/note.txt", "pleural effusion")
        try writeImage(folder, "secret/1.png", 3)
        let rows = [
            #"{"id":"text","report_file":"\#(secret)/note.txt"}"#,
            #"{"id":"up","report_file":"../../secret/note.txt"}"#,
            #"{"id":"image","image":"\#(secret)/1.png","report":"clear"}"#, #"{"id":"own","report":"clear"}"#,
        ]
        try folder.write("inbox/set/cases.jsonl", rows.joined(separator: "\n") + "\n")
        try serveInbox(folder, configure: { $0.imageRoots = isRoot ? [secret] : [] }) { archive, client in
            #expect(eventually { isThere(archive, "own") })
            let metrics = try client.request("METRICS").objects.joined()
            #expect(metrics.contains("hilum_inbox_refused_total \(isRoot ? 0 : 3)"), "\(metrics)")
            for id in ["text", "up", "image"] { #expect(isThere(archive, id) == isRoot, "\(id)") }
        }
    }

    @Test("Below a fenced folder no link is followed and no path leads out, whoever put it there and when")
    func fence() throws {
        let folder = try TemporaryFolder()
        let inbox = folder.path + "/inbox"
        try folder.write("secret/note.txt", "secret")
        try folder.write("inbox/a/note.txt", "own")
        try FileManager.default.createSymbolicLink(atPath: inbox + "/b", withDestinationPath: folder.path + "/secret")
        try FileManager.default.createSymbolicLink(
            atPath: inbox + "/c.txt", withDestinationPath: folder.path + "/secret/note.txt")
        FencedFolders.add(inbox) { hilum_open_beneath($0, $1) }
        #expect(try FileIO.read(inbox + "/a/note.txt") == Array("own".utf8))
        #expect(FileHead.read(inbox + "/a/note.txt", byteCount: 2) == Array("ow".utf8))
        for path in ["/b/note.txt", "/c.txt", "/a/../../secret/note.txt"] {
            #expect(throws: FileError.self, "\(path)") { try FileIO.read(inbox + path) }
            #expect(FileHead.read(inbox + path, byteCount: 2) == nil, "\(path)")
        }
        FencedFolders.remove(inbox)
        #expect(try FileIO.read(inbox + "/c.txt") == Array("secret".utf8), "as before")
    }

    @Test(arguments: [[true], [true, false], [false, true]])
    func aManifestBesideItsImagesAnswersForThemInEitherOrder(manifestTurns: [Bool]) throws {
        let folder = try TemporaryFolder()
        let row = #"{"id":"x","image":"x.png","report":"clear","patient":"p1"}"# + "\n"
        func writeFiles() throws {
            try writeImage(folder, "inbox/x.png", 1)
            try writeImage(folder, "inbox/y.png", 2)
        }
        let rows = row + #"{"id":"other","image":"y.png","patient":"p2"}"# + "\n"
        // At once, the manifest first, or the images first.
        if manifestTurns.count == 1 { try writeFiles() }
        if manifestTurns[0] { try folder.write("inbox/cases.jsonl", rows) } else { try writeFiles() }
        try serve(folder) { archive, _ in
            if manifestTurns.count == 2 {
                try folder.write("inbox/first.txt", "clear")
                #expect(eventually { isThere(archive, "first") && (manifestTurns[0] || isThere(archive, "y")) })
                if manifestTurns[0] { try writeFiles() } else { try folder.write("inbox/cases.jsonl", rows) }
            }
            #expect(
                eventually {
                    let known = try? archive.get(id: "x")
                    return known?.hasImage == true && known?.fields.patient == "p1" && isThere(archive, "other")
                        && !isThere(archive, "y")
                })
            #expect(try archive.get(id: "x")?.source == folder.path + "/inbox/cases.jsonl#x")
            #expect(try archive.get(id: "x")?.report == "clear" && archive.check(deep: true).findings == [])
        }
    }

    @Test func theSecondRowOfOneIDIsRefusedAndNamesTheFirst() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/inbox/cases.jsonl"
        try folder.write(
            "inbox/cases.jsonl",
            #"{"id":"a","report":"clear"}"# + "\n" + #"{"id":"b","report":"mass"}"# + "\n"
                + #"{"id":"a","report":"nodule"}"# + "\n")
        let rows = try CaseFinder.rows(of: path, root: folder.path + "/inbox")
        #expect(rows.cases.map(\.id) == ["a", "b"] && rows.refused.map(\.source) == [path + ":3"])
        #expect(rows.refused.first?.reason.contains("\(path):1 ") == true)
        try serve(folder) { archive, _ in
            #expect(eventually { isThere(archive, "b") })
            let known = try archive.get(id: "a")
            #expect(known?.report == "clear")
        }
    }

    @Test func theImageOfARefusedRowBecomesNoCase() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/x.png", 1)
        try writeImage(folder, "inbox/y.png", 2)
        try writeImage(folder, "inbox/z.png", 3)
        let rows = [
            #"{"id":"a","image":"x.png","report":"clear"}"#, #"{"id":"a","image":"y.png","report":"mass"}"#,
            #"{"image":"z.png","report":7,"id":""}"#,
        ]
        try folder.write("inbox/cases.jsonl", rows.joined(separator: "\n") + "\n")
        for _ in 0..<2 {
            try serve(folder) { archive, _ in
                #expect(eventually { isThere(archive, "a") && isThere(archive, "z") })
                try folder.write("inbox/later.txt", "clear")
                #expect(eventually { isThere(archive, "later") })
                #expect(!isThere(archive, "y") && !isThere(archive, "x"))
                #expect(try archive.stats().cases == 3)
            }
        }
    }

    @Test func aReportWhoseImageHasLeftStaysWithItsCase() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/images/1.png", 1)
        try folder.write("inbox/reports/1.txt", "clear")
        try serve(folder) { archive, _ in
            #expect(eventually { (try? archive.get(id: "images/1"))?.hasReport == true })
        }
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/images/1.png")
        for report in ["clear", "a mass", "a mass"] {
            try folder.write("inbox/reports/1.txt", report)
            try serve(folder) { archive, _ in
                try folder.write("inbox/other.txt", "an effusion and \(report)")
                #expect(eventually { (try? archive.get(id: "other"))?.report == "an effusion and \(report)" })
                #expect(eventually { (try? archive.get(id: "images/1"))?.report == report })
                #expect(!isThere(archive, "reports/1"))
                let known = try archive.get(id: "images/1")
                #expect(known?.hasImage == true)
                // What is stored is counted a moment later.
                #expect(eventually { (try? archive.stats().cases) == 2 })
            }
        }
        // A case of the same place from elsewhere takes no report of the inbox.
        try folder.write("inbox/reports/2.txt", "clear")
        try serve(folder) { archive, _ in #expect(eventually { isThere(archive, "reports/2") }) }
    }

    @Test func theImagesOfAManifestThatHasLeftAreNoCasesOfTheirOwn() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/x.png", 1)
        try writeImage(folder, "inbox/free.png", 3)
        try folder.write("inbox/cases.jsonl", #"{"id":"other","image":"x.png","report":"clear","patient":"p1"}"#)
        try serve(folder) { archive, _ in
            #expect(eventually { isThere(archive, "other") && isThere(archive, "free") })
            #expect(!isThere(archive, "x"))
        }
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/cases.jsonl")
        for _ in 0..<2 {
            try serve(folder) { archive, _ in
                try folder.write("inbox/later.txt", "clear")
                #expect(eventually { isThere(archive, "later") })
                #expect(try !isThere(archive, "x") && archive.stats().cases == 3)
                #expect(try archive.get(id: "other")?.fields.patient == "p1")
            }
        }
    }

    @Test(arguments: [true, false]) func theInboxReadsReportsInXMLAsIndexDoes(imagesComeFirst: Bool) throws {
        let folder = try TemporaryFolder()
        func writeImages() throws {
            try writeImage(folder, "inbox/png/CXR1_1.png", 1)
            try writeImage(folder, "inbox/png/CXR1_2.png", 2)
        }
        if imagesComeFirst { try writeImages() }
        try serve(folder) { archive, _ in
            if imagesComeFirst {
                #expect(eventually { isThere(archive, "png/CXR1_1") && isThere(archive, "png/CXR1_2") })
            }
            try folder.write(
                "inbox/ecgen-radiology/1.xml",
                """
                <eCitation><AbstractText Label="FINDINGS">Small left effusion.</AbstractText>
                <MeSH><major>Pleural Effusion/left</major></MeSH><parentImage id="CXR1_1"/><parentImage id="CXR1_2"/></eCitation>
                """)
            #expect(eventually { isThere(archive, "ecgen-radiology/1") })
            if !imagesComeFirst { try writeImages() }
            #expect(eventually { (try? archive.get(id: "ecgen-radiology/1"))?.images.count == 2 })
            #expect(eventually { (try? archive.stats().cases) == 1 })
            let known = try archive.get(id: "ecgen-radiology/1")
            #expect(known?.report == "FINDINGS: Small left effusion." && known?.fields.findings == ["pleural effusion"])
            try folder.write("inbox/note.xml", "<note>no report</note>")
            #expect(!eventually(within: 1) { isThere(archive, "note") })
        }
        // The XML leaves, now or while no daemon runs: its images are no cases.
        let markup = folder.path + "/inbox/ecgen-radiology/1.xml"
        let text = try String(contentsOfFile: markup, encoding: .utf8)
        if imagesComeFirst { try FileManager.default.removeItem(atPath: markup) }
        try serve(folder) { archive, _ in
            if !imagesComeFirst { try FileManager.default.removeItem(atPath: markup) }
            try folder.write("inbox/later.txt", "nodule")
            #expect(eventually { isThere(archive, "later") })
            try writeImage(folder, "inbox/png/CXR1_1.png", 1)
            #expect(!eventually(within: 1) { isThere(archive, "png/CXR1_1") })
            #expect(try archive.stats().cases == 2)
            #expect(try archive.get(id: "ecgen-radiology/1")?.images.count == 2)
            #expect(try archive.delete(id: "later"))
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/later.txt")
        }
        try folder.write("inbox/ecgen-radiology/1.xml", text)
        let archive = try Archive(path: folder.path + "/archive", mode: .readWrite, embedder: PixelEmbedder())
        defer { archive.close() }
        let summary = try BulkIndexer(archive: archive).run(sources: [folder.path + "/inbox"], isQuiet: true)
        #expect(summary.unchanged == 1 && summary.stored == 0 && summary.replaced == 0 && summary.refused == [])
    }

    @Test("A report goes to no other patient, whichever file comes first", .enabled(if: decodesDICOM, "without GDCM"))
    func twoPatientsInOneFolder() throws {
        let folder = try TemporaryFolder()
        try folder.write("inbox/w/report.txt", "Left effusion.")
        try write(folder, "inbox/w/A/IM1.dcm", film(1, study: "1.2", patient: "ALICE"))
        try serve(folder) { archive, _ in
            #expect(eventually { (try? archive.get(id: "1.2"))?.hasReport == true })
            // The text is said to be of either now, so it is of neither.
            try write(folder, "inbox/w/B/IM1.dcm", film(2, study: "1.3", patient: "BOB"))
            #expect(eventually { isThere(archive, "1.3") && (try? archive.get(id: "1.2"))?.hasReport == false })
            #expect(eventually { (try? archive.get(id: "w"))?.report == "Left effusion." })
            #expect(try archive.get(id: "1.3")?.hasReport == false && archive.stats().cases == 3)
            #expect(try archive.get(id: "1.2")?.fields.patient != archive.get(id: "1.3")?.fields.patient)
        }
    }

    @Test("Another patient's file of the same name brings its own fields", .enabled(if: decodesDICOM, "without GDCM"))
    func anotherPatientOfTheSameName() throws {
        let folder = try TemporaryFolder()
        try write(folder, "inbox/d/IM1.dcm", film(1, study: nil, patient: "ALICE"))
        try folder.write("inbox/d/IM1.txt", "Left effusion.")
        try serve(folder) { archive, _ in
            #expect(eventually { (try? archive.get(id: "d/IM1"))?.hasReport == true })
            let first = try #require(try archive.get(id: "d/IM1"))
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/d/IM1.txt")
            try write(folder, "inbox/d/IM1.dcm", film(2, study: nil, patient: "BOB", date: "20240909"))
            #expect(eventually { (try? archive.get(id: "d/IM1"))?.fields.date == "2024-09-09" })
            let second = try #require(try archive.get(id: "d/IM1"))
            #expect(second.fields.patient != first.fields.patient && !second.hasReport)
        }
    }

    @Test("A study stays as long as one of its files does", .enabled(if: decodesDICOM, "without GDCM"))
    func aStudyGoesWithTheLastOfItsFiles() throws {
        let folder = try TemporaryFolder()
        try write(folder, "inbox/s/IM1.dcm", film(1, study: "1.2", patient: "ALICE"))
        try folder.write("inbox/s/IM1.txt", "Left effusion.")
        try folder.write("inbox/x.txt", "nodule")
        try serve(folder, missing: .delete) { archive, _ in
            #expect(eventually { (try? archive.get(id: "1.2"))?.hasReport == true && isThere(archive, "x") })
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/s/IM1.dcm")
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/x.txt")
            #expect(eventually { !isThere(archive, "x") })
            #expect(isThere(archive, "1.2"), "its text is still there")
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/s/IM1.txt")
            #expect(eventually { !isThere(archive, "1.2") })
        }
    }

    @Test func aRowThatCannotBeReadTakesItsImageAlong() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "inbox/cases.jsonl", #"{"id":"a","report":"clear"}"# + "\n" + #"{"id":"b","image":"c.png" "report":"x"}"#)
        try writeImage(folder, "inbox/c.png", 5)
        try writeImage(folder, "inbox/d.png", 6)
        try serve(folder) { archive, _ in
            #expect(eventually { isThere(archive, "a") && isThere(archive, "d") })
            #expect(!eventually(within: 1) { isThere(archive, "c") })
        }
    }

    @Test func theLogSaysNeitherTheTextOfATableNorTheSourceOfAnotherCase() throws {
        let folder = try TemporaryFolder()
        try folder.write("data/Doe John.txt", "nodule")
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: PixelEmbedder())
        #expect(try BulkIndexer(archive: archive).run(sources: [folder.path + "/data"], isQuiet: true).stored == 1)
        archive.close()
        try folder.write("inbox/Doe John.txt", "another report")
        try folder.write("inbox/cases.csv", "p1,\"Doe, John: a mass\"\np2,clear\n")
        let names = LogNames(key: Array("key".utf8))
        // The file remembers a line of the log by the hash of what it says.
        func line(_ name: String, _ reason: String) throws -> String {
            let path = folder.path + "/inbox/" + name
            return names.name("\([path]) \([try #require(InboxRun.stamp(of: path))]) \(reason)")
        }
        let expected = [
            try line("Doe John.txt", InboxLog.isElsewhere), try line("cases.csv", InboxLog.isNoTable),
        ]
        let memory = folder.path + "/refusals"
        try serve(folder) {
            $0.logNames = names
            $0.refusalMemory = memory
        } _: { archive, _ in
            #expect(
                eventually {
                    let lines = (try? String(contentsOfFile: memory, encoding: .utf8))?.split(separator: "\n") ?? []
                    return lines.map(String.init).sorted() == expected.sorted()
                })
        }
    }

    @Test func theRowsOfAManifestStayAsLongAsItDoes() throws {
        let folder = try TemporaryFolder()
        try folder.write("inbox/set/cases.jsonl", #"{"id":"a#1","report":"clear"}"#)
        try folder.write("inbox/x.txt", "nodule")
        try serve(folder, missing: .delete) { archive, _ in
            #expect(eventually { isThere(archive, "a#1") && isThere(archive, "x") })
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/x.txt")
            #expect(eventually { !isThere(archive, "x") })
            #expect(isThere(archive, "a#1"))
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/set/cases.jsonl")
            #expect(eventually { !isThere(archive, "a#1") })
        }
    }

    @Test func aShareThatIsNotMountedTakesNoCaseAlong() throws {
        let folder = try TemporaryFolder()
        try folder.write("inbox/a.txt", "report a")
        try serve(folder, missing: .delete) { archive, _ in
            #expect(eventually { isThere(archive, "a") })
            // What stands for a mount that went away: an empty folder of the same name.
            try FileManager.default.moveItem(atPath: folder.path + "/inbox", toPath: folder.path + "/elsewhere")
            try folder.write("inbox/b.txt", "report b")
            #expect(eventually { isThere(archive, "b") })
            #expect(!eventually(within: 1) { !isThere(archive, "a") }, "its file is only out of sight")
        }
    }

    @Test func onlyWhatTheInboxTookGoesAndOnlyWithTheLastOfItsFiles() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/images/001.png", 3)
        try folder.write("inbox/reports/001.txt", "clear")
        try folder.write("inbox/sub/q.txt", "nodule")
        try folder.write("inbox/x.txt", "effusion")
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: PixelEmbedder())
        // Somebody indexes a folder of the inbox by itself: another source, another id.
        #expect(try BulkIndexer(archive: archive).run(sources: [folder.path + "/inbox/sub"], isQuiet: true).stored == 1)
        archive.close()
        try serve(folder, missing: .delete) { archive, _ in
            #expect(eventually { isThere(archive, "images/001") && isThere(archive, "x") && isThere(archive, "sub/q") })
            // The text of the parallel tree is left.
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/images/001.png")
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/x.txt")
            #expect(eventually { !isThere(archive, "x") })
            #expect(isThere(archive, "images/001") && isThere(archive, "q") && isThere(archive, "sub/q"))
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/reports")
            #expect(eventually { !isThere(archive, "images/001") })
            #expect(isThere(archive, "q"))
        }
    }

    @Test func aFolderThatIsEmptyAtTheStartMayBeAShareThatIsNotMounted() throws {
        let folder = try TemporaryFolder()
        try folder.write("inbox/share/deep/a.txt", "nodule")
        try folder.write("inbox/x.txt", "effusion")
        try folder.write("inbox/y.txt", "clear")
        try serve(folder, missing: .delete) { archive, _ in
            #expect(eventually { isThere(archive, "share/deep/a") && isThere(archive, "x") && isThere(archive, "y") })
        }
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/share/deep")
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/x.txt")
        try serve(folder, missing: .delete) { archive, _ in
            #expect(eventually { !isThere(archive, "x") })
            #expect(isThere(archive, "share/deep/a"))
        }
    }

    @Test func aCaseGoesWithItsFilesWhereThatIsWanted() throws {
        let folder = try TemporaryFolder()
        for name in ["a", "b", "c"] { try folder.write("inbox/\(name).txt", "report \(name)") }
        try writeImage(folder, "inbox/b.png", 9)
        try serve(folder, missing: .delete) { archive, client in
            #expect(try client.request("PUT id=own report=stays").status.isOK)
            #expect(eventually { (try? archive.get(id: "b")?.hasImage) == true && isThere(archive, "c") })
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/a.txt")
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/b.txt")
            #expect(eventually { !isThere(archive, "a") })
            #expect(isThere(archive, "b") && isThere(archive, "own"))
        }
        // What goes while no daemon runs goes at its start, and comes back with its file.
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/c.txt")
        try serve(folder, missing: .delete) { archive, _ in
            #expect(eventually { !isThere(archive, "c") })
            try folder.write("inbox/c.txt", "report c")
            #expect(eventually { isThere(archive, "c") })
        }
        // Where nothing else is said, a case stays.
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/c.txt")
        try serve(folder) { archive, _ in
            try folder.write("inbox/d.txt", "report d")
            #expect(eventually { isThere(archive, "d") })
            #expect(isThere(archive, "c"))
        }
    }
}
