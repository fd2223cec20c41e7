import Foundation
import HilumCore
import Testing

/// A daemon whose disk fails for a while; `Faults/failing-disk.c` is the disk.
@Suite("A disk that fails", .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/cc"), "no C compiler"))
struct DiskFaultTests {
    private func compiled(in scratch: Scratch) throws -> String {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Faults/failing-disk.c").path
        let library = scratch.path("failing-disk.so")
        let compiler = try Program.run(
            ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], program: "/usr/bin/cc")
        try #require(compiler.status == 0, "\(compiler.errors)")
        return library
    }

    @Test(
        "While writes or syncs fail, or room ends at a meta page, changes are refused and reads go on; then all is well again",
        arguments: ["write", "sync", "meta"])
    func transient(fault: String) throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        let faults = scratch.path("faults")
        try FileIO.makeFolder(faults)
        let daemon = try Daemon(
            archive: archive, in: scratch,
            environment: ["LD_PRELOAD": try compiled(in: scratch), "HILUM_TEST_FAULTS": faults])
        let session = try daemon.session()
        func put(_ id: String) throws -> String {
            try #require(try session.ask("PUT id=\(id) report=\"Small left pleural effusion.\"").last)
        }
        #expect(try put("before").hasPrefix("OK "))

        _ = try scratch.write("faults/\(fault)", "")
        for number in 0..<4 {
            let answer = try put("lost-\(number)")
            #expect(answer.hasPrefix("ERR IO "), "\(answer)")
            #expect(try session.ask("GET id=before").last?.hasPrefix("OK") == true)
            #expect(try session.ask("SEARCH text=effusion").count == 2, "one hit and the status")
        }

        try FileManager.default.removeItem(atPath: faults + "/" + fault)
        let end = monotonicSeconds() + 60
        var answer = ""
        while monotonicSeconds() < end {
            answer = try put("after")
            if answer.hasPrefix("OK ") { break }
            usleep(100_000)
        }
        #expect(answer.hasPrefix("OK "), "\(answer)")
        #expect(daemon.isRunning)
        for id in ["before", "after"] { #expect(try session.ask("GET id=\(id)").last?.hasPrefix("OK") == true) }
        #expect(daemon.stop() == 0)
        #expect(!daemon.errors.contains("effusion"))
        let check = try Program.run(["check", archive, "--deep"])
        #expect(check.status == 0, "\(check.errors)")
    }
}
