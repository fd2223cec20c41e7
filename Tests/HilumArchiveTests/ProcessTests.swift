import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// What needs a second process. A child is given its values by capture: the environment belongs to all tests that run at the time.
@Suite struct ProcessTests {
    @Test func aReaderAndARefusedWriterBesideTheWriter() async throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<50)
        await #expect(processExitsWith: .success) { [path = scratch.archive as String] in
            let reader = try Archive(path: path, mode: .readOnly, embedder: FakeEmbedder())
            #expect(try reader.count() == 50)
            #expect(try reader.search(SearchRequest(.text(makeReport(5)))).hits.first?.id == "case-5")
            reader.close()
            let error = #expect(throws: ArchiveError.self) {
                try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder())
            }
            #expect(error?.code == .busy(holder: getppid()))
        }
        try store(archive, 50..<60)
        #expect(try archive.count() == 60)
    }

    /// A child has all descriptors until its exec closes them; a duplicate stands in for it.
    @Test func theLockIsFreeAtOnceThoughAChildStillHasItsDescriptor() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let lock = scratch.archive + "/writer.lock"
        let held = (0..<Int32(4096)).filter { number in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")) == lock
        }
        #expect(held.count == 1)
        let copy = dup(try #require(held.first))
        defer { close(copy) }
        archive.close()
        try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder()).close()
    }

    @Test("A second writer names the first one, also when that has not written its number yet")
    func theNumberOfTheHolderIsWaitedFor() throws {
        let scratch = try Scratch()
        try scratch.makeArchive().close()
        let first = Foundation.open(scratch.archive + "/writer.lock", O_RDWR)
        defer { close(first) }
        #expect(LockAttempt(first) == .taken)
        let writer = Thread {
            usleep(30_000)
            let text = Array("4711\n".utf8)
            _ = pwrite(first, text, text.count, 0)
        }
        writer.start()
        let error = #expect(throws: ArchiveError.self) {
            try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        }
        #expect(error?.code == .busy(holder: 4711))

        let second = Foundation.open(scratch.archive + "/writer.lock", O_RDWR)
        defer { close(second) }
        ftruncate(first, 0)
        #expect(LockAttempt(second) == .held(by: nil), "who never writes a number is not waited for without an end")
        let leaver = Thread {
            usleep(30_000)
            flock(first, LOCK_UN)
        }
        leaver.start()
        #expect(LockAttempt(second) == .taken, "who ends has removed its number already")
    }

    @Test func whatWasAcknowledgedSurvivesAKill() async throws {
        let scratch = try Scratch()
        try scratch.makeArchive().close()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = scratch.archive as String] in
            let archive = try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder())
            try archive.put(makeInputs(0..<100))
            try archive.writeCheckpoint()
            try archive.put(makeInputs(100..<130))
            _ = try archive.delete(id: "case-7")
            kill(getpid(), SIGKILL)
        }
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.count() == 129)
        #expect(try archive.stats().changesSinceCheckpoint > 0)
        #expect(try archive.check(deep: true).findings == [])
        #expect(try recall(archive, queries: 20) >= 0.95)
    }

    /// A checkpoint takes several transactions: here about ten, of 8 KiB. The process is killed after the nth of them.
    @Test("a kill between two transactions of a checkpoint loses nothing", arguments: [1, 2, 3, 5, 7, 9, 11, 13])
    func killInsideACheckpoint(after transactions: Int) async throws {
        let scratch = try Scratch()
        var options = Archive.Options()
        options.vectorsForCodes = 200
        let first = try scratch.makeArchive(options: options)
        try store(first, 0..<400)
        try first.writeCheckpoint()
        first.close()
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = scratch.archive as String, count = UInt64(transactions) as UInt64] in
            var options = Archive.Options()
            options.checkpointGroupByteCount = 8 << 10
            let archive = try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder(), options: options)
            try archive.put(makeInputs(400..<430))
            _ = try archive.delete(id: "case-7")
            let start = try newestTransaction(of: path)
            Thread.detachNewThread {
                while true {
                    if let now = try? newestTransaction(of: path), now >= start + count { kill(getpid(), SIGKILL) }
                }
            }
            try archive.writeCheckpoint()
            // The checkpoint was shorter than that.
            kill(getpid(), SIGKILL)
        }
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.count() == 429)
        #expect(try archive.get(id: "case-7") == nil)
        #expect(try archive.search(SearchRequest(.text(makeReport(411)))).hits.first?.id == "case-411")
        #expect(try archive.check(deep: true).findings == [])
        // What the killed one left is removed by the next checkpoint.
        try archive.writeCheckpoint()
        #expect(try archive.check(deep: true).findings == [])
    }

    /// An upgrade that stops before its last transaction leaves format 1; the next opening upgrades it.
    @Test("a kill inside of an upgrade leaves the older format or the newer one", arguments: [1, 2, 3, 4])
    func killInsideAnUpgrade(after transactions: Int) async throws {
        let scratch = try Scratch()
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/format-1"
        try FileManager.default.copyItem(atPath: fixture, toPath: scratch.archive)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = scratch.archive as String, count = UInt64(transactions) as UInt64] in
            var options = Archive.Options()
            options.checkpointGroupByteCount = 4 << 10
            let start = try newestTransaction(of: path)
            Thread.detachNewThread {
                while true {
                    if let now = try? newestTransaction(of: path), now >= start + count { kill(getpid(), SIGKILL) }
                }
            }
            _ = try Archive(path: path, mode: .readWrite, options: options)
            kill(getpid(), SIGKILL)
        }
        let archive = try Archive(path: scratch.archive, mode: .readWrite)
        #expect(try archive.count() == 23)
        #expect(try archive.stats().formatVersion == 2)
        #expect(try archive.check(deep: true).findings == [])
    }
}
