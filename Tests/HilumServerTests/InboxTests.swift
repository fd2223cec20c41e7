import Foundation
import HilumCore
import Testing

@testable import HilumServer

private func stamp(_ number: Int) -> InboxLedger.Stamp {
    InboxLedger.Stamp(byteCount: number, modifiedInNanoseconds: Int64(number), inode: UInt64(number))
}

@Suite struct InboxLedgerTests {
    @Test func aFileCountsOnceItHasBeenStill() {
        var ledger = InboxLedger(stillInSeconds: 0.5)
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

    @Test func imageAndReportOfOneStemAreOneCase() throws {
        var ledger = InboxLedger(stillInSeconds: 1)
        ledger.see("/in/images/a.png", stamp(1), now: 0)
        ledger.see("/in/reports/a.txt", stamp(2), now: 0.8)
        #expect(ledger.due(now: 1.5, limit: 64).arrivals.isEmpty)
        let found = try #require(ledger.due(now: 1.8, limit: 64).arrivals.first)
        #expect(found.image == "/in/images/a.png" && found.report == "/in/reports/a.txt")
    }

    @Test func aReportThatArrivesLaterUpdatesTheCase() throws {
        var ledger = InboxLedger(stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        let first = try #require(ledger.due(now: 1, limit: 64).arrivals.first)
        ledger.finish(first, .taken)
        ledger.see("/in/a.txt", stamp(2), now: 5)
        let second = try #require(ledger.due(now: 6, limit: 64).arrivals.first)
        #expect(second.image == "/in/a.png" && second.report == "/in/a.txt")
    }

    @Test func aRefusedFileWaitsForAChange() throws {
        var ledger = InboxLedger(stillInSeconds: 1)
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

    @Test func aPassingFailureIsTriedAgain() throws {
        var ledger = InboxLedger(stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        ledger.finish(try #require(ledger.due(now: 1, limit: 64).arrivals.first), .failed(retryAt: 7))
        #expect(ledger.nextDue == 7)
        #expect(ledger.due(now: 7, limit: 64).arrivals.count == 1)
    }

    @Test func aFileThatChangesWhileItIsTakenIsTakenAgain() throws {
        var ledger = InboxLedger(stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        let first = try #require(ledger.due(now: 1, limit: 64).arrivals.first)
        ledger.see("/in/a.png", stamp(2), now: 1.1)
        ledger.finish(first, .taken)
        #expect(ledger.due(now: 2.2, limit: 64).arrivals.first?.stamps["/in/a.png"] == stamp(2))
    }

    @Test func twoImagesOfOneNameAreNotMixed() throws {
        var ledger = InboxLedger(stillInSeconds: 1)
        ledger.see("/in/p1/img.png", stamp(1), now: 0)
        ledger.finish(try #require(ledger.due(now: 1, limit: 64).arrivals.first), .taken)
        ledger.see("/in/a/img.png", stamp(2), now: 2)
        let (arrivals, refusals) = ledger.due(now: 3, limit: 64)
        #expect(arrivals.isEmpty)
        #expect(refusals.map(\.path) == ["/in/a/img.png"])
        #expect(refusals.first?.reason.contains("/in/p1/img.png") == true)
    }

    @Test func foreignFilesAreNamedAndTemporaryOnesIgnored() {
        var ledger = InboxLedger(stillInSeconds: 1)
        ledger.see("/in/notes.pdf", stamp(1), now: 0)
        #expect(ledger.due(now: 1, limit: 64).refusals.map(\.path) == ["/in/notes.pdf"])
        #expect(ledger.due(now: 2, limit: 64).refusals.isEmpty)
        for name in [".a.png", "a.png.tmp", "a.PART", "a.png.tmp-12", "a~", ""] {
            #expect(!InboxLedger.isConsidered(name), "\(name)")
        }
        for name in ["a.png", "a", "part.png", "tmp"] { #expect(InboxLedger.isConsidered(name), "\(name)") }
        #expect(InboxLedger.stem(of: "/x/a.b.png") == "a.b")
        #expect(InboxLedger.role(of: "/x.png/a") == .image)
    }

    @Test func aFileThatGoesLeavesNothingBehind() {
        var ledger = InboxLedger(stillInSeconds: 1)
        ledger.see("/in/a.png", stamp(1), now: 0)
        ledger.lose("/in/a.png")
        #expect(ledger.nextDue == nil && ledger.paths.isEmpty)
        #expect(ledger.due(now: 5, limit: 64).arrivals.isEmpty)
    }

    @Test func randomComingsAndGoingsEndWithEveryCaseTaken() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<50 {
            var ledger = InboxLedger(stillInSeconds: 0.5)
            var files: [String: InboxLedger.Stamp] = [:]
            var taken: [String: InboxLedger.Stamp] = [:]
            var now = 0.0
            func step(_ ledger: inout InboxLedger) {
                for arrival in ledger.due(now: now, limit: 3).arrivals {
                    if generator.chance(0.2) {
                        ledger.finish(arrival, .failed(retryAt: now + 1))
                    } else {
                        ledger.finish(arrival, .taken)
                        for (path, stamp) in arrival.stamps { taken[path] = stamp }
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
        #expect(eventually { archive.get(id: "e1") != nil })

        let dropped = monotonicSeconds()
        try folder.write("inbox/new/deep/n1.txt", "left effusion\n")
        try Data([0x89, 1]).write(to: URL(fileURLWithPath: inbox + "/n2.png"))
        try folder.write("inbox/.hidden.txt", "no")
        try folder.write("inbox/half.txt.part", "no")
        try folder.write("inbox/bad.png", "this is no image")
        #expect(eventually { archive.get(id: "n1") != nil && archive.get(id: "n2") != nil })
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
        #expect(try client.request("GET id=n1").status.isOK)
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
        #expect(eventually { running.archive.get(id: "n1") != nil })
        try folder.write("inbox/a/b/n1.txt", "no effusion")
        #expect(eventually { running.archive.get(id: "n1")?.report == "no effusion" })
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
