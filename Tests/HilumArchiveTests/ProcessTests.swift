import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// What needs a second process.
@Suite struct ProcessTests {
    private static let variable = "HILUM_TEST_ARCHIVE"

    @Test func aReaderAndARefusedWriterBesideTheWriter() async throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<50)
        setenv(Self.variable, scratch.archive, 1)
        defer { unsetenv(Self.variable) }
        await #expect(processExitsWith: .success) {
            let path = try #require(ProcessInfo.processInfo.environment["HILUM_TEST_ARCHIVE"])
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

    @Test func whatWasAcknowledgedSurvivesAKill() async throws {
        let scratch = try Scratch()
        try scratch.makeArchive().close()
        setenv("HILUM_TEST_KILLED", scratch.archive, 1)
        defer { unsetenv("HILUM_TEST_KILLED") }
        await #expect(processExitsWith: .signal(SIGKILL)) {
            let path = try #require(ProcessInfo.processInfo.environment["HILUM_TEST_KILLED"])
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
}
