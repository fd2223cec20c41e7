import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// The files of images that came as bytes.
@Suite struct KeptImageTests {
    private func rights(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    private func file(_ index: Int, _ scratch: Scratch) throws -> String {
        ImageStore.path(of: ImageStore.digest(try makePNG(index)), in: scratch.archive)
    }

    private func input(_ index: Int, id: String? = nil) throws -> CaseInput {
        CaseInput(id: id ?? "k\(index)", image: .bytes(try makePNG(index)))
    }

    @Test func nobodyElseMayReadThem() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put([input(1)])
        let path = try file(1, scratch)
        #expect(rights(path) & 0o027 == 0 && rights(path) != 0)
        #expect(rights(FilePath.folder(of: path)) == 0o750 && rights(scratch.archive + "/images") == 0o750)
        // Folders and files that were there keep no more rights than that.
        chmod(path, 0o644)
        chmod(scratch.archive + "/images", 0o755)
        chmod(FilePath.folder(of: path), 0o777)
        try archive.put([input(1, id: "other")])
        #expect(rights(path) == 0o640)
        try archive.put([input(2)])
        #expect(rights(scratch.archive + "/images") == 0o750)
    }

    @Test func otherBytesOfTheSameSizeAreNoticed() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put([input(1)])
        let path = try file(1, scratch)
        let bytes = try FileIO.read(path)
        try Data(bytes.reversed()).write(to: URL(fileURLWithPath: path))
        #expect(try !archive.check(deep: true).findings.isEmpty)
        try archive.put([input(1, id: "other")])
        #expect(try FileIO.read(path) == bytes)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func whatIsRefusedLeavesNoFile() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put([input(1)])
        let outcomes = try archive.put([
            CaseInput(id: "bad\nid", image: .bytes(try makePNG(2))), try input(3),
        ])
        #expect(outcomes.count == 2)
        #expect(try access(file(2, scratch), F_OK) != 0)
        #expect(try access(file(3, scratch), F_OK) == 0)
        #expect(try archive.check(deep: true).notes.isEmpty)
        // What a process that was killed before its commit leaves is counted, and is no damage.
        _ = try ImageStore.keep(try makePNG(9), digest: ImageStore.digest(try makePNG(9)), in: scratch.archive)
        let report = try archive.check(deep: true)
        #expect(report.findings == [] && report.notes.contains { $0.hasPrefix("1 files of kept images") })
    }

    @Test func theWritersLockFollowsNoLink() throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive)
        let other = try scratch.write("mine", "not a lock")
        unlink(scratch.archive + "/writer.lock")
        try FileManager.default.createSymbolicLink(atPath: scratch.archive + "/writer.lock", withDestinationPath: other)
        #expect(throws: ArchiveError.self) {
            try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        }
        #expect(try FileIO.read(other) == Array("not a lock".utf8))
    }
}
