import Foundation
import HilumCore
import Synchronization
import Testing

@testable import HilumServer

@Suite("The audit log has a line for each change that a client asked for")
struct AuditTests {
    @Test("it says who asked for what, of which case by its hash, and what came of it; questions leave no line")
    func lines() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/audit.jsonl"
        let names = LogNames(key: Array("key".utf8))
        let log = try AuditLog(path: path, names: names)
        let running = try RunningServer { $0.auditLog = log }
        let client = try running.client()
        for line in [
            "PUT id=doe-jane report=\"pleural effusion\"", "SEARCH text=effusion", "GET id=doe-jane", "REEMBED status",
            "DELETE id=nobody", "DELETE id=doe-jane", "REEMBED pause", "SNAPSHOT to=relative", "DELETE Jane",
        ] { _ = try client.request(line) }
        running.stop()
        let text = String(decoding: try FileIO.read(path), as: UTF8.self)
        for word in ["doe", "jane", "Jane", "effusion", "relative"] { #expect(!text.contains(word), "\(word)") }
        let found = try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
        #expect(
            found.map { $0["verb"]?.string } == ["PUT", "DELETE", "DELETE", "REEMBED pause", "SNAPSHOT", "DELETE"])
        #expect(found[0]["case"]?.string == names.name("doe-jane") && found[0]["outcome"]?.string == "OK")
        #expect(found[1]["outcome"]?.string == "NOTFOUND" && found[2]["outcome"]?.string == "OK")
        #expect(found.last?["outcome"]?.string == "BADREQ" && found.last?["case"] == nil)
        #expect(found.allSatisfy { $0["user"]?.integer == Int(geteuid()) && $0["time"]?.string?.count == 20 })
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    private let peer = Peer(process: 7, user: 1000, group: 1000)

    private func text(_ path: String) throws -> [String] {
        String(decoding: try FileIO.read(path), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("A file that was renamed is written to no more; the next line, or a hangup, begins a new one")
    func rotated() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/audit"
        let log = try AuditLog(path: path, names: LogNames())
        func note() { log.note(Request(verb: "PUT"), peer, nil) }
        note()
        #expect(rename(path, path + ".1") == 0)
        note()
        note()
        #expect(try text(path + ".1").count == 1 && text(path).count == 2)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(rename(path, path + ".2") == 0)
        log.reopen()
        #expect(try text(path).isEmpty && text(path + ".2").count == 2)
        // Nothing can be made there: the old file goes on, and the new place is tried again.
        #expect(rename(path, path + ".3") == 0 && symlink("elsewhere", path) == 0)
        note()
        #expect(try text(path + ".3").count == 1 && log.lostCount == 0)
        #expect(unlink(path) == 0)
        note()
        #expect(try text(path + ".3").count == 1 && text(path).count == 1)
    }

    @Test("A line that was written in part spoils no other, lost lines are counted, and METRICS says how many")
    func fullDisk() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/audit"
        let room = Mutex(Int.max)
        // A disk that has so much room.
        let log = try AuditLog(path: path, names: LogNames()) { descriptor, bytes in
            room.withLock { room in
                let count = min(room, bytes.count)
                guard count > 0 else { return -1 }
                room -= count
                return write(descriptor, bytes, count)
            }
        }
        func note() { log.note(Request(verb: "PUT"), peer, nil) }
        note()
        room.withLock { $0 = 10 }
        for _ in 0..<3 { note() }
        #expect(log.lostCount == 3)
        room.withLock { $0 = 1 }
        note()
        room.withLock { $0 = Int.max }
        for _ in 0..<2 { note() }
        #expect(log.lostCount == 4)
        room.withLock { $0 = 0 }
        note()
        room.withLock { $0 = Int.max }
        let running = try RunningServer { $0.auditLog = log }
        #expect(try running.client().request("PUT id=a report=x").status.isOK)
        let metrics = try running.client().request("METRICS").objects.joined()
        #expect(metrics.contains(#"hilum_audit_lost_total 5\n"#))
        running.stop()
        let lines = try text(path)
        #expect(lines.count == 5, "four whole lines and a piece: \(lines)")
        #expect(lines.count { (try? JSON(parsing: $0)) != nil } == 4)
    }

    @Test("a link, a folder and a pipe are refused")
    func places() throws {
        let folder = try TemporaryFolder()
        try folder.write("file", "")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: folder.path + "/file")
        #expect(mkfifo(folder.path + "/pipe", 0o600) == 0)
        for name in ["/link", "/pipe", "", "/none/file"] {
            #expect(throws: FileError.self, "\(name)") { try AuditLog(path: folder.path + name, names: LogNames()) }
        }
    }
}
