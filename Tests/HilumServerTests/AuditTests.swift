import Foundation
import HilumCore
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
